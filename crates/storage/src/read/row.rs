//! One row by its row id.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{TimestampNanosecondType, UInt32Type, UInt64Type};
use pulsora_model::{Column, Error, Mode, Result, TableId, TableSchema};
use roaring::RoaringBitmap;

use super::scan::{TagPredicate, TimeRange};
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
                return match schema.mode {
                    Mode::Append => Ok(Some(row)),
                    Mode::Upsert => self.folded_row(&schema, &row, id),
                };
            }
        }
        Ok(None)
    }

    /// The row of an upsert table whose key is that of `row`, if it has this id.
    fn folded_row(
        &self,
        schema: &Arc<TableSchema>,
        row: &RecordBatch,
        id: u64,
    ) -> Result<Option<RecordBatch>> {
        let tags =
            schema.tags().map(|tag| TagPredicate { column: tag.id, values: vec![text(row, tag)] });
        let tags: Vec<TagPredicate> = tags.collect();
        let time = time_of(row, schema)?;
        let range = TimeRange { start_ns: time, end_ns: time };
        let scan = TableScan::new(self, schema.id, range, &tags, &[])?;
        for piece in scan.pieces(range) {
            for batch in scan.stream(&piece, &schema.columns, None) {
                let batch = batch?;
                let found =
                    (0..batch.num_rows()).find(|row| row_id(&batch, schema, *row) == Some(id));
                if let Some(row) = found {
                    return Ok(Some(batch.slice(row, 1)));
                }
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
            source.rows(&[row as u32], &ask.schema.columns).map(Some)
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
                columns: ask.schema.columns.clone(),
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

fn text(row: &RecordBatch, tag: &Column) -> Option<String> {
    let values = row.column_by_name(&tag.name)?.as_dictionary_opt::<UInt32Type>()?;
    let key = values.key(0)?;
    Some(values.values().as_string_opt::<i32>()?.value(key).to_owned())
}

fn row_id(batch: &RecordBatch, schema: &TableSchema, row: usize) -> Option<u64> {
    let ids = batch.column_by_name(&schema.row_id()?.name)?;
    Some(ids.as_primitive_opt::<UInt64Type>()?.value(row))
}
