//! Integers of one width, packed in the lanes of a vector.
//!
//! The layout is that of FastLanes (Afroozeh & Boncz, VLDB 2023) for 64-bit words: value `i` of a whole
//! vector lies in lane `i % 16` at row `i / 16`, each lane packs its 64 rows without gaps, lowest bit
//! first, and the words of the lanes are interleaved: word `k` of lane `l` is the u64 at byte
//! `(16 * k + l) * 8`. `width` words of each lane hold 64 rows, so that a vector takes `128 * width`
//! bytes. One shift serves 16 values side by side, whatever the registers' size. Rows keep their
//! order (the paper permutes them so that narrower words decode to the same order; all of ours are
//! 64 bits wide), which leaves the values in order for [`super::scan`].
//!
//! The last vector of a block may be shorter; it is packed by [`crate::bitpack`], without lanes, since
//! lanes of one row would take 128 bytes for each bit of the width.

use std::mem::MaybeUninit;

use super::dispatch::for_each_processor;
use crate::bitpack;
use crate::codec::VECTOR_VALUES;
use crate::{DecodeError, cursor::take_slice};

#[cfg(test)]
mod tests;

const LANES: usize = 16;
const ROWS: usize = VECTOR_VALUES / LANES;

/// One word of each lane.
pub(crate) type Words = [[u8; 8]; LANES];

/// Bytes that `n` values of a vector take at `width` bits, 0 to 64.
pub(crate) fn packed_len(n: usize, width: u32) -> usize {
    // For a whole vector both layouts take 128 bytes per bit.
    bitpack::packed_len(n, width)
}

/// Appends the low `width` bits (0 to 64) of each value less `reference`, wrapping.
pub(crate) fn pack(values: &[i64], reference: i64, width: u32, out: &mut Vec<u8>) {
    assert!(values.len() <= VECTOR_VALUES && width <= 64, "{} at {width} bits", values.len());
    if width == 0 {
        return;
    }
    if let Ok(vector) = values.try_into() {
        let start = out.len();
        out.resize(start + packed_len(VECTOR_VALUES, width), 0);
        let (words, _) = out[start..].as_chunks_mut::<8>();
        pack_lanes(vector, reference, width, words.as_chunks_mut::<LANES>().0);
    } else {
        let mask = u64::MAX >> (64 - width);
        let mut offsets = [0; VECTOR_VALUES];
        let offsets = &mut offsets[..values.len()];
        for (offset, value) in offsets.iter_mut().zip(values) {
            *offset = value.wrapping_sub(reference) as u64 & mask;
        }
        bitpack::pack_u64(offsets, width, out);
    }
}

/// Takes `n` values that [`pack`] appended and appends them to `out`.
///
/// # Errors
/// `Truncated`, or `Invalid` for a width above 64.
///
/// # Panics
/// When `n` is above [`VECTOR_VALUES`].
#[inline]
pub(crate) fn unpack(
    source: &mut &[u8],
    n: usize,
    reference: i64,
    width: u32,
    out: &mut Vec<i64>,
) -> Result<(), DecodeError> {
    assert!(n <= VECTOR_VALUES, "a vector of {n} values");
    if width > 64 {
        return Err(DecodeError::Invalid { what: "bit width", found: width.into() });
    }
    let bytes = take_slice(source, packed_len(n, width), "packed values")?;
    let start = out.len();
    if width == 0 {
        out.resize(start + n, reference);
    } else if n == VECTOR_VALUES {
        out.reserve(VECTOR_VALUES);
        if let Some(slots) = out.spare_capacity_mut().first_chunk_mut() {
            unpack_words(words(bytes), reference, width, slots);
            // SAFETY: `unpack_words` has written all of the `VECTOR_VALUES` slots behind `start`.
            // Zeroing them first would cost a quarter of the time of unpacking.
            unsafe { out.set_len(start + VECTOR_VALUES) };
        }
    } else {
        out.resize(start + n, 0);
        let add = |value: u64| reference.wrapping_add(value as i64);
        bitpack::unpack_with(bytes, width, &mut out[start..], add);
    }
    Ok(())
}

/// Unpacks a whole vector from `width` words of each lane and writes every slot.
#[inline]
fn unpack_words(
    words: &[Words],
    reference: i64,
    width: u32,
    out: &mut [MaybeUninit<i64>; VECTOR_VALUES],
) {
    #[cfg(target_arch = "x86_64")]
    if super::dispatch::processor() == super::dispatch::Processor::Avx512 {
        // SAFETY: the processor has AVX-512 with VBMI2, as `processor` says. The compiler's own loop
        // takes half as long again: it knows no instruction that shifts two words into one.
        return unsafe { unpack_avx512(words, reference, width, out) };
    }
    unpack_lanes(words, reference, width, out);
}

/// [`unpack_lanes`] with double shifts.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vbmi2")]
fn unpack_avx512(
    words: &[Words],
    reference: i64,
    width: u32,
    out: &mut [MaybeUninit<i64>; VECTOR_VALUES],
) {
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_loadu_si512, _mm512_set1_epi64,
        _mm512_shrdv_epi64, _mm512_storeu_si512,
    };
    assert!(words.len() == width as usize && (1..=64).contains(&width));
    let mask = _mm512_set1_epi64((u64::MAX >> (64 - width)) as i64);
    let add = _mm512_set1_epi64(reference);
    let mut bit = 0;
    for slots in out.as_chunks_mut::<LANES>().0 {
        let low = &words[bit / 64];
        // The same word stands in for the next where the value does not reach into it.
        let high = &words[(bit + width as usize - 1) / 64];
        let shift = _mm512_set1_epi64((bit % 64) as i64);
        for half in 0..2 {
            let load = |words: &Words| {
                let at: *const __m512i = words.as_ptr().cast();
                // SAFETY: each half of the 16 lanes is 64 bytes; the load may be unaligned.
                unsafe { _mm512_loadu_si512(at.add(half)) }
            };
            let packed = _mm512_shrdv_epi64(load(low), load(high), shift);
            let value = _mm512_add_epi64(_mm512_and_si512(packed, mask), add);
            let at: *mut __m512i = slots.as_mut_ptr().cast();
            // SAFETY: each half of the 16 slots is 64 bytes; the store may be unaligned.
            unsafe { _mm512_storeu_si512(at.add(half), value) };
        }
        bit += width as usize;
    }
}

for_each_processor! {
    /// Packs a whole vector into `width` words of each lane.
    fn pack_lanes(
        values: &[i64; VECTOR_VALUES],
        reference: i64,
        width: u32,
        words: &mut [Words],
    ) {
        let mask = u64::MAX >> (64 - width);
        let mut full = [0u64; LANES];
        let (mut word, mut shift) = (0, 0);
        for row in values.as_chunks::<LANES>().0 {
            let offsets = row.map(|value| value.wrapping_sub(reference) as u64 & mask);
            for (full, offset) in full.iter_mut().zip(offsets) {
                *full |= offset << shift;
            }
            shift += width;
            if shift >= 64 {
                words[word] = full.map(u64::to_le_bytes);
                word += 1;
                shift -= 64;
                // What did not fit: the top `shift` of the value's `width` bits, or nothing. Two
                // shifts, since nothing of a value of 64 bits is a shift by 64.
                full = offsets.map(|offset| (offset >> 1) >> (width - shift - 1));
            }
        }
    }

    /// Unpacks a whole vector from `width` words of each lane and writes every slot.
    fn unpack_lanes(
        words: &[Words],
        reference: i64,
        width: u32,
        out: &mut [MaybeUninit<i64>; VECTOR_VALUES],
    ) {
        unpack_rows(words, width, out, |offset| reference.wrapping_add(offset as i64));
    }
}

/// Writes `each(value)` to every slot, for the values of `width` bits (1 to 64) of a whole vector: the
/// loop for kernels that do more than unpack, to be called from within [`for_each_processor`].
#[inline(always)]
pub(crate) fn unpack_rows<T>(
    words: &[Words],
    width: u32,
    out: &mut [MaybeUninit<T>; VECTOR_VALUES],
    each: impl Fn(u64) -> T,
) {
    let mask = u64::MAX >> (64 - width);
    assert!(words.len() == width as usize);
    let rows = out.as_chunks_mut::<LANES>().0;
    for (row, slots) in rows.iter_mut().enumerate().take(ROWS) {
        let bit = row * width as usize;
        let shift = (bit % 64) as u32;
        // The value may reach into the next word. Where it does not, the same word stands in: its
        // bits end up above the mask, or (shift 0) where they are anyway. No branch is needed.
        let low = &words[bit / 64];
        let high = &words[bit / 64 + usize::from(shift + width > 64)];
        let shift_high = (64 - shift) % 64;
        for lane in 0..LANES {
            let low = u64::from_le_bytes(low[lane]) >> shift;
            let high = u64::from_le_bytes(high[lane]) << shift_high;
            slots[lane].write(each((low | high) & mask));
        }
    }
}

/// The words of the bytes of a whole vector.
#[inline]
pub(crate) fn words(bytes: &[u8]) -> &[Words] {
    bytes.as_chunks::<8>().0.as_chunks::<LANES>().0
}
