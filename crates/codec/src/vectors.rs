//! Vectors of different lengths, end to end, each found in constant time.
//!
//! Responsible for the frame that codecs share whose vectors take different numbers of bytes. Not
//! responsible for what is in a vector.
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 4 `v` | end of each of the `v` vectors (u32), counted from the byte after this table |
//! | 4 `v` | – | the vectors |

use crate::DecodeError;
use crate::codec::VECTOR_VALUES;

/// Appends the frame; `encode(index, values, out)` appends one vector. `false` when the vectors together
/// take 4 GiB or more, which only text can; what was appended is then worth nothing.
pub(crate) fn encode<T>(
    values: &[T],
    out: &mut Vec<u8>,
    mut encode: impl FnMut(usize, &[T], &mut Vec<u8>),
) -> bool {
    let table = out.len();
    let start = table + 4 * values.len().div_ceil(VECTOR_VALUES);
    out.resize(start, 0);
    for (index, vector) in values.chunks(VECTOR_VALUES).enumerate() {
        encode(index, vector, out);
        let Ok(end) = u32::try_from(out.len() - start) else { return false };
        out[table + 4 * index..][..4].copy_from_slice(&end.to_le_bytes());
    }
    true
}

/// The bytes of vector `vector` of a block of `n` values; the caller has checked that it is there.
///
/// # Errors
/// `Truncated` when the table or the vector is.
pub(crate) fn find(bytes: &[u8], n: usize, vector: usize) -> Result<&[u8], DecodeError> {
    let vectors = n.div_ceil(VECTOR_VALUES);
    let truncated = |what, need, have| DecodeError::Truncated { what, need, have };
    let (table, body) = bytes
        .split_at_checked(4 * vectors)
        .ok_or_else(|| truncated("ends of vectors", 4 * vectors, bytes.len()))?;
    let (ends, _) = table.as_chunks::<4>();
    let end = |index: usize| u32::from_le_bytes(ends[index]) as usize;
    let start = vector.checked_sub(1).map_or(0, end);
    body.get(start..end(vector)).ok_or_else(|| truncated("vector", end(vector), body.len()))
}
