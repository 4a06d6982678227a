//! Where most integers of a vector lie.
//!
//! Responsible for choosing the range that packed offsets cover, when each value outside of it costs
//! a known number of bits. Not responsible for what happens to those values.

use crate::bitpack::width_of;

/// Bits of a value that one look at the values tells apart: 2^8 counters are 1 KiB.
const BUCKET_BITS: u32 = 8;

/// Looks at the values: each takes up to 8 bits off the width, so 64 bits need 8.
const LOOKS_MAX: usize = 8;

/// A range of integers: `base` and the offsets that fit `width` bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// The smallest value inside.
    pub base: i64,
    /// Bits of an offset, 0 to 64.
    pub width: u32,
}

impl Window {
    /// Bits of packed offsets and of exceptions together are the fewest, about: the ends are looked
    /// for in steps of 1/256 of the range. Zeros for no values.
    pub fn best(values: &[i64], exception_bits: u64) -> Window {
        let mut window = Window::around(values.iter().copied());
        let mut inside = values.len();
        for _ in 0..LOOKS_MAX {
            let Some((narrower, left)) = narrow(window, inside, values, exception_bits) else {
                break;
            };
            let within = values.iter().copied().filter(|&value| narrower.holds(value));
            window = Window::around(within);
            inside = left;
        }
        window
    }

    /// The smallest window of all the values.
    fn around(values: impl Iterator<Item = i64>) -> Window {
        let ends = values.fold(None, |ends: Option<(i64, i64)>, value| match ends {
            Some((min, max)) => Some((min.min(value), max.max(value))),
            None => Some((value, value)),
        });
        let (min, max) = ends.unwrap_or((0, 0));
        Window { base: min, width: width_of(max.wrapping_sub(min) as u64) }
    }

    /// Whether the offset of `value` fits.
    #[inline(always)]
    pub fn holds(&self, value: i64) -> bool {
        value >= self.base && self.offset(value) <= self.mask()
    }

    /// Distance of a value that is not below `base`.
    #[inline(always)]
    pub fn offset(&self, value: i64) -> u64 {
        value.wrapping_sub(self.base) as u64
    }

    /// The largest offset.
    #[inline(always)]
    pub fn mask(&self) -> u64 {
        if self.width == 0 { 0 } else { u64::MAX >> (64 - self.width) }
    }
}

/// The best window inside `window` that is narrower and cheaper, with the number of values in it.
fn narrow(
    window: Window,
    inside: usize,
    values: &[i64],
    exception_bits: u64,
) -> Option<(Window, usize)> {
    let shift = window.width.saturating_sub(BUCKET_BITS);
    let mut counts = [0u32; 1 << BUCKET_BITS];
    for &value in values.iter().filter(|&&value| window.holds(value)) {
        counts[(window.offset(value) >> shift) as usize] += 1;
    }
    let cost = |width: u32, held: usize| {
        u64::from(width) * values.len() as u64 + exception_bits * (values.len() - held) as u64
    };
    let mut best = (cost(window.width, inside), None);
    for width in shift..window.width {
        let (bucket, held) = fullest(&counts, 1 << (width - shift));
        let bits = cost(width, held);
        if bits < best.0 {
            let base = window.base.wrapping_add((bucket as i64) << shift);
            best = (bits, Some((Window { base, width }, held)));
        }
    }
    best.1
}

/// First bucket and sum of the fullest `span` neighbours.
fn fullest(counts: &[u32], span: usize) -> (usize, usize) {
    let mut sum: u32 = counts[..span].iter().sum();
    let mut best = (0, sum);
    for start in 1..=counts.len() - span {
        sum += counts[start + span - 1];
        sum -= counts[start - 1];
        if sum > best.1 {
            best = (start, sum);
        }
    }
    (best.0, best.1 as usize)
}
