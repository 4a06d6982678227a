//! What is known of a scan without reading rows: counts and bounds of times, exact or not at all.
//!
//! A segment that lies inside the asked range counts by its metadata less the rows that are gone. A
//! chunk is measured through its sorted runs. Upsert: a count is known only while no two sources may
//! share a key; the bounds of times hold all the same, since folding drops no key.

use pulsora_model::{Mode, Result, TableId};

use super::scan::{Scan, ScanStatistics, TimeRange};
use super::snapshot::Snapshot;
use super::source::{Ask, Rows, Source};
use super::table_scan::TableScan;

/// What is known of the matching rows of one source.
struct Known {
    rows: Option<u64>,
    /// A row has this time and none is earlier.
    min: Bound,
    /// A row has this time and none is later.
    max: Bound,
}

/// A bound that no row passes, and whether a row reaches it. `None` without rows.
type Bound = Option<(i64, bool)>;

impl Snapshot {
    /// What is known of the rows of `scan` without reading them: nothing with field predicates; of the earliest and latest time only
    /// if its limit cuts nothing off.
    ///
    /// # Errors
    /// `table_not_found`; `corrupt` or `io_error` from a row id index.
    pub fn statistics(&self, scan: &Scan) -> Result<ScanStatistics> {
        if !scan.fields.is_empty() {
            return Ok(ScanStatistics::default());
        }
        let table = TableScan::new(self, scan.table, scan.time, &scan.tags, &scan.fields)?;
        let known = table.sources.iter().map(|source| known(source, &table.ask));
        let known = known.collect::<Result<Vec<_>>>()?;
        let merges = table.pieces(table.ask.time).iter().any(|piece| piece.single().is_none());
        let rows = known.iter().try_fold(0, |rows, source| Some(rows + source.rows?));
        let rows = rows.filter(|_| !merges);
        let least = |a: (i64, bool), b: (i64, bool)| if (a.0, !a.1) <= (b.0, !b.1) { a } else { b };
        let most = |a: (i64, bool), b: (i64, bool)| if (a.0, a.1) >= (b.0, b.1) { a } else { b };
        let min = known.iter().filter_map(|source| source.min).reduce(least);
        let max = known.iter().filter_map(|source| source.max).reduce(most);
        let limit = scan.limit.map_or(u64::MAX, |limit| limit as u64);
        let whole = scan.limit.is_none() || rows.is_some_and(|rows| rows <= limit);
        let reached =
            |bound: Bound| bound.filter(|(_, exact)| *exact && whole).map(|(time, _)| time);
        Ok(ScanStatistics {
            rows: rows.map(|rows| rows.min(limit)),
            min_time_ns: reached(min),
            max_time_ns: reached(max),
        })
    }

    /// The exact number of rows of a table in a range of time. Reads key columns only where metadata
    /// does not say.
    ///
    /// # Errors
    /// `table_not_found`, `corrupt`, `io_error`.
    pub fn count(&self, table: TableId, time: TimeRange) -> Result<u64> {
        let table = TableScan::new(self, table, time, &[], &[])?;
        let mut rows = 0;
        for piece in table.pieces(table.ask.time) {
            let measured = match piece.single() {
                Some(source) => known(&table.sources[source], &table.ask.within(piece.time))?.rows,
                None => None,
            };
            if let Some(measured) = measured {
                rows += measured;
                continue;
            }
            for batch in table.stream(&piece, &[], None) {
                rows += batch?.num_rows() as u64;
            }
        }
        Ok(rows)
    }
}

fn known(source: &Source, ask: &Ask) -> Result<Known> {
    let mode = ask.schema.mode;
    match &source.rows {
        Rows::Chunk(chunk) => {
            let (rows, times) = chunk.measure(ask, mode);
            // An upsert row that is replaced by its id may have folded with one that is not.
            let certain = mode == Mode::Append || chunk.gone.is_none();
            Ok(Known {
                rows: certain.then_some(rows),
                min: times.map(|times| (times.start_ns, certain)),
                max: times.map(|times| (times.end_ns, certain)),
            })
        }
        Rows::Segment { segment, .. } => {
            let replaced = source.replaced()?.map_or(0, |rows| rows.len());
            let live = segment.live_rows() - replaced;
            let whole = live == segment.meta.rows && ask.tags.is_empty();
            let inside = source.time.intersect(&ask.time);
            let covered = inside == source.time && ask.tags.is_empty();
            Ok(Known {
                rows: covered.then_some(live),
                min: (live > 0)
                    .then_some((inside.start_ns, whole && inside.start_ns == source.time.start_ns)),
                max: (live > 0)
                    .then_some((inside.end_ns, whole && inside.end_ns == source.time.end_ns)),
            })
        }
    }
}
