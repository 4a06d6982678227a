//! Strings by vectors: their lengths, and the bytes of each vector in some form.
//!
//! Responsible for the frame, for what a decoder appends, and for refusing what is not UTF-8.
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 4 | length of the next part `l` |
//! | 4 | `l` | lengths of the strings in bytes, a block of [`FrameOfReference`] |
//! | 4 + `l` | – | bytes of each vector in the codec's form, framed by [`crate::vectors`] |

use crate::DecodeError;
use crate::codec::{Text, VECTOR_VALUES, vector_range};
use crate::cursor::{take_array, take_slice};
use crate::ints::patched::FrameOfReference;
use crate::typed::IntegerCodec;
use crate::vectors;

/// Appends the frame; `form` appends the strings of a vector, given end to end. `false` when a vector
/// does not fit it, or the block has no strings of 4 GiB.
pub(super) fn encode(
    text: Text<'_>,
    out: &mut Vec<u8>,
    mut form: impl FnMut(&[u8], &mut Vec<u8>) -> bool,
) -> bool {
    let lengths: Vec<i64> =
        text.offsets.windows(2).map(|pair| i64::from(pair[1]) - i64::from(pair[0])).collect();
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    FrameOfReference::encode(&lengths, out);
    // At most 64 Ki lengths of 9 bytes.
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    let mut whole = true;
    let fits = vectors::encode(&lengths, out, |index, lengths, out| {
        let first = index * VECTOR_VALUES;
        let (from, to) = (text.offsets[first], text.offsets[first + lengths.len()]);
        whole &= form(&text.bytes[from as usize..to as usize], out);
    });
    whole && fits
}

/// The lengths of the strings of one vector, and its bytes in the codec's form.
pub(super) fn find(
    mut block: &[u8],
    n: usize,
    vector: usize,
) -> Result<(Vec<i64>, &[u8]), DecodeError> {
    let range = vector_range(n, vector)?;
    let length = u32::from_le_bytes(take_array(&mut block, "lengths of strings")?);
    let lengths_block = take_slice(&mut block, length as usize, "lengths of strings")?;
    let mut lengths = Vec::with_capacity(range.len());
    FrameOfReference::decode(lengths_block, n, range, &mut lengths)?;
    Ok((lengths, vectors::find(block, n, vector)?))
}

/// Appends strings of these lengths, whose bytes `fill` appends; what an error leaves is unspecified.
pub(super) fn append(
    lengths: &[i64],
    offsets: &mut Vec<u32>,
    bytes: &mut Vec<u8>,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let start = bytes.len();
    fill(bytes)?;
    let invalid = |found: usize| DecodeError::Invalid { what: "text", found: found as u64 };
    let text = simdutf8::basic::from_utf8(&bytes[start..]).map_err(|_| invalid(start))?;
    if offsets.is_empty() {
        offsets.push(0);
    }
    let (mut end, mut whole) = (0usize, true);
    for &length in lengths {
        // What is negative or too long passes the end, and is no border of characters.
        end = end.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        whole &= text.is_char_boundary(end);
        offsets.push((start + end.min(text.len())) as u32);
    }
    let addressable = u32::try_from(bytes.len()).is_ok();
    if whole && addressable && end == bytes.len() - start { Ok(()) } else { Err(invalid(end)) }
}
