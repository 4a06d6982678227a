//! Whole vectors from lanes to floats.
//!
//! Responsible for packing 1,024 offsets into lanes and for the fused ways back, with the widest
//! instructions of the machine. Not responsible for headers, exceptions or shorter vectors.
//!
//! Offsets of up to 32 bits lie in 32 lanes of 32-bit words, wider ones in 16 lanes of 64-bit words.
//! Value `i` belongs to lane `i % lanes` and is its value number `i / lanes`; a lane is bit-packed from
//! the lowest bit up; word `j` of all lanes takes 128 bytes. So `w` bits take `128 * w` bytes in both.
//!
//! Invariants: all instruction sets give the same bits.

use std::mem::MaybeUninit;

use super::decimals::{Factors, ROUNDER};
use crate::codec::VECTOR_VALUES;

/// Bytes of one word of all lanes.
pub(super) const ROW_BYTES: usize = 128;
/// The widest offsets that lie in 32-bit words.
const WIDTH_OF_HALF_MAX: u32 = 32;
/// Bits of 2^52: with an integer below 2^52 in the low bits, the float 2^52 + integer.
const TWO_52_BITS: u64 = 0x4330_0000_0000_0000;
const TWO_52: f64 = (1u64 << 52) as f64;

/// Where a vector is decoded to. Not initialised: zeros would cost a fifth of the time.
pub(super) type Slots<T> = [MaybeUninit<T>; VECTOR_VALUES];

/// Appends `offsets` at `width` bits each, 0 to 64.
pub(super) fn pack(offsets: &[u64; VECTOR_VALUES], width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let start = out.len();
    out.resize(start + ROW_BYTES * width as usize, 0);
    let (words, _) = out[start..].as_chunks_mut::<8>();
    // A 64-bit word holds two neighbouring lanes of 32 bits, the lower one first.
    let (lanes, lane_bits) = if width <= WIDTH_OF_HALF_MAX { (32, 32) } else { (16, 64) };
    for (index, &offset) in offsets.iter().enumerate() {
        let (lane, bit) = (index % lanes, index / lanes * width as usize);
        let (row, shift) = (bit / lane_bits, bit % lane_bits);
        let place = lane * lane_bits;
        let mut put = |row: usize, part: u64| {
            let word = &mut words[row * 16 + place / 64];
            *word = (u64::from_le_bytes(*word) | part << (place % 64)).to_le_bytes();
        };
        let low = if lane_bits == 64 { u64::MAX } else { u64::from(u32::MAX) };
        put(row, offset << shift & low);
        if shift + width as usize > lane_bits {
            put(row + 1, offset >> (lane_bits - shift));
        }
    }
}

/// The floats of `base + offset`. `packed` holds `ROW_BYTES * width` bytes, `width` is at most 53.
pub(super) fn decode_offsets(
    packed: &[u8],
    width: u32,
    base: i64,
    by: Factors,
    out: &mut Slots<f64>,
) {
    // (2^52 + offset) + (base - 2^52): each of the three is an integer below 2^53 either way, and so
    // exact; of offsets with bit 52 set, which no encoder writes, it is some float.
    let origin = base as f64 - TWO_52;
    unpack(packed, width, out, move |offset| {
        (f64::from_bits(offset | TWO_52_BITS) + origin) * by.up * by.down
    });
}

/// The floats of the running sums of `steps` after `before`.
pub(super) fn decode_steps(steps: &[u64], before: i64, by: Factors, out: &mut [MaybeUninit<f64>]) {
    let mut integer = before as u64;
    let mut integers = [0; 64];
    for (slots, steps) in out.chunks_mut(64).zip(steps.chunks(64)) {
        for (sum, &step) in integers.iter_mut().zip(steps) {
            integer = integer.wrapping_add(step);
            *sum = integer;
        }
        for (slot, &sum) in slots.iter_mut().zip(&integers) {
            slot.write(unscale(sum, by));
        }
    }
}

/// The float of an integer below 2^51 either way; of others, which no encoder writes, some float.
#[inline(always)]
pub(super) fn unscale(integer: u64, by: Factors) -> f64 {
    (f64::from_bits(integer.wrapping_add(ROUNDER.to_bits())) - ROUNDER) * by.up * by.down
}

/// Fills `out` with `each(offset)` in order. `packed` holds `ROW_BYTES * width` bytes, `width` is at
/// most 64.
#[inline(always)]
pub(super) fn unpack<T>(packed: &[u8], width: u32, out: &mut Slots<T>, each: impl Fn(u64) -> T) {
    let (rows, _) = packed.as_chunks::<ROW_BYTES>();
    debug_assert_eq!(rows.len(), width as usize);
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            // SAFETY: the instructions are there. With decimals 5 G values/s, with AVX2 3.9.
            return unsafe { x86::unpack_avx512(rows, width, out, each) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the instructions are there. With decimals 3.9 G values/s, without 2.1.
            return unsafe { x86::unpack_avx2(rows, width, out, each) };
        }
    }
    unpack_rows(rows, width, out, each);
}

/// [`unpack`] by the instructions that every machine has.
#[cfg(test)]
pub(super) fn unpack_baseline<T>(
    packed: &[u8],
    width: u32,
    out: &mut Slots<T>,
    each: impl Fn(u64) -> T,
) {
    unpack_rows(packed.as_chunks::<ROW_BYTES>().0, width, out, each);
}

/// The loops of [`unpack`], for the compiler to vectorise.
#[inline(always)]
fn unpack_rows<T>(
    rows: &[[u8; ROW_BYTES]],
    width: u32,
    out: &mut Slots<T>,
    each: impl Fn(u64) -> T,
) {
    if width == 0 {
        for slot in out {
            slot.write(each(0));
        }
    } else if width <= WIDTH_OF_HALF_MAX {
        let (slots, _) = out.as_chunks_mut::<32>();
        for (index, slots) in slots.iter_mut().enumerate() {
            let offsets = row_of_halves(rows, index * width as usize, width);
            for (slot, &offset) in slots.iter_mut().zip(&offsets) {
                slot.write(each(u64::from(offset)));
            }
        }
    } else {
        let (slots, _) = out.as_chunks_mut::<16>();
        for (index, slots) in slots.iter_mut().enumerate() {
            let offsets = row_of_words(rows, index * width as usize, width);
            for (slot, &offset) in slots.iter_mut().zip(&offsets) {
                slot.write(each(offset));
            }
        }
    }
}

/// The loads and shifts of one row, for words of either size.
macro_rules! row_of {
    ($name:ident, $word:ty, $lanes:literal) => {
        /// The values at bit `bit` of each lane; `width` is 1 to the bits of a word.
        #[inline(always)]
        fn $name(rows: &[[u8; ROW_BYTES]], bit: usize, width: u32) -> [$word; $lanes] {
            let (row, shift) = (bit / <$word>::BITS as usize, bit as u32 % <$word>::BITS);
            let mask = <$word>::MAX >> (<$word>::BITS - width);
            let (low, _) = rows[row].as_chunks::<{ size_of::<$word>() }>();
            let mut values = [0; $lanes];
            if shift + width <= <$word>::BITS {
                for (value, low) in values.iter_mut().zip(low) {
                    *value = <$word>::from_le_bytes(*low) >> shift & mask;
                }
                return values;
            }
            let (high, _) = rows[row + 1].as_chunks::<{ size_of::<$word>() }>();
            let up = <$word>::BITS - shift;
            for ((value, low), high) in values.iter_mut().zip(low).zip(high) {
                let (low, high) = (<$word>::from_le_bytes(*low), <$word>::from_le_bytes(*high));
                *value = (low >> shift | high << up) & mask;
            }
            values
        }
    };
}

row_of!(row_of_halves, u32, 32);
row_of!(row_of_words, u64, 16);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{ROW_BYTES, Slots, unpack_rows};

    #[target_feature(enable = "avx2")]
    pub(super) fn unpack_avx2<T>(
        rows: &[[u8; ROW_BYTES]],
        width: u32,
        out: &mut Slots<T>,
        each: impl Fn(u64) -> T,
    ) {
        unpack_rows(rows, width, out, each);
    }

    #[target_feature(enable = "avx512f,avx512vl")]
    pub(super) fn unpack_avx512<T>(
        rows: &[[u8; ROW_BYTES]],
        width: u32,
        out: &mut Slots<T>,
        each: impl Fn(u64) -> T,
    ) {
        unpack_rows(rows, width, out, each);
    }
}
