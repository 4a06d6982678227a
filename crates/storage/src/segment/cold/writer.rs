//! Sorted rows of one partition → a Parquet object, its row id index, and what the manifest says.
//!
//! Not responsible for order, folding or the split into partitions: rows come sorted by (tags, time),
//! without duplicated row ids, inside one window.
//!
//! The object: Parquet, zstd level 1, field ids = column ids, row groups of 65,536 rows, pages of
//! 8,192 rows with page index. Tags have dictionaries and bloom filters, times are DELTA_BINARY_PACKED,
//! other columns what is smallest for the first rows (`encoding.rs`). Untyped columns are not written. Key-value metadata: `pulsora.format` (1), `pulsora.database`, `pulsora.table`,
//! `pulsora.segment`, `pulsora.sequences` (`first-last`), `pulsora.mode`.
//!
//! Row groups leave memory as they are filled (`sink.rs`), so what is held does not grow with the object; only the
//! row ids wait for its end, eight bytes each.
//!
//! Invariants: both objects are durable when [`SegmentWriter::finish`] returns; a writer that is dropped
//! before leaves nothing.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    Int64Type, Schema, SchemaRef, TimestampNanosecondType, UInt32Type, UInt64Type,
};
use parquet::arrow::{ArrowWriter, PARQUET_FIELD_ID_META_KEY};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use pulsora_env::Store;
use pulsora_model::{
    Column, ColumnId, ColumnKind, ColumnType, Error, Result, SegmentId, TableSchema,
};

use super::encoding::{compression, encode};
use super::sink::{Sink, io_error};
use crate::segment::draft::SegmentDraft;
use crate::segment::ids;
use crate::segment::meta::{IdIndexMeta, IntBounds, SegmentFormat, SegmentMeta};
use crate::segment::path::{ids_object, open_object, segment_object};
use crate::segment::stored::{is_stored, stored};

/// Rows of a row group: what a reader decodes at least for one value, and the unit of parallel reads.
pub(crate) const ROW_GROUP_ROWS: usize = 65_536;

/// Rows of a page: an eighth of a row group; what the page index can skip.
const PAGE_ROWS: usize = 8_192;

/// An object up to this size is written at its end with one call: many small ones are open at the same
/// time when a flush writes Parquet, and none of them should need an open file.
const WHOLE_BYTES: usize = 256 << 10;
const WHOLE_SHARE: u64 = 512;

/// Rows between two looks at the size of a page.
const WRITE_ROWS: usize = 1_024;

/// The version of the layout above, in the key-value metadata.
const FORMAT: &str = "1";

/// How many rows form the units that a reader can skip.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub row_group_rows: usize,
    pub page_rows: usize,
    /// An object up to this size is written with one call.
    pub whole_bytes: usize,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout { row_group_rows: ROW_GROUP_ROWS, page_rows: PAGE_ROWS, whole_bytes: WHOLE_BYTES }
    }
}

impl Layout {
    /// That of objects of up to `bytes`: smaller ones are gathered less.
    pub fn of_objects(bytes: u64) -> Layout {
        let whole_bytes = usize::try_from(bytes / WHOLE_SHARE).unwrap_or(usize::MAX);
        Layout { whole_bytes: whole_bytes.min(WHOLE_BYTES), ..Layout::default() }
    }
}

/// A segment that is being written.
pub(crate) struct SegmentWriter<'a> {
    draft: SegmentDraft<'a>,
    store: &'a dyn Store,
    /// Where it is gathered.
    object: String,
    /// The columns that are written, in the table's order.
    columns: Vec<&'a Column>,
    arrow: SchemaRef,
    layout: Layout,
    /// Present from the first row on: what it holds says how the columns are encoded.
    parquet: Option<ArrowWriter<Sink<'a>>>,
    rows: u64,
    min_time_ns: i64,
    max_time_ns: i64,
    min_key: Vec<(ColumnId, String)>,
    max_key: Vec<(ColumnId, String)>,
    magnitudes: HashMap<ColumnId, u64>,
    ids: Vec<u64>,
}

impl<'a> SegmentWriter<'a> {
    /// Starts a segment.
    ///
    /// # Errors
    /// None yet; what cannot be written shows with the first rows.
    pub fn new(
        draft: SegmentDraft<'a>,
        layout: Layout,
        store: &'a dyn Store,
    ) -> Result<SegmentWriter<'a>> {
        let columns: Vec<&Column> = draft.schema.columns.iter().filter(|c| is_stored(c)).collect();
        let fields = columns.iter().map(|column| {
            let id = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), column.id.to_string())]);
            column.arrow_field().with_metadata(id)
        });
        let arrow = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let object = open_object(draft.database, draft.schema, draft.window, draft.id);
        Ok(SegmentWriter {
            draft,
            store,
            object,
            columns,
            arrow,
            layout,
            parquet: None,
            rows: 0,
            min_time_ns: i64::MAX,
            max_time_ns: i64::MIN,
            min_key: Vec::new(),
            max_key: Vec::new(),
            magnitudes: HashMap::new(),
            ids: Vec::new(),
        })
    }

    /// Adds rows that follow all earlier ones in (tags, time) order. Columns are found by name; tags
    /// may be plain text, and a column that is absent is null.
    ///
    /// # Errors
    /// `internal` when a column cannot be stored in the table's type; `disk_full` or `io_error` from the
    /// store.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let columns = self.columns.iter().map(|column| stored(batch, column));
        let batch = RecordBatch::try_new(Arc::clone(&self.arrow), columns.collect::<Result<_>>()?)?;
        self.observe(&batch);
        let parquet = match self.parquet.take() {
            Some(parquet) => Ok(parquet),
            None => self.start(&batch),
        };
        let written = parquet.and_then(|parquet| self.parquet.insert(parquet).write(&batch));
        written.map_err(|error| failed(&self.draft, &self.object, error))
    }

    fn start(&self, first: &RecordBatch) -> Result<ArrowWriter<Sink<'a>>, ParquetError> {
        let properties = properties(&self.draft, &self.columns, self.layout, first)?;
        let sink = Sink::new(self.store, self.object.clone(), self.layout.whole_bytes);
        ArrowWriter::try_new(sink, Arc::clone(&self.arrow), Some(properties))
    }

    fn observe(&mut self, batch: &RecordBatch) {
        if self.rows == 0 {
            self.min_key = self.key(batch, 0);
        }
        self.max_key = self.key(batch, batch.num_rows() - 1);
        self.rows += batch.num_rows() as u64;
        for (column, values) in self.columns.iter().zip(batch.columns()) {
            match (column.kind, column.ty) {
                (ColumnKind::Time, _) => {
                    let times = values.as_primitive::<TimestampNanosecondType>().values();
                    for time in times {
                        self.min_time_ns = self.min_time_ns.min(*time);
                        self.max_time_ns = self.max_time_ns.max(*time);
                    }
                }
                (ColumnKind::Id, _) => {
                    self.ids.extend_from_slice(values.as_primitive::<UInt64Type>().values());
                }
                (ColumnKind::Field, ColumnType::I64) => {
                    let values = values.as_primitive::<Int64Type>();
                    let magnitude = values.iter().flatten().map(i64::unsigned_abs).max();
                    raise(&mut self.magnitudes, column.id, magnitude);
                }
                (ColumnKind::Field, ColumnType::U64) => {
                    let magnitude = values.as_primitive::<UInt64Type>().iter().flatten().max();
                    raise(&mut self.magnitudes, column.id, magnitude);
                }
                _ => {}
            }
        }
    }

    /// The present tags of a row, ascending by column id.
    fn key(&self, batch: &RecordBatch, row: usize) -> Vec<(ColumnId, String)> {
        let tags = self.columns.iter().zip(batch.columns());
        let tags = tags.filter(|(column, _)| column.kind == ColumnKind::Tag);
        let mut key: Vec<(ColumnId, String)> = tags
            .filter_map(|(column, values)| Some((column.id, tag_value(values, row)?)))
            .collect();
        key.sort_unstable_by_key(|(id, _)| *id);
        key
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of the object so far, about: what the open row group takes in memory is more than what it
    /// will take there.
    pub fn size_bytes(&self) -> usize {
        self.parquet.as_ref().map_or(0, |open| open.bytes_written() + open.memory_size())
    }

    /// Writes the objects durably. A segment without rows writes nothing and gives `None`.
    ///
    /// # Errors
    /// `disk_full` or `io_error` from the store.
    pub fn finish(self) -> Result<Option<SegmentMeta>> {
        let SegmentWriter { draft, parquet, rows, store, .. } = self;
        let Some(parquet) = parquet.filter(|_| rows > 0) else { return Ok(None) };
        let sink = parquet.into_inner().map_err(|error| failed(&draft, &self.object, error))?;
        let object = segment_object(draft.database, draft.schema, draft.window, rows, draft.id);
        let written = sink.finish(&object).map_err(|error| io_error(&self.object, error))?;
        let ids = match draft.schema.row_id() {
            Some(_) => Some(put_ids(store, &object, draft.id, &self.ids).inspect_err(|_| {
                // Nothing will name it; the next start removes what cannot be removed now.
                let _left = store.delete(&object);
            })?),
            None => None,
        };
        let mut int_bounds: Vec<IntBounds> = self
            .magnitudes
            .into_iter()
            .map(|(column, magnitude_max)| IntBounds { column, magnitude_max })
            .collect();
        int_bounds.sort_unstable_by_key(|bounds| bounds.column);
        Ok(Some(SegmentMeta {
            id: draft.id,
            table: draft.schema.id,
            schema_version: draft.schema.version,
            format: SegmentFormat::Parquet,
            written_ns: draft.written_ns,
            level: draft.level,
            object,
            offset: 0,
            length: written.length,
            crc: written.crc,
            piece_crcs: written.piece_crcs,
            rows,
            window: draft.window,
            min_time_ns: self.min_time_ns,
            max_time_ns: self.max_time_ns,
            first: draft.first,
            last: draft.last,
            min_key: self.min_key,
            max_key: self.max_key,
            int_bounds,
            ids,
        }))
    }
}

fn raise(magnitudes: &mut HashMap<ColumnId, u64>, column: ColumnId, magnitude: Option<u64>) {
    if let Some(magnitude) = magnitude {
        let highest = magnitudes.entry(column).or_default();
        *highest = magnitude.max(*highest);
    }
}

fn tag_value(tags: &ArrayRef, row: usize) -> Option<String> {
    let tags = tags.as_dictionary_opt::<UInt32Type>()?;
    let key = tags.key(row)?;
    Some(tags.values().as_string_opt::<i32>()?.value(key).to_owned())
}

fn properties(
    draft: &SegmentDraft<'_>,
    columns: &[&Column],
    layout: Layout,
    first: &RecordBatch,
) -> Result<WriterProperties, ParquetError> {
    let sequences = format!("{}-{}", draft.first, draft.last);
    let metadata = [
        ("pulsora.format", FORMAT.to_owned()),
        ("pulsora.database", draft.database.to_string()),
        ("pulsora.table", draft.schema.name.to_string()),
        ("pulsora.segment", draft.id.to_string()),
        ("pulsora.sequences", sequences),
        ("pulsora.mode", draft.schema.mode.name().to_owned()),
    ];
    let metadata = metadata.map(|(key, value)| KeyValue::new(key.to_owned(), value));
    let builder = WriterProperties::builder()
        .set_created_by(concat!("pulsora version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(compression())
        .set_max_row_group_row_count(Some(layout.row_group_rows))
        .set_data_page_row_count_limit(layout.page_rows)
        .set_write_batch_size(layout.page_rows.min(WRITE_ROWS))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_key_value_metadata(Some(metadata.to_vec()))
        .set_sorting_columns(Some(sorting(draft.schema, columns)));
    Ok(encode(builder, columns, first)?.build())
}

fn sorting(schema: &TableSchema, columns: &[&Column]) -> Vec<SortingColumn> {
    let keys = schema.tags().chain([schema.time()]);
    let positions = keys.filter_map(|key| columns.iter().position(|column| column.id == key.id));
    positions
        .map(|position| SortingColumn {
            column_idx: position as i32,
            descending: false,
            nulls_first: true,
        })
        .collect()
}

fn put_ids(store: &dyn Store, object: &str, id: SegmentId, ids: &[u64]) -> Result<IdIndexMeta> {
    let object = ids_object(object);
    let bytes = ids::encode(id, ids);
    store.put_if_absent(&object, &bytes).map_err(|error| io_error(&object, error))?;
    Ok(IdIndexMeta {
        object,
        offset: 0,
        length: bytes.len() as u64,
        crc: crc32c::crc32c(&bytes),
        min_id: ids.iter().copied().min().unwrap_or(0),
        max_id: ids.iter().copied().max().unwrap_or(0),
    })
}

/// An error of the store as it is; one of the Parquet library is a defect.
fn failed(draft: &SegmentDraft<'_>, object: &str, error: ParquetError) -> Error {
    let error = match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(error) => return io_error(object, *error),
            Err(source) => source.to_string(),
        },
        other => other.to_string(),
    };
    Error::internal(format!("write segment {} of {:?}: {error}", draft.id, draft.schema.name))
}
