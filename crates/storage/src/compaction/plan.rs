//! Which segments are rewritten: a pure decision over what the manifest says of them.
//!
//! A rewrite takes whole units (`units.rs`) that follow each other, and nothing of the partition lies
//! between its inputs in sequence. Units of a rewrite that runs are left alone, and end a run of others.
//! In this order:
//!
//! - What is **demanded** segment by segment is rewritten alone, and what a request wants as Parquet or
//!   as one unit becomes that.
//! - Segments **without a row** that is left go; nothing is written for them.
//! - **Overlap**: units of similar size are merged as soon as there are [`FAN_IN`] of them, none larger
//!   than two fifths of all. So a row is rewritten about once for every factor of 2.5 to 4 between the
//!   sizes of a flush and of the partition. An hour of flushes every five seconds leaves at most 13 units
//!   at any moment, where a job gets through 16 MiB a second (tested).
//! - **Deleted**: a unit that has lost a fifth of its rows is rewritten alone.
//! - A **cold** partition (its end and its last write are older than `hot_for`) becomes Parquet. Late rows
//!   take those neighbours along that are not larger than they are.
//! - A **resting** one becomes one unit, the later the more that rewrites for the less.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pulsora_model::partition::Window;
use pulsora_model::{SegmentId, Sequence, TableId};

use super::units::{Part, Unit, partitions, units};
use crate::engine::{ColdFormat, Options};
use crate::manifest::Version;
use crate::segment::SegmentFormat;

/// Units that are merged while a partition is written, at least.
const FAN_IN: usize = 4;

/// The largest of them is at most two fifths of all: each byte of a merge ends in a unit at least two and
/// a half times as large as the one that it came from.
const LARGEST_SHARE: (u64, u64) = (2, 5);

/// From this many units on a partition is pressed: rewrites fall behind. Then two units are merged too, of
/// which the larger is at most three fifths, and they do not give way to writes (`pace.rs`).
const PRESSED_UNITS: usize = 10;
const PRESSED_FAN_IN: usize = 2;
const PRESSED_SHARE: (u64, u64) = (3, 5);

/// Smaller units count as this large: what they cost is their number.
const SMALL_BYTES: u64 = 64 << 10;

/// Most units that one merge of similar ones takes.
const TIER_UNITS_MAX: usize = 16;

/// Most bytes of one rewrite, as long as it has more than one unit: it needs as much disk beside its
/// inputs, and holds a job for about ten minutes on one core. Larger units stay beside each other.
const BYTES_MAX: u64 = 4 << 30;

/// A partition rests when it got no segment for this long: longer than what lies between the flushes
/// of one load, short enough that a load is settled soon after its end.
const REST: Duration = Duration::from_secs(10);

/// And for a second more for each of these bytes that its merge would rewrite. So one that gets a
/// segment every few minutes is rewritten at no more than this speed, a tenth of a core.
const REST_BYTES_PER_SECOND: u64 = 1 << 20;

/// Ten times as long where one unit is seven eighths of all: little is gained for much.
const LOPSIDED: (u64, u64) = (7, 8);
const LOPSIDED_PATIENCE: u32 = 10;

/// A unit that has lost one row in this many is rewritten.
const DELETED_SHARE: u64 = 5;

/// What is made of the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Work {
    /// Fewer hot segments.
    Merge,
    /// Parquet segments.
    Convert,
}

/// Why. The earlier ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A request waits for it.
    Demanded,
    /// No row of the segments is left.
    Empty,
    /// Too many segments overlap: reads would become slow.
    Overlap,
    /// A fifth of the rows is deleted.
    Deleted,
    /// The partition is cold.
    Cold,
    /// The partition rests.
    Rest,
}

impl Reason {
    /// Its name in answers and logs.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Demanded => "demanded",
            Reason::Empty => "empty",
            Reason::Overlap => "overlap",
            Reason::Deleted => "deleted",
            Reason::Cold => "cold",
            Reason::Rest => "rest",
        }
    }

    /// Whether it is done outside `compaction.window` too: what somebody waits for, what costs nothing,
    /// and what keeps reads bounded.
    pub fn is_urgent(self) -> bool {
        matches!(self, Reason::Demanded | Reason::Empty | Reason::Overlap)
    }
}

/// A rewrite of segments of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub work: Work,
    pub reason: Reason,
    pub table: TableId,
    pub window: Window,
    /// Unit by unit, the oldest first.
    pub units: Vec<Vec<SegmentId>>,
    /// Bytes of the inputs.
    pub bytes: u64,
    /// Their rows, deleted ones included.
    pub rows: u64,
    /// So many segments of the partition overlap that it should not give way to writes.
    pub pressed: bool,
}

impl Plan {
    /// Its inputs.
    pub fn segments(&self) -> impl Iterator<Item = SegmentId> {
        self.units.iter().flatten().copied()
    }
}

/// What requests ask for, and what is at work.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Tables of which everything up to a sequence becomes Parquet.
    pub cold: &'a BTreeMap<TableId, Sequence>,
    /// Tables of which everything up to a sequence becomes one unit per partition.
    pub merged: &'a BTreeMap<TableId, Sequence>,
    /// Segments that are rewritten whatever their state.
    pub segments: &'a BTreeSet<SegmentId>,
    /// Inputs of rewrites that run.
    pub busy: &'a BTreeSet<SegmentId>,
}

/// Everything that may be rewritten now: what is urgent first, of the rest the smallest. At most one plan
/// for each run of units between those that are at work.
pub(crate) fn plan(
    version: &Version,
    options: &Options,
    asked: Asked<'_>,
    now_ns: i64,
) -> Vec<Plan> {
    let mut plans = Vec::new();
    for table in version.tables.values() {
        plans.extend(plan_table(table.segments.iter().map(Part::of), options, asked, now_ns));
    }
    let rank = |plan: &Plan| if plan.reason.is_urgent() { plan.reason } else { Reason::Rest };
    plans.sort_by_key(|plan| (rank(plan), plan.bytes, plan.table, plan.window));
    plans
}

/// The same for the segments of one table.
pub(super) fn plan_table<'a>(
    parts: impl Iterator<Item = Part<'a>>,
    options: &Options,
    asked: Asked<'_>,
    now_ns: i64,
) -> Vec<Plan> {
    let partitions = partitions(parts).into_values();
    let plans = partitions.flat_map(|parts| {
        let mut partition = Partition::of(&parts, options, asked, now_ns);
        let units = units(parts, &asked);
        partition.pressed = units.len() >= PRESSED_UNITS;
        let runs = units.split(|unit| unit.busy);
        runs.filter_map(|run| partition.plan(run)).collect::<Vec<_>>()
    });
    plans.collect()
}

/// What is known of a partition beside its units.
struct Partition<'a> {
    options: &'a Options,
    segments: &'a BTreeSet<SegmentId>,
    /// Up to where requests want Parquet, and one unit.
    cold_through: Option<Sequence>,
    merged_through: Option<Sequence>,
    table: TableId,
    window: Window,
    last_write_ns: i64,
    now_ns: i64,
    cold: bool,
    pressed: bool,
    extent: Extent,
}

/// How much is done at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    /// What requests wait for.
    Demanded,
    /// And what is urgent.
    Urgent,
    All,
}

impl Extent {
    fn at(now_ns: i64, options: &Options) -> Extent {
        let compaction = &options.compaction;
        match (compaction.enabled, compaction.is_open(now_ns)) {
            (false, _) => Extent::Demanded,
            (true, false) => Extent::Urgent,
            (true, true) => Extent::All,
        }
    }
}

/// A choice among the units of a run.
type Choice<'r, 'a> = (Work, Reason, &'r [Unit<'a>]);

impl<'a> Partition<'a> {
    fn of(
        parts: &[Part<'_>],
        options: &'a Options,
        asked: Asked<'a>,
        now_ns: i64,
    ) -> Partition<'a> {
        let meta = parts[0].meta;
        let last_write_ns = parts.iter().map(|part| part.meta.written_ns).max().unwrap_or(0);
        Partition {
            options,
            segments: asked.segments,
            cold_through: asked.cold.get(&meta.table).copied(),
            merged_through: asked.merged.get(&meta.table).copied(),
            table: meta.table,
            window: meta.window,
            last_write_ns,
            now_ns,
            cold: is_cold(meta.window, last_write_ns, options, now_ns),
            pressed: false,
            extent: Extent::at(now_ns, options),
        }
    }

    /// What is done with a run of units.
    fn plan(&self, run: &[Unit<'_>]) -> Option<Plan> {
        if let Some(plan) = self.picked(run) {
            return Some(plan);
        }
        let chosen = self.demanded(run).or_else(|| self.overlapping(run));
        let (work, reason, chosen) = chosen.or_else(|| self.at_leisure(run))?;
        Some(Plan {
            work,
            reason,
            table: self.table,
            window: self.window,
            units: chosen.iter().map(Unit::segments).collect(),
            bytes: chosen.iter().map(|unit| unit.bytes).sum(),
            rows: chosen.iter().map(|unit| unit.rows).sum(),
            pressed: self.pressed && reason == Reason::Overlap,
        })
    }

    /// What keeps the number of overlapping segments bounded. In a cold partition hot units turn as a
    /// whole instead, as long as that is allowed.
    fn overlapping<'r, 'u>(&self, run: &'r [Unit<'u>]) -> Option<Choice<'r, 'u>> {
        if self.extent < Extent::Urgent || self.cold && self.extent == Extent::All && has_hot(run) {
            return None;
        }
        let tier = |units: &'r [Unit<'u>]| {
            Some((self.kind(&units[0]), Reason::Overlap, self.tier(units)?))
        };
        alike(run, self.cold).find_map(tier)
    }

    /// What may wait for the window.
    fn at_leisure<'r, 'u>(&self, run: &'r [Unit<'u>]) -> Option<Choice<'r, 'u>> {
        if self.extent < Extent::All {
            return None;
        }
        let rest =
            |units: &'r [Unit<'u>]| Some((self.kind(&units[0]), Reason::Rest, self.rest(units)?));
        let rest = alike(run, self.cold).find_map(rest);
        let turn = || if self.cold { self.turn(run) } else { None };
        rest.or_else(turn).or_else(|| {
            let unit = run.iter().position(|unit| unit.deleted * DELETED_SHARE >= unit.rows)?;
            Some((self.kind(&run[unit]), Reason::Deleted, &run[unit..=unit]))
        })
    }

    /// What is made of a unit that stays as warm as it is.
    fn kind(&self, unit: &Unit<'_>) -> Work {
        match unit.parquet || self.cold {
            true => Work::Convert,
            false => Work::Merge,
        }
    }

    // ---- what is demanded ------------------------------------------------------------------

    /// Segments that need no neighbours: those that are demanded, and those without a row.
    fn picked(&self, run: &[Unit<'_>]) -> Option<Plan> {
        let plan = |work, reason, parts: Vec<Part<'_>>| Plan {
            work,
            reason,
            table: self.table,
            window: self.window,
            units: vec![parts.iter().map(|part| part.meta.id).collect()],
            bytes: parts.iter().map(|part| part.meta.length).sum(),
            rows: parts.iter().map(|part| part.meta.rows).sum(),
            pressed: false,
        };
        let wanted = |part: &Part<'_>| self.segments.contains(&part.meta.id);
        if let Some(unit) = run.iter().find(|unit| unit.parts.iter().any(wanted)) {
            let mut parts = unit.parts.clone();
            if unit.is_separable() {
                let first = parts.iter().position(wanted).unwrap_or(0);
                parts = vec![parts[first]];
            }
            return Some(plan(self.kind(unit), Reason::Demanded, parts));
        }
        let parts = run.iter().flat_map(|unit| &unit.parts);
        if self.extent < Extent::Urgent {
            return None;
        }
        let dead: Vec<Part<'_>> = parts.filter(|part| part.is_dead()).copied().collect();
        (!dead.is_empty()).then(|| plan(Work::Merge, Reason::Empty, dead))
    }

    /// The first units that a request wants otherwise.
    fn demanded<'r, 'u>(&self, run: &'r [Unit<'u>]) -> Option<Choice<'r, 'u>> {
        let until = |through: Option<Sequence>| {
            let count = through.map_or(0, |through| run.partition_point(|u| u.first <= through));
            &run[..count]
        };
        let hot = until(self.cold_through);
        if let Some(chosen) = hot.split(|unit| unit.parquet).find(|units| !units.is_empty()) {
            return Some((Work::Convert, Reason::Demanded, self.pack(chosen)));
        }
        let merged = until(self.merged_through);
        let one = |units: &'r [Unit<'u>]| Some((self.kind(&units[0]), self.several(units)?));
        let hot = || if self.cold { self.turn(merged).map(|c| (c.0, c.2)) } else { None };
        let lossy = || {
            let unit = merged.iter().position(|unit| unit.deleted > 0)?;
            Some((self.kind(&merged[unit]), &merged[unit..=unit]))
        };
        let chosen = alike(merged, self.cold).find_map(one).or_else(hot).or_else(lossy)?;
        Some((chosen.0, Reason::Demanded, chosen.1))
    }

    // ---- what time and number bring --------------------------------------------------------

    /// The smallest units of similar size that follow each other, if there are enough of them.
    fn tier<'r, 'u>(&self, run: &'r [Unit<'u>]) -> Option<&'r [Unit<'u>]> {
        let size = |unit: &Unit<'_>| unit.bytes.max(SMALL_BYTES);
        let (fan_in, share) = match self.pressed {
            true => (PRESSED_FAN_IN, PRESSED_SHARE),
            false => (FAN_IN, LARGEST_SHARE),
        };
        let mut best: Option<(u64, &[Unit<'_>])> = None;
        for start in 0..run.len() {
            let (mut sum, mut largest) = (0, 0);
            let most = TIER_UNITS_MAX.min(self.units_max());
            for (count, unit) in (1..).zip(run[start..].iter().take(most)) {
                (sum, largest) = (sum + size(unit), largest.max(size(unit)));
                if sum > BYTES_MAX {
                    break;
                }
                let even = largest * share.1 <= sum * share.0;
                let cost = sum / (count - 1).max(1) as u64;
                if count >= fan_in && even && best.is_none_or(|(least, _)| cost < least) {
                    best = Some((cost, &run[start..start + count]));
                }
            }
        }
        best.map(|(_, chosen)| chosen)
    }

    /// The first units of a resting partition that become one.
    fn rest<'r, 'u>(&self, run: &'r [Unit<'u>]) -> Option<&'r [Unit<'u>]> {
        let chosen = self.several(run)?;
        let bytes: u64 = chosen.iter().map(|unit| unit.bytes).sum();
        let largest = chosen.iter().map(|unit| unit.bytes).max().unwrap_or(0);
        let lopsided = largest.saturating_mul(LOPSIDED.1) > bytes.saturating_mul(LOPSIDED.0);
        let factor = if lopsided { LOPSIDED_PATIENCE } else { 1 };
        let seconds = u32::try_from(bytes / REST_BYTES_PER_SECOND).unwrap_or(u32::MAX);
        let patience = REST + Duration::from_secs(1) * seconds.saturating_mul(factor);
        (self.last_write_ns <= self.now_ns.saturating_sub(nanos(patience))).then_some(chosen)
    }

    /// The first units that become Parquet, with those neighbours that cost no more than they do.
    fn turn<'r, 'u>(&self, run: &'r [Unit<'u>]) -> Option<Choice<'r, 'u>> {
        let start = run.iter().position(|unit| !unit.parquet)?;
        let hot = run[start..].partition_point(|unit| !unit.parquet);
        let chosen = self.pack(&run[start..start + hot]);
        let (mut start, mut end) = (start, start + chosen.len());
        let mut bytes: u64 = chosen.iter().map(|unit| unit.bytes).sum();
        let mut fits = |unit: &Unit<'_>, count: usize| {
            let fits =
                count < self.units_max() && unit.bytes <= bytes && bytes + unit.bytes <= BYTES_MAX;
            bytes += if fits { unit.bytes } else { 0 };
            fits
        };
        while let Some(unit) = start.checked_sub(1).map(|at| &run[at])
            && fits(unit, end - start)
        {
            start -= 1;
        }
        while let Some(unit) = run.get(end)
            && fits(unit, end - start)
        {
            end += 1;
        }
        Some((Work::Convert, Reason::Cold, &run[start..end]))
    }

    /// The first units, at least two, that one rewrite may have.
    fn several<'r, 'u>(&self, run: &'r [Unit<'u>]) -> Option<&'r [Unit<'u>]> {
        let mut left = run;
        loop {
            match self.pack(left) {
                [] => return None,
                [_] => left = &left[1..],
                chosen => return Some(chosen),
            }
        }
    }

    /// As many units from the start as one rewrite may have, at least one.
    fn pack<'r, 'u>(&self, run: &'r [Unit<'u>]) -> &'r [Unit<'u>] {
        let mut bytes = 0;
        let taken = run.iter().take(self.units_max()).take_while(|unit| {
            let first = bytes == 0;
            bytes += unit.bytes;
            first || bytes <= BYTES_MAX
        });
        &run[..taken.count()]
    }

    fn units_max(&self) -> usize {
        self.options.compaction.units_max()
    }
}

/// The units that may become one: in a cold partition all of them, else those of one format.
fn alike<'r, 'u>(run: &'r [Unit<'u>], cold: bool) -> impl Iterator<Item = &'r [Unit<'u>]> {
    run.chunk_by(move |a, b| cold || a.parquet == b.parquet)
}

fn has_hot(run: &[Unit<'_>]) -> bool {
    run.iter().any(|unit| !unit.parquet)
}

/// Whether a partition is no longer hot. A clock that was set back keeps it hot until the time of its
/// last write comes again.
fn is_cold(window: Window, last_write_ns: i64, options: &Options, now_ns: i64) -> bool {
    if options.cold_format == ColdFormat::Native {
        return false;
    }
    let before_ns = now_ns.saturating_sub(nanos(options.hot_for));
    options.hot_for.is_zero() || (window.end_ns <= before_ns && last_write_ns <= before_ns)
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

impl Work {
    /// The format of its outputs.
    pub fn format(self) -> SegmentFormat {
        match self {
            Work::Merge => SegmentFormat::Hot,
            Work::Convert => SegmentFormat::Parquet,
        }
    }
}
