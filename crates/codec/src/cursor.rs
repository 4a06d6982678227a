//! Taking bytes from the front of a slice with a bound check.
//!
//! Responsible for the only place where a claimed length meets the length of the input. A failed take
//! leaves the cursor where it was.

use crate::DecodeError;

/// Takes the next `length` bytes.
pub(crate) fn take_slice<'a>(
    source: &mut &'a [u8],
    length: usize,
    what: &'static str,
) -> Result<&'a [u8], DecodeError> {
    match source.split_at_checked(length) {
        Some((taken, rest)) => {
            *source = rest;
            Ok(taken)
        }
        None => Err(DecodeError::Truncated { what, need: length, have: source.len() }),
    }
}

/// Takes the next `N` bytes as an array.
pub(crate) fn take_array<const N: usize>(
    source: &mut &[u8],
    what: &'static str,
) -> Result<[u8; N], DecodeError> {
    match source.split_first_chunk::<N>() {
        Some((taken, rest)) => {
            *source = rest;
            Ok(*taken)
        }
        None => Err(DecodeError::Truncated { what, need: N, have: source.len() }),
    }
}

/// Takes one byte.
pub(crate) fn take_byte(source: &mut &[u8], what: &'static str) -> Result<u8, DecodeError> {
    Ok(take_array::<1>(source, what)?[0])
}
