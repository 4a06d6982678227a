//! What integers come to: extremes and sum in one pass, at the speed of vectors.
//!
//! Responsible for the statistics that a writer stores beside its blocks. Not responsible for nulls,
//! unsigned order or floats.

use crate::lanes::dispatch::for_each_processor;

#[cfg(test)]
mod tests;

/// Extremes and sum of some integers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Totals {
    /// The smallest; `i64::MAX` of none.
    pub min: i64,
    /// The largest; `i64::MIN` of none.
    pub max: i64,
    /// Sum of the lower halves, as unsigned numbers of 32 bits.
    lows: i64,
    /// Sum of the upper halves, as signed ones.
    highs: i64,
}

/// Values whose halves fit 64 bits when they are added: far more than a block has.
const VALUES_MAX: usize = 1 << 31;

impl Totals {
    /// Of `values`.
    ///
    /// # Panics
    /// With more than 2^31 values.
    #[must_use]
    pub fn of(values: &[i64]) -> Self {
        assert!(values.len() <= VALUES_MAX, "the sum of {} values", values.len());
        let (min, max, lows, highs) = totals(values);
        Self { min, max, lows, highs }
    }

    /// The exact sum.
    #[must_use]
    pub fn sum(&self) -> i128 {
        (i128::from(self.highs) << 32) + i128::from(self.lows)
    }
}

for_each_processor! {
    fn totals(values: &[i64]) -> (i64, i64, i64, i64) {
        let (mut min, mut max, mut lows, mut highs) = (i64::MAX, i64::MIN, 0, 0);
        for &value in values {
            min = min.min(value);
            max = max.max(value);
            lows += value & 0xffff_ffff;
            highs += value >> 32;
        }
        (min, max, lows, highs)
    }
}
