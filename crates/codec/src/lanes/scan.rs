//! Running sums and scaling of a vector in place.
//!
//! All arithmetic wraps: differences taken by wrapping subtraction come back exactly.
//!
//! A running sum is a chain of additions, one per value. With AVX-512 eight values are summed in three
//! steps within a register, and only one addition per eight is left in the chain.

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
        _mm512_permutexvar_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_storeu_si512,
    };
    let zero = _mm512_setzero_si512();
    let last = _mm512_set1_epi64(7);
    let mut sum = zero;
    let (eights, rest) = values.as_chunks_mut::<8>();
    for eight in &mut *eights {
        let eight: *mut __m512i = eight.as_mut_ptr().cast();
        // SAFETY: `eight` points to eight values, 64 bytes; the load may be unaligned.
        let mut sums = unsafe { _mm512_loadu_si512(eight) };
        // Shifted by 1, 2 and 4 values with zeros coming in: sums of 2, 4 and 8 values.
        sums = _mm512_add_epi64(sums, _mm512_alignr_epi64::<7>(sums, zero));
        sums = _mm512_add_epi64(sums, _mm512_alignr_epi64::<6>(sums, zero));
        sums = _mm512_add_epi64(sums, _mm512_alignr_epi64::<4>(sums, zero));
        // SAFETY: as the load.
        unsafe { _mm512_storeu_si512(eight, _mm512_add_epi64(sums, sum)) };
        sum = _mm512_add_epi64(sum, _mm512_permutexvar_epi64(last, sums));
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
