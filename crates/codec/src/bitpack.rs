//! Integers of one width packed without gaps.
//!
//! Value `i` of width `w` (0 to 64) has its lowest bit at bit `i * w` of the output; bit `b` is bit
//! `b % 8` (lowest first) of byte `b / 8`. `n` values take `ceil(n * w / 8)` bytes; bits past the last
//! value are zero and are ignored when read. Neither `n` nor `w` is stored.
//!
//! Unpacking reads one unaligned word per value (8 bytes hold any value of up to 57 bits at any bit
//! offset, 16 bytes any value of up to 64); only the last few values go through a padded copy.

use crate::DecodeError;
use crate::cursor::take_slice;

#[cfg(test)]
mod tests;

/// A value of this width fits an 8-byte load at each of the 8 bit offsets: 57 + 7 = 64.
const WIDTH_OF_WORD_MAX: u32 = 57;

/// Bytes that `n` values of `width` bits take.
#[must_use]
pub fn packed_len(n: usize, width: u32) -> usize {
    let width = width as usize;
    // Eight values take exactly `width` bytes, so no product of bits can overflow.
    (n / 8).saturating_mul(width).saturating_add((n % 8 * width).div_ceil(8))
}

/// The fewest bits that hold `value`, 0 to 64.
#[must_use]
#[inline]
pub fn width_of(value: u64) -> u32 {
    64 - value.leading_zeros()
}

/// Appends `values` at `width` bits each.
///
/// # Panics
/// When `width` is above 64 or a value does not fit it.
pub fn pack_u64(values: &[u64], width: u32, out: &mut Vec<u8>) {
    pack(values.iter().copied(), values.len(), width, out);
}

/// Appends `values` at `width` bits each; the bytes are those of [`pack_u64`].
///
/// # Panics
/// When `width` is above 64 or a value does not fit it.
pub fn pack_u32(values: &[u32], width: u32, out: &mut Vec<u8>) {
    pack(values.iter().copied().map(u64::from), values.len(), width, out);
}

/// Takes `n` values of `width` bits and appends them to `out`.
///
/// # Errors
/// `Invalid` when `width` is above 64, `Truncated` when the input is shorter than [`packed_len`].
pub fn unpack_u64(
    source: &mut &[u8],
    n: usize,
    width: u32,
    out: &mut Vec<u64>,
) -> Result<(), DecodeError> {
    let bytes = take_packed(source, n, width, 64)?;
    let start = out.len();
    out.resize(start + n, 0);
    unpack_with(bytes, width, &mut out[start..], |value| value);
    Ok(())
}

/// Takes `n` values of `width` bits and appends them to `out`.
///
/// # Errors
/// `Invalid` when `width` is above 32, `Truncated` when the input is shorter than [`packed_len`].
pub fn unpack_u32(
    source: &mut &[u8],
    n: usize,
    width: u32,
    out: &mut Vec<u32>,
) -> Result<(), DecodeError> {
    let bytes = take_packed(source, n, width, 32)?;
    let start = out.len();
    out.resize(start + n, 0);
    unpack_with(bytes, width, &mut out[start..], |value| value as u32);
    Ok(())
}

/// Takes the bytes of `n` values of `width` bits. With width 0 they are none, whatever `n` is.
pub(crate) fn take_packed<'a>(
    source: &mut &'a [u8],
    n: usize,
    width: u32,
    width_max: u32,
) -> Result<&'a [u8], DecodeError> {
    if width > width_max {
        return Err(DecodeError::Invalid { what: "bit width", found: width.into() });
    }
    take_slice(source, packed_len(n, width), "packed values")
}

/// Appends `n` values through a 64-bit window.
fn pack(values: impl Iterator<Item = u64>, n: usize, width: u32, out: &mut Vec<u8>) {
    assert!(width <= 64, "bit width {width}");
    out.reserve(packed_len(n, width));
    let (mut window, mut filled, mut seen) = (0u64, 0u32, 0u64);
    for value in values {
        seen |= value;
        window |= value << filled;
        filled += width;
        if filled >= 64 {
            out.extend_from_slice(&window.to_le_bytes());
            filled -= 64;
            // What did not fit: the top `filled` of the value's `width` bits.
            window = if filled == 0 { 0 } else { value >> (width - filled) };
        }
    }
    out.extend_from_slice(&window.to_le_bytes()[..filled.div_ceil(8) as usize]);
    assert!(width_of(seen) <= width, "a value needs {} bits, not {width}", width_of(seen));
}

/// Fills `out` with `each(value)` in order. `bytes` is exactly `packed_len(out.len(), width)` long.
#[inline]
pub(crate) fn unpack_with<T>(
    bytes: &[u8],
    width: u32,
    out: &mut [T],
    mut each: impl FnMut(u64) -> T,
) {
    if width == 0 {
        for slot in out {
            *slot = each(0);
        }
    } else if width <= WIDTH_OF_WORD_MAX {
        unpack_loads::<8, T>(bytes, width, out, each, load_8);
    } else {
        unpack_loads::<16, T>(bytes, width, out, each, load_16);
    }
}

/// Reads `LOAD` bytes per value, from `bytes` as long as they last and then from a padded copy.
#[inline(always)]
fn unpack_loads<const LOAD: usize, T>(
    bytes: &[u8],
    width: u32,
    out: &mut [T],
    mut each: impl FnMut(u64) -> T,
    load: impl Fn(&[u8], usize) -> u64,
) {
    let mask = u64::MAX >> (64 - width);
    let step = width as usize;
    // Value i may be loaded while i * width / 8 + LOAD <= bytes.len().
    let whole = bytes.len().checked_sub(LOAD).map_or(0, |last| (last * 8 + 7) / step + 1);
    let (body, tail) = out.split_at_mut(whole.min(out.len()));
    let mut bit = 0;
    for slot in body {
        *slot = each(load(bytes, bit) & mask);
        bit += step;
    }
    if tail.is_empty() {
        return;
    }
    // Fewer than LOAD <= 16 bytes are left, so that a load at any of them ends before 16 + 16.
    let rest = &bytes[bit / 8..];
    let mut padded = [0u8; 32];
    padded[..rest.len()].copy_from_slice(rest);
    bit %= 8;
    for slot in tail {
        *slot = each(load(&padded, bit) & mask);
        bit += step;
    }
}

/// The 57 or more bits that start at `bit`.
#[inline(always)]
fn load_8(bytes: &[u8], bit: usize) -> u64 {
    let mut word = [0u8; 8];
    word.copy_from_slice(&bytes[bit / 8..bit / 8 + 8]);
    u64::from_le_bytes(word) >> (bit % 8)
}

/// The 64 bits that start at `bit`.
#[inline(always)]
fn load_16(bytes: &[u8], bit: usize) -> u64 {
    let mut word = [0u8; 16];
    word.copy_from_slice(&bytes[bit / 8..bit / 8 + 16]);
    (u128::from_le_bytes(word) >> (bit % 8)) as u64
}
