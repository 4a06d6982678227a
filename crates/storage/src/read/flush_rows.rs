//! All rows of a sealed memtable as a flush writes them.

use std::sync::Arc;

use pulsora_model::{Result, TableSchema};

use super::chunk_rows::ChunkSource;
use super::merge::{Merge, merge};
use super::replaced::replaced;
use super::scan::{ScanCounters, ScanStream, TimeRange};
use super::source::{Ask, BATCH_ROWS, Source};
use crate::memtable::MemtableView;

/// All rows of a memtable in (tags, time) order, equal keys in arrival order, with the columns of
/// `schema` in its order (untyped ones as Arrow `Null`). Upsert tables: one row per key. Of rows with
/// the same id the last arrival stays.
///
/// # Errors
/// `internal` when columns do not fit the schema; so does every batch.
pub(crate) fn flush_stream(view: &MemtableView, schema: &TableSchema) -> Result<ScanStream> {
    let ask = Ask {
        schema: Arc::new(schema.clone()),
        time: TimeRange::ALL,
        tags: Arc::new([]),
        fields: Arc::new([]),
        batch_rows: BATCH_ROWS,
        counters: Arc::new(ScanCounters::default()),
    };
    let gone = replaced([view], None).chunks;
    let series = Arc::new(view.series.clone());
    let sources = view.chunks.iter().zip(gone).map(|(chunk, gone)| {
        Source::chunk(ChunkSource { chunk: Arc::clone(chunk), series: Arc::clone(&series), gone })
            .open(&ask, &schema.columns, None)
    });
    let mut sources = sources.collect::<Result<Vec<_>>>()?;
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
