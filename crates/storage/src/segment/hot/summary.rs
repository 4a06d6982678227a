//! What the values of a chunk or of an hour sum up to.
//!
//! Values are *words*, their 64 bits: i64 and times as they are, u64 and f64 reinterpreted. Floats are
//! ordered by the total order of IEEE 754, as Arrow's aggregates do, so that a stored minimum equals a
//! plain fold also with NaN and signed zeros.
//!
//! Invariant: a summary is of at least one value.

use pulsora_codec::Totals;
use pulsora_model::ColumnType;

/// Extremes, ends and sum of the values that are not null.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub min: i64,
    pub max: i64,
    /// The first value in row order.
    pub first: i64,
    /// The last value in row order.
    pub last: i64,
    pub sum: Sum,
}

/// A sum that cannot overflow: 2^32 values of 64 bits fit 96.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sum {
    Integer(i128),
    Float(f64),
}

/// Turns a word of a float into an integer of the same order, and back.
pub(crate) fn float_key(word: i64) -> i64 {
    word ^ (((word >> 63) as u64) >> 1) as i64
}

/// Turns a word of a u64 into an integer of the same order, and back.
fn unsigned_key(word: i64) -> i64 {
    word ^ i64::MIN
}

/// Turns a word into an integer that rises with the value, and back.
pub(crate) fn order_key(word: i64, ty: ColumnType) -> i64 {
    match ty {
        ColumnType::F64 => float_key(word),
        ColumnType::U64 => unsigned_key(word),
        _ => word,
    }
}

impl Summary {
    /// Of `values`, of which those with `valid` count; `None` when there are none.
    pub fn of_integers(values: &[i64], valid: Option<&[bool]>, ty: ColumnType) -> Option<Summary> {
        let (first, last) = ends(values.len(), valid)?;
        if valid.is_none() {
            let totals = Totals::of(values);
            // Unsigned values below 2^63 are what they are as signed ones.
            if ty != ColumnType::U64 || totals.min >= 0 {
                return Some(Summary {
                    min: totals.min,
                    max: totals.max,
                    first: values[first],
                    last: values[last],
                    sum: Sum::Integer(totals.sum()),
                });
            }
        }
        let (min, max) = match ty {
            ColumnType::U64 => extremes(values, valid, unsigned_key),
            _ => extremes(values, valid, |word| word),
        };
        let sum = match ty {
            ColumnType::U64 => sum_of(
                values,
                valid,
                |word| i64::from(word as u32),
                |word| (word as u64 >> 32) as i64,
            ),
            _ => sum_of(values, valid, |word| i64::from(word as u32), |word| word >> 32),
        };
        Some(Summary {
            min: order_key(min, ty),
            max: order_key(max, ty),
            first: values[first],
            last: values[last],
            sum: Sum::Integer(sum),
        })
    }

    /// As [`Summary::of_integers`], of floats; their sum is a plain fold from the left.
    pub fn of_floats(values: &[f64], valid: Option<&[bool]>) -> Option<Summary> {
        let (first, last) = ends(values.len(), valid)?;
        let key = |value: f64| float_key(value.to_bits() as i64);
        let (min, max) = extremes(values, valid, key);
        let sum = match valid {
            None => values.iter().sum(),
            Some(valid) => {
                values.iter().zip(valid).filter(|(_, valid)| **valid).map(|(v, _)| v).sum()
            }
        };
        Some(Summary {
            min: float_key(min),
            max: float_key(max),
            first: values[first].to_bits() as i64,
            last: values[last].to_bits() as i64,
            sum: Sum::Float(sum),
        })
    }

    /// Whether both are the same, bit for bit.
    pub fn is_same(&self, other: &Summary) -> bool {
        let words = |summary: &Summary| (summary.min, summary.max, summary.first, summary.last);
        let sums = match (self.sum, other.sum) {
            (Sum::Float(a), Sum::Float(b)) => a.to_bits() == b.to_bits(),
            (a, b) => a == b,
        };
        words(self) == words(other) && sums
    }

    /// This and a summary of later values of the same type.
    pub fn and(self, later: Summary, ty: ColumnType) -> Summary {
        let key = |word: i64| order_key(word, ty);
        Summary {
            min: order_key(key(self.min).min(key(later.min)), ty),
            max: order_key(key(self.max).max(key(later.max)), ty),
            first: self.first,
            last: later.last,
            sum: match (self.sum, later.sum) {
                (Sum::Float(a), Sum::Float(b)) => Sum::Float(a + b),
                (Sum::Integer(a), Sum::Integer(b)) => Sum::Integer(a + b),
                (sum, _) => sum,
            },
        }
    }
}

/// Positions of the first and the last value.
fn ends(len: usize, valid: Option<&[bool]>) -> Option<(usize, usize)> {
    match valid {
        None => Some((0, len.checked_sub(1)?)),
        Some(valid) => {
            Some((valid.iter().position(|valid| *valid)?, valid.iter().rposition(|valid| *valid)?))
        }
    }
}

/// Smallest and largest key.
fn extremes<T: Copy>(values: &[T], valid: Option<&[bool]>, key: impl Fn(T) -> i64) -> (i64, i64) {
    let (mut min, mut max) = (i64::MAX, i64::MIN);
    match valid {
        None => {
            for value in values {
                let key = key(*value);
                min = min.min(key);
                max = max.max(key);
            }
        }
        Some(valid) => {
            for (value, valid) in values.iter().zip(valid) {
                let key = key(*value);
                min = min.min(if *valid { key } else { i64::MAX });
                max = max.max(if *valid { key } else { i64::MIN });
            }
        }
    }
    (min, max)
}

/// The sum in two halves: each fits 64 bits for a block, and both loops run in vector registers.
fn sum_of(
    values: &[i64],
    valid: Option<&[bool]>,
    low: impl Fn(i64) -> i64,
    high: impl Fn(i64) -> i64,
) -> i128 {
    let (mut lows, mut highs) = (0i64, 0i64);
    match valid {
        None => {
            for value in values {
                lows += low(*value);
                highs += high(*value);
            }
        }
        Some(valid) => {
            for (value, valid) in values.iter().zip(valid) {
                let value = if *valid { *value } else { 0 };
                lows += low(value);
                highs += high(value);
            }
        }
    }
    (i128::from(highs) << 32) + i128::from(lows)
}
