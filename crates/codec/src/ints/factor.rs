//! The common factor of the differences of a block.
//!
//! Responsible for finding that times are whole seconds, or whole tens of seconds, in nanoseconds: then
//! the codecs store multiples of that step from an origin. Without one the factor is 1 and the origin
//! 0, and values are stored as they are.
//!
//! Any values come back exactly as `origin + factor * multiple` in wrapping arithmetic. A factor is
//! used only when no multiple wraps, since a wrapped one would be a large number in place of a small.

use crate::DecodeError;
use crate::lanes::scan;
use crate::varint;

#[cfg(test)]
mod tests;

/// Differences from which a factor is guessed before all are tried.
const GUESS_VALUES: usize = 16;

/// What the values of a block are multiples of.
///
/// | part | bytes |
/// |---|---|
/// | factor | varint, 1 to 2^63 - 1 |
/// | origin | varint, zigzag; only when the factor is not 1 |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Scale {
    pub(super) origin: i64,
    /// At least 1.
    pub(super) factor: i64,
}

impl Scale {
    /// Values as they are.
    const ONE: Self = Self { origin: 0, factor: 1 };

    /// The largest factor of all differences from the first value.
    pub(super) fn of(values: &[i64]) -> Self {
        let Some(&origin) = values.first() else { return Self::ONE };
        let mut factor = 0;
        for value in values.iter().take(GUESS_VALUES) {
            factor = common_factor(factor, value.wrapping_sub(origin).unsigned_abs());
        }
        // Each failure makes the factor a proper divisor of what it was: at most 63 rounds.
        while factor != 1 {
            let Some(value) = first_misfit(values, origin, factor) else { break };
            factor = common_factor(factor, value.wrapping_sub(origin).unsigned_abs());
        }
        match i64::try_from(factor) {
            Ok(factor) if factor > 1 && no_wraps(values, origin) => Self { origin, factor },
            _ => Self::ONE,
        }
    }

    /// Appends origin and factor.
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        varint::put_u64(out, self.factor as u64);
        if self.factor != 1 {
            varint::put_i64(out, self.origin);
        }
    }

    /// Takes what [`Scale::encode`] appended.
    ///
    /// # Errors
    /// `Truncated`, or `Invalid` for a factor that is not positive.
    #[inline]
    pub(super) fn take(source: &mut &[u8]) -> Result<Self, DecodeError> {
        let found = varint::take_u64(source)?;
        match i64::try_from(found) {
            Ok(1) => Ok(Self::ONE),
            Ok(factor) if factor > 1 => Ok(Self { origin: varint::take_i64(source)?, factor }),
            _ => Err(DecodeError::Invalid { what: "common factor", found }),
        }
    }

    /// Appends the multiple that each value is.
    pub(super) fn divide(self, values: &[i64], out: &mut Vec<i64>) {
        if self.factor == 1 {
            out.extend_from_slice(values);
            return;
        }
        // An exact division is a shift by the factor's twos and a product with the inverse of the rest.
        let twos = self.factor.trailing_zeros();
        let inverse = inverse_of_odd(self.factor as u64 >> twos) as i64;
        let multiple =
            |value: &i64| (value.wrapping_sub(self.origin) >> twos).wrapping_mul(inverse);
        out.extend(values.iter().map(multiple));
    }

    /// The value of a multiple.
    pub(super) fn value(self, multiple: i64) -> i64 {
        self.origin.wrapping_add(multiple.wrapping_mul(self.factor))
    }

    /// Turns multiples into values.
    #[inline]
    pub(super) fn multiply(self, multiples: &mut [i64]) {
        if self.factor != 1 {
            scan::scale(multiples, self.origin, self.factor);
        }
    }
}

/// The first value whose difference from `origin` is not a multiple of `factor`; of 0, only 0 is one.
fn first_misfit(values: &[i64], origin: i64, factor: u64) -> Option<i64> {
    if factor == 0 {
        return values.iter().copied().find(|&value| value != origin);
    }
    // As in Hacker's Delight, 10-17: of the products with the inverse of the odd part, rotated by the
    // twos, those of multiples are the smallest 2^64 / factor.
    let twos = factor.trailing_zeros();
    let inverse = inverse_of_odd(factor >> twos);
    let most = u64::MAX / factor;
    values.iter().copied().find(|value| {
        let difference = value.wrapping_sub(origin).unsigned_abs();
        difference.wrapping_mul(inverse).rotate_right(twos) > most
    })
}

/// Whether all differences from `origin` fit an i64.
fn no_wraps(values: &[i64], origin: i64) -> bool {
    let (least, most) = scan::extremes(values);
    least.checked_sub(origin).is_some() && most.checked_sub(origin).is_some()
}

/// The inverse of an odd number modulo 2^64, by Newton's steps: each doubles the right bits from 3.
fn inverse_of_odd(odd: u64) -> u64 {
    let mut inverse = odd;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
    }
    inverse
}

/// The greatest common divisor; 0 is a multiple of everything.
fn common_factor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
