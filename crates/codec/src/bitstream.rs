//! Streams of bits, first bit highest.
//!
//! Responsible for putting and taking runs of up to 64 bits at speed; the Gorilla codes are made of
//! them. Bit `b` of a stream is bit `7 - b % 8` of byte `b / 8`, so that a stream reads as it is written
//! on paper. A stream ends on a whole byte, filled up with zeros; its number of bits is not stored.
//!
//! Both sides avoid branches that depend on the data: the writer stores a whole word at each step and
//! moves on by the bytes that are full, the reader loads a whole word at each step.
//!
//! Invariant: a reader never fails within the stream. Past the end it finds zeros, and
//! [`BitReader::finish`] says so; a caller bounds its loop by the number of values and asks once.

use crate::DecodeError;

#[cfg(test)]
mod tests;

/// Bits that a word holds besides those of a byte that is not full: 64 - 7.
pub(crate) const STEP_BITS_MAX: u32 = 57;

/// Appends bits to bytes.
pub(crate) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Bytes of `out` that are full. Up to a word of what lies behind them is scratch.
    full: usize,
    /// The bits after those, from the highest bit down; the others are zero.
    window: u64,
    /// How many they are, 0 to 7.
    filled: u32,
}

impl<'a> BitWriter<'a> {
    /// A stream that starts at the end of `out`.
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        let full = out.len();
        Self { out, full, window: 0, filled: 0 }
    }

    /// Appends the low `count` bits of `bits`, 0 to [`STEP_BITS_MAX`]; the others must be zero.
    #[inline(always)]
    pub(crate) fn put(&mut self, bits: u64, count: u32) {
        debug_assert!(count <= STEP_BITS_MAX && bits >> count == 0, "{bits:#x} in {count} bits");
        // At most 7 + 57 = 64 bits. They go to the top in two shifts, since no bits at all of an empty
        // window move by 64.
        self.filled += count;
        self.window |= (bits << ((64 - self.filled) / 2)) << (64 - self.filled).div_ceil(2);
        if self.out.len() < self.full + 8 {
            self.grow();
        }
        self.out[self.full..self.full + 8].copy_from_slice(&self.window.to_be_bytes());
        self.full += (self.filled / 8) as usize;
        // Whole bytes leave, 0 to 8; two shifts, since 8 bytes are 64 bits.
        let left = (self.filled & !7) / 2;
        self.window = self.window << left << left;
        self.filled %= 8;
    }

    /// Appends the low `count` bits of `bits`, 0 to 64; the others must be zero.
    #[inline(always)]
    pub(crate) fn put_wide(&mut self, bits: u64, count: u32) {
        if count > 32 {
            self.put(bits >> 32, count - 32);
            self.put(bits & 0xffff_ffff, 32);
        } else {
            self.put(bits, count);
        }
    }

    /// Fills the last byte up with zeros; the stream ends at the end of the bytes.
    pub(crate) fn finish(self) {
        if self.filled > 0 && self.out.len() == self.full {
            self.out.push(0);
        }
        if self.filled > 0 {
            self.out[self.full] = (self.window >> 56) as u8;
        }
        self.out.truncate(self.full + usize::from(self.filled > 0));
    }

    /// Makes room for many words at once.
    #[cold]
    fn grow(&mut self) {
        let length = self.full + 1024;
        self.out.resize(length, 0);
    }
}

/// Takes bits from bytes.
#[derive(Clone)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits taken.
    taken: usize,
}

impl<'a> BitReader<'a> {
    /// The stream at the start of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, taken: 0 }
    }

    /// The next [`STEP_BITS_MAX`] bits or more, from the highest bit down; zeros past the end. A code
    /// and what follows it can be read from one window and taken by one [`BitReader::skip`].
    #[inline(always)]
    pub(crate) fn window(&self) -> u64 {
        let at = self.taken / 8;
        let word = match self.bytes.get(at..at + 8) {
            Some(eight) => u64::from_be_bytes(eight.try_into().unwrap_or_default()),
            None => self.last_word(at),
        };
        word << (self.taken % 8)
    }

    /// Takes `count` bits, which the window showed.
    #[inline(always)]
    pub(crate) fn skip(&mut self, count: u32) {
        self.taken += count as usize;
    }

    /// Takes `count` bits, 0 to [`STEP_BITS_MAX`].
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u32) -> u64 {
        debug_assert!(count <= STEP_BITS_MAX);
        let bits = (self.window() >> 1) >> (63 - count);
        self.skip(count);
        bits
    }

    /// Takes `count` bits, 0 to 64.
    #[inline(always)]
    pub(crate) fn take_wide(&mut self, count: u32) -> u64 {
        if count > 32 {
            let high = self.take(count - 32);
            high << 32 | self.take(32)
        } else {
            self.take(count)
        }
    }

    /// Whether all that was taken was there.
    ///
    /// # Errors
    /// `Truncated` when bits past the end were taken.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        let (need, have) = (self.taken.div_ceil(8), self.bytes.len());
        if need > have {
            return Err(DecodeError::Truncated { what: "bit stream", need, have });
        }
        Ok(())
    }

    /// The word at `at`, where fewer than eight bytes are left.
    #[cold]
    fn last_word(&self, at: usize) -> u64 {
        let mut padded = [0; 8];
        let rest = self.bytes.get(at..).unwrap_or_default();
        padded[..rest.len()].copy_from_slice(rest);
        u64::from_be_bytes(padded)
    }
}
