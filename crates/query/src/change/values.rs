//! The values of an UPDATE → what becomes of a batch of rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::PhysicalExpr;
use pulsora_model::limits::Limits;
use pulsora_model::{Code, Column, ColumnType, Error, Result, TableSchema};
use pulsora_storage::{Change, RowChange};

use crate::error::from_datafusion;

/// A column that takes new values.
struct Set {
    /// Its position in the table.
    at: usize,
    value: Arc<dyn PhysicalExpr>,
    ty: DataType,
    name: String,
    text_bytes_max: usize,
}

/// The change that gives each of `sets` the value of its expression, computed from the row as it was.
///
/// # Errors
/// `type_conflict` for a value of a type that the column cannot take; what the planner reports.
pub(super) fn change(
    state: &SessionState,
    exprs: &[Expr],
    input: &DFSchema,
    schema: &TableSchema,
    sets: &[Column],
    text_bytes_max: usize,
) -> Result<Change> {
    let mut changes = Vec::with_capacity(sets.len());
    for (column, expr) in sets.iter().zip(exprs) {
        let value = state
            .create_physical_expr(expr.clone().unalias(), input)
            .map_err(|error| from_datafusion(&error))?;
        let given = value.data_type(input.as_arrow()).map_err(|error| from_datafusion(&error))?;
        if !takes(column.ty, &given) {
            return Err(conflict(column, &given));
        }
        let at = schema.columns.iter().position(|other| other.id == column.id);
        let at = at.ok_or_else(|| Error::internal("a column that is set is not there"))?;
        let (ty, name) = (column.arrow_type(), column.name.to_string());
        changes.push(Set { at, value, ty, name, text_bytes_max });
    }
    Ok(Change::Replace(RowChange::new(move |batch: &RecordBatch| {
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        for set in &changes {
            columns[set.at] = set.of(batch)?;
        }
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    })))
}

impl Set {
    fn of(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let values = self.value.evaluate(batch).and_then(|v| v.into_array(batch.num_rows()));
        let values = values.map_err(|error| from_datafusion(&error))?;
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let values = match *values.data_type() == self.ty {
            true => values,
            false => cast_with_options(&values, &self.ty, &options).map_err(|error| {
                Error::new(Code::TypeConflict, format!("column {:?}: {error}", self.name))
            })?,
        };
        let texts = values.as_string_opt::<i32>().map(|texts| texts.offsets().lengths());
        let longest = texts.and_then(Iterator::max).unwrap_or(0);
        if longest <= self.text_bytes_max {
            return Ok(values);
        }
        let limits = Limits { text_bytes: self.text_bytes_max, ..Limits::default() };
        Err(limits.long_text(longest).context(format_args!("column {:?}", self.name)))
    }
}

/// Whether a column of a type can take values of another, without a loss that nobody asked for.
fn takes(column: ColumnType, given: &DataType) -> bool {
    if *given == DataType::Null {
        return column != ColumnType::Untyped;
    }
    match column {
        // What unsigned and signed integers come to together is a decimal without fraction.
        ColumnType::I64 | ColumnType::U64 => {
            given.is_integer() || matches!(given, DataType::Decimal128(_, 0))
        }
        ColumnType::F64 => given.is_numeric(),
        ColumnType::Bool => *given == DataType::Boolean,
        ColumnType::Utf8 => match given {
            DataType::Dictionary(_, values) => values.is_string(),
            other => other.is_string(),
        },
        ColumnType::Timestamp => {
            matches!(given, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
                || given.is_string()
        }
        ColumnType::Untyped => false,
    }
}

fn conflict(column: &Column, given: &DataType) -> Error {
    let name = &*column.name;
    if column.ty == ColumnType::Untyped {
        let message = format!("column {name:?} has no value yet, and so no type");
        return Error::new(Code::TypeConflict, message)
            .hint("drop it and add it anew with its type: ALTER TABLE … ADD COLUMN …");
    }
    let message = format!("column {name:?} holds {}, the value is a {given}", column.ty.noun());
    Error::new(Code::TypeConflict, message).hint("use CAST(… AS …) or round()")
}
