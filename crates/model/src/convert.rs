//! The one table that says, for (type of a value × type of a column), what happens.
//!
//! | value ↓ column → | untyped | i64 | u64 | f64 | bool | utf8 | timestamp |
//! |---|---|---|---|---|---|---|---|
//! | i64 | become | store | if ≥ 0 | if exact | – | – | – |
//! | u64 | become | if ≤ i64::MAX | store | if exact | – | – | – |
//! | f64 | become | widen | widen | store | – | – | – |
//! | bool | become | – | – | – | store | – | – |
//! | utf8 | become | – | – | – | – | store | if it reads as a time |
//! | timestamp | become | – | – | – | – | – | store |
//!
//! "exact" means |value| ≤ 2^53. "widen" turns the column into f64 and is possible only while every
//! value in it is exact. "–" is an error that names both types.

use crate::limits::EXACT_FLOAT_INT;
use crate::types::ColumnType;

/// What to do with a value of one type in a column of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// The column takes the value's type.
    Become,
    /// Stored as it is.
    Store,
    /// Stored when the value fits the column's range or is exact in it.
    IfFits,
    /// The column becomes f64, if everything in it is exact.
    Widen,
    /// Stored if the text reads as a time.
    IfTime,
    /// An error.
    Clash,
}

/// The rule for a `value` in a `column`.
pub fn conversion(value: ColumnType, column: ColumnType) -> Conversion {
    use ColumnType::*;
    match (value, column) {
        (_, Untyped) => Conversion::Become,
        (Untyped, _) => Conversion::Store,
        (a, b) if a == b => Conversion::Store,
        (I64, U64 | F64) | (U64, I64 | F64) => Conversion::IfFits,
        (F64, I64 | U64) => Conversion::Widen,
        (Utf8, Timestamp) => Conversion::IfTime,
        _ => Conversion::Clash,
    }
}

/// Whether an integer is exact as f64: |value| ≤ 2^53.
pub fn exact_i64(value: i64) -> bool {
    (-EXACT_FLOAT_INT..=EXACT_FLOAT_INT).contains(&value)
}

/// Whether an unsigned integer is exact as f64: value ≤ 2^53.
pub fn exact_u64(value: u64) -> bool {
    value <= EXACT_FLOAT_INT as u64
}
