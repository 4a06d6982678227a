//! Values of a vector that lie apart, each with its position.
//!
//! Responsible for their bytes: all positions (u16, below the vector's length), then all values of
//! `N` bytes. Not responsible for their meaning.

use crate::DecodeError;
use crate::cursor::take_slice;

/// Positions that were checked, and what belongs there.
pub(super) struct Scattered<'a, const N: usize> {
    positions: &'a [[u8; 2]],
    values: &'a [[u8; N]],
}

impl<'a, const N: usize> Scattered<'a, N> {
    /// Takes `count` of them in a vector of `k` values.
    ///
    /// # Errors
    /// `Truncated`, or `Invalid` for a position past the vector.
    pub fn take(source: &mut &'a [u8], count: usize, k: usize) -> Result<Self, DecodeError> {
        let (positions, _) = take_slice(source, 2 * count, "positions")?.as_chunks();
        let (values, _) = take_slice(source, N * count, "scattered values")?.as_chunks();
        let last = positions.iter().map(|&position| u16::from_le_bytes(position)).max();
        match last {
            Some(last) if usize::from(last) >= k => {
                Err(DecodeError::Invalid { what: "position", found: last.into() })
            }
            _ => Ok(Self { positions, values }),
        }
    }

    /// Calls `put(position, value)` for each.
    #[inline(always)]
    pub fn each(&self, mut put: impl FnMut(usize, [u8; N])) {
        for (position, value) in self.positions.iter().zip(self.values) {
            put(usize::from(u16::from_le_bytes(*position)), *value);
        }
    }
}
