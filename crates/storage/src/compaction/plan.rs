//! Which segments are rewritten: a pure decision over what the manifest says of them.
//!
//! The segments of a partition form *units*: those whose sequences overlap, which are the outputs of
//! one rewrite. Units are ordered in time, and the newer one wins where keys are equal; so a rewrite
//! takes whole units that follow each other, and nothing of the partition lies between its inputs in
//! sequence. Units of Parquet segments are never inputs, and end a run of hot ones.
//!
//! - A **cold** partition (its end and its last write are older than `hot_for`, or a request asks for
//!   it) becomes Parquet.
//! - A **resting** one becomes one unit.
//! - While it is **written**, units of similar size are merged as soon as there are [`FAN_IN`] of them,
//!   so that a row is rewritten about once for every factor of [`FAN_IN`] between the sizes of a
//!   flush and of the partition.

use std::collections::BTreeMap;
use std::time::Duration;

use pulsora_model::partition::Window;
use pulsora_model::{SegmentId, Sequence, TableId};

use crate::engine::{ColdFormat, Options};
use crate::manifest::Version;
use crate::segment::{SegmentFormat, SegmentMeta};

/// Units of similar size that are merged while a partition is written: each read of it has at most
/// about this many more sources than it would have at rest, per factor of [`FAN_IN`] in size.
const FAN_IN: usize = 8;

/// Units are similar when none is more than this times larger than another.
const SIMILAR: u64 = 4;

/// Smaller units count as this large: what they cost is their number.
const SMALL_BYTES: u64 = 1 << 20;

/// Most units of one rewrite: each is a source with an open batch of 8,192 rows, about 1 MiB for
/// fifteen columns.
const UNITS_MAX: usize = 64;

/// Most bytes of one rewrite, as long as it has more than one unit: it needs as much disk beside its
/// inputs, and nothing else is rewritten meanwhile (about ten minutes on one core).
const BYTES_MAX: u64 = 4 << 30;

/// A partition rests when it got no segment for this long: longer than what lies between the flushes
/// of one load, short enough that a load is settled soon after its end.
const REST: Duration = Duration::from_secs(10);

/// And for a second more for each of these bytes that its merge would rewrite. So one that gets a
/// segment every few minutes is rewritten at no more than this speed, a tenth of a core.
const REST_BYTES_PER_SECOND: u64 = 1 << 20;

/// What is made of the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    /// Fewer hot segments.
    Merge,
    /// Parquet segments.
    Convert,
}

/// A rewrite of segments of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub work: Work,
    pub table: TableId,
    pub window: Window,
    /// Unit by unit, the oldest first.
    pub units: Vec<Vec<SegmentId>>,
    /// Bytes of the inputs.
    pub bytes: u64,
}

/// Everything that may be rewritten now, the smallest first. At most one plan for each run of hot
/// units of a partition. Of the tables in `demanded` everything up to the sequence is cold.
pub(crate) fn plan(
    version: &Version,
    options: &Options,
    demanded: &BTreeMap<TableId, Sequence>,
    now_ns: i64,
) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (id, table) in &version.tables {
        let metas = table.segments.iter().map(|segment| &*segment.meta);
        plans.extend(plan_table(metas, options, demanded.get(id).copied(), now_ns));
    }
    plans.sort_by_key(|plan| (plan.bytes, plan.table, plan.window));
    plans
}

/// The same for the segments of one table.
pub(super) fn plan_table<'a>(
    segments: impl Iterator<Item = &'a SegmentMeta>,
    options: &Options,
    demanded: Option<Sequence>,
    now_ns: i64,
) -> Vec<Plan> {
    let mut partitions: BTreeMap<Window, Vec<&SegmentMeta>> = BTreeMap::new();
    for meta in segments {
        partitions.entry(meta.window).or_default().push(meta);
    }
    partitions.retain(|_, metas| metas.iter().any(|meta| meta.format == SegmentFormat::Hot));
    let partitions = partitions.into_values();
    partitions.flat_map(|metas| plan_partition(metas, options, demanded, now_ns)).collect()
}

fn plan_partition(
    metas: Vec<&SegmentMeta>,
    options: &Options,
    demanded: Option<Sequence>,
    now_ns: i64,
) -> Vec<Plan> {
    let hot = metas.iter().filter(|meta| meta.format == SegmentFormat::Hot);
    let Some(last_write_ns) = hot.clone().map(|meta| meta.written_ns).max() else {
        return Vec::new();
    };
    let (table, window) = (metas[0].table, metas[0].window);
    let cold = is_cold(window, last_write_ns, options, now_ns);
    let units = units(metas);
    let plans = units.split(|unit| !unit.hot).filter_map(|run| {
        let asked = demanded.map_or(0, |through| run.partition_point(|unit| unit.first <= through));
        let (work, chosen) = match (cold, asked) {
            (true, _) => (Work::Convert, pack(run)),
            (false, 1..) => (Work::Convert, pack(&run[..asked])),
            (false, 0) => (Work::Merge, rest(run, last_write_ns, now_ns).or_else(|| tier(run))?),
        };
        let units: Vec<Vec<SegmentId>> = chosen.iter().map(|unit| unit.segments.clone()).collect();
        let bytes = chosen.iter().map(|unit| unit.bytes).sum();
        (!units.is_empty()).then_some(Plan { work, table, window, units, bytes })
    });
    plans.collect()
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

/// Segments of a partition that were written together.
#[derive(Debug)]
struct Unit {
    segments: Vec<SegmentId>,
    bytes: u64,
    first: Sequence,
    last: Sequence,
    hot: bool,
}

/// The units of a partition, the oldest first.
fn units(mut metas: Vec<&SegmentMeta>) -> Vec<Unit> {
    metas.sort_by_key(|meta| (meta.first, meta.id));
    let mut units: Vec<Unit> = Vec::new();
    for meta in metas {
        let hot = meta.format == SegmentFormat::Hot;
        match units.last_mut().filter(|unit| meta.first <= unit.last) {
            Some(unit) => {
                unit.segments.push(meta.id);
                unit.bytes += meta.length;
                unit.last = unit.last.max(meta.last);
                unit.hot &= hot;
            }
            None => units.push(Unit {
                segments: vec![meta.id],
                bytes: meta.length,
                first: meta.first,
                last: meta.last,
                hot,
            }),
        }
    }
    units
}

/// As many units from the start as one rewrite may have, at least one.
fn pack(run: &[Unit]) -> &[Unit] {
    let mut bytes = 0;
    let taken = run.iter().take(UNITS_MAX).take_while(|unit| {
        let first = bytes == 0;
        bytes += unit.bytes;
        first || bytes <= BYTES_MAX
    });
    &run[..taken.count()]
}

/// The first units of a resting partition that become one.
fn rest(run: &[Unit], last_write_ns: i64, now_ns: i64) -> Option<&[Unit]> {
    let mut left = run;
    let chosen = loop {
        let chosen = pack(left);
        match chosen.len() {
            0 => return None,
            1 => left = &left[1..],
            _ => break chosen,
        }
    };
    let bytes: u64 = chosen.iter().map(|unit| unit.bytes).sum();
    let patience = REST + Duration::from_secs(1) * (bytes / REST_BYTES_PER_SECOND) as u32;
    (last_write_ns <= now_ns.saturating_sub(nanos(patience))).then_some(chosen)
}

/// The smallest units of similar size that follow each other, if there are enough of them.
fn tier(run: &[Unit]) -> Option<&[Unit]> {
    let size = |unit: &Unit| unit.bytes.max(SMALL_BYTES);
    let similar = |start: usize| {
        let (mut least, mut most, mut sum) = (u64::MAX, 0, 0);
        let count = run[start..].iter().take(2 * FAN_IN).take_while(|unit| {
            (least, most) = (least.min(size(unit)), most.max(size(unit)));
            sum += unit.bytes;
            most <= least.saturating_mul(SIMILAR) && sum <= BYTES_MAX
        });
        &run[start..start + count.count()]
    };
    (0..run.len())
        .map(similar)
        .filter(|units| units.len() >= FAN_IN)
        .min_by_key(|units| units.iter().map(|unit| unit.bytes).sum::<u64>())
}
