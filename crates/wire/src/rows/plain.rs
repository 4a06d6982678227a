//! Arrow columns of foreign types as the six types that tables have.
//!
//! A column of the right type is taken as it is, without a copy; others are cast when that loses
//! nothing. Times out of range are bad rows. Types without a counterpart are refused by name.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, TimestampNanosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use pulsora_model::partition::DAY_NS;
use pulsora_model::types::UTC;
use pulsora_model::{Code, ColumnType, Error, Name, Result};

use super::columns::BadRows;
use super::outcome::RowError;
use super::times::out_of_range;
use crate::results::type_name;

/// The table type that a column of this Arrow type has; `None` when there is none.
pub(crate) fn plain_type(ty: &DataType) -> Option<ColumnType> {
    Some(match ty {
        DataType::Null => ColumnType::Untyped,
        DataType::Boolean => ColumnType::Bool,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => ColumnType::I64,
        DataType::UInt64 => ColumnType::U64,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnType::F64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::Utf8,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => ColumnType::Timestamp,
        DataType::Dictionary(_, values) if !matches!(**values, DataType::Dictionary(..)) => {
            return plain_type(values);
        }
        _ => return None,
    })
}

/// Refuses a column type by name.
pub(crate) fn refuse(name: &str, ty: &str) -> Error {
    Error::new(
        Code::TypeConflict,
        format!("column {name:?} has the type {ty}, which tables do not have"),
    )
    .hint("cast it to an integer, float, boolean, text or timestamp column, or leave it out")
}

/// The column as its table type.
///
/// # Errors
/// `type_conflict` for a type that tables do not have, `limit_exceeded` for more than 2 GiB of text.
pub(crate) fn plain_column(
    name: &Name,
    array: &ArrayRef,
    bad: &mut BadRows,
) -> Result<(ColumnType, ArrayRef)> {
    let ty =
        plain_type(array.data_type()).ok_or_else(|| refuse(name, &type_name(array.data_type())))?;
    let array = match array.data_type() {
        DataType::Dictionary(_, values) => &cast(array, values).map_err(|e| too_much(name, e))?,
        _ => array,
    };
    let plain: ArrayRef = match array.data_type() {
        DataType::Timestamp(unit, _) => Arc::new(timestamps(name, array, *unit, bad)),
        DataType::Date32 => Arc::new(scaled::<Date32Type>(name, array, DAY_NS, bad)),
        DataType::Date64 => Arc::new(scaled::<Date64Type>(name, array, 1_000_000, bad)),
        same if *same == ty.arrow() => Arc::clone(array),
        _ => cast(array, &ty.arrow()).map_err(|error| too_much(name, error))?,
    };
    Ok((ty, plain))
}

fn too_much(name: &Name, error: arrow::error::ArrowError) -> Error {
    Error::new(Code::LimitExceeded, format!("column {name:?} cannot be taken: {error}"))
        .hint("send fewer rows in one request")
}

fn timestamps(
    name: &Name,
    array: &ArrayRef,
    unit: TimeUnit,
    bad: &mut BadRows,
) -> TimestampNanosecondArray {
    match unit {
        TimeUnit::Second => scaled::<TimestampSecondType>(name, array, 1_000_000_000, bad),
        TimeUnit::Millisecond => scaled::<TimestampMillisecondType>(name, array, 1_000_000, bad),
        TimeUnit::Microsecond => scaled::<TimestampMicrosecondType>(name, array, 1_000, bad),
        TimeUnit::Nanosecond => {
            array.as_primitive::<TimestampNanosecondType>().clone().with_timezone(UTC)
        }
    }
}

/// Values of a coarser unit as nanoseconds.
fn scaled<T: ArrowPrimitiveType>(
    name: &Name,
    array: &ArrayRef,
    unit_ns: i64,
    bad: &mut BadRows,
) -> TimestampNanosecondArray
where
    T::Native: Into<i64>,
{
    let values: &PrimitiveArray<T> = array.as_primitive();
    let mut times = Vec::with_capacity(values.len());
    for (row, value) in values.values().iter().enumerate() {
        let value: i64 = (*value).into();
        let time = value.checked_mul(unit_ns);
        if time.is_none() && values.is_valid(row) {
            bad.add(row, || RowError::from(out_of_range(value)).column(name));
        }
        times.push(time.unwrap_or(0));
    }
    TimestampNanosecondArray::new(times.into(), values.nulls().cloned()).with_timezone(UTC)
}
