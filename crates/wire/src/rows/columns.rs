//! Whole Arrow columns into a batch: what Arrow IPC and Parquet share.
//!
//! Columns whose type the table has are taken without a copy. Bad rows are marked while the columns
//! are looked at, and taken out of all of them at the end.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{concat, filter};
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, SchemaRef, TimestampNanosecondType, UInt64Type,
};
use pulsora_model::batch::{Batch, FieldColumn};
use pulsora_model::column::{Clash, ColumnBuilder};
use pulsora_model::limits::DETAILS_MAX;
use pulsora_model::time::is_time_text;
use pulsora_model::{Code, ColumnKind, ColumnType, KnownTable, Name, Result, TableWrite};

use super::infer::Seen;
use super::layout::{Layout, Role, column_names, needs_inference};
use super::options::{RowOptions, TimeFormat};
use super::outcome::{Place, Rejects, RowError, RowsParsed};
use super::plain::plain_column;
use super::series::series;
use super::times::Times;

/// The rows of a body that cannot be stored, with the first reasons.
pub(crate) struct BadRows {
    keep: Vec<bool>,
    count: u64,
    errors: BTreeMap<usize, RowError>,
}

impl BadRows {
    fn new(rows: usize) -> BadRows {
        BadRows { keep: vec![true; rows], count: 0, errors: BTreeMap::new() }
    }

    /// Marks a row; of several reasons the first counts.
    pub(crate) fn add(&mut self, row: usize, error: impl FnOnce() -> RowError) {
        if !std::mem::replace(&mut self.keep[row], false) {
            return;
        }
        self.count += 1;
        let last = self.errors.last_key_value().map(|(last, _)| *last);
        if self.errors.len() < DETAILS_MAX {
            self.errors.insert(row, error());
        } else if last.is_some_and(|last| row < last) {
            self.errors.pop_last();
            self.errors.insert(row, error());
        }
    }

    /// Hands the bad rows over and gives those to keep; `None` when all are.
    fn finish(self, rejects: &mut Rejects) -> Result<Option<BooleanArray>> {
        let listed = self.errors.len() as u64;
        for (row, error) in self.errors {
            rejects.reject(Place::Row(row as u64), error)?;
        }
        rejects.add_unlisted(self.count - listed);
        Ok((self.count > 0).then(|| BooleanArray::from(self.keep)))
    }
}

/// Runs a library's decoder, which asserts on some broken bodies instead of giving errors. It holds
/// nothing of ours, so after a panic nothing is half done; `None` then.
pub(crate) fn contain<T>(decode: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(decode)).ok()
}

struct PlainColumn {
    ty: ColumnType,
    values: ArrayRef,
}

impl PlainColumn {
    /// The values by their type alone.
    fn seen(&self) -> Seen {
        Seen::typed(self.ty, (self.values.len() - self.values.logical_null_count()) as u64)
    }
}

/// Whether a column is text, in a dictionary or not, of a tag of the table: then its series are found
/// in it as it is.
fn as_tag(values: &ArrayRef, known: Option<&KnownTable>, name: &Name) -> bool {
    let is_text = |ty: &DataType| matches!(ty, DataType::Utf8 | DataType::LargeUtf8);
    let text = match values.data_type() {
        DataType::Dictionary(_, values) => is_text(values),
        ty => is_text(ty),
    };
    let column = known.and_then(|known| known.schema.column(name));
    text && column.is_some_and(|column| column.kind == ColumnKind::Tag)
}

/// Parses the rows of `batches` for `table`.
///
/// # Errors
/// As the row formats: errors of the body, and with `on_error=abort` of the first bad row.
pub(crate) fn parse(
    table: &Name,
    arrow_schema: &SchemaRef,
    batches: &[RecordBatch],
    options: &RowOptions,
    known: Option<KnownTable>,
) -> Result<RowsParsed> {
    let names = column_names(arrow_schema.fields().iter().map(|field| field.name().as_str()))?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut bad = BadRows::new(rows);
    let mut columns = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let whole = whole_column(index, arrow_schema, batches)?;
        columns.push(match as_tag(&whole, known.as_ref(), name) {
            true => PlainColumn { ty: ColumnType::Utf8, values: whole },
            false => {
                let (ty, values) = plain_column(name, &whole, &mut bad)?;
                PlainColumn { ty, values }
            }
        });
    }
    let mut rejects = Rejects::new(options.on_error);
    if rows == 0 {
        return Ok(rejects.finish(None));
    }
    let seen: Vec<Option<Seen>> = match &known {
        Some(known) => names
            .iter()
            .zip(&columns)
            .map(|(name, column)| needs_inference(name, Some(&known.schema)).then(|| column.seen()))
            .collect(),
        None => {
            names.iter().zip(&columns).map(|(name, column)| Some(observe(name, column))).collect()
        }
    };
    let layout = Layout::decide(&names, &seen, rows as u64, options, known)?;
    let mut rows = Rows::new(&layout, options, bad);
    for (index, column) in columns.iter().enumerate() {
        rows.take(index, column)?;
    }
    let batch = rows.finish(&columns, &mut rejects)?;
    let schema_version = layout.known.map(|known| known.schema.version);
    let table = table.clone();
    let write = TableWrite { table, options: layout.options, schema_version, batch };
    Ok(rejects.finish(Some(write)))
}

fn whole_column(index: usize, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<ArrayRef> {
    match batches {
        [] => Ok(arrow::array::new_empty_array(schema.field(index).data_type())),
        [one] => Ok(Arc::clone(one.column(index))),
        many => {
            let parts: Vec<&dyn Array> =
                many.iter().map(|batch| batch.column(index).as_ref()).collect();
            concat(&parts).map_err(|error| {
                pulsora_model::Error::new(
                    Code::LimitExceeded,
                    format!("column {:?} is too large: {error}", schema.field(index).name()),
                )
                .hint("send fewer rows in one request")
            })
        }
    }
}

fn observe(name: &Name, column: &PlainColumn) -> Seen {
    let values = &column.values;
    let mut seen = column.seen();
    match column.ty {
        ColumnType::Utf8 if values.as_string::<i32>().iter().flatten().all(is_time_text) => {
            seen.set_time_text();
        }
        ColumnType::I64 | ColumnType::U64 | ColumnType::Untyped if &**name == "id" => {
            let ids: Option<Vec<u64>> = (0..values.len())
                .filter(|row| !is_null(values, *row))
                .map(|row| row_id(column, row))
                .collect();
            if let Some(ids) = ids {
                seen.set_ids(ids);
            }
        }
        _ => {}
    }
    seen
}

/// Null arrays have no null buffer.
fn is_null(values: &ArrayRef, row: usize) -> bool {
    values.data_type() == &DataType::Null || values.is_null(row)
}

fn row_id(column: &PlainColumn, row: usize) -> Option<u64> {
    let id = match column.ty {
        ColumnType::I64 => u64::try_from(column.values.as_primitive::<Int64Type>().value(row)).ok(),
        ColumnType::U64 => Some(column.values.as_primitive::<UInt64Type>().value(row)),
        _ => None,
    };
    id.filter(|id| *id > 0)
}

/// The rows under construction, column by column.
struct Rows<'a> {
    layout: &'a Layout,
    times: Times<'a>,
    time_ns: Vec<i64>,
    ids: Option<Vec<Option<u64>>>,
    tags: Vec<usize>,
    fields: Vec<FieldColumn>,
    bad: BadRows,
}

impl<'a> Rows<'a> {
    fn new(layout: &'a Layout, options: &'a RowOptions, bad: BadRows) -> Rows<'a> {
        Rows {
            layout,
            times: Times::new(options.time_format.as_ref()),
            time_ns: Vec::new(),
            ids: None,
            tags: Vec::new(),
            fields: Vec::new(),
            bad,
        }
    }

    fn take(&mut self, index: usize, column: &PlainColumn) -> Result<()> {
        match self.layout.roles[index] {
            Role::Time => self.take_times(index, column),
            Role::Id => self.take_ids(index, column),
            Role::Tag => {
                self.check_texts(index, column);
                self.tags.push(index);
            }
            Role::Field(ty) => self.take_field(index, ty, column),
        }
        Ok(())
    }

    fn take_times(&mut self, index: usize, column: &PlainColumn) {
        let name = &self.layout.names[index];
        if column.ty == ColumnType::Timestamp {
            let times = column.values.as_primitive::<TimestampNanosecondType>();
            self.time_ns = times.values().to_vec();
            self.times = Times::new(Some(&TimeFormat::Rfc3339));
            if times.null_count() == 0 {
                return;
            }
        }
        for row in 0..column.values.len() {
            let is_empty = column.ty == ColumnType::Utf8
                && column.values.as_string::<i32>().value_length(row) == 0;
            if is_null(&column.values, row) || is_empty {
                let missing = || RowError::new(Code::InvalidTime, "missing time").column(name);
                self.bad.add(row, missing);
            } else if column.ty != ColumnType::Timestamp {
                let time = read_time(&mut self.times, column, row);
                self.time_ns.resize(row, 0);
                match time {
                    Ok(time) => self.time_ns.push(time),
                    Err(error) => self.bad.add(row, || error.column(name)),
                }
            }
        }
        self.time_ns.resize(column.values.len(), 0);
    }

    fn take_ids(&mut self, index: usize, column: &PlainColumn) {
        let name = &self.layout.names[index];
        let mut ids = Vec::with_capacity(column.values.len());
        for row in 0..column.values.len() {
            let id = (!is_null(&column.values, row)).then(|| row_id(column, row));
            if id == Some(None) {
                self.bad.add(row, || {
                    RowError::new(Code::InvalidRowId, "a row id is a positive integer").column(name)
                });
            }
            ids.push(id.flatten());
        }
        self.ids = Some(ids);
    }

    /// Marks the rows whose text is too long.
    fn check_texts(&mut self, index: usize, column: &PlainColumn) {
        let dictionary = column.values.as_any_dictionary_opt();
        let texts = dictionary.map_or(&column.values, |dictionary| dictionary.values());
        let Some(texts) = texts.as_string_opt::<i32>() else { return };
        let (name, limits) = (&self.layout.names[index], &self.layout.limits);
        // Together they are shorter than one may be, nearly always.
        if texts.value_data().len() <= limits.text_bytes {
            return;
        }
        let keys = dictionary.map(|dictionary| dictionary.normalized_keys());
        for row in (0..column.values.len()).filter(|row| !is_null(&column.values, *row)) {
            let bytes = texts.value_length(keys.as_ref().map_or(row, |keys| keys[row])) as usize;
            if bytes > limits.text_bytes {
                self.bad.add(row, || RowError::from(limits.long_text(bytes)).column(name));
            }
        }
    }

    fn take_field(&mut self, index: usize, ty: ColumnType, column: &PlainColumn) {
        self.check_texts(index, column);
        let name = &self.layout.names[index];
        let widens =
            column.ty == ColumnType::F64 && matches!(ty, ColumnType::I64 | ColumnType::U64);
        let (ty, values) = match column.ty {
            same if same == ty || widens => (same, Arc::clone(&column.values)),
            ColumnType::Untyped => return,
            _ => self.convert(name, ty, column),
        };
        self.fields.push(FieldColumn { name: name.clone(), ty, values });
    }

    /// Value by value through the conversion table.
    fn convert(
        &mut self,
        name: &Name,
        ty: ColumnType,
        column: &PlainColumn,
    ) -> (ColumnType, ArrayRef) {
        let mut builder = ColumnBuilder::new(ty);
        for row in 0..column.values.len() {
            if !is_null(&column.values, row)
                && let Err(clash) = push(&mut builder, column, row)
            {
                self.bad.add(row, || RowError::clash(&clash).column(name));
            }
            builder.fill_nulls(row + 1);
        }
        builder.finish()
    }

    fn finish(mut self, columns: &[PlainColumn], rejects: &mut Rejects) -> Result<Batch> {
        let tags: Vec<(&Name, &ArrayRef)> = self
            .tags
            .iter()
            .map(|index| (&self.layout.names[*index], &columns[*index].values))
            .collect();
        let mut series = series(self.layout.builder(), &tags, &self.bad.keep)?;
        let keep = self.bad.finish(rejects)?;
        let (mut time_ns, mut ids) = (self.time_ns, self.ids);
        if let Some(keep) = &keep {
            let mut codes = series.codes.to_vec();
            retain(&mut codes, keep);
            series.codes = codes.into();
            self.times.retain(&mut time_ns, keep);
            if let Some(ids) = &mut ids {
                retain(ids, keep);
            }
            for field in &mut self.fields {
                field.values = filter(&field.values, keep)?;
            }
        }
        self.times.finish(&mut time_ns)?;
        Ok(Batch {
            rows: time_ns.len(),
            series,
            time: time_ns.into(),
            fields: self.fields,
            ids: ids.map(UInt64Array::from),
        })
    }
}

fn retain<T>(values: &mut Vec<T>, keep: &BooleanArray) {
    let mut row = 0;
    values.retain(|_| {
        row += 1;
        keep.value(row - 1)
    });
}

/// The time of a row whose column holds numbers or text.
fn read_time(times: &mut Times<'_>, column: &PlainColumn, row: usize) -> Result<i64, RowError> {
    match column.ty {
        ColumnType::Utf8 => {
            let text = column.values.as_string::<i32>().value(row);
            times.read(text, row).map_err(|error| error.text(text))
        }
        ColumnType::I64 => {
            times.read_int(column.values.as_primitive::<Int64Type>().value(row), row)
        }
        ColumnType::U64 => {
            let value = column.values.as_primitive::<UInt64Type>().value(row);
            times.read(&value.to_string(), row)
        }
        ColumnType::F64 => {
            let value = column.values.as_primitive::<Float64Type>().value(row);
            times.read_float(value, row)
        }
        _ => Err(RowError::new(Code::InvalidTime, "a boolean is not a time")),
    }
}

fn push(builder: &mut ColumnBuilder, column: &PlainColumn, row: usize) -> Result<(), Clash> {
    let values = &column.values;
    match column.ty {
        ColumnType::Untyped => Ok(()),
        ColumnType::I64 => builder.push_i64(values.as_primitive::<Int64Type>().value(row)),
        ColumnType::U64 => builder.push_u64(values.as_primitive::<UInt64Type>().value(row)),
        ColumnType::F64 => builder.push_f64(values.as_primitive::<Float64Type>().value(row)),
        ColumnType::Bool => builder.push_bool(values.as_boolean().value(row)),
        ColumnType::Utf8 => builder.push_str(values.as_string::<i32>().value(row)),
        ColumnType::Timestamp => {
            builder.push_timestamp(values.as_primitive::<TimestampNanosecondType>().value(row))
        }
    }
}
