//! One row by its row id.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampNanosecondType;
use pulsora_model::{Column, Error, Result, TableId, TableSchema};
use roaring::RoaringBitmap;

use super::scan::TimeRange;
use super::snapshot::Snapshot;
use super::source::{Ask, Rows, Source};
use super::table_scan::TableScan;
use crate::segment::{ReadSpec, RowChoice};

impl Snapshot {
    /// The row with this id, with all columns in the table's order; `None` if there is none or the
    /// table has no row ids.
    ///
    /// # Errors
    /// `table_not_found`, `corrupt`, `io_error`.
    pub fn row(&self, table: TableId, id: u64) -> Result<Option<RecordBatch>> {
        let schema = self.schema(table)?;
        if schema.row_id().is_none() {
            return Ok(None);
        }
        // One that has expired may have replaced one that has not.
        let scan = TableScan::with_expired(self, table, TimeRange::ALL, &[], &[])?;
        for source in scan.sources.iter().rev() {
            if let Some(row) = find(source, &scan.ask, id)? {
                if !self.kept(&schema).contains(time_of(&row, &schema)?) {
                    return Ok(None);
                }
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

fn time_of(row: &RecordBatch, schema: &TableSchema) -> Result<i64> {
    let times = row.column_by_name(&schema.time().name);
    let time = times.and_then(|times| times.as_primitive_opt::<TimestampNanosecondType>());
    Ok(time.ok_or_else(|| Error::internal("a row has no time"))?.value(0))
}

fn shown(ask: &Ask) -> Vec<Column> {
    ask.schema.shown().cloned().collect()
}

/// The row of a source that has this id and is not gone.
fn find(source: &Source, ask: &Ask, id: u64) -> Result<Option<RecordBatch>> {
    match &source.rows {
        Rows::Chunk(source) => {
            let ids = source.chunk.ids.as_deref().unwrap_or_default();
            let Some(row) = ids.iter().rposition(|candidate| *candidate == id) else {
                return Ok(None);
            };
            if source.gone.as_ref().is_some_and(|gone| gone.contains(row as u32)) {
                return Ok(None);
            }
            source.rows(&[row as u32], &shown(ask)).map(Some)
        }
        Rows::Segment { segment, .. } => {
            let Some(index) = segment.file.id_index()? else { return Ok(None) };
            let Some(row) = index.lookup(id)? else { return Ok(None) };
            let is_deleted = segment.deleted.as_ref().is_some_and(|rows| rows.contains(row));
            // A newer row with the id would have been found before.
            if is_deleted {
                return Ok(None);
            }
            let mut batches = segment.read(ReadSpec {
                columns: shown(ask),
                time_column: ask.schema.time().id,
                time: TimeRange::ALL,
                tags: Vec::new(),
                fields: Vec::new(),
                rows: RowChoice::Only(Arc::new(RoaringBitmap::from_iter([row]))),
                groups: None,
                batch_rows: 1,
                counters: Arc::clone(&ask.counters),
            })?;
            batches.next().transpose()
        }
    }
}
