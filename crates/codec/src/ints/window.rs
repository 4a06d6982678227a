//! The range of numbers that is worth packing.
//!
//! Responsible for the reference and width of one vector, by cost: packed bits and exceptions. Numbers
//! outside of the window are exceptions, so that one jump among small differences does not widen the
//! whole vector (as in PFOR, Zukowski et al., ICDE 2006, and OptPFD, Yan et al., WWW 2009).

use crate::bitpack::width_of;
use crate::codec::VECTOR_VALUES;
use crate::lanes::dispatch::for_each_processor;
use crate::lanes::scan;
use crate::varint::zigzag;

#[cfg(test)]
mod tests;

/// Bits of the position of an exception in its vector: 2^10 = 1,024.
pub(super) const POSITION_BITS: u32 = 10;

/// Up to this width of all numbers, comparing them with the bound of each width takes less time than
/// counting the width of each: offsets fit 16 bits, and a comparison of 32 is one instruction.
const NARROW: u32 = 8;

/// Numbers of which the middle one is taken for the middle of all.
const PIVOT_SAMPLE: usize = 31;

/// The numbers `reference ..= reference + (2^width - 1)`, in wrapping arithmetic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Window {
    pub(super) reference: i64,
    /// 0 to 64.
    pub(super) width: u32,
}

impl Window {
    /// The window that makes `numbers` smallest.
    pub(super) fn of(numbers: &[i64]) -> Self {
        let whole = Self::around(numbers);
        if whole.width <= 1 || numbers.len() < 2 {
            return whole;
        }
        let pivot = middle(numbers);
        let counts = match numbers.len() {
            ..=VECTOR_VALUES if whole.width <= NARROW => count_narrow(numbers, pivot),
            _ => count_widths(numbers, pivot),
        };
        let width = cheapest_width(&counts, whole.width, numbers.len());
        if width >= whole.width {
            return whole;
        }
        // The numbers within are not always spread over all of it: their own range may be narrower.
        let (least, most) = range_within(numbers, pivot, width);
        Self {
            reference: pivot.wrapping_add(least),
            width: width_of(most.wrapping_sub(least) as u64),
        }
    }

    /// The narrowest window that holds all `numbers`.
    pub(super) fn around(numbers: &[i64]) -> Self {
        let (least, most) = scan::extremes(numbers);
        Self { reference: least, width: width_of(most.wrapping_sub(least) as u64) }
    }

    /// Whether it holds `number`.
    #[inline]
    pub(super) fn holds(self, number: i64) -> bool {
        let offset = number.wrapping_sub(self.reference) as u64;
        self.width == 64 || offset >> self.width == 0
    }
}

for_each_processor! {
    /// How many of the numbers need how many bits, as zigzag offsets from `pivot`.
    fn count_widths(numbers: &[i64], pivot: i64) -> [u32; 65] {
        // Equal widths follow each other; in four tables their counts do not wait for each other.
        let mut counts = [[0u32; 65]; 4];
        let (fours, rest) = numbers.as_chunks::<4>();
        for four in fours {
            for (counts, number) in counts.iter_mut().zip(four) {
                counts[width_of(zigzag(number.wrapping_sub(pivot))) as usize] += 1;
            }
        }
        for number in rest {
            counts[0][width_of(zigzag(number.wrapping_sub(pivot))) as usize] += 1;
        }
        std::array::from_fn(|width| counts.iter().map(|counts| counts[width]).sum())
    }

    /// As [`count_widths`] of at most one vector of numbers that all lie within [`NARROW`] bits: an offset has
    /// at most one bit more.
    fn count_narrow(numbers: &[i64], pivot: i64) -> [u32; 65] {
        let mut offsets = [0u16; VECTOR_VALUES];
        for (offset, number) in offsets.iter_mut().zip(numbers) {
            *offset = zigzag(number.wrapping_sub(pivot)) as u16;
        }
        let offsets = &offsets[..numbers.len()];
        let mut counts = [0; 65];
        let mut narrower = 0;
        for (width, slot) in (0..).zip(counts.iter_mut().take(NARROW as usize + 2)) {
            let count: u16 = offsets.iter().map(|offset| u16::from(offset >> width == 0)).sum();
            *slot = u32::from(count - narrower);
            narrower = count;
        }
        counts
    }

    /// The least and the greatest offset from `pivot`, among 0 and those of `width` bits (below 64) as
    /// zigzag.
    fn range_within(numbers: &[i64], pivot: i64, width: u32) -> (i64, i64) {
        let (mut least, mut most) = (0, 0);
        for &number in numbers {
            let offset = number.wrapping_sub(pivot);
            let offset = if zigzag(offset) >> width == 0 { offset } else { 0 };
            least = least.min(offset);
            most = most.max(offset);
        }
        (least, most)
    }
}

/// The width by which `n` numbers take the fewest bits, when `counts[w]` of them need `w` bits and an
/// exception takes as many bits as the whole range and a position.
fn cheapest_width(counts: &[u32; 65], width_of_all: u32, n: usize) -> u32 {
    let exception_bits = u64::from(width_of_all + POSITION_BITS);
    let (mut best, mut best_bits) = (width_of_all, u64::from(width_of_all) * n as u64);
    let mut exceptions = n as u64;
    for (width, &count) in (0..width_of_all).zip(counts) {
        exceptions -= u64::from(count);
        let bits = u64::from(width) * n as u64 + exceptions * exception_bits;
        if bits < best_bits {
            (best, best_bits) = (width, bits);
        }
    }
    best
}

/// About the median: the middle of a few, evenly spread.
fn middle(numbers: &[i64]) -> i64 {
    let mut sample = [0; PIVOT_SAMPLE];
    for (i, slot) in sample.iter_mut().enumerate() {
        // Odd steps, so that a pattern of a power of two does not hide the others.
        *slot = numbers[(i * numbers.len() + i) / PIVOT_SAMPLE % numbers.len()];
    }
    *sample.select_nth_unstable(PIVOT_SAMPLE / 2).1
}
