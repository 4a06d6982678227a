//! LEB128 variable-length integers, zigzag for signed ones, and byte strings with a length before them.
//!
//! | value | bytes |
//! |---|---|
//! | u64 | 1 to 10 bytes of 7 bits, low bits first; the high bit is set on all bytes but the last |
//! | i64 | zigzag (`0, -1, 1, -2, ...` become `0, 1, 2, 3, ...`), then as u64 |
//! | bytes | length as u64, then the bytes |
//!
//! A tenth byte above 1 would pass 64 bits and is refused. Longer forms than necessary are accepted
//! but never written.

use crate::DecodeError;
use crate::cursor::{take_byte, take_slice};

#[cfg(test)]
mod tests;

/// The most bytes that one integer takes: ten times 7 bits hold 64.
pub const BYTES_MAX: usize = 10;

/// Appends `value` in 1 to 10 bytes.
#[inline]
pub fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes what [`put_u64`] appended.
///
/// # Errors
/// `Truncated` when the input ends first, `Invalid` when the number does not fit 64 bits.
#[inline]
pub fn take_u64(source: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = take_byte(source, "varint")?;
        if shift == 63 && byte > 1 {
            return Err(DecodeError::Invalid {
                what: "tenth byte of a varint",
                found: byte.into(),
            });
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Ok(value)
}

/// Appends `value` in 1 to 10 bytes; numbers near zero of either sign are short.
#[inline]
pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_u64(out, zigzag(value));
}

/// Takes what [`put_i64`] appended.
///
/// # Errors
/// As [`take_u64`].
#[inline]
pub fn take_i64(source: &mut &[u8]) -> Result<i64, DecodeError> {
    Ok(unzigzag(take_u64(source)?))
}

/// Takes a count that [`put_u64`] appended and holds it against the caller's limit, so that it may be
/// used as the `n` of a decoder.
///
/// # Errors
/// As [`take_u64`]; `TooLarge` when the count is above `max`.
pub fn take_count(source: &mut &[u8], max: usize) -> Result<usize, DecodeError> {
    let found = take_u64(source)?;
    match usize::try_from(found) {
        Ok(count) if count <= max => Ok(count),
        _ => Err(DecodeError::TooLarge { what: "count", found, max: max as u64 }),
    }
}

/// Appends the length of `bytes`, then `bytes`.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes what [`put_bytes`] appended, without a copy.
///
/// # Errors
/// As [`take_u64`]; `Truncated` when fewer bytes follow than the length says.
pub fn take_bytes<'a>(source: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = take_u64(source)?;
    take_slice(source, usize::try_from(length).unwrap_or(usize::MAX), "byte string")
}

/// Bytes that [`put_u64`] takes for `value`, 1 to 10.
#[must_use]
pub fn len_u64(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Bytes that [`put_i64`] takes for `value`, 1 to 10.
#[must_use]
pub fn len_i64(value: i64) -> usize {
    len_u64(zigzag(value))
}

/// Maps signed to unsigned so that small magnitudes stay small.
#[inline(always)]
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
#[inline]
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
