//! Running sums and scaling of a vector in place.
//!
//! All arithmetic wraps: differences taken by wrapping subtraction come back exactly.
//!
//! A running sum is a chain of additions, one per value. With AVX-512 each place first gets the sum of the
//! last eight values, in three steps (of 2, of 4, of 8); then one addition per eight values is left in the
//! chain: to each place what is in the place eight before.

use super::dispatch::for_each_processor;

#[cfg(test)]
mod tests;

/// Replaces each value by the sum of it and all before it.
#[inline]
pub(crate) fn running_sum(values: &mut [i64]) {
    #[cfg(target_arch = "x86_64")]
    if super::dispatch::processor() == super::dispatch::Processor::Avx512 {
        // SAFETY: the processor has AVX-512F, as `processor` says. A scalar loop takes twice as long.
        return unsafe { running_sum_avx512(values) };
    }
    running_sum_from(0, values);
}

/// Replaces each value by the sum of `sum`, it and all before it.
fn running_sum_from(mut sum: i64, values: &mut [i64]) {
    for value in values {
        sum = sum.wrapping_add(*value);
        *value = sum;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn running_sum_avx512(values: &mut [i64]) {
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi64, _mm512_alignr_epi64, _mm512_loadu_si512,
        _mm512_maskz_loadu_epi64, _mm512_setzero_si512, _mm512_storeu_si512,
    };
    let (eights, rest) = values.as_chunks_mut::<8>();
    let [first, ..] = eights else { return running_sum_from(0, rest) };
    // Of the eight before: sums of 2, sums of 4, and all.
    let (mut twos_before, mut fours_before, mut sums) =
        (_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512());
    // The eight values one place earlier, which are loaded before they are written over.
    // SAFETY: the mask leaves out the place before the first value; seven of the first eight are read.
    let mut earlier = unsafe { _mm512_maskz_loadu_epi64(0xfe, first.as_ptr().wrapping_sub(1)) };
    let count = eights.len();
    for (i, eight) in eights.iter_mut().enumerate() {
        let at: *mut __m512i = eight.as_mut_ptr().cast();
        // SAFETY: `at` points to eight values, 64 bytes; the load may be unaligned.
        let these = unsafe { _mm512_loadu_si512(at) };
        let twos = _mm512_add_epi64(these, earlier);
        if i + 1 < count {
            // SAFETY: the last of these and seven of the next eight, of which there are some.
            earlier = unsafe { _mm512_loadu_si512(at.cast::<i64>().add(7).cast()) };
        }
        let fours = _mm512_add_epi64(twos, _mm512_alignr_epi64::<6>(twos, twos_before));
        let eights = _mm512_add_epi64(fours, _mm512_alignr_epi64::<4>(fours, fours_before));
        // The sum of the last eight values, and the sum up to the value eight before.
        sums = _mm512_add_epi64(sums, eights);
        (twos_before, fours_before) = (twos, fours);
        // SAFETY: as the first load.
        unsafe { _mm512_storeu_si512(at, sums) };
    }
    let sum = eights.last().map_or(0, |eight| eight[7]);
    running_sum_from(sum, rest);
}

for_each_processor! {
    /// Replaces each value by `origin + factor * value`.
    pub(crate) fn scale(values: &mut [i64], origin: i64, factor: i64) {
        for value in values {
            *value = origin.wrapping_add(value.wrapping_mul(factor));
        }
    }

    /// Appends `count` values: `first`, `first + step`, `first + 2 * step` and so on.
    pub(crate) fn ramp(first: i64, step: i64, count: usize, out: &mut Vec<i64>) {
        out.extend((0..count).map(|i| first.wrapping_add(step.wrapping_mul(i as i64))));
    }

    /// Writes `differences[i] = values[i + 1] - values[i]`; there is one less of them.
    pub(crate) fn differences(values: &[i64], differences: &mut [i64]) {
        let (_, next) = values.split_at(values.len().min(1));
        assert!(next.len() == differences.len());
        for ((difference, value), next) in differences.iter_mut().zip(values).zip(next) {
            *difference = next.wrapping_sub(*value);
        }
    }

    /// The smallest and the largest value; of none, both are 0.
    pub(crate) fn extremes(values: &[i64]) -> (i64, i64) {
        let Some(&first) = values.first() else { return (0, 0) };
        let (mut least, mut most) = (first, first);
        for &value in values {
            least = least.min(value);
            most = most.max(value);
        }
        (least, most)
    }
}
