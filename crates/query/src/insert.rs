//! INSERT: rows of a query as a batch for an existing table.
//!
//! Up to 100,000 rows are one request, whole or not at all; more are stored in pieces of that size,
//! and an error then says how many rows are stored. A column that is not named is null; the time must
//! be there; a row id that is not there is assigned.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampNanosecondType, UInt64Type};
use datafusion::sql::sqlparser::ast::{self, Expr, Query, SetExpr, Value};
use pulsora_model::builder::{FieldIndex, TagIndex, TagTarget};
use pulsora_model::column::Clash;
use pulsora_model::time::{column_precision, parse_time};
use pulsora_model::types::timestamp_type;
use pulsora_model::{
    Batch, BatchBuilder, Code, Column, ColumnKind, ColumnType, Detail, Error, Result, TableSchema,
};

/// The columns of a table that an INSERT fills, in the order of its query.
pub(crate) struct InsertTarget {
    schema: Arc<TableSchema>,
    /// Positions in the schema.
    columns: Vec<usize>,
}

impl InsertTarget {
    /// `named` are the columns of the statement; empty = all of the table, with or without the row
    /// id.
    ///
    /// # Errors
    /// `sql_invalid` when the count differs or a column is named twice, `invalid_time` when the time
    /// is missing.
    pub(crate) fn new(
        schema: Arc<TableSchema>,
        named: &[&Column],
        given: usize,
    ) -> Result<InsertTarget> {
        let all = || 0..schema.columns.len();
        let columns: Vec<usize> = if !named.is_empty() {
            let position = |column: &&Column| schema.columns.iter().position(|c| c.id == column.id);
            named.iter().filter_map(position).collect()
        } else if given == schema.columns.len() {
            all().collect()
        } else {
            all().filter(|i| schema.columns[*i].kind != ColumnKind::Id).collect()
        };
        if columns.len() != given {
            let message = format!("{} columns are filled with {given} values", columns.len());
            return Err(Error::new(Code::SqlInvalid, message)
                .hint("name the columns: INSERT INTO t (a, b) …"));
        }
        for (at, column) in columns.iter().enumerate() {
            if columns[..at].contains(column) {
                let message = format!("column {:?} is named twice", schema.columns[*column].name);
                return Err(Error::new(Code::SqlInvalid, message));
            }
        }
        if !columns.iter().any(|i| schema.columns[*i].kind == ColumnKind::Time) {
            let time = &schema.time().name;
            return Err(Error::new(
                Code::InvalidTime,
                format!("the time column {time:?} is not filled"),
            )
            .hint("name it in the column list; now() is the present time"));
        }
        Ok(InsertTarget { schema, columns })
    }

    /// Whole numbers for unsigned columns keep every digit: alone the planner would make floats of
    /// numbers of which some fit 64 bits only without a sign.
    pub(crate) fn keep_unsigned(schema: &TableSchema, named: &[&Column], query: &mut Query) {
        let SetExpr::Values(values) = query.body.as_mut() else { return };
        for row in &mut values.rows {
            let cells = row.content.len();
            let all = schema.columns.iter();
            let columns: Vec<&Column> = if named.is_empty() && cells == schema.columns.len() {
                all.collect()
            } else if named.is_empty() {
                all.filter(|column| column.kind != ColumnKind::Id).collect()
            } else {
                named.to_vec()
            };
            for (cell, column) in row.content.iter_mut().zip(columns) {
                if column.ty == ColumnType::U64 && is_whole_number(cell) {
                    let expr = Box::new(cell.clone());
                    let data_type = ast::DataType::BigIntUnsigned(None);
                    let kind = ast::CastKind::Cast;
                    *cell = Expr::Cast { kind, expr, data_type, array: false, format: None };
                }
            }
        }
    }

    /// The table's batch of these rows. `first_row` is the number of the first one, from 1, for
    /// errors.
    ///
    /// # Errors
    /// `type_conflict`, `invalid_time` or `invalid_row_id` with the row and the column.
    pub(crate) fn batch(&self, batches: &[RecordBatch], first_row: u64) -> Result<Batch> {
        let schema = &self.schema;
        let time_name = schema.time().name.clone();
        let mut builder = BatchBuilder::new(Some(Arc::clone(schema)), None, time_name, None);
        let slots = self.slots(&mut builder)?;
        let mut number = first_row;
        for batch in batches {
            let cells = self.cells(batch)?;
            let mut tags: Vec<(TagIndex, &str)> = Vec::new();
            for row in 0..batch.num_rows() {
                let filled = fill_row(&mut builder, &slots, &cells, row, &mut tags);
                let (time, id) = filled.map_err(|(at, error)| self.at(error, at, number))?;
                let series = builder.series(&mut tags)?;
                match id {
                    Some(id) => builder.end_row_with_id(series, time, Some(id)),
                    None => builder.end_row(series, time),
                }
                tags.clear();
                number += 1;
            }
        }
        Ok(builder.finish())
    }

    fn slots(&self, builder: &mut BatchBuilder) -> Result<Vec<Slot>> {
        let slot = |index: &usize| {
            let column = &self.schema.columns[*index];
            Ok(match column.kind {
                ColumnKind::Time => Slot::Time,
                ColumnKind::Id => Slot::Id,
                ColumnKind::Tag => match builder.tag(&column.name)? {
                    TagTarget::Tag(tag) => Slot::Tag(tag),
                    TagTarget::Field(field) => Slot::Field(field),
                },
                ColumnKind::Field => Slot::Field(builder.field(&column.name)?),
            })
        };
        self.columns.iter().map(slot).collect()
    }

    fn cells(&self, batch: &RecordBatch) -> Result<Vec<Cells>> {
        let cells = |(index, values): (&usize, &ArrayRef)| {
            let column = &self.schema.columns[*index];
            Cells::new(values, column)
                .map_err(|error| error.context(format!("column {:?}", column.name)))
        };
        self.columns.iter().zip(batch.columns()).map(cells).collect()
    }

    /// Puts row and column before what is wrong.
    fn at(&self, error: Error, column: usize, row: u64) -> Error {
        let name = self.schema.columns[self.columns[column]].name.to_string();
        let detail = Detail {
            line: Some(row),
            column: Some(name.clone()),
            message: error.message().into(),
            ..Detail::default()
        };
        error.context(format!("row {row}, column {name:?}")).details([detail])
    }
}

fn is_whole_number(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(&value.value, Value::Number(digits, _)
            if digits.bytes().all(|byte| byte.is_ascii_digit())),
        _ => false,
    }
}

enum Slot {
    Time,
    Id,
    Tag(TagIndex),
    Field(FieldIndex),
}

/// The values of one column in one of the types that tables have.
enum Cells {
    Null,
    I64(ArrayRef),
    U64(ArrayRef),
    F64(ArrayRef),
    Bool(ArrayRef),
    Text(StringArray),
    Time(ArrayRef),
}

impl Cells {
    fn new(values: &ArrayRef, column: &Column) -> Result<Cells> {
        let ty = values.data_type();
        let target = match ty {
            DataType::Null => return Ok(Cells::Null),
            _ if column.kind == ColumnKind::Tag => DataType::Utf8,
            ty if ty.is_signed_integer() => DataType::Int64,
            ty if ty.is_unsigned_integer() => DataType::UInt64,
            ty if ty.is_floating() || ty.is_decimal() => DataType::Float64,
            DataType::Boolean => DataType::Boolean,
            DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 => timestamp_type(),
            DataType::Dictionary(_, _) => DataType::Utf8,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            _ => {
                return Err(Error::new(Code::TypeConflict, "values of this type cannot be stored")
                    .hint("CAST them to BIGINT, DOUBLE, TEXT, BOOLEAN or TIMESTAMP"));
            }
        };
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let values = cast_with_options(values, &target, &options).map_err(|error| {
            Error::new(Code::TypeConflict, crate::error::sentence(&error.to_string()))
        })?;
        if column.kind == ColumnKind::Time {
            return times_of(values);
        }
        Ok(match target {
            DataType::Int64 => Cells::I64(values),
            DataType::UInt64 => Cells::U64(values),
            DataType::Float64 => Cells::F64(values),
            DataType::Boolean => Cells::Bool(values),
            DataType::Utf8 => Cells::Text(values.as_string::<i32>().clone()),
            _ => Cells::Time(values),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Cells::Null => true,
            Cells::I64(values)
            | Cells::U64(values)
            | Cells::F64(values)
            | Cells::Bool(values)
            | Cells::Time(values) => values.is_null(row),
            Cells::Text(values) => values.is_null(row),
        }
    }
}

/// Values of a time column: times, texts (read row by row), or whole numbers in the unit that the
/// largest of them suggests.
fn times_of(values: ArrayRef) -> Result<Cells> {
    match values.data_type() {
        DataType::Timestamp(_, _) => Ok(Cells::Time(values)),
        DataType::Utf8 => Ok(Cells::Text(values.as_string::<i32>().clone())),
        DataType::Int64 => {
            let numbers = values.as_primitive::<Int64Type>();
            let unit = column_precision(numbers.iter().flatten())?;
            let times = numbers.iter().map(|n| n.map(|n| unit.to_ns(n)).transpose());
            let times: arrow::array::TimestampNanosecondArray = times.collect::<Result<_>>()?;
            Ok(Cells::Time(Arc::new(times)))
        }
        _ => Err(Error::new(Code::InvalidTime, "these values are not times")
            .hint("use TIMESTAMP '2024-01-31 12:00:00', a text like it, or a whole number")),
    }
}

type RowError = (usize, Error);

/// Pushes the fields of one row and gives its time and row id; the tags go into `tags`.
fn fill_row<'c>(
    builder: &mut BatchBuilder,
    slots: &[Slot],
    cells: &'c [Cells],
    row: usize,
    tags: &mut Vec<(TagIndex, &'c str)>,
) -> Result<(i64, Option<u64>), RowError> {
    let (mut time, mut id) = (None, None);
    for (at, (slot, cells)) in slots.iter().zip(cells).enumerate() {
        if cells.is_null(row) {
            continue;
        }
        match slot {
            Slot::Time => time = Some(time_at(cells, row).map_err(|error| (at, error))?),
            Slot::Id => id = Some(id_at(cells, row).map_err(|error| (at, error))?),
            Slot::Tag(tag) => {
                if let Cells::Text(values) = cells {
                    tags.push((*tag, values.value(row)));
                }
            }
            Slot::Field(field) => push(builder, *field, cells, row)
                .map_err(|clash| (at, Error::new(Code::TypeConflict, clash.message())))?,
        }
    }
    let position = slots.iter().position(|slot| matches!(slot, Slot::Time)).unwrap_or(0);
    match time {
        Some(time) => Ok((time, id)),
        None => Err((position, Error::new(Code::InvalidTime, "the time is null"))),
    }
}

fn time_at(cells: &Cells, row: usize) -> Result<i64> {
    match cells {
        Cells::Text(values) => parse_time(values.value(row)),
        Cells::Time(values) => Ok(values.as_primitive::<TimestampNanosecondType>().value(row)),
        _ => Err(Error::new(Code::InvalidTime, "this is not a time")),
    }
}

fn id_at(cells: &Cells, row: usize) -> Result<u64> {
    let id = match cells {
        Cells::I64(values) => u64::try_from(values.as_primitive::<Int64Type>().value(row)).ok(),
        Cells::U64(values) => Some(values.as_primitive::<UInt64Type>().value(row)),
        _ => None,
    };
    id.filter(|id| *id > 0)
        .ok_or_else(|| Error::new(Code::InvalidRowId, "a row id is a whole number above zero"))
}

fn push(
    builder: &mut BatchBuilder,
    field: FieldIndex,
    cells: &Cells,
    row: usize,
) -> Result<(), Clash> {
    match cells {
        Cells::Null => Ok(()),
        Cells::I64(values) => {
            builder.push_i64(field, values.as_primitive::<Int64Type>().value(row))
        }
        Cells::U64(values) => {
            builder.push_u64(field, values.as_primitive::<UInt64Type>().value(row))
        }
        Cells::F64(values) => {
            builder.push_f64(field, values.as_primitive::<Float64Type>().value(row))
        }
        Cells::Bool(values) => builder.push_bool(field, values.as_boolean().value(row)),
        Cells::Text(values) => builder.push_str(field, values.value(row)),
        Cells::Time(values) => {
            let time = values.as_primitive::<TimestampNanosecondType>().value(row);
            builder.push_timestamp(field, time)
        }
    }
}
