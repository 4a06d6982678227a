//! All rows of a sealed memtable as a flush writes them into Parquet, and which of them are gone.

use std::sync::Arc;

use pulsora_model::{Result, TableSchema};
use roaring::RoaringBitmap;

use super::chunk_rows::ChunkSource;
use super::merge::merge_rows;
use super::replaced::replaced;
use super::scan::ScanStream;
use super::source::{Ask, Source};
use crate::memtable::MemtableView;

/// All rows of a memtable in (tags, time) order, equal keys in arrival order, with the columns of
/// `schema` in its order (untyped ones as Arrow `Null`). Upsert tables: one row per key. Of rows with
/// the same id the last arrival stays.
///
/// # Errors
/// `internal` when columns do not fit the schema; so does every batch.
pub(crate) fn flush_stream(view: &MemtableView, schema: &TableSchema) -> Result<ScanStream> {
    let ask = Ask::all(Arc::new(schema.clone()));
    let gone = rows_gone(view);
    let sources = view.chunks.iter().zip(gone).map(|(chunk, gone)| {
        Source::chunk(ChunkSource { chunk: Arc::clone(chunk), series: view.series.clone(), gone })
            .open(&ask, &schema.columns, None)
    });
    merge_rows(sources.collect::<Result<_>>()?, schema)
}

/// Of each chunk the rows whose id a newer row of the memtable has.
pub(crate) fn rows_gone(view: &MemtableView) -> Vec<Option<Arc<RoaringBitmap>>> {
    replaced([view], None).chunks
}
