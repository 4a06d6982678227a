//! Floats that are decimals, as integers.
//!
//! Responsible for the step between a float and its integer and for finding the exponents of a block
//! and of a vector by sampling. Not responsible for bytes.
//!
//! With exponents `(e, f)` the integer of `value` is `value * 10^e * 10^-f`, rounded, and the float of
//! an integer is `integer * 10^f * 10^-e`. High `e` and `f` make the second product exact for more
//! decimals than their difference alone would (Afroozeh, Kuffo and Boncz, SIGMOD 2024).

use super::sample;
use crate::bitpack::width_of;

/// The largest exponent. 10^18 is the last power below 2^63, as in the paper.
pub(super) const EXPONENT_MAX: u8 = 18;

/// With `e = 0`, integers are multiples of up to this power of ten: traded volumes, rounded bytes.
pub(super) const MULTIPLE_MAX: u8 = 9;

/// Exponents that a vector may choose among.
const CANDIDATES_MAX: usize = 5;
/// Vectors of a block that are looked at for candidates.
const SAMPLE_VECTORS: usize = 8;
/// Values of a vector that are looked at.
const SAMPLE_VALUES: usize = 32;

/// Position and bits of a value that has no integer.
pub(super) const EXCEPTION_BITS: u64 = 16 + 64;

/// Bits of a correction in ulps, guessed while exponents are chosen: most are -1, 0 or 1.
const ULP_BITS: u64 = 2;

/// 2^51: the integers of floats are smaller, either way, so that the sum with [`ROUNDER`] is exact.
pub(super) const INTEGER_LIMIT: i64 = 1 << 51;

/// 2^52 + 2^51. Floats from 2^52 to 2^53 are the integers, so adding this rounds to the nearest one
/// and leaves it in the low bits, for either sign.
pub(super) const ROUNDER: f64 = 6_755_399_441_055_744.0;

const POWERS: [f64; EXPONENT_MAX as usize + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18,
];
const INVERSES: [f64; EXPONENT_MAX as usize + 1] = [
    1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14,
    1e-15, 1e-16, 1e-17, 1e-18,
];

/// The two exponents: `f <= e <= EXPONENT_MAX`, or `e` is 0 and `f <= MULTIPLE_MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exponents {
    pub e: u8,
    pub f: u8,
}

/// The two factors that turn an integer into its float, applied in this order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factors {
    pub up: f64,
    pub down: f64,
}

/// A value as an integer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scaled {
    pub integer: i64,
    /// Bits of the value less bits of the integer's float.
    pub ulps: i64,
    /// Whether the integer is below 2^51 and `ulps` fits 8 bits, either way.
    pub near: bool,
}

impl Exponents {
    /// Whether an encoder may have chosen them.
    pub fn are_valid(self) -> bool {
        let Exponents { e, f } = self;
        (e <= EXPONENT_MAX && f <= e) || (e == 0 && f <= MULTIPLE_MAX)
    }

    /// All pairs, the high ones first: of equal ones the paper prefers them.
    fn all() -> impl Iterator<Item = Exponents> {
        let fractions =
            (0..=EXPONENT_MAX).rev().flat_map(|e| (0..=e).rev().map(move |f| Exponents { e, f }));
        fractions.chain((1..=MULTIPLE_MAX).map(|f| Exponents { e: 0, f }))
    }

    pub fn factors(self) -> Factors {
        Factors { up: POWERS[usize::from(self.f)], down: INVERSES[usize::from(self.e)] }
    }

    /// The integer of a value and how far its float is from the value.
    #[inline(always)]
    pub fn scale(self, value: f64) -> Scaled {
        let by = self.factors();
        let scaled = value * POWERS[usize::from(self.e)] * INVERSES[usize::from(self.f)];
        let shifted = scaled + ROUNDER;
        let integer = shifted.to_bits().wrapping_sub(ROUNDER.to_bits()) as i64;
        let back = (shifted - ROUNDER) * by.up * by.down;
        let ulps = value.to_bits().wrapping_sub(back.to_bits()) as i64;
        let limit = INTEGER_LIMIT as f64;
        // A NaN fails the first comparison.
        let near = (scaled.abs() < limit) & (ulps.wrapping_add(128) as u64 <= 255);
        Scaled { integer, ulps, near }
    }

    /// Bits that these values take, about.
    fn cost(self, values: &[f64], at_most: u64) -> u64 {
        let (mut min, mut max, mut misses, mut exceptions) = (i64::MAX, i64::MIN, 0, 0);
        for &value in values {
            let Scaled { integer, ulps, near } = self.scale(value);
            if near {
                (min, max) = (min.min(integer), max.max(integer));
                misses += u64::from(ulps != 0);
            } else {
                exceptions += EXCEPTION_BITS;
                if exceptions > at_most {
                    return u64::MAX;
                }
            }
        }
        let count = values.len() as u64;
        let width = if min > max { 0 } else { width_of(max.wrapping_sub(min) as u64) };
        let ulps = (misses * EXCEPTION_BITS).min(count * ULP_BITS);
        exceptions + ulps + u64::from(width) * count
    }

    /// The cheapest of `candidates` for a sample of `values`; of equal ones the first.
    pub fn of_vector(values: &[f64], candidates: &[Exponents]) -> Exponents {
        match candidates {
            [only] => *only,
            _ => cheapest(&sample(values), candidates.iter().copied()),
        }
    }

    /// The pairs that are cheapest for the vectors of a block, the most frequent first; never none.
    pub fn of_block(values: &[f64], vector_values: usize) -> Vec<Exponents> {
        let step = values.len().div_ceil(vector_values).div_ceil(SAMPLE_VECTORS).max(1);
        let mut found: Vec<(Exponents, usize)> = Vec::new();
        for vector in values.chunks(vector_values).step_by(step) {
            let best = cheapest(&sample(vector), Exponents::all());
            match found.iter_mut().find(|(exponents, _)| *exponents == best) {
                Some((_, times)) => *times += 1,
                None => found.push((best, 1)),
            }
        }
        found.sort_by_key(|&(_, times)| std::cmp::Reverse(times));
        found.truncate(CANDIDATES_MAX);
        if found.is_empty() {
            found.push((Exponents { e: 0, f: 0 }, 0));
        }
        found.into_iter().map(|(exponents, _)| exponents).collect()
    }
}

fn cheapest(sample: &[f64], candidates: impl Iterator<Item = Exponents>) -> Exponents {
    let mut best = (u64::MAX, Exponents { e: 0, f: 0 });
    for exponents in candidates {
        let cost = exponents.cost(sample, best.0);
        if cost < best.0 {
            best = (cost, exponents);
        }
    }
    best.1
}

/// [`SAMPLE_VALUES`] values, or all where they are fewer.
fn sample(values: &[f64]) -> Vec<f64> {
    sample::places(values.len(), SAMPLE_VALUES).map(|place| values[place]).collect()
}
