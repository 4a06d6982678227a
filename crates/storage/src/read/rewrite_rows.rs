//! All live rows of segments of one partition, as a rewrite of them stores them.

use std::sync::Arc;

use pulsora_model::{Result, TableSchema};

use super::merge::merge_rows;
use super::scan::{ScanStream, TimeRange};
use super::source::{Ask, Source};
use super::streams::{chained, lazy};
use crate::segment::Segment;

/// All rows of `units` that are not deleted, in (tags, time) order, equal keys oldest first, with the
/// columns of `schema` in its order (untyped ones as Arrow `Null`), as far as they are `kept`. Upsert
/// tables: one row per key. Units come oldest first; a segment is opened when its first row is needed.
///
/// # Errors
/// `internal` when columns do not fit the schema; the batches give `corrupt` and `io_error`.
pub(crate) fn rewrite_stream(
    units: &[Vec<Segment>],
    schema: &Arc<TableSchema>,
    kept: TimeRange,
) -> Result<ScanStream> {
    let ask = Ask::all(Arc::clone(schema)).within(kept);
    let chains = units.iter().flat_map(|unit| chains(unit));
    let sources = chains.map(|chain| one_after_the_other(chain, &ask)).collect();
    merge_rows(sources, schema)
}

/// The sources of a unit: one if its segments follow each other in key order, as those of one rewrite
/// do, else one each, by sequence.
fn chains(unit: &[Segment]) -> Vec<Vec<Source>> {
    let mut by_sequence: Vec<&Segment> = unit.iter().collect();
    by_sequence.sort_by_key(|segment| (segment.meta.first, segment.meta.id));
    let sources = by_sequence.into_iter().map(|segment| Source::segment(segment, None));
    let sources: Vec<Source> = sources.collect();
    let mut by_key = sources.clone();
    by_key.sort_by(Source::key_order);
    match by_key.windows(2).all(|pair| pair[0].ends_before(&pair[1])) {
        true => vec![by_key],
        false => sources.into_iter().map(|source| vec![source]).collect(),
    }
}

fn one_after_the_other(sources: Vec<Source>, ask: &Ask) -> ScanStream {
    let ask = ask.clone();
    chained(sources.into_iter().map(move |source| {
        let ask = ask.clone();
        lazy(move || source.open(&ask, &ask.schema.columns, None))
    }))
}
