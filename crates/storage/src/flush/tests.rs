//! Which memtables are sealed, and which windows a flush makes: pure decisions.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use pulsora_model::partition::{DAY_NS, HOUR_NS, Window};
use pulsora_model::{PartitionWidth, Sequence, TableId};

use super::partition::{Density, Windows, auto_width};
use super::plan::{OpenFigures, Pressure, plan};
use crate::engine::Options;

fn options() -> Options {
    Options {
        flush_age: Duration::from_secs(600),
        flush_bytes: 64 << 20,
        memtable_bytes: 100 << 20,
        ..Options::new("unused")
    }
}

fn open(table: u32, bytes: u64, age_secs: u64, first: u64) -> OpenFigures {
    OpenFigures {
        table: TableId(table),
        bytes,
        age_ns: age_secs * 1_000_000_000,
        first: Sequence(first),
    }
}

/// The tables that are sealed.
fn sealed(open: &[OpenFigures], pressure: Pressure) -> Vec<u32> {
    plan(open, pressure, &options()).into_iter().map(|table| table.0).collect()
}

#[test]
fn memtables_are_sealed_by_size_and_age() {
    let none = Pressure::default();
    assert_eq!(sealed(&[], none), [0; 0]);
    let big = 2 << 20;
    let memtables =
        [open(1, 64 << 20, 0, 1), open(2, (64 << 20) - 1, 599, 1), open(3, big, 600, 1)];
    assert_eq!(sealed(&memtables[1..], none), [3]);
    assert_eq!(sealed(&memtables[..1], none), [1]);
    // Under 1 MiB age counts a sixth.
    let small = (1 << 20) - 1;
    assert_eq!(sealed(&[open(1, small, 3_599, 1), open(2, small, 3_600, 1)], none), [2]);
}

#[test]
fn a_log_that_is_too_large_seals_what_pins_its_oldest_file() {
    let release = Pressure { release_through: Some(Sequence(10)), ..Pressure::default() };
    assert_eq!(sealed(&[open(1, 1, 0, 10), open(2, 1, 0, 11), open(3, 1, 0, 3)], release), [1, 3]);
}

#[test]
fn pressure_seals_the_largest_first_and_no_more_than_needed() {
    let mib = |n: u64| n << 20;
    let memtables = [open(1, mib(30), 0, 1), open(2, mib(50), 0, 1), open(3, mib(40), 0, 1)];
    assert_eq!(sealed(&memtables, Pressure::default()), [2]);
    let waiting = Pressure { sealed_bytes: mib(100), ..Pressure::default() };
    assert_eq!(sealed(&memtables, waiting), [2, 3]);
    assert_eq!(sealed(&memtables[..1], waiting), [0; 0]);
}

const NOW: i64 = 1_700_000_000_000_000_000;

fn density(rows: usize, span_ns: i64, age_ns: i64) -> Density {
    let max_time_ns = NOW - age_ns;
    Density { rows, min_time_ns: max_time_ns - span_ns, max_time_ns, now_ns: NOW }
}

#[test]
fn auto_aims_at_a_million_rows_and_keeps_young_data_narrow() {
    let old = 30 * DAY_NS;
    let cases = [
        (1_000, DAY_NS, old, PartitionWidth::Year),
        (100_000, DAY_NS, old, PartitionWidth::Day),
        (20_000, DAY_NS, old, PartitionWidth::Month),
        (2_000_000, DAY_NS, old, PartitionWidth::Hour),
        (100_000_000, DAY_NS, old, PartitionWidth::Hour),
        (1_000, DAY_NS, 0, PartitionWidth::Day),
        (1_000, DAY_NS, -100 * DAY_NS, PartitionWidth::Day),
        (1, 0, old, PartitionWidth::Year),
    ];
    for (rows, span_ns, age_ns, expected) in cases {
        assert_eq!(auto_width(density(rows, span_ns, age_ns)), expected, "{rows} in {span_ns}");
    }
}

/// The windows that `times` lie in.
fn windows_of(existing: &[Window], width: PartitionWidth, times: &[i64]) -> Vec<Window> {
    let density = Density {
        rows: times.len(),
        min_time_ns: times.iter().copied().min().unwrap_or(0),
        max_time_ns: times.iter().copied().max().unwrap_or(0),
        now_ns: NOW,
    };
    let windows = Windows::cover(existing.iter().copied(), width, density, times.iter().copied());
    let mut found: Vec<Window> =
        times.iter().map(|time| windows.find(*time).expect("every time is covered")).collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn a_flush_over_more_than_512_windows_makes_wider_ones() {
    let hours: Vec<i64> = (0..600).map(|hour| NOW + hour * HOUR_NS).collect();
    assert_eq!(windows_of(&[], PartitionWidth::Hour, &hours[..512]).len(), 512);
    let days = windows_of(&[], PartitionWidth::Hour, &hours);
    assert!(days.iter().all(|window| window.end_ns - window.start_ns == DAY_NS), "{days:?}");
    let years: Vec<i64> = (-280..290).map(|year| year * 365 * DAY_NS).collect();
    assert!(windows_of(&[], PartitionWidth::Hour, &years).len() > 512, "a year is the widest");
}

#[test]
fn a_window_that_exists_is_used_and_new_ones_fit_around_it() {
    let hour = PartitionWidth::Hour.window(NOW);
    let found = windows_of(&[hour], PartitionWidth::Month, &[NOW, NOW + 1]);
    assert_eq!(found, [hour]);
    // The day and the month around hold the hour, so the neighbour is an hour, too.
    let found = windows_of(&[hour], PartitionWidth::Month, &[NOW + HOUR_NS]);
    assert_eq!(found, [PartitionWidth::Hour.window(NOW + HOUR_NS)]);
    let found = windows_of(&[hour], PartitionWidth::Month, &[NOW + 2 * DAY_NS]);
    assert_eq!(found, [PartitionWidth::Day.window(NOW + 2 * DAY_NS)]);
}

fn width() -> impl Strategy<Value = PartitionWidth> {
    prop_oneof![
        Just(PartitionWidth::Auto),
        Just(PartitionWidth::Hour),
        Just(PartitionWidth::Day),
        Just(PartitionWidth::Month),
        Just(PartitionWidth::Year),
    ]
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => (-3_000..3_000i64, 0..HOUR_NS).prop_map(|(hour, ns)| NOW + hour * HOUR_NS + ns),
        2 => any::<i64>(),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0)],
    ]
}

proptest! {
    #[test]
    fn windows_of_many_flushes_never_overlap(
        flushes in vec((width(), vec(time(), 1..40)), 1..6),
    ) {
        let mut known: Vec<Window> = Vec::new();
        for (width, times) in &flushes {
            for window in windows_of(&known, *width, times) {
                prop_assert!(window.start_ns < window.end_ns);
                if !known.contains(&window) {
                    for other in &known {
                        prop_assert!(!other.overlaps(&window), "{other:?} and {window:?}");
                    }
                    known.push(window);
                }
            }
        }
    }
}
