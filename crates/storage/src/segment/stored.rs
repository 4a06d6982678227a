//! Which columns of a batch a segment stores, and in which type.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::cast;
use pulsora_model::{Column, ColumnKind, ColumnType, Result};

/// Untyped columns have no values.
pub(super) fn is_stored(column: &Column) -> bool {
    column.kind != ColumnKind::Field || column.ty != ColumnType::Untyped
}

/// The values of a column in its stored type.
pub(super) fn stored(batch: &RecordBatch, column: &Column) -> Result<ArrayRef> {
    let ty = column.arrow_type();
    let Some(values) = batch.column_by_name(&column.name) else {
        return Ok(new_null_array(&ty, batch.num_rows()));
    };
    if *values.data_type() == ty { Ok(Arc::clone(values)) } else { Ok(cast(values, &ty)?) }
}
