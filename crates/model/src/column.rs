//! A typed, growing, nullable column that parsers push into.
//!
//! It applies the conversion table value by value: an untyped column becomes what its first value
//! is, integers enter float columns while they are exact, and a float turns an integer column into
//! floats while everything in it is exact. A value that does not fit is a [`Clash`] and leaves the
//! column unchanged. Rows that lack a value are filled with nulls lazily.

mod lane;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, NullArray, StringArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use crate::convert::{Conversion, conversion, exact_i64, exact_u64};
use crate::error::Code;
use crate::limits::TEXT_BYTES_MAX;
use crate::time::parse_time;
use crate::types::{ColumnType, UTC};

pub(crate) use lane::room_in;
pub use lane::{Lane, TextLane};

/// A value that does not fit a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// Type of the value.
    pub value: ColumnType,
    /// Type of the column.
    pub column: ColumnType,
    /// Why, when the types alone do not say it.
    pub reason: Option<&'static str>,
}

impl Clash {
    /// `limit_exceeded` for text that is too long, else `type_conflict`.
    pub fn code(&self) -> Code {
        match self.reason {
            Some(TEXT_TOO_LONG | TEXTS_TOO_LONG) => Code::LimitExceeded,
            _ => Code::TypeConflict,
        }
    }

    /// One sentence: what came, what the column holds, and the ways out.
    pub fn message(&self) -> String {
        let (value, column) = (self.value.noun(), self.column.noun());
        match self.reason {
            Some(reason) => format!("this {value} does not fit the {column} column: {reason}"),
            None => format!(
                "the column holds {column}, this value is {value}; send {column}, or use another column name"
            ),
        }
    }
}

/// One value on its way into a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// A signed integer.
    I64(i64),
    /// An unsigned integer.
    U64(u64),
    /// A float.
    F64(f64),
    /// A boolean.
    Bool(bool),
    /// Text.
    Text(&'a str),
    /// Nanoseconds since 1970-01-01 UTC.
    Timestamp(i64),
}

impl Scalar<'_> {
    /// The type of the value.
    pub fn ty(&self) -> ColumnType {
        match self {
            Scalar::I64(_) => ColumnType::I64,
            Scalar::U64(_) => ColumnType::U64,
            Scalar::F64(_) => ColumnType::F64,
            Scalar::Bool(_) => ColumnType::Bool,
            Scalar::Text(_) => ColumnType::Utf8,
            Scalar::Timestamp(_) => ColumnType::Timestamp,
        }
    }
}

const NOT_EXACT: &str = "an integer beyond 2^53 is not exact as a float";
const NEGATIVE: &str = "it is negative";
const TOO_LARGE: &str = "it is larger than 9223372036854775807, the largest signed integer";
const NOT_A_TIME: &str = "it does not read as a time";
pub(crate) const TEXT_TOO_LONG: &str =
    "text over 16 MiB is not stored (limits.text_bytes can be no more)";
const TEXTS_TOO_LONG: &str = "the texts of one request exceed 2 GiB in this column";
const HOLDS_INEXACT: &str = "the column holds integers beyond 2^53, which are not exact as floats";

#[derive(Clone, Debug)]
enum Values {
    Untyped,
    I64(Vec<i64>),
    U64(Vec<u64>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    Utf8 { ends: Vec<i32>, data: Vec<u8> },
    Timestamp(Vec<i64>),
}

/// A column under construction.
#[derive(Clone, Debug)]
pub struct ColumnBuilder {
    values: Values,
    len: usize,
    /// One bit per row, packed LSB first; empty while no null has been seen.
    validity: Vec<u8>,
    /// Integers known to be exact as floats: the first so many. Keeps repeated checks linear.
    exact: usize,
    /// Where an integer stands that is not.
    inexact: Option<usize>,
}

impl ColumnBuilder {
    /// An empty column of `ty`.
    pub fn new(ty: ColumnType) -> ColumnBuilder {
        ColumnBuilder {
            values: Values::of(ty),
            len: 0,
            validity: Vec::new(),
            exact: 0,
            inexact: None,
        }
    }

    /// The type of the values so far.
    pub fn ty(&self) -> ColumnType {
        match self.values {
            Values::Untyped => ColumnType::Untyped,
            Values::I64(_) => ColumnType::I64,
            Values::U64(_) => ColumnType::U64,
            Values::F64(_) => ColumnType::F64,
            Values::Bool(_) => ColumnType::Bool,
            Values::Utf8 { .. } => ColumnType::Utf8,
            Values::Timestamp(_) => ColumnType::Timestamp,
        }
    }

    /// Values so far, nulls included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes held, about.
    pub fn size_bytes(&self) -> usize {
        match &self.values {
            Values::Utf8 { ends, data } => ends.len() * 4 + data.len(),
            Values::Bool(values) => values.len(),
            _ => self.len * 8,
        }
    }

    /// The value at `index`; `None` for a null or past the end.
    pub fn get(&self, index: usize) -> Option<Scalar<'_>> {
        let valid = self.validity.is_empty()
            || self.validity.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0);
        if index >= self.len || !valid {
            return None;
        }
        Some(match &self.values {
            Values::Untyped => return None,
            Values::I64(values) => Scalar::I64(values[index]),
            Values::U64(values) => Scalar::U64(values[index]),
            Values::F64(values) => Scalar::F64(values[index]),
            Values::Bool(values) => Scalar::Bool(values[index]),
            Values::Timestamp(values) => Scalar::Timestamp(values[index]),
            Values::Utf8 { ends, data } => {
                let start = index.checked_sub(1).map_or(0, |before| ends[before] as usize);
                Scalar::Text(std::str::from_utf8(&data[start..ends[index] as usize]).ok()?)
            }
        })
    }

    /// Whether the column would take this value, without taking it. Together, any number of checks
    /// cost no more than one pass over the column.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table, or for text over 16 MiB.
    pub fn check(&mut self, value: Scalar<'_>) -> Result<(), Clash> {
        let reason = match (value, self.ty()) {
            (Scalar::Text(text), _) if text.len() > TEXT_BYTES_MAX => Some(TEXT_TOO_LONG),
            (_, ColumnType::Untyped) => return Ok(()),
            (Scalar::I64(value), ColumnType::F64) if exact_i64(value) => return Ok(()),
            (Scalar::U64(value), ColumnType::F64) if exact_u64(value) => return Ok(()),
            (Scalar::I64(_) | Scalar::U64(_), ColumnType::F64) => Some(NOT_EXACT),
            (Scalar::I64(0..), ColumnType::U64) => return Ok(()),
            (Scalar::I64(_), ColumnType::U64) => Some(NEGATIVE),
            (Scalar::U64(value), ColumnType::I64) if value <= i64::MAX as u64 => return Ok(()),
            (Scalar::U64(_), ColumnType::I64) => Some(TOO_LARGE),
            (Scalar::F64(_), ColumnType::I64 | ColumnType::U64) if self.is_exact() => return Ok(()),
            (Scalar::F64(_), ColumnType::I64 | ColumnType::U64) => Some(HOLDS_INEXACT),
            (Scalar::Text(text), ColumnType::Timestamp) if parse_time(text).is_ok() => {
                return Ok(());
            }
            (Scalar::Text(_), ColumnType::Timestamp) => Some(NOT_A_TIME),
            (value, ty) if value.ty() == ty => return Ok(()),
            _ => None,
        };
        Err(self.clash(value.ty(), reason))
    }

    /// Appends a value.
    ///
    /// # Errors
    /// [`Clash`] as [`ColumnBuilder::check`], or when the texts would exceed 2 GiB.
    pub fn push(&mut self, value: Scalar<'_>) -> Result<(), Clash> {
        match value {
            Scalar::I64(value) => self.push_i64(value),
            Scalar::U64(value) => self.push_u64(value),
            Scalar::F64(value) => self.push_f64(value),
            Scalar::Bool(value) => self.push_bool(value),
            Scalar::Text(value) => self.push_str(value),
            Scalar::Timestamp(value) => self.push_timestamp(value),
        }
    }

    /// Whether [`ColumnBuilder::append`] would take this column.
    ///
    /// # Errors
    /// The row of `other` and the [`Clash`] of its value.
    pub fn check_column(&mut self, other: &ColumnBuilder) -> Result<(), (usize, Clash)> {
        if let (Values::Utf8 { data, .. }, Values::Utf8 { data: more, .. }) =
            (&self.values, &other.values)
            && i32::try_from(data.len() + more.len()).is_err()
        {
            return Err((0, self.clash(ColumnType::Utf8, Some(TEXTS_TOO_LONG))));
        }
        if matches!(self.ty(), ColumnType::Untyped) || self.ty() == other.ty() {
            return Ok(());
        }
        for index in 0..other.len {
            if let Some(value) = other.get(index) {
                self.check(value).map_err(|clash| (index, clash))?;
            }
        }
        Ok(())
    }

    /// Appends a column that [`ColumnBuilder::check_column`] has accepted.
    ///
    /// # Errors
    /// [`Clash`] for a column that was not checked; then a part of it has been appended.
    pub fn append(&mut self, other: ColumnBuilder) -> Result<(), Clash> {
        if self.len == 0 && (self.ty() == ColumnType::Untyped || self.ty() == other.ty()) {
            *self = other;
            return Ok(());
        }
        if self.extend_plain(&other) {
            self.extend_validity(&other);
            return Ok(());
        }
        if other.ty() == ColumnType::Untyped {
            self.fill_nulls(self.len + other.len);
            return Ok(());
        }
        for index in 0..other.len {
            match other.get(index) {
                Some(value) => self.push(value)?,
                None => self.push_null(),
            }
        }
        Ok(())
    }

    /// Appends which values of `other` are null, and their number.
    fn extend_validity(&mut self, other: &ColumnBuilder) {
        let (before, len) = (self.len, self.len + other.len);
        if other.validity.is_empty() {
            self.extend_valid(len);
        } else {
            if self.validity.is_empty() {
                self.validity = all_valid(before);
            }
            self.validity.resize(len.div_ceil(8), 0);
            for row in 0..other.len {
                let valid = other.validity[row / 8] >> (row % 8) & 1;
                self.validity[(before + row) / 8] |= valid << ((before + row) % 8);
            }
        }
        self.len = len;
    }

    /// Extends by values of the same type; false when the types differ, or texts exceed 2 GiB.
    fn extend_plain(&mut self, other: &ColumnBuilder) -> bool {
        match (&mut self.values, &other.values) {
            (Values::I64(values), Values::I64(more))
            | (Values::Timestamp(values), Values::Timestamp(more)) => values.extend(more),
            (Values::U64(values), Values::U64(more)) => values.extend(more),
            (Values::F64(values), Values::F64(more)) => values.extend(more),
            (Values::Bool(values), Values::Bool(more)) => values.extend(more),
            (Values::Utf8 { ends, data }, Values::Utf8 { ends: more, data: texts })
                if i32::try_from(data.len() + texts.len()).is_ok() =>
            {
                let base = data.len() as i32;
                ends.extend(more.iter().map(|end| base + end));
                data.extend_from_slice(texts);
            }
            _ => return false,
        }
        true
    }

    /// Appends an integer.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table.
    pub fn push_i64(&mut self, value: i64) -> Result<(), Clash> {
        match &mut self.values {
            Values::I64(values) => values.push(value),
            Values::F64(values) if exact_i64(value) => values.push(value as f64),
            Values::U64(values) if value >= 0 => values.push(value as u64),
            Values::Untyped => {
                self.become_type(ColumnType::I64);
                return self.push_i64(value);
            }
            Values::F64(_) => return Err(self.clash(ColumnType::I64, Some(NOT_EXACT))),
            Values::U64(_) => {
                return Err(self.clash(ColumnType::I64, Some(NEGATIVE)));
            }
            _ => return Err(self.clash(ColumnType::I64, None)),
        }
        self.pushed_valid();
        Ok(())
    }

    /// Appends integers, as so many calls of [`ColumnBuilder::push_i64`] would.
    ///
    /// # Errors
    /// The position and the [`Clash`] of the first that does not fit; those before it are appended.
    pub fn push_i64s(&mut self, values: &[i64]) -> Result<(), (usize, Clash)> {
        match &mut self.values {
            Values::I64(column) => column.extend_from_slice(values),
            Values::F64(column) if values.iter().all(|value| exact_i64(*value)) => {
                column.extend(values.iter().map(|value| *value as f64));
            }
            Values::Untyped if !values.is_empty() => {
                self.become_type(ColumnType::I64);
                return self.push_i64s(values);
            }
            _ => return push_each(values, |value| self.push_i64(value)),
        }
        self.pushed_all_valid(values.len());
        Ok(())
    }

    /// Appends floats, as so many calls of [`ColumnBuilder::push_f64`] would.
    ///
    /// # Errors
    /// The position and the [`Clash`] of the first that does not fit; those before it are appended.
    pub fn push_f64s(&mut self, values: &[f64]) -> Result<(), (usize, Clash)> {
        match &mut self.values {
            Values::F64(column) => column.extend_from_slice(values),
            Values::Untyped if !values.is_empty() => {
                self.become_type(ColumnType::F64);
                return self.push_f64s(values);
            }
            _ => return push_each(values, |value| self.push_f64(value)),
        }
        self.pushed_all_valid(values.len());
        Ok(())
    }

    /// Appends an unsigned integer.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table.
    pub fn push_u64(&mut self, value: u64) -> Result<(), Clash> {
        match &mut self.values {
            Values::U64(values) => values.push(value),
            Values::I64(values) if value <= i64::MAX as u64 => values.push(value as i64),
            Values::F64(values) if exact_u64(value) => values.push(value as f64),
            Values::Untyped => {
                self.become_type(ColumnType::U64);
                return self.push_u64(value);
            }
            Values::I64(_) => {
                return Err(self.clash(ColumnType::U64, Some(TOO_LARGE)));
            }
            Values::F64(_) => return Err(self.clash(ColumnType::U64, Some(NOT_EXACT))),
            _ => return Err(self.clash(ColumnType::U64, None)),
        }
        self.pushed_valid();
        Ok(())
    }

    /// Appends a float; an integer column becomes f64 first.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table.
    pub fn push_f64(&mut self, value: f64) -> Result<(), Clash> {
        match &mut self.values {
            Values::F64(values) => values.push(value),
            Values::Untyped => {
                self.become_type(ColumnType::F64);
                return self.push_f64(value);
            }
            Values::I64(_) | Values::U64(_) => {
                self.widen()?;
                return self.push_f64(value);
            }
            _ => return Err(self.clash(ColumnType::F64, None)),
        }
        self.pushed_valid();
        Ok(())
    }

    /// Appends a boolean.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table.
    pub fn push_bool(&mut self, value: bool) -> Result<(), Clash> {
        match &mut self.values {
            Values::Bool(values) => values.push(value),
            Values::Untyped => {
                self.become_type(ColumnType::Bool);
                return self.push_bool(value);
            }
            _ => return Err(self.clash(ColumnType::Bool, None)),
        }
        self.pushed_valid();
        Ok(())
    }

    /// Appends text; a timestamp column takes it if it reads as a time.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table, or when the column would exceed 2 GiB.
    pub fn push_str(&mut self, value: &str) -> Result<(), Clash> {
        match &mut self.values {
            Values::Utf8 { ends, data } => {
                let end = i32::try_from(data.len() + value.len());
                let Ok(end) = end else {
                    return Err(self.clash(ColumnType::Utf8, Some(TEXTS_TOO_LONG)));
                };
                data.extend_from_slice(value.as_bytes());
                ends.push(end);
            }
            Values::Timestamp(values) => match parse_time(value) {
                Ok(time) => values.push(time),
                Err(_) => {
                    return Err(self.clash(ColumnType::Utf8, Some(NOT_A_TIME)));
                }
            },
            Values::Untyped => {
                self.become_type(ColumnType::Utf8);
                return self.push_str(value);
            }
            _ => return Err(self.clash(ColumnType::Utf8, None)),
        }
        self.pushed_valid();
        Ok(())
    }

    /// Appends a timestamp in nanoseconds.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table.
    pub fn push_timestamp(&mut self, value_ns: i64) -> Result<(), Clash> {
        match &mut self.values {
            Values::Timestamp(values) => values.push(value_ns),
            Values::Untyped => {
                self.become_type(ColumnType::Timestamp);
                return self.push_timestamp(value_ns);
            }
            _ => return Err(self.clash(ColumnType::Timestamp, None)),
        }
        self.pushed_valid();
        Ok(())
    }

    /// Appends a null.
    pub fn push_null(&mut self) {
        self.fill_nulls(self.len + 1);
    }

    /// Fills with nulls up to `len` values.
    pub fn fill_nulls(&mut self, len: usize) {
        if len <= self.len {
            return;
        }
        if self.validity.is_empty() {
            self.validity = all_valid(self.len);
        }
        self.validity.resize(len.div_ceil(8), 0);
        self.values.resize_default(len);
        self.len = len;
    }

    /// Keeps the first `len` values: how a bad row is taken back.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        self.values.truncate(len);
        self.exact = self.exact.min(len);
        self.inexact = self.inexact.filter(|index| *index < len);
        if !self.validity.is_empty() {
            self.validity.truncate(len.div_ceil(8));
            if !len.is_multiple_of(8) {
                let last = self.validity.len() - 1;
                self.validity[last] &= (1u8 << (len % 8)) - 1;
            }
        }
        self.len = len;
    }

    /// Goes back to `ty`, the type the column had before values that were taken back by
    /// [`ColumnBuilder::truncate`]: untyped when only nulls are left, integers from exact floats.
    pub fn restore_type(&mut self, ty: ColumnType) {
        self.values = match (std::mem::replace(&mut self.values, Values::Untyped), ty) {
            (_, ColumnType::Untyped) => Values::Untyped,
            (Values::F64(values), ColumnType::I64) => {
                Values::I64(values.into_iter().map(|v| v as i64).collect())
            }
            (Values::F64(values), ColumnType::U64) => {
                Values::U64(values.into_iter().map(|v| v as u64).collect())
            }
            (values, _) => values,
        };
    }

    /// The finished column with its type; all-null columns of no type are Arrow `Null`.
    pub fn finish(self) -> (ColumnType, ArrayRef) {
        let ty = self.ty();
        let len = self.len;
        let nulls = (!self.validity.is_empty())
            .then(|| NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(self.validity), 0, len)));
        let array: ArrayRef = match self.values {
            Values::Untyped => Arc::new(NullArray::new(len)),
            Values::I64(values) => Arc::new(Int64Array::new(values.into(), nulls)),
            Values::U64(values) => Arc::new(UInt64Array::new(values.into(), nulls)),
            Values::F64(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            Values::Bool(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
            Values::Utf8 { ends, data } => {
                let mut offsets = Vec::with_capacity(ends.len() + 1);
                offsets.push(0);
                offsets.extend_from_slice(&ends);
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                // SAFETY: every value was pushed as &str and the offsets are its ends, rising.
                Arc::new(unsafe {
                    StringArray::new_unchecked(offsets, Buffer::from_vec(data), nulls)
                })
            }
            Values::Timestamp(values) => {
                Arc::new(TimestampNanosecondArray::new(values.into(), nulls).with_timezone(UTC))
            }
        };
        (ty, array)
    }

    fn pushed_valid(&mut self) {
        if !self.validity.is_empty() {
            if self.len.is_multiple_of(8) {
                self.validity.push(0);
            }
            self.validity[self.len / 8] |= 1 << (self.len % 8);
        }
        self.len += 1;
    }

    fn pushed_all_valid(&mut self, count: usize) {
        let len = self.len + count;
        self.extend_valid(len);
        self.len = len;
    }

    fn become_type(&mut self, ty: ColumnType) {
        debug_assert_eq!(conversion(ty, self.ty()), Conversion::Become);
        self.values = Values::of(ty);
        self.values.resize_default(self.len);
    }

    /// Whether every integer in the column is exact as a float. Placeholders of nulls are zero.
    fn is_exact(&mut self) -> bool {
        if self.inexact.is_none() {
            let from = self.exact;
            let found = match &self.values {
                Values::I64(values) => values[from..].iter().position(|v| !exact_i64(*v)),
                Values::U64(values) => values[from..].iter().position(|v| !exact_u64(*v)),
                _ => None,
            };
            self.inexact = found.map(|index| from + index);
            self.exact = self.inexact.unwrap_or(self.len);
        }
        self.inexact.is_none()
    }

    /// Integers → floats, when every present value is exact.
    fn widen(&mut self) -> Result<(), Clash> {
        if !self.is_exact() {
            return Err(self.clash(ColumnType::F64, Some(HOLDS_INEXACT)));
        }
        let floats = match &self.values {
            Values::I64(values) => values.iter().map(|v| *v as f64).collect(),
            Values::U64(values) => values.iter().map(|v| *v as f64).collect(),
            _ => return Err(self.clash(ColumnType::F64, None)),
        };
        self.values = Values::F64(floats);
        Ok(())
    }

    fn clash(&self, value: ColumnType, reason: Option<&'static str>) -> Clash {
        Clash { value, column: self.ty(), reason }
    }
}

fn push_each<T: Copy>(
    values: &[T],
    mut push: impl FnMut(T) -> Result<(), Clash>,
) -> Result<(), (usize, Clash)> {
    let mut values = values.iter().enumerate();
    values.try_for_each(|(index, value)| push(*value).map_err(|clash| (index, clash)))
}

fn all_valid(len: usize) -> Vec<u8> {
    let mut bits = vec![0xff; len.div_ceil(8)];
    if !len.is_multiple_of(8)
        && let Some(last) = bits.last_mut()
    {
        *last = (1 << (len % 8)) - 1;
    }
    bits
}

impl Values {
    fn of(ty: ColumnType) -> Values {
        match ty {
            ColumnType::Untyped => Values::Untyped,
            ColumnType::I64 => Values::I64(Vec::new()),
            ColumnType::U64 => Values::U64(Vec::new()),
            ColumnType::F64 => Values::F64(Vec::new()),
            ColumnType::Bool => Values::Bool(Vec::new()),
            ColumnType::Utf8 => Values::Utf8 { ends: Vec::new(), data: Vec::new() },
            ColumnType::Timestamp => Values::Timestamp(Vec::new()),
        }
    }

    fn resize_default(&mut self, len: usize) {
        match self {
            Values::Untyped => {}
            Values::I64(values) | Values::Timestamp(values) => values.resize(len, 0),
            Values::U64(values) => values.resize(len, 0),
            Values::F64(values) => values.resize(len, 0.0),
            Values::Bool(values) => values.resize(len, false),
            Values::Utf8 { ends, .. } => {
                let last = ends.last().copied().unwrap_or(0);
                ends.resize(len, last);
            }
        }
    }

    fn truncate(&mut self, len: usize) {
        match self {
            Values::Untyped => {}
            Values::I64(values) | Values::Timestamp(values) => values.truncate(len),
            Values::U64(values) => values.truncate(len),
            Values::F64(values) => values.truncate(len),
            Values::Bool(values) => values.truncate(len),
            Values::Utf8 { ends, data } => {
                ends.truncate(len);
                data.truncate(ends.last().copied().unwrap_or(0) as usize);
            }
        }
    }
}
