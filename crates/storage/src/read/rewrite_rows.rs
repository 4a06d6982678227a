//! All live rows of segments of one partition, as a rewrite of them stores them.

use std::sync::Arc;

use pulsora_model::{Column, ColumnId, Result, TableSchema};

use super::merge::{Merge, merge};
use super::scan::{ScanCounters, ScanStream, TimeRange};
use super::source::{Ask, BATCH_ROWS, Source};
use crate::memtable::Series;
use crate::segment::Segment;

/// All rows of `units` that are not deleted, in (tags, time) order, equal keys oldest first, with the
/// columns of `schema` in its order (untyped ones as Arrow `Null`). Upsert tables: one row per key.
/// Units come oldest first; a segment is opened when its first row is needed.
///
/// # Errors
/// `internal` when columns do not fit the schema; the batches give `corrupt` and `io_error`.
pub(crate) fn rewrite_stream(
    units: &[Vec<Segment>],
    schema: &Arc<TableSchema>,
) -> Result<ScanStream> {
    let ask = Ask {
        schema: Arc::clone(schema),
        time: TimeRange::ALL,
        tags: Arc::new([]),
        fields: Arc::new([]),
        batch_rows: BATCH_ROWS,
        counters: Arc::new(ScanCounters::default()),
    };
    let chains = units.iter().flat_map(|unit| chains(unit));
    let mut sources: Vec<ScanStream> =
        chains.map(|chain| one_after_the_other(chain, ask.clone(), &schema.columns)).collect();
    if sources.len() == 1 {
        return Ok(sources.remove(0));
    }
    merge(Merge {
        sources,
        columns: schema.columns.clone(),
        give: schema.columns.clone(),
        keys: schema.tags().map(|tag| tag.id).chain([schema.time().id]).collect(),
        mode: schema.mode,
    })
}

/// The sources of a unit: one if its segments follow each other in key order, as those of one rewrite
/// do, else one each, by sequence.
fn chains(unit: &[Segment]) -> Vec<Vec<Source>> {
    let mut by_key: Vec<(Extent, &Segment)> =
        unit.iter().map(|segment| (Extent::of(segment), segment)).collect();
    by_key.sort_by(|(a, _), (b, _)| (&a.min, a.start_ns).cmp(&(&b.min, b.start_ns)));
    let source = |segment: &Segment| Source::segment(segment, None);
    if by_key.windows(2).all(|pair| pair[0].0.ends_before(&pair[1].0)) {
        return vec![by_key.into_iter().map(|(_, segment)| source(segment)).collect()];
    }
    let mut by_sequence: Vec<&Segment> = unit.iter().collect();
    by_sequence.sort_by_key(|segment| (segment.meta.first, segment.meta.id));
    by_sequence.into_iter().map(|segment| vec![source(segment)]).collect()
}

/// The keys of a segment.
struct Extent {
    min: Series,
    max: Series,
    start_ns: i64,
    end_ns: i64,
}

impl Extent {
    fn of(segment: &Segment) -> Extent {
        let series = |key: &[(ColumnId, String)]| Series {
            tags: key.iter().map(|(id, value)| (*id, value.as_str().into())).collect(),
        };
        let meta = &segment.meta;
        Extent {
            min: series(&meta.min_key),
            max: series(&meta.max_key),
            start_ns: meta.min_time_ns,
            end_ns: meta.max_time_ns,
        }
    }

    /// Whether every key is less than every key of `next`; one series may go on in it.
    fn ends_before(&self, next: &Extent) -> bool {
        let goes_on = self.min == next.max && self.end_ns < next.start_ns;
        self.max < next.min || goes_on
    }
}

fn one_after_the_other(sources: Vec<Source>, ask: Ask, columns: &[Column]) -> ScanStream {
    let columns = columns.to_vec();
    let mut waiting = sources.into_iter();
    let mut open: Option<ScanStream> = None;
    Box::new(std::iter::from_fn(move || {
        loop {
            if let Some(batch) = open.as_mut().and_then(Iterator::next) {
                if batch.is_err() {
                    waiting = Vec::new().into_iter();
                    open = None;
                }
                return Some(batch);
            }
            match waiting.next()?.open(&ask, &columns, None) {
                Ok(stream) => open = Some(stream),
                Err(error) => {
                    waiting = Vec::new().into_iter();
                    open = None;
                    return Some(Err(error));
                }
            }
        }
    }))
}
