//! Feeds the batches of a scan into a part: right for every order of rows, fast for long runs.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, RecordBatch, RecordBatchOptions, UInt32Array,
};
use arrow::compute::take_record_batch;
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, Schema, TimestampNanosecondType, UInt32Type, UInt64Type,
};
use pulsora_model::{Column, ColumnId, Error, Result};

use super::part::FoldPart;
use super::summary::{Slices, Values};

impl FoldPart {
    /// Adds all rows of a batch that has `columns`.
    ///
    /// # Errors
    /// `internal` when a needed column is missing or of another type; `memory_limit`.
    pub(super) fn feed_batch(&mut self, batch: &RecordBatch, columns: &[Column]) -> Result<()> {
        let array = |id: ColumnId| {
            let position = columns.iter().position(|column| column.id == id);
            let position = position
                .ok_or_else(|| Error::internal(format!("fold: column {id} is not read")))?;
            Ok(batch.column(position))
        };
        let shape = Arc::clone(&self.shape);
        let folded = shape.folded.iter().map(|folded| slices(array(folded.column.id)?));
        let folded = folded.collect::<Result<Vec<_>>>()?;
        let times = match shape.needs_times() {
            true => Some(times(array(shape.time.id)?)?),
            false => None,
        };
        let by = shape.by.iter().map(|tag| tags(array(tag.id)?)).collect::<Result<Vec<_>>>()?;
        let mut start = 0;
        while start < batch.num_rows() {
            let end = run_end(&by, start, batch.num_rows());
            let key: Vec<Option<&str>> = by.iter().map(|tags| tag(tags, start)).collect();
            let group = self.groups.number(&key);
            self.feed_group(group, &folded, start..end, times);
            start = end;
        }
        let picked = |rows: &[u32]| {
            let arrays = shape.picked.iter().map(|column| array(column.id).cloned());
            let arrays = arrays.collect::<Result<Vec<_>>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let picked =
                Schema::new(shape.picked.iter().map(Column::arrow_field).collect::<Vec<_>>());
            let all = RecordBatch::try_new_with_options(Arc::new(picked), arrays, &options)?;
            Ok(take_record_batch(&all, &UInt32Array::from(rows.to_vec()))?)
        };
        for picks in self.first.iter_mut().chain(&mut self.last) {
            picks.end_batch(picked)?;
        }
        self.settle()
    }
}

/// The values of an array of times.
pub(super) fn times(array: &ArrayRef) -> Result<&[i64]> {
    let times = array.as_primitive_opt::<TimestampNanosecondType>();
    Ok(times.ok_or_else(|| Error::internal("the time column does not hold times"))?.values())
}

pub(super) fn tags(array: &ArrayRef) -> Result<&DictionaryArray<UInt32Type>> {
    let tags = array.as_dictionary_opt::<UInt32Type>();
    tags.ok_or_else(|| Error::internal("a tag column does not hold tags"))
}

fn tag(tags: &DictionaryArray<UInt32Type>, row: usize) -> Option<&str> {
    let key = tags.key(row)?;
    Some(tags.values().as_string_opt::<i32>()?.value(key))
}

/// Where the run of rows with the same keys ends.
pub(super) fn run_end(by: &[&DictionaryArray<UInt32Type>], start: usize, rows: usize) -> usize {
    by.iter().fold(rows, |end, tags| {
        let keys = tags.keys();
        let values = &keys.values()[start..end];
        let same = |row: usize| match keys.nulls() {
            None => values[row] == values[0],
            Some(nulls) if nulls.is_null(start) => nulls.is_null(start + row),
            Some(nulls) => nulls.is_valid(start + row) && values[row] == values[0],
        };
        start + 1 + (1..values.len()).take_while(|row| same(*row)).count()
    })
}

/// The values of an array of any column type.
pub(super) fn slices(array: &ArrayRef) -> Result<Slices<'_>> {
    let values = match array.data_type() {
        DataType::Null => Some(Values::Null),
        DataType::Int64 => array.as_primitive_opt::<Int64Type>().map(|v| Values::I64(v.values())),
        DataType::UInt64 => array.as_primitive_opt::<UInt64Type>().map(|v| Values::U64(v.values())),
        DataType::Float64 => {
            array.as_primitive_opt::<Float64Type>().map(|v| Values::F64(v.values()))
        }
        DataType::Timestamp(..) => {
            array.as_primitive_opt::<TimestampNanosecondType>().map(|v| Values::I64(v.values()))
        }
        DataType::Boolean => array.as_boolean_opt().map(Values::Bool),
        DataType::Utf8 => array.as_string_opt::<i32>().map(Values::Text),
        DataType::Dictionary(..) => array.as_dictionary_opt::<UInt32Type>().map(Values::Tag),
        _ => None,
    };
    let values = values.ok_or_else(|| {
        Error::internal(format!("fold: {} is no type of a column", array.data_type()))
    })?;
    let valid = match values {
        Values::Null => None,
        _ => array.logical_nulls().filter(|nulls| nulls.null_count() > 0),
    };
    Ok(Slices { values, valid })
}
