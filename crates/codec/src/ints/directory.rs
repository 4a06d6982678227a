//! A few numbers for each vector of a block, found in constant time.
//!
//! Responsible for the per-vector parameters of a codec: where a vector's bytes end, its reference, its
//! width. They differ little between vectors, so each column of them is stored as offsets from its
//! least number, at the fewest bits; a block of one vector stores no offsets at all.
//!
//! | part | bytes |
//! |---|---|
//! | for each column | u8 bits of an offset, 0 to 64; u8 bytes of the least number, 0 to 8 |
//! | for each column | the least number, zigzag, in that many bytes |
//! | entries | for each vector the offsets of its columns, bit-packed without gaps (lowest bit first, columns in order); filled up to a whole byte |

use crate::DecodeError;
use crate::bitpack;
use crate::cursor::take_slice;
use crate::varint::{unzigzag, zigzag};

#[cfg(test)]
mod tests;

/// The most columns of a directory.
pub(super) const COLUMNS_MAX: usize = 8;

/// The column that says where the bytes of a vector end, from the start of the first vector.
pub(super) const END: usize = 0;

/// The numbers of one vector; those past the columns in use are 0.
pub(super) type Entry = [i64; COLUMNS_MAX];

/// A directory as it lies in the bytes of a block.
pub(super) struct Directory<'a> {
    least: Entry,
    widths: [u32; COLUMNS_MAX],
    /// Bits of an entry.
    stride: usize,
    entries: &'a [u8],
}

/// The entry of a vector that ends at `length` bytes from the start of the first.
pub(super) fn end_entry(length: usize) -> Entry {
    let mut entry = [0; COLUMNS_MAX];
    // A block is far below 2^63 bytes.
    entry[END] = length as i64;
    entry
}

/// Appends a directory of the first `columns` columns of `entries`.
pub(super) fn encode(entries: &[Entry], columns: usize, out: &mut Vec<u8>) {
    let mut least = [0; COLUMNS_MAX];
    let mut widths = [0; COLUMNS_MAX];
    let heads = out.len();
    out.resize(heads + 2 * columns, 0);
    for column in 0..columns {
        let numbers = || entries.iter().map(|entry| entry[column]);
        let (min, max) = (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0));
        least[column] = min;
        widths[column] = bitpack::width_of(max.wrapping_sub(min) as u64);
        let bytes = zigzag(min).to_le_bytes();
        let used = bytes.len() - zigzag(min).leading_zeros() as usize / 8;
        out[heads + 2 * column..][..2].copy_from_slice(&[widths[column] as u8, used as u8]);
        out.extend_from_slice(&bytes[..used]);
    }
    let stride: u32 = widths.iter().sum();
    let mut window = 0u128;
    let mut filled = 0;
    let end = out.len() + bitpack::packed_len(entries.len(), stride);
    for entry in entries {
        for column in 0..columns {
            let offset = entry[column].wrapping_sub(least[column]) as u64;
            window |= u128::from(offset) << filled;
            filled += widths[column];
            if filled >= 64 {
                out.extend_from_slice(&(window as u64).to_le_bytes());
                window >>= 64;
                filled -= 64;
            }
        }
    }
    out.extend_from_slice(&(window as u64).to_le_bytes()[..filled.div_ceil(8) as usize]);
    debug_assert_eq!(out.len(), end);
}

impl<'a> Directory<'a> {
    /// Takes the directory of `vectors` vectors with `columns` columns.
    ///
    /// # Errors
    /// `Truncated`, or `Invalid` for a width above 64 or a least number of more than 8 bytes.
    #[inline]
    pub(super) fn take(
        source: &mut &'a [u8],
        columns: usize,
        vectors: usize,
    ) -> Result<Self, DecodeError> {
        let mut directory =
            Self { least: [0; COLUMNS_MAX], widths: [0; COLUMNS_MAX], stride: 0, entries: &[] };
        let heads = take_slice(source, 2 * columns, "directory")?;
        for (column, &[width, used]) in heads.as_chunks::<2>().0.iter().enumerate() {
            if width > 64 || used > 8 {
                let found = u64::from(width.max(used));
                return Err(DecodeError::Invalid { what: "column of a directory", found });
            }
            directory.widths[column] = width.into();
            directory.stride += usize::from(width);
            // A load of eight bytes and a mask: the number's own bytes are mostly fewer.
            let bytes = match source.first_chunk::<8>() {
                Some(eight) => u64::from_le_bytes(*eight),
                None => bits_at(source, 0, 64),
            };
            take_slice(source, used.into(), "least number of a directory")?;
            let mask = !(u64::MAX << 1 << (8 * used).saturating_sub(1));
            directory.least[column] = unzigzag(if used == 0 { 0 } else { bytes & mask });
        }
        let length = (vectors * directory.stride).div_ceil(8);
        directory.entries = take_slice(source, length, "entries of a directory")?;
        Ok(directory)
    }

    /// The numbers of vector `vector`, which must be one of those that the directory was taken for.
    #[inline]
    pub(super) fn entry(&self, vector: usize) -> Entry {
        let mut entry = self.least;
        if self.stride > 0 {
            let mut bit = vector * self.stride;
            for (number, &width) in entry.iter_mut().zip(&self.widths) {
                *number = number.wrapping_add(bits_at(self.entries, bit, width) as i64);
                bit += width as usize;
            }
        }
        entry
    }

    /// The bytes of vector `vector` among those of all, by the column [`END`].
    ///
    /// # Errors
    /// `Invalid` when they do not lie there.
    #[inline]
    pub(super) fn bytes_of(&self, vector: usize, all: &'a [u8]) -> Result<&'a [u8], DecodeError> {
        let start = if vector == 0 { 0 } else { self.number(vector - 1, END) };
        let end = self.number(vector, END);
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        range
            .and_then(|(start, end)| all.get(start..end))
            .ok_or(DecodeError::Invalid { what: "end of a vector", found: end as u64 })
    }

    /// One number of vector `vector`, as [`Directory::entry`] has it.
    #[inline]
    pub(super) fn number(&self, vector: usize, column: usize) -> i64 {
        let before: u32 = self.widths[..column].iter().sum();
        let bit = vector * self.stride + before as usize;
        let offset = bits_at(self.entries, bit, self.widths[column]);
        self.least[column].wrapping_add(offset as i64)
    }
}

/// The `width` bits (0 to 64) of `bytes` from bit `bit` on, lowest bit first; zeros past the end.
#[inline]
pub(super) fn bits_at(bytes: &[u8], bit: usize, width: u32) -> u64 {
    let at = bit / 8;
    let word = match bytes.get(at..at + 16).and_then(|bytes| bytes.first_chunk::<16>()) {
        Some(sixteen) => u128::from_le_bytes(*sixteen),
        None => last_word(bytes, at),
    };
    let bits = (word >> (bit % 8)) as u64;
    if width == 0 { 0 } else { bits & u64::MAX >> (64 - width) }
}

/// The word at `at`, where fewer than 16 bytes are left.
fn last_word(bytes: &[u8], at: usize) -> u128 {
    let mut padded = [0; 16];
    let rest = bytes.get(at..).unwrap_or_default();
    padded[..rest.len()].copy_from_slice(rest);
    u128::from_le_bytes(padded)
}
