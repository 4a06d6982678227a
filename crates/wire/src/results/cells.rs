//! Any Arrow array as cells of a few kinds of values, so that each text format handles a dozen kinds
//! and not fifty types.
//!
//! Arrays are downcast once per batch. Dictionaries are looked through; times of every unit are
//! nanoseconds in an i128, so that none is out of range; types without a kind of their own (dates,
//! intervals, decimals) come as text.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, OffsetSizeTrait};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use pulsora_model::Result;

/// One value of a result.
pub(super) enum Value<'c, 'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    F32(f32),
    F64(f64),
    /// Nanoseconds since 1970.
    Time(i128),
    Text(&'c str),
    Bytes(&'c [u8]),
    /// A decimal number as text.
    Number(String),
    /// A value of another type as text.
    Shown(String),
    List(&'c Cells<'a>, Range<usize>),
    Struct(&'c [(&'a str, Cells<'a>)], usize),
    Map(&'c Cells<'a>, &'c Cells<'a>, Range<usize>),
}

type Of<'a, T> = Box<dyn Fn(usize) -> T + 'a>;

enum Kind<'a> {
    Null,
    Bool(Of<'a, bool>),
    Int(Of<'a, i64>),
    Uint(Of<'a, u64>),
    F32(Of<'a, f32>),
    F64(Of<'a, f64>),
    Time(Of<'a, i128>),
    Text(Of<'a, &'a str>),
    Bytes(Of<'a, &'a [u8]>),
    Number(ArrayFormatter<'a>),
    Shown(ArrayFormatter<'a>),
    Dictionary(Vec<usize>, Box<Cells<'a>>),
    List(Of<'a, Range<usize>>, Box<Cells<'a>>),
    Struct(Vec<(&'a str, Cells<'a>)>),
    Map(Of<'a, Range<usize>>, Box<Cells<'a>>, Box<Cells<'a>>),
}

/// The cells of one array.
pub(super) struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    kind: Kind<'a>,
}

const FORMAT: FormatOptions<'static> = FormatOptions::new();

impl<'a> Cells<'a> {
    /// # Errors
    /// When the array has a type that cannot be written as text.
    pub(super) fn new(array: &'a ArrayRef) -> Result<Cells<'a>> {
        Ok(Cells { nulls: array.nulls(), kind: kind(array)? })
    }

    pub(super) fn value(&self, row: usize) -> Value<'_, 'a> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return Value::Null;
        }
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(of) => Value::Bool(of(row)),
            Kind::Int(of) => Value::Int(of(row)),
            Kind::Uint(of) => Value::Uint(of(row)),
            Kind::F32(of) => Value::F32(of(row)),
            Kind::F64(of) => Value::F64(of(row)),
            Kind::Time(of) => Value::Time(of(row)),
            Kind::Text(of) => Value::Text(of(row)),
            Kind::Bytes(of) => Value::Bytes(of(row)),
            Kind::Number(format) => Value::Number(format.value(row).to_string()),
            Kind::Shown(format) => Value::Shown(format.value(row).to_string()),
            Kind::Dictionary(keys, values) => values.value(keys[row]),
            Kind::List(of, items) => Value::List(items, of(row)),
            Kind::Struct(fields) => Value::Struct(fields, row),
            Kind::Map(of, keys, values) => Value::Map(keys, values, of(row)),
        }
    }
}

fn kind(array: &ArrayRef) -> Result<Kind<'_>> {
    Ok(match array.data_type() {
        DataType::Null => Kind::Null,
        DataType::Boolean => {
            let values = array.as_boolean();
            Kind::Bool(Box::new(move |row| values.value(row)))
        }
        DataType::Int8 => Kind::Int(primitive::<Int8Type, _>(array, i64::from)),
        DataType::Int16 => Kind::Int(primitive::<Int16Type, _>(array, i64::from)),
        DataType::Int32 => Kind::Int(primitive::<Int32Type, _>(array, i64::from)),
        DataType::Int64 => Kind::Int(primitive::<Int64Type, _>(array, |value| value)),
        DataType::UInt8 => Kind::Uint(primitive::<UInt8Type, _>(array, u64::from)),
        DataType::UInt16 => Kind::Uint(primitive::<UInt16Type, _>(array, u64::from)),
        DataType::UInt32 => Kind::Uint(primitive::<UInt32Type, _>(array, u64::from)),
        DataType::UInt64 => Kind::Uint(primitive::<UInt64Type, _>(array, |value| value)),
        DataType::Float16 => Kind::F32(primitive::<Float16Type, _>(array, |value| value.to_f32())),
        DataType::Float32 => Kind::F32(primitive::<Float32Type, _>(array, |value| value)),
        DataType::Float64 => Kind::F64(primitive::<Float64Type, _>(array, |value| value)),
        DataType::Timestamp(unit, _) => Kind::Time(times(array, *unit)),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text(texts(array)),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => Kind::Bytes(binaries(array)),
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Kind::Number(ArrayFormatter::try_new(array, &FORMAT)?),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let values = Cells::new(dictionary.values())?;
            // Of an empty dictionary all keys are null, and no key is looked up.
            let keys = match dictionary.values().is_empty() {
                true => Vec::new(),
                false => dictionary.normalized_keys(),
            };
            Kind::Dictionary(keys, Box::new(values))
        }
        DataType::List(_) => list::<i32>(array)?,
        DataType::LargeList(_) => list::<i64>(array)?,
        DataType::FixedSizeList(_, size) => {
            let list = array.as_fixed_size_list();
            let size = usize::try_from(*size).unwrap_or(0);
            let items = Cells::new(list.values())?;
            Kind::List(Box::new(move |row| row * size..(row + 1) * size), Box::new(items))
        }
        DataType::Struct(_) => Kind::Struct(struct_fields(array)?),
        DataType::Map(..) => {
            let map = array.as_map();
            let (keys, values) = (Cells::new(map.keys())?, Cells::new(map.values())?);
            let of = Box::new(move |row| offsets(map.value_offsets(), row));
            Kind::Map(of, Box::new(keys), Box::new(values))
        }
        _ => Kind::Shown(ArrayFormatter::try_new(array, &FORMAT)?),
    })
}

fn primitive<'a, T: ArrowPrimitiveType, V>(
    array: &'a ArrayRef,
    convert: impl Fn(T::Native) -> V + 'a,
) -> Of<'a, V> {
    let values = array.as_primitive::<T>();
    Box::new(move |row| convert(values.value(row)))
}

fn times(array: &ArrayRef, unit: TimeUnit) -> Of<'_, i128> {
    let scaled = |unit_ns: i128| move |value| i128::from(value) * unit_ns;
    match unit {
        TimeUnit::Second => primitive::<TimestampSecondType, _>(array, scaled(1_000_000_000)),
        TimeUnit::Millisecond => primitive::<TimestampMillisecondType, _>(array, scaled(1_000_000)),
        TimeUnit::Microsecond => primitive::<TimestampMicrosecondType, _>(array, scaled(1_000)),
        TimeUnit::Nanosecond => primitive::<TimestampNanosecondType, _>(array, scaled(1)),
    }
}

fn texts(array: &ArrayRef) -> Of<'_, &str> {
    match array.data_type() {
        DataType::LargeUtf8 => {
            let values = array.as_string::<i64>();
            Box::new(move |row| values.value(row))
        }
        DataType::Utf8View => {
            let values = array.as_string_view();
            Box::new(move |row| values.value(row))
        }
        _ => {
            let values = array.as_string::<i32>();
            Box::new(move |row| values.value(row))
        }
    }
}

fn binaries(array: &ArrayRef) -> Of<'_, &[u8]> {
    match array.data_type() {
        DataType::LargeBinary => {
            let values = array.as_binary::<i64>();
            Box::new(move |row| values.value(row))
        }
        DataType::BinaryView => {
            let values = array.as_binary_view();
            Box::new(move |row| values.value(row))
        }
        DataType::FixedSizeBinary(_) => {
            let values = array.as_fixed_size_binary();
            Box::new(move |row| values.value(row))
        }
        _ => {
            let values = array.as_binary::<i32>();
            Box::new(move |row| values.value(row))
        }
    }
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef) -> Result<Kind<'_>> {
    let list = array.as_list::<O>();
    let items = Cells::new(list.values())?;
    Ok(Kind::List(Box::new(move |row| offsets(list.value_offsets(), row)), Box::new(items)))
}

fn offsets<O: OffsetSizeTrait>(offsets: &[O], row: usize) -> Range<usize> {
    offsets[row].as_usize()..offsets[row + 1].as_usize()
}

fn struct_fields(array: &ArrayRef) -> Result<Vec<(&str, Cells<'_>)>> {
    let values = array.as_struct();
    let fields = values.fields().iter().zip(values.columns());
    fields.map(|(field, column)| Ok((field.name().as_str(), Cells::new(column)?))).collect()
}
