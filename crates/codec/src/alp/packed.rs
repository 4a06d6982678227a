//! Offsets of vectors of any length.
//!
//! Responsible for the two layouts: a whole vector lies in the lanes of [`super::kernels`], a shorter
//! one end to end ([`crate::bitpack`]), since lanes of one row would take 128 bytes for each bit.

use std::mem::MaybeUninit;

use super::kernels::{ROW_BYTES, pack, unpack};
use crate::bitpack::{pack_u64, packed_len, unpack_with};
use crate::codec::VECTOR_VALUES;

/// Bytes of `k` offsets of `width` bits.
pub(crate) fn packed_bytes(k: usize, width: u32) -> usize {
    if k == VECTOR_VALUES { ROW_BYTES * width as usize } else { packed_len(k, width) }
}

/// Appends 1 to 1,024 offsets, each of up to `width` bits.
pub(crate) fn pack_offsets(offsets: &[u64], width: u32, out: &mut Vec<u8>) {
    match offsets.try_into() {
        Ok(whole) => pack(whole, width, out),
        Err(_) => pack_u64(offsets, width, out),
    }
}

/// Writes `each(offset)` to all of `slots`, 1 to 1,024, in order. `packed` holds [`packed_bytes`].
#[inline(always)]
pub(crate) fn unpack_each<T>(
    packed: &[u8],
    width: u32,
    slots: &mut [MaybeUninit<T>],
    each: impl Fn(u64) -> T,
) {
    match slots.try_into() {
        Ok(whole) => unpack(packed, width, whole, each),
        Err(_) => unpack_with(packed, width, slots, |offset| MaybeUninit::new(each(offset))),
    }
}
