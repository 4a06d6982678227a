//! Folds one slice of values: count, sum, least, greatest, first and last in one pass each.
//!
//! Passes are loops over plain slices, so that the compiler can vectorise them; nulls take a slower
//! path over the valid rows. Integer sums are exact in i128. Floats are ordered by total order.
//!
//! Invariant: the rows of a slice ascend in time.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{BooleanArray, DictionaryArray, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::UInt32Type;

use super::shape::Wants;
use crate::read::field::f64_key;

/// A type of values that can be folded.
pub(super) trait Scalar: Clone + Default + Send + Sync {
    /// The value where it lies.
    type Ref<'a>: Copy;
    /// What sums are made in.
    type Sum: Copy + Default + Send + Sync;
    /// The order of values.
    fn order(a: Self::Ref<'_>, b: Self::Ref<'_>) -> Ordering;
    fn of(value: Self::Ref<'_>) -> Self;
    fn by_ref(&self) -> Self::Ref<'_>;
    fn add(sum: &mut Self::Sum, value: Self::Ref<'_>);
    /// The sum of two sums.
    fn join(a: Self::Sum, b: Self::Sum) -> Self::Sum;
    /// Bytes that a value holds beside itself.
    fn heap_bytes(_value: Self::Ref<'_>) -> usize {
        0
    }
}

macro_rules! integer {
    ($ty:ty) => {
        impl Scalar for $ty {
            type Ref<'a> = $ty;
            type Sum = i128;
            fn order(a: $ty, b: $ty) -> Ordering {
                a.cmp(&b)
            }
            fn of(value: $ty) -> $ty {
                value
            }
            fn by_ref(&self) -> $ty {
                *self
            }
            fn add(sum: &mut i128, value: $ty) {
                *sum += i128::from(value);
            }
            fn join(a: i128, b: i128) -> i128 {
                a + b
            }
        }
    };
}

integer!(i64);
integer!(u64);

impl Scalar for f64 {
    type Ref<'a> = f64;
    type Sum = f64;
    fn order(a: f64, b: f64) -> Ordering {
        a.total_cmp(&b)
    }
    fn of(value: f64) -> f64 {
        value
    }
    fn by_ref(&self) -> f64 {
        *self
    }
    fn add(sum: &mut f64, value: f64) {
        *sum += value;
    }
    fn join(a: f64, b: f64) -> f64 {
        a + b
    }
}

impl Scalar for bool {
    type Ref<'a> = bool;
    type Sum = ();
    fn order(a: bool, b: bool) -> Ordering {
        a.cmp(&b)
    }
    fn of(value: bool) -> bool {
        value
    }
    fn by_ref(&self) -> bool {
        *self
    }
    fn add(_sum: &mut (), _value: bool) {}
    fn join(_a: (), _b: ()) {}
}

impl Scalar for Box<str> {
    type Ref<'a> = &'a str;
    type Sum = ();
    fn order(a: &str, b: &str) -> Ordering {
        a.as_bytes().cmp(b.as_bytes())
    }
    fn of(value: &str) -> Box<str> {
        value.into()
    }
    fn by_ref(&self) -> &str {
        self
    }
    fn add(_sum: &mut (), _value: &str) {}
    fn join(_a: (), _b: ()) {}
    fn heap_bytes(value: &str) -> usize {
        value.len()
    }
}

/// What a slice of values comes to. Only what is wanted has a meaning, and nothing but `count` if
/// that is 0.
pub(super) struct Summary<'a, T: Scalar> {
    pub count: u64,
    pub sum: T::Sum,
    pub min: Option<T::Ref<'a>>,
    pub max: Option<T::Ref<'a>>,
    pub first: Option<(i64, T::Ref<'a>)>,
    pub last: Option<(i64, T::Ref<'a>)>,
}

impl<T: Scalar> Summary<'_, T> {
    /// Of `count` values of which nothing is wanted.
    pub fn counted(count: u64) -> Self {
        Summary { count, sum: T::Sum::default(), min: None, max: None, first: None, last: None }
    }
}

/// Values of a column, by row.
pub(super) enum Values<'a> {
    /// Integers and timestamps.
    I64(&'a [i64]),
    U64(&'a [u64]),
    F64(&'a [f64]),
    Bool(&'a BooleanArray),
    Text(&'a StringArray),
    Tag(&'a DictionaryArray<UInt32Type>),
    /// Looked at by nobody; every row has one.
    Counted,
    /// All null.
    Null,
}

/// A column of the rows that are fed.
pub(super) struct Slices<'a> {
    pub values: Values<'a>,
    /// `None` = all valid.
    pub valid: Option<NullBuffer>,
}

impl Slices<'_> {
    /// Number of values in a range of rows.
    pub fn count(&self, rows: &Range<usize>) -> u64 {
        match (&self.values, &self.valid) {
            (Values::Null, _) => 0,
            (_, None) => rows.len() as u64,
            (_, Some(valid)) => {
                let nulls = valid.slice(rows.start, rows.len()).null_count();
                (rows.len() - nulls) as u64
            }
        }
    }
}

/// Folds any values one by one: `value(row)` of the rows that are valid.
pub(super) fn fold_each<'a, T: Scalar>(
    value: impl Fn(usize) -> T::Ref<'a>,
    valid: Option<&NullBuffer>,
    rows: Range<usize>,
    times: Option<&[i64]>,
    wants: Wants,
) -> Summary<'a, T> {
    let mut summary = Summary::counted(0);
    let is_valid = |row: &usize| valid.is_none_or(|valid| valid.is_valid(*row));
    let (mut first, mut last) = (None, None);
    for row in rows.filter(is_valid) {
        let value = value(row);
        summary.count += 1;
        if wants.sum {
            T::add(&mut summary.sum, value);
        }
        if wants.min && summary.min.is_none_or(|min| T::order(value, min).is_lt()) {
            summary.min = Some(value);
        }
        if wants.max && summary.max.is_none_or(|max| T::order(value, max).is_gt()) {
            summary.max = Some(value);
        }
        first.get_or_insert((row, value));
        last = Some((row, value));
    }
    if let Some(times) = times {
        let at = |(row, value): (usize, T::Ref<'a>)| (times[row], value);
        summary.first = first.filter(|_| wants.first).map(at);
        summary.last = last.filter(|_| wants.last).map(at);
    }
    summary
}

/// First and last of a slice without nulls.
fn ends<T>(
    summary: &mut Summary<'_, T>,
    times: Option<&[i64]>,
    rows: &Range<usize>,
    wants: Wants,
    value: impl Fn(usize) -> T,
) where
    T: for<'a> Scalar<Ref<'a> = T> + Copy,
{
    let Some(times) = times.filter(|_| wants.times()) else { return };
    summary.first = wants.first.then(|| (times[rows.start], value(rows.start)));
    summary.last = wants.last.then(|| (times[rows.end - 1], value(rows.end - 1)));
}

/// Folds integers without nulls. `rows` is not empty.
pub(super) fn fold_i64(
    values: &[i64],
    rows: Range<usize>,
    times: Option<&[i64]>,
    wants: Wants,
) -> Summary<'static, i64> {
    let slice = &values[rows.clone()];
    let mut summary = Summary::counted(slice.len() as u64);
    if wants.sum {
        summary.sum = sum_i64(slice);
    }
    summary.min = wants.min.then(|| slice.iter().copied().fold(i64::MAX, i64::min));
    summary.max = wants.max.then(|| slice.iter().copied().fold(i64::MIN, i64::max));
    ends(&mut summary, times, &rows, wants, |row| values[row]);
    summary
}

/// Exact. Halves of 32 bits are summed apart, which vectorises as a sum in i128 does not.
fn sum_i64(values: &[i64]) -> i128 {
    const SIGN: u64 = 1 << 63;
    let mut sum = 0;
    // 2^31 halves of 32 bits fit 63 bits.
    for values in values.chunks(1 << 31) {
        let (mut low, mut high) = (0u64, 0u64);
        for value in values {
            let shifted = *value as u64 ^ SIGN;
            low += shifted & 0xffff_ffff;
            high += shifted >> 32;
        }
        let shifted = (i128::from(high) << 32) + i128::from(low);
        sum += shifted - values.len() as i128 * (1i128 << 63);
    }
    sum
}

/// Folds floats without nulls. `rows` is not empty.
pub(super) fn fold_f64(
    values: &[f64],
    rows: Range<usize>,
    times: Option<&[i64]>,
    wants: Wants,
) -> Summary<'static, f64> {
    let slice = &values[rows.clone()];
    let mut summary = Summary::counted(slice.len() as u64);
    if wants.sum {
        summary.sum = sum_f64(slice);
    }
    let keys = || slice.iter().map(|value| f64_key(*value));
    let value = |key: i64| f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64);
    summary.min = wants.min.then(|| value(keys().fold(i64::MAX, i64::min)));
    summary.max = wants.max.then(|| value(keys().fold(i64::MIN, i64::max)));
    ends(&mut summary, times, &rows, wants, |row| values[row]);
    summary
}

/// Eight sums side by side: faster than one, and its error is smaller.
fn sum_f64(values: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value;
        }
    }
    sums.iter().sum::<f64>() + rest.iter().sum::<f64>()
}
