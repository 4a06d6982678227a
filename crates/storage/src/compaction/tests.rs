//! What is planned, from figures alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pulsora_model::partition::{HOUR_NS, Window};
use pulsora_model::{ColumnId, SegmentId, Sequence, TableId};

use super::jobs::fits_beside;
use super::plan::{Asked, Plan, Reason, Work, plan_table};
use super::settings::{CompactionOptions, DayWindow};
use super::units::Part;
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
        piece_crcs: Vec::new(),
        rows: bytes.div_ceil(8),
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

/// What is asked for and what is at work.
#[derive(Clone, Default)]
struct Wishes {
    cold: BTreeMap<TableId, Sequence>,
    merged: BTreeMap<TableId, Sequence>,
    segments: BTreeSet<SegmentId>,
    busy: BTreeSet<SegmentId>,
}

impl Wishes {
    fn asked(&self) -> Asked<'_> {
        let Wishes { cold, merged, segments, busy } = self;
        Asked { cold, merged, segments, busy }
    }

    fn plans(&self, segments: &[SegmentMeta], options: &Options, now_ns: i64) -> Vec<Plan> {
        self.plans_of(segments.iter().map(|meta| Part { meta, deleted: 0 }), options, now_ns)
    }

    fn plans_of<'a>(
        &self,
        parts: impl Iterator<Item = Part<'a>>,
        options: &Options,
        now_ns: i64,
    ) -> Vec<Plan> {
        plan_table(parts, options, self.asked(), now_ns)
    }
}

/// What is done, and the counters of each unit.
fn show(plan: &Plan) -> String {
    let unit = |unit: &Vec<SegmentId>| {
        unit.iter().map(|id| id.counter.to_string()).collect::<Vec<_>>().join("+")
    };
    let units: Vec<String> = plan.units.iter().map(unit).collect();
    let work = match plan.work {
        Work::Merge => "merge",
        Work::Convert => "convert",
    };
    format!("{work} {}", units.join(" "))
}

/// The plans `after_s` seconds after the last write.
fn planned(segments: &[SegmentMeta], options: &Options, after_s: i64) -> Vec<String> {
    let plans = Wishes::default().plans(segments, options, END + after_s * SECOND);
    plans.iter().map(show).collect()
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
    assert_eq!(planned(&[cold(1)], &options(), 1_000_000), NONE);
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
    let segments = [hot(1, 90 * MIB), hot(2, 20 * MIB)];
    assert_eq!(planned(&segments, &options(), 119), NONE);
    assert_eq!(planned(&segments, &options(), 120), ["merge 1 2"]);
}

#[test]
fn a_large_partition_is_not_rewritten_at_once_for_little() {
    let segments = [hot(1, 100 * MIB), hot(2, MIB)];
    assert_eq!(planned(&segments, &options(), 1_019), NONE);
    assert_eq!(planned(&segments, &options(), 1_020), ["merge 1 2"]);
}

#[test]
fn while_it_is_written_four_of_a_size_are_merged() {
    let size = |number: u32| {
        [hot(1, 60 * MIB), hot(2, 50 * MIB)]
            .into_iter()
            .chain((3..number).map(|n| hot(n, MIB + u64::from(n))))
            .collect::<Vec<_>>()
    };
    assert_eq!(planned(&size(6), &options(), 0), NONE, "three small ones");
    assert_eq!(planned(&size(7), &options(), 0), ["merge 3 4 5 6"]);
    assert_eq!(planned(&size(9), &options(), 0), ["merge 3 4 5 6 7 8"], "all of a size");
    // Tiny ones count as 64 KiB; sizes may differ as long as none is more than two fifths of all.
    let mixed: Vec<_> = (1..5).map(|n| hot(n, if n % 2 == 0 { 9 } else { MIB / 8 })).collect();
    assert_eq!(planned(&mixed, &options(), 0), ["merge 1 2 3 4"]);
    let apart: Vec<_> =
        (1..5).map(|n| hot(n, if n == 4 { 9 } else { 20 * MIB * 8u64.pow(n) })).collect();
    assert_eq!(planned(&apart, &options(), 0), NONE);
}

#[test]
fn nothing_between_the_inputs_in_sequence_is_left_out() {
    // Parquet between hot ones, as after late rows.
    let segments = [hot(1, 1), hot(2, 1), cold(3), hot(4, 1), hot(5, 1)];
    assert_eq!(planned(&segments, &options(), 20), ["merge 1 2"]);
    assert_eq!(planned(&segments, &options(), 7_200), ["convert 1 2 3 4 5"]);
    // A unit is taken whole, whatever the order in which segments are listed.
    let segments = [hot(9, 1), output(21, 1, 1, 8), output(20, 1, 1, 8)];
    assert_eq!(planned(&segments, &options(), 20), ["merge 20+21 9"]);
    // Parquet whose sequences overlap those of hot ones makes all of them one unit.
    let covers = SegmentMeta { last: Sequence(25), ..cold(1) };
    assert_eq!(planned(&[covers, hot(2, 1)], &options(), 20), NONE);
    // A rewrite that runs divides what is before it from what comes after.
    let segments: Vec<_> = (1..=9).map(|n| hot(n, MIB)).collect();
    let wishes = Wishes { busy: [segments[4].id].into(), ..Wishes::default() };
    let plans = wishes.plans(&segments, &options(), END);
    assert_eq!(plans.iter().map(show).collect::<Vec<_>>(), ["merge 1 2 3 4", "merge 6 7 8 9"]);
}

#[test]
fn late_rows_of_a_cold_partition_take_along_what_is_not_larger() {
    let parquet = |number, bytes| SegmentMeta { length: bytes, ..cold(number) };
    let late =
        |size| [parquet(1, 4_000 * MIB), parquet(2, 3 * MIB), parquet(3, 2 * MIB), hot(4, size)];
    let early = Options { hot_for: Duration::from_secs(60), ..options() };
    assert_eq!(planned(&late(MIB), &early, 60), ["convert 4"]);
    assert_eq!(planned(&late(2 * MIB), &early, 60), ["convert 2 3 4"]);
    // What is small beside the rest waits long, and then all become one.
    let all = [parquet(1, 400 * MIB), parquet(2, 3 * MIB)];
    assert_eq!(planned(&all, &early, 4_039), NONE);
    assert_eq!(planned(&all, &early, 4_040), ["convert 1 2"]);
    // Flushes that write Parquet are bounded like others.
    let at_once = Options { hot_for: Duration::ZERO, ..options() };
    let flushes: Vec<_> = (1..=4).map(cold).collect();
    assert_eq!(planned(&flushes, &at_once, 0), ["convert 1 2 3 4"]);
}

#[test]
fn what_has_lost_its_rows_goes_and_what_lost_a_fifth_is_rewritten() {
    let segments = [hot(1, MIB), output(2, MIB, 2, 5), output(3, MIB, 2, 5), hot(6, MIB)];
    let rows = MIB / 8;
    let planned = |deleted: [u64; 4]| {
        let parts = segments.iter().zip(deleted).map(|(meta, deleted)| Part { meta, deleted });
        let plans = Wishes::default().plans_of(parts, &options(), END);
        plans.iter().map(|plan| (show(plan), plan.reason)).collect::<Vec<_>>()
    };
    assert_eq!(planned([rows / 6, rows / 6, rows / 6, 0]), []);
    assert_eq!(planned([0, rows / 2, 0, 0]), [("merge 2+3".to_owned(), Reason::Deleted)]);
    assert_eq!(planned([rows, 0, rows, 0]), [("merge 1+3".to_owned(), Reason::Empty)]);
}

#[test]
fn demanded_segments_are_rewritten_whatever_their_state() {
    let key = |value: &str| vec![(ColumnId(2), value.to_owned())];
    let keyed = |number, from, to| SegmentMeta {
        min_key: key(from),
        max_key: key(to),
        ..output(number, MIB, 1, 5)
    };
    let demand = |segments: &[SegmentMeta], of: &[usize]| {
        let segments_wanted = of.iter().map(|i| segments[*i].id).collect();
        let wishes = Wishes { segments: segments_wanted, ..Wishes::default() };
        let off = CompactionOptions { enabled: false, ..CompactionOptions::default() };
        let options = Options { compaction: off, ..options() };
        let plans = wishes.plans(segments, &options, END);
        plans.iter().map(show).collect::<Vec<_>>()
    };
    let apart = [keyed(10, "a", "c"), keyed(11, "d", "f"), hot(6, MIB), cold(7)];
    assert_eq!(demand(&apart, &[1]), ["merge 11"], "no other has its series");
    assert_eq!(demand(&apart, &[0, 1]), ["merge 10"], "one after the other");
    assert_eq!(demand(&apart, &[3]), ["convert 7"]);
    let shared = [keyed(10, "a", "c"), keyed(11, "c", "f")];
    assert_eq!(demand(&shared, &[1]), ["merge 10+11"], "one series goes on in the other");
    assert_eq!(demand(&apart, &[]), NONE);
}

#[test]
fn a_request_makes_one_unit_of_everything_up_to_its_sequence() {
    let segments = [cold(1), cold(2), hot(3, MIB), hot(4, MIB), hot(5, MIB)];
    let through = segments[3].last;
    let wishes = Wishes { merged: [(TableId(7), through)].into(), ..Wishes::default() };
    let shown = |segments: &[SegmentMeta], after_s| {
        let plans = wishes.plans(segments, &options(), END + after_s * SECOND);
        plans.iter().map(|plan| (show(plan), plan.reason.name())).collect::<Vec<_>>()
    };
    let plan = |text: &str| vec![(text.to_owned(), "demanded")];
    assert_eq!(shown(&segments, 0), plan("convert 1 2"));
    assert_eq!(shown(&segments[1..], 0), plan("merge 3 4"));
    assert_eq!(shown(&segments, 7_200), plan("convert 1 2 3 4"));
    assert_eq!(shown(&[hot(1, MIB)], 7_200), plan("convert 1"));
    assert_eq!(shown(&[hot(1, MIB)], 7_199), []);
}

#[test]
fn outside_its_window_only_what_is_urgent_is_done() {
    let window = |text: &str| {
        let windows = DayWindow::parse_list(text).unwrap();
        let compaction = CompactionOptions { windows, ..CompactionOptions::default() };
        Options { compaction, ..options() }
    };
    // The partition ends at 16:00 of its day.
    assert_eq!(END.rem_euclid(24 * HOUR_NS), 16 * HOUR_NS);
    let two = [hot(1, MIB), hot(2, MIB)];
    let four: Vec<_> = (1..=4).map(|n| hot(n, MIB)).collect();
    for open in ["16:00-16:10", "22:00-23:00, 15:00-17:00", "16:00-03:00", ""] {
        assert_eq!(planned(&two, &window(open), 30), ["merge 1 2"], "{open}");
    }
    for closed in ["16:01-16:00", "22:00-06:00"] {
        assert_eq!(planned(&two, &window(closed), 30), NONE, "{closed}");
        assert_eq!(planned(&four, &window(closed), 30), ["merge 1 2 3 4"], "{closed}");
    }
    let off = CompactionOptions { enabled: false, ..CompactionOptions::default() };
    assert_eq!(planned(&four, &Options { compaction: off, ..options() }, 30), NONE);
    for bad in ["8-9", "08:00", "08:00-08:00", "25:00-26:00", "08:60-09:00", "+8:00-09:00"] {
        assert!(DayWindow::parse_list(bad).is_err(), "{bad}");
    }
    let text = DayWindow::parse_list(" 22:00-06:30 ,12:00-24:00").unwrap();
    assert_eq!(
        text.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["22:00-06:30", "12:00-24:00"]
    );
}

/// A partition that is flushed into while two jobs rewrite it, each at a speed.
struct Load {
    segments: Vec<SegmentMeta>,
    running: Vec<(u64, Plan)>,
    written: u64,
    most: usize,
}

impl Load {
    /// Units that may hold the same keys, those that are being rewritten among them.
    fn units(&self) -> usize {
        self.segments.len()
    }

    fn begin(&mut self, options: &Options, now_ms: u64, bytes_per_ms: u64) {
        while self.running.len() < options.compaction.jobs_max {
            let busy = self.running.iter().flat_map(|(_, plan)| plan.segments()).collect();
            let wishes = Wishes { busy, ..Wishes::default() };
            let plans = wishes.plans(&self.segments, options, END);
            let jobs_max = options.compaction.jobs_max;
            let fits = |plan: &Plan| {
                fits_beside(plan.bytes, self.running.iter().map(|(_, plan)| plan.bytes), jobs_max)
            };
            let Some(plan) = plans.into_iter().find(fits) else { return };
            self.running.push((now_ms + plan.bytes / bytes_per_ms, plan));
        }
    }

    fn end(&mut self, now_ms: u64) {
        for (_, plan) in self.running.extract_if(.., |(end, _)| *end <= now_ms).collect::<Vec<_>>()
        {
            let inputs: BTreeSet<SegmentId> = plan.segments().collect();
            let of = |meta: &&SegmentMeta| inputs.contains(&meta.id);
            let first = self.segments.iter().filter(of).map(|meta| meta.first).min().unwrap();
            let last = self.segments.iter().filter(of).map(|meta| meta.last).max().unwrap();
            let id = plan.segments().next().unwrap();
            self.segments.retain(|meta| !inputs.contains(&meta.id));
            self.written += plan.bytes;
            self.segments.push(SegmentMeta { first, last, level: 1, id, ..hot(0, plan.bytes) });
        }
    }
}

#[test]
fn an_hour_of_flushes_every_five_seconds_never_leaves_more_than_sixteen_overlapping() {
    // Sizes of flushes in KiB; a rewrite gets through 16 MiB a second.
    type Kib = fn(u64) -> u64;
    let sizes: [(&str, Kib); 5] = [
        ("tiny", |_| 40),
        ("even", |_| 6 << 10),
        ("uneven", |n| (n * 7_919 % 97 + 1) << 7),
        ("rising", |n| 100 + n * 16),
        ("bursts", |n| if n % 60 < 5 { 20 << 10 } else { 512 }),
    ];
    for (name, kib) in sizes {
        let mut load = Load { segments: Vec::new(), running: Vec::new(), written: 0, most: 0 };
        let mut flushed = 0;
        for flush in 0..720u64 {
            let bytes = kib(flush) << 10;
            flushed += bytes;
            load.segments.push(hot(flush as u32 + 1, bytes));
            for step in 0..50 {
                let now_ms = flush * 5_000 + step * 100;
                load.end(now_ms);
                load.begin(&options(), now_ms, 16 << 10);
                load.most = load.most.max(load.units());
            }
        }
        let amplification = load.written as f64 / flushed as f64;
        println!(
            "{name}: at most {} units, {amplification:.2} bytes written per byte flushed",
            load.most
        );
        assert!(load.most <= 16, "{name}: {}", load.most);
        assert!(amplification < 6.0, "{name}: {amplification}");
    }
}

#[test]
fn a_rewrite_has_bounds() {
    let many: Vec<_> = (1..=100).map(|n| hot(n, 1)).collect();
    let units = |after_s, memory_bytes: u64| {
        let compaction = CompactionOptions { memory_bytes, ..CompactionOptions::default() };
        let plans = planned(&many, &Options { compaction, ..options() }, after_s);
        plans.iter().map(|plan| plan.split(' ').count() - 1).collect::<Vec<_>>()
    };
    assert_eq!((units(7_200, 256 << 20), units(7_200, 1 << 30)), (vec![32], vec![64]));
    assert_eq!((units(7_200, 64 << 20), units(7_200, 1)), (vec![8], vec![4]));
    assert_eq!(units(0, 256 << 20), [16], "those of a size");
    let large = [hot(1, 5_000 * MIB), hot(2, 3_000 * MIB), hot(3, 1_000 * MIB), hot(4, MIB)];
    assert_eq!(planned(&large, &options(), 5_000), ["merge 2 3 4"]);
    assert_eq!(
        planned(&large[..1], &options(), 7_200),
        ["convert 1"],
        "one unit may be of any size"
    );
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
    let wishes = Wishes { cold: [(TableId(7), through)].into(), ..Wishes::default() };
    let plans = wishes.plans(&segments, &options(), END);
    let shown: Vec<(Work, usize)> = plans.iter().map(|p| (p.work, p.units.len())).collect();
    assert_eq!(shown, [(Work::Convert, 2)]);
}
