//! Values of a batch, by row: just the column types that a scan gives.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, TimeUnit, TimestampNanosecondType, UInt32Type, UInt64Type,
};
use pulsora_model::time::time_text;
use pulsora_model::{Error, Result};
use serde_json::{Number, Value};

/// One column of a batch.
pub(super) enum Values<'a> {
    I64(&'a Int64Array),
    U64(&'a UInt64Array),
    F64(&'a Float64Array),
    Bool(&'a BooleanArray),
    Utf8(&'a StringArray),
    Time(&'a TimestampNanosecondArray),
    Tag(&'a DictionaryArray<UInt32Type>, &'a StringArray),
    Null,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    I64(i64),
    U64(u64),
    F64(f64),
    Bool(bool),
    Text(&'a str),
    Time(i64),
}

impl<'a> Values<'a> {
    /// # Errors
    /// `internal` for a type that scans do not give.
    pub fn of(array: &'a ArrayRef) -> Result<Values<'a>> {
        Ok(match array.data_type() {
            DataType::Int64 => Values::I64(array.as_primitive::<Int64Type>()),
            DataType::UInt64 => Values::U64(array.as_primitive::<UInt64Type>()),
            DataType::Float64 => Values::F64(array.as_primitive::<Float64Type>()),
            DataType::Boolean => Values::Bool(array.as_boolean()),
            DataType::Utf8 => Values::Utf8(array.as_string()),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                Values::Time(array.as_primitive::<TimestampNanosecondType>())
            }
            DataType::Null => Values::Null,
            DataType::Dictionary(_, _) => {
                let tag = array.as_dictionary_opt::<UInt32Type>();
                let pair = tag.and_then(|tag| Some((tag, tag.values().as_string_opt::<i32>()?)));
                let (tag, texts) = pair.ok_or_else(|| unexpected(array.data_type()))?;
                Values::Tag(tag, texts)
            }
            other => return Err(unexpected(other)),
        })
    }

    /// Every column of a batch.
    ///
    /// # Errors
    /// As [`Values::of`].
    pub fn all(batch: &'a RecordBatch) -> Result<Vec<Values<'a>>> {
        batch.columns().iter().map(Values::of).collect()
    }

    /// The value of a row.
    pub fn cell(&self, row: usize) -> Cell<'a> {
        match self {
            Values::I64(array) if array.is_valid(row) => Cell::I64(array.value(row)),
            Values::U64(array) if array.is_valid(row) => Cell::U64(array.value(row)),
            Values::F64(array) if array.is_valid(row) => Cell::F64(array.value(row)),
            Values::Bool(array) if array.is_valid(row) => Cell::Bool(array.value(row)),
            Values::Utf8(array) if array.is_valid(row) => Cell::Text(array.value(row)),
            Values::Time(array) if array.is_valid(row) => Cell::Time(array.value(row)),
            Values::Tag(tag, texts) => match tag.key(row) {
                Some(key) if texts.is_valid(key) => Cell::Text(texts.value(key)),
                _ => Cell::Null,
            },
            _ => Cell::Null,
        }
    }

    /// The time of a row; only for the time column.
    ///
    /// # Errors
    /// `internal` for another column.
    pub fn time(&self, row: usize) -> Result<i64> {
        match self.cell(row) {
            Cell::Time(time) => Ok(time),
            _ => Err(Error::internal("a row of a scan has no time")),
        }
    }
}

impl Cell<'_> {
    /// As JSON; NaN and infinities are null.
    pub fn json(&self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::I64(value) => Value::from(*value),
            Cell::U64(value) => Value::from(*value),
            Cell::F64(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Cell::Bool(value) => Value::from(*value),
            Cell::Text(text) => Value::from(*text),
            Cell::Time(time) => Value::from(time_text(*time)),
        }
    }
}

fn unexpected(ty: &DataType) -> Error {
    Error::internal(format!("a scan gave a column of type {ty}"))
}
