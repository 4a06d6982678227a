//! Which values of a column are there.
//!
//! The bytes are those of [`bools`], where true means valid: one byte for a column without
//! nulls or without values, else a bitmap. The values of null slots are the caller's affair: it may
//! leave them out of what it encodes, or keep them as zeros.

use crate::DecodeError;
use crate::bools::{self, Bits};

#[cfg(test)]
mod tests;

/// The validity of `n` values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Validity {
    /// No value is null. Also the validity of no values.
    AllValid,
    /// Every value is null.
    AllNull,
    /// `ceil(n / 8)` bytes: bit `i % 8` (lowest first) of byte `i / 8` is set where value `i` is valid;
    /// spare bits are zero.
    Mixed(Vec<u8>),
}

/// Appends the validity of `n` values: the first `n` bits of `valid`, lowest first in each byte, or
/// none when no value is null.
///
/// # Panics
/// When `valid` is shorter than `ceil(n / 8)` bytes.
pub fn encode(valid: Option<&[u8]>, n: usize, out: &mut Vec<u8>) {
    match valid {
        Some(bits) => bools::encode(bits, n, out),
        None => bools::encode_all(true, n, out),
    }
}

/// Takes the validity of `n` values that [`encode`] appended. A `Mixed` answer holds at least one
/// valid and one null value if it was encoded here.
///
/// # Errors
/// `Truncated`, or `Invalid` for an unknown tag or a spare bit that is set.
pub fn decode(source: &mut &[u8], n: usize) -> Result<Validity, DecodeError> {
    Ok(match bools::take_bits(source, n)? {
        Bits::All(true) => Validity::AllValid,
        Bits::All(false) => Validity::AllNull,
        Bits::Mixed(bytes) => Validity::Mixed(bytes.to_vec()),
    })
}
