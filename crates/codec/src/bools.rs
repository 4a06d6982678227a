//! Booleans as a bitmap, or as nothing when all are equal.
//!
//! | tag | meaning | bytes after it |
//! |---|---|---|
//! | 0 | all false | none |
//! | 1 | all true | none |
//! | 2 | mixed | `ceil(n / 8)`; value `i` is bit `i % 8` (lowest first) of byte `i / 8`; spare bits are zero |
//!
//! Bits enter and leave in the layout of the third row, with bit offset 0.

use crate::DecodeError;
use crate::cursor::{take_byte, take_slice};

#[cfg(test)]
mod tests;

const ALL_FALSE: u8 = 0;
const ALL_TRUE: u8 = 1;
const MIXED: u8 = 2;

/// `n` booleans as they lie in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bits<'a> {
    /// All are this.
    All(bool),
    /// `ceil(n / 8)` bytes with zeros in the spare bits.
    Mixed(&'a [u8]),
}

/// Appends the first `n` bits of `bits`, lowest first in each byte. What follows them is ignored.
///
/// # Panics
/// When `bits` is shorter than `ceil(n / 8)` bytes.
pub fn encode(bits: &[u8], n: usize, out: &mut Vec<u8>) {
    if n == 0 {
        return;
    }
    let (last, whole) = bits[..n.div_ceil(8)].split_last().expect("n > 0 has a last byte");
    let last = last & used_mask(n);
    if last == 0 && whole.iter().all(|&byte| byte == 0) {
        encode_all(false, n, out);
    } else if last == used_mask(n) && whole.iter().all(|&byte| byte == 0xff) {
        encode_all(true, n, out);
    } else {
        out.push(MIXED);
        out.extend_from_slice(whole);
        out.push(last);
    }
}

/// Appends `n` booleans that are all `value`.
pub(crate) fn encode_all(value: bool, n: usize, out: &mut Vec<u8>) {
    if n > 0 {
        out.push(if value { ALL_TRUE } else { ALL_FALSE });
    }
}

/// Takes `n` booleans that [`encode`] appended: `ceil(n / 8)` bytes, lowest bit first, spare bits zero.
///
/// # Errors
/// `Truncated`, or `Invalid` for an unknown tag or a spare bit that is set.
pub fn decode(source: &mut &[u8], n: usize) -> Result<Vec<u8>, DecodeError> {
    match take_bits(source, n)? {
        Bits::Mixed(bytes) => Ok(bytes.to_vec()),
        Bits::All(false) => Ok(vec![0; n.div_ceil(8)]),
        Bits::All(true) => {
            let mut bytes = vec![0xff; n.div_ceil(8)];
            if let Some(last) = bytes.last_mut() {
                *last = used_mask(n);
            }
            Ok(bytes)
        }
    }
}

/// Takes `n` booleans without a copy; no booleans are all true.
pub(crate) fn take_bits<'a>(source: &mut &'a [u8], n: usize) -> Result<Bits<'a>, DecodeError> {
    if n == 0 {
        return Ok(Bits::All(true));
    }
    match take_byte(source, "bitmap tag")? {
        ALL_FALSE => Ok(Bits::All(false)),
        ALL_TRUE => Ok(Bits::All(true)),
        MIXED => {
            let bytes = take_slice(source, n.div_ceil(8), "bitmap")?;
            match bytes.last() {
                Some(&last) if last & !used_mask(n) != 0 => {
                    Err(DecodeError::Invalid { what: "spare bits of a bitmap", found: last.into() })
                }
                _ => Ok(Bits::Mixed(bytes)),
            }
        }
        tag => Err(DecodeError::Invalid { what: "bitmap tag", found: tag.into() }),
    }
}

/// The bits of the last byte that `n` booleans use, for `n > 0`.
fn used_mask(n: usize) -> u8 {
    0xff >> ((8 - n % 8) % 8)
}
