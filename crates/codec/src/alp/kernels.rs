//! The loops of decoding.
//!
//! Responsible for the steps from packed offsets and integers to floats, compiled for every processor
//! worth it. Not responsible for headers and exceptions.

use std::mem::MaybeUninit;

use super::decimals::{Factors, ROUNDER};
use crate::codec::VECTOR_VALUES;
use crate::lanes::dispatch::for_each_processor;
use crate::lanes::pack;

/// Bits of 2^52: with an integer below 2^52 in the low bits, the float 2^52 + integer.
const TWO_52_BITS: u64 = 0x4330_0000_0000_0000;
const TWO_52: f64 = (1u64 << 52) as f64;

for_each_processor! {
    /// The floats of `base + offset`, for the packed offsets of a whole vector at 1 to 52 bits. One pass
    /// from bits to floats: 4.6 G values/s with AVX-512, of two passes 3.4.
    pub(super) fn decode_frame(
        packed: &[u8],
        width: u32,
        base: i64,
        by: Factors,
        out: &mut [MaybeUninit<f64>; VECTOR_VALUES],
    ) {
        // (2^52 + offset) + (base - 2^52): each of the three is an integer below 2^53 either way, and
        // so exact.
        let origin = base as f64 - TWO_52;
        pack::unpack_rows(pack::words(packed), width, out, |offset| {
            (f64::from_bits(offset | TWO_52_BITS) + origin) * by.up * by.down
        });
    }

    /// The floats of integers below 2^51 either way; of others, which no encoder writes, some floats.
    pub(super) fn unscale(integers: &[i64], by: Factors, out: &mut [MaybeUninit<f64>]) {
        assert!(integers.len() == out.len());
        for (slot, &integer) in out.iter_mut().zip(integers) {
            let shifted = f64::from_bits((integer as u64).wrapping_add(ROUNDER.to_bits()));
            slot.write((shifted - ROUNDER) * by.up * by.down);
        }
    }

    /// Moves each value by as many ulps.
    pub(super) fn correct(values: &mut [f64], ulps: &[i64]) {
        for (value, &ulps) in values.iter_mut().zip(ulps) {
            *value = f64::from_bits(value.to_bits().wrapping_add(ulps as u64));
        }
    }

    /// Right parts joined with the left parts that the codes stand for.
    pub(super) fn join(
        codes: &[i64],
        rights: &[i64],
        lefts: &[u64; 8],
        out: &mut [MaybeUninit<f64>],
    ) {
        assert!(codes.len() == out.len() && rights.len() == out.len());
        for ((slot, &code), &right) in out.iter_mut().zip(codes).zip(rights) {
            slot.write(f64::from_bits(lefts[code as usize % 8] | right as u64));
        }
    }
}
