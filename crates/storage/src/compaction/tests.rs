//! What is planned, from figures alone.

use std::time::Duration;

use pulsora_model::partition::{HOUR_NS, Window};
use pulsora_model::{SegmentId, Sequence, TableId};

use super::plan::{Plan, Work, plan_table};
use crate::engine::{ColdFormat, Options};
use crate::segment::{SegmentFormat, SegmentMeta};

const SECOND: i64 = 1_000_000_000;
const MIB: u64 = 1 << 20;
/// The end of the partition.
const END: i64 = 1_000 * HOUR_NS;

/// A hot segment with one sequence of its own, written at the end of its partition.
fn hot(number: u32, bytes: u64) -> SegmentMeta {
    SegmentMeta {
        id: SegmentId { epoch: 1, counter: number },
        table: TableId(7),
        schema_version: 1,
        format: SegmentFormat::Hot,
        written_ns: END,
        level: 0,
        object: format!("hot/{number}"),
        offset: 0,
        length: bytes,
        crc: 0,
        rows: bytes / 8,
        window: Window { start_ns: END - HOUR_NS, end_ns: END },
        min_time_ns: END - HOUR_NS,
        max_time_ns: END - 1,
        first: Sequence(u64::from(number) * 10),
        last: Sequence(u64::from(number) * 10 + 9),
        min_key: Vec::new(),
        max_key: Vec::new(),
        int_bounds: Vec::new(),
        ids: None,
    }
}

fn cold(number: u32) -> SegmentMeta {
    SegmentMeta { format: SegmentFormat::Parquet, ..hot(number, MIB) }
}

/// One of several outputs of a rewrite of the segments `first` to `last`.
fn output(number: u32, bytes: u64, first: u32, last: u32) -> SegmentMeta {
    let (first, last) = (hot(first, 0).first, hot(last, 0).last);
    SegmentMeta { first, last, level: 1, ..hot(number, bytes) }
}

fn options() -> Options {
    Options { hot_for: Duration::from_secs(7_200), ..Options::new("unused") }
}

/// The plans `after_s` seconds after the last write: what, and the counters of each unit.
fn planned(segments: &[SegmentMeta], options: &Options, after_s: i64) -> Vec<String> {
    let show = |plan: Plan| {
        let unit = |unit: &Vec<SegmentId>| {
            unit.iter().map(|id| id.counter.to_string()).collect::<Vec<_>>().join("+")
        };
        let units: Vec<String> = plan.units.iter().map(unit).collect();
        let work = match plan.work {
            Work::Merge => "merge",
            Work::Convert => "convert",
        };
        format!("{work} {}", units.join(" "))
    };
    let plans = plan_table(segments.iter(), options, None, END + after_s * SECOND);
    plans.into_iter().map(show).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn a_partition_turns_cold_when_its_end_and_its_last_write_are_old() {
    let segments = [hot(1, MIB), hot(2, MIB)];
    let is_cold = |segments: &[SegmentMeta], options: &Options, after_s| {
        planned(segments, options, after_s).iter().any(|plan| plan.starts_with("convert"))
    };
    assert!(!is_cold(&segments, &options(), 7_199));
    assert_eq!(planned(&segments, &options(), 7_200), ["convert 1 2"]);
    let late = [hot(1, MIB), SegmentMeta { written_ns: END + 3_600 * SECOND, ..hot(2, MIB) }];
    assert!(!is_cold(&late, &options(), 10_799));
    assert!(is_cold(&late, &options(), 10_800));
    let early: Vec<_> = segments
        .iter()
        .map(|meta| SegmentMeta { written_ns: END - 9_000 * SECOND, ..meta.clone() })
        .collect();
    assert!(!is_cold(&early, &options(), 7_199), "its end counts as well");
    let native = Options { cold_format: ColdFormat::Native, ..options() };
    assert!(!is_cold(&segments, &native, 1_000_000));
    let at_once = Options { hot_for: Duration::ZERO, ..options() };
    assert!(is_cold(&segments[..1], &at_once, -3_000), "what is left of another setting");
    assert_eq!(planned(&[cold(1), cold(2)], &options(), 1_000_000), NONE);
}

#[test]
fn a_resting_partition_becomes_one_unit() {
    let segments = [hot(1, 1_000), hot(2, MIB / 2), hot(3, 10)];
    assert_eq!(planned(&segments, &options(), 9), NONE);
    assert_eq!(planned(&segments, &options(), 10), ["merge 1 2 3"]);
    assert_eq!(planned(&segments[..1], &options(), 60), NONE, "one is one");
    let settled = [output(8, MIB, 1, 5), output(9, MIB, 1, 5)];
    assert_eq!(planned(&settled, &options(), 60), NONE, "outputs of one rewrite are one unit");
    let more = [&settled[..], &[hot(6, 1)]].concat();
    assert_eq!(planned(&more, &options(), 60), ["merge 8+9 6"]);
}

#[test]
fn the_more_a_merge_rewrites_the_longer_it_waits() {
    let segments = [hot(1, 100 * MIB), hot(2, 10 * MIB)];
    assert_eq!(planned(&segments, &options(), 119), NONE);
    assert_eq!(planned(&segments, &options(), 120), ["merge 1 2"]);
}

#[test]
fn while_it_is_written_eight_of_a_size_are_merged() {
    let size = |number: u32| {
        [hot(1, 60 * MIB), hot(2, 50 * MIB)]
            .into_iter()
            .chain((3..number).map(|n| hot(n, MIB + u64::from(n))))
            .collect::<Vec<_>>()
    };
    assert_eq!(planned(&size(10), &options(), 0), NONE, "seven small ones");
    assert_eq!(planned(&size(11), &options(), 0), ["merge 3 4 5 6 7 8 9 10"]);
    // Tiny ones count as 1 MiB, four times the size is similar, more is not.
    let mixed: Vec<_> = (1..9).map(|n| hot(n, if n % 2 == 0 { 9 } else { 4 * MIB })).collect();
    assert_eq!(planned(&mixed, &options(), 0), ["merge 1 2 3 4 5 6 7 8"]);
    let apart: Vec<_> = (1..9).map(|n| hot(n, if n == 4 { 9 } else { 5 * MIB })).collect();
    assert_eq!(planned(&apart, &options(), 0), NONE);
}

#[test]
fn nothing_between_the_inputs_in_sequence_is_left_out() {
    // Parquet between hot ones, as after a change of the setting.
    let segments = [hot(1, 1), hot(2, 1), cold(3), hot(4, 1), hot(5, 1)];
    assert_eq!(planned(&segments, &options(), 20), ["merge 1 2", "merge 4 5"]);
    assert_eq!(planned(&segments, &options(), 7_200), ["convert 1 2", "convert 4 5"]);
    // A unit is taken whole, whatever the order in which segments are listed.
    let segments = [hot(9, 1), output(21, 1, 1, 8), output(20, 1, 1, 8)];
    assert_eq!(planned(&segments, &options(), 20), ["merge 20+21 9"]);
    // Parquet whose sequences overlap those of hot ones makes all of them one unit that is left alone.
    let covers = SegmentMeta { last: Sequence(25), ..cold(1) };
    assert_eq!(planned(&[covers, hot(2, 1)], &options(), 7_200), NONE);
}

#[test]
fn a_rewrite_has_bounds() {
    let many: Vec<_> = (1..=100).map(|n| hot(n, 1)).collect();
    let units = |plan: &str| plan.split(' ').count() - 1;
    assert_eq!(planned(&many, &options(), 100).iter().map(|p| units(p)).collect::<Vec<_>>(), [64]);
    assert_eq!(
        planned(&many, &options(), 7_200).iter().map(|p| units(p)).collect::<Vec<_>>(),
        [64]
    );
    let large = [hot(1, 5_000 * MIB), hot(2, 3_000 * MIB), hot(3, 1_000 * MIB), hot(4, MIB)];
    assert_eq!(planned(&large, &options(), 5_000), ["merge 2 3 4"]);
    assert_eq!(planned(&large, &options(), 7_200), ["convert 1"], "one unit may be of any size");
}

#[test]
fn other_partitions_are_not_looked_at() {
    let next = Window { start_ns: END, end_ns: END + HOUR_NS };
    let moved = |number| SegmentMeta { window: next, ..hot(number, 1) };
    let segments = [hot(1, 1), moved(2), hot(3, 1), moved(4)];
    assert_eq!(planned(&segments, &options(), 20), ["merge 1 3", "merge 2 4"]);
    assert_eq!(planned(&segments, &options(), 7_200), ["convert 1 3", "merge 2 4"]);
}

#[test]
fn what_a_request_asks_for_is_cold_up_to_its_sequence() {
    let segments = [hot(1, MIB), hot(2, MIB), hot(3, MIB)];
    let through = segments[1].last;
    let plans = plan_table(segments.iter(), &options(), Some(through), END);
    let shown: Vec<(Work, usize)> = plans.iter().map(|p| (p.work, p.units.len())).collect();
    assert_eq!(shown, [(Work::Convert, 2)]);
}
