//! 64-bit floats, bit for bit: NaN payloads, infinities and the sign of zero survive.
//!
//! Values are cut into blocks of [`BLOCK_VALUES`] (the last one is shorter). A block of `k` values is
//! one tag byte and:
//!
//! | tag | form | bytes |
//! |---|---|---|
//! | 0 | constant | the value, 8 |
//! | 1 | raw | the values, `8 * k` |
//! | 2 | decimal | exponent `e`, 1 (0 to 22); `k` integers `i` by [`integers`]; a value is `i / 10^e` |
//! | 3 | xor | `z`, 1 (0 to 7); the first value, 8; `ceil((k - 1) / 2)` bytes of lengths; the payload |
//!
//! Decimal is for what was text once: both `i` (at most 2^51 either way) and `10^e` are exact floats,
//! so the quotient is the float nearest to the decimal, which is what a parser gave (the idea is that
//! of ALP, Afroozeh, Kuffó and Boncz, SIGMOD 2023). Xor stores each value xor its predecessor, without
//! its `z` low zero bytes (common to the block) and its high zero bytes: value `j >= 1` leaves
//! `length` bytes (0 to `8 - z`), kept in half byte `j - 1`, low half first; an odd last half is zero.
//!
//! The form is chosen on a sample of `SAMPLE_VALUES`; it falls back to raw when the whole block does
//! not fit or would be larger, so a block never takes more than `1 + 8 * k` bytes.

use crate::DecodeError;
use crate::cursor::{take_array, take_byte, take_slice};
use crate::integers::{self, BLOCK_VALUES};

#[cfg(test)]
mod tests;

const CONSTANT: u8 = 0;
const RAW: u8 = 1;
const DECIMAL: u8 = 2;
const XOR: u8 = 3;

/// Values of a block that are looked at before a form is tried: 32 of 1,024 cost about 3 %.
const SAMPLE_VALUES: usize = 32;

/// How often a value outside the sample may raise the exponent before decimal is given up; each time
/// the block is scaled again.
const RAISES_MAX: usize = 3;

/// Up to here a product is rounded exactly by [`ROUNDER`].
const SCALED_MAX: f64 = (1u64 << 51) as f64;

/// 2^52 + 2^51. Floats from 2^52 to 2^53 are the integers, so adding this rounds to the nearest one
/// and leaves it in the low bits, for either sign.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// The powers of ten that are exact floats.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Appends `values` in blocks.
pub fn encode_f64(values: &[f64], out: &mut Vec<u8>) {
    let mut scaled = Vec::new();
    for block in values.chunks(BLOCK_VALUES) {
        encode_block(block, &mut scaled, out);
    }
}

/// Takes `n` values that [`encode_f64`] appended and appends them to `out`.
///
/// # Errors
/// `Truncated` or `Invalid`, with `out` as it was.
pub fn decode_f64(source: &mut &[u8], n: usize, out: &mut Vec<f64>) -> Result<(), DecodeError> {
    let start = out.len();
    let mut scaled = Vec::new();
    let mut left = n;
    while left > 0 {
        let k = left.min(BLOCK_VALUES);
        if let Err(error) = decode_block(source, k, &mut scaled, out) {
            out.truncate(start);
            return Err(error);
        }
        left -= k;
    }
    Ok(())
}

/// Tries the forms from the smallest to the one that always works.
fn encode_block(block: &[f64], scaled: &mut Vec<i64>, out: &mut Vec<u8>) {
    let first = block[0].to_bits();
    if block.iter().all(|value| value.to_bits() == first) {
        out.push(CONSTANT);
        out.extend_from_slice(&first.to_le_bytes());
        return;
    }
    let start = out.len();
    let raw_len = 8 * block.len() + 1;
    if encode_decimal(block, scaled, out) && out.len() - start < raw_len {
        return;
    }
    out.truncate(start);
    if xor_pays(block) {
        encode_xor(block, out);
        if out.len() - start < raw_len {
            return;
        }
        out.truncate(start);
    }
    encode_raw(block, out);
}

fn encode_raw(block: &[f64], out: &mut Vec<u8>) {
    out.push(RAW);
    let start = out.len();
    out.resize(start + 8 * block.len(), 0);
    let (slots, _) = out[start..].as_chunks_mut::<8>();
    for (slot, value) in slots.iter_mut().zip(block) {
        *slot = value.to_bits().to_le_bytes();
    }
}

/// Appends the decimal form and says so, or appends nothing.
fn encode_decimal(block: &[f64], scaled: &mut Vec<i64>, out: &mut Vec<u8>) -> bool {
    let mut exponent = 0;
    for &value in sample(block) {
        match exponent_of(value, exponent) {
            Some(found) => exponent = found,
            None => return false,
        }
    }
    for _ in 0..=RAISES_MAX {
        let Some(misfit) = scale_all(block, exponent, scaled) else {
            out.push(DECIMAL);
            out.push(exponent as u8);
            integers::encode_i64(scaled, out);
            return true;
        };
        match exponent_of(misfit, exponent + 1) {
            Some(found) => exponent = found,
            None => return false,
        }
    }
    false
}

/// About [`SAMPLE_VALUES`] values, evenly spread.
fn sample(block: &[f64]) -> impl Iterator<Item = &f64> {
    block.iter().step_by(block.len().div_ceil(SAMPLE_VALUES))
}

/// The smallest exponent, not below `from`, at which `value` is a decimal.
fn exponent_of(value: f64, from: usize) -> Option<usize> {
    (from..POWERS.len()).find(|&exponent| scale(value, exponent).is_some())
}

/// Fills `scaled`, or returns the first value that is no decimal at this exponent.
fn scale_all(block: &[f64], exponent: usize, scaled: &mut Vec<i64>) -> Option<f64> {
    scaled.clear();
    for &value in block {
        match scale(value, exponent) {
            Some(integer) => scaled.push(integer),
            None => return Some(value),
        }
    }
    None
}

/// The integer that gives back the very bits of `value` when divided by the power of ten.
#[inline(always)]
fn scale(value: f64, exponent: usize) -> Option<i64> {
    let product = value * POWERS[exponent];
    let integer = (product + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits()) as i64;
    let same = unscale(integer, exponent).to_bits() == value.to_bits();
    (same && product.abs() <= SCALED_MAX).then_some(integer)
}

#[inline(always)]
fn unscale(integer: i64, exponent: usize) -> f64 {
    integer as f64 / POWERS[exponent]
}

/// Whether the differences of sampled neighbours promise to save at least a tenth.
fn xor_pays(block: &[f64]) -> bool {
    let step = block.len().div_ceil(SAMPLE_VALUES);
    let pairs = || block.windows(2).step_by(step).map(xor);
    let zero_bytes = common_zero_bytes(pairs());
    let (count, bytes) = pairs().fold((0, 0), |(count, bytes), xored| {
        (count + 1, bytes + significant_bytes(xored >> (8 * zero_bytes)))
    });
    // Half a byte per value for its length: (bytes + count / 2) <= 0.9 * 8 * count, times ten.
    10 * bytes + 5 * count <= 72 * count
}

/// A pair of neighbours, xored.
#[inline(always)]
fn xor(pair: &[f64]) -> u64 {
    pair[0].to_bits() ^ pair[1].to_bits()
}

/// How many low bytes are zero in all of `values`, 0 to 7.
fn common_zero_bytes(values: impl Iterator<Item = u64>) -> u32 {
    (values.fold(0, |seen, value| seen | value).trailing_zeros() / 8).min(7)
}

/// Bytes without the high zero bytes, 0 to 8.
#[inline(always)]
fn significant_bytes(value: u64) -> usize {
    (64 - value.leading_zeros()).div_ceil(8) as usize
}

fn encode_xor(block: &[f64], out: &mut Vec<u8>) {
    let zero_bytes = common_zero_bytes(block.windows(2).map(xor));
    out.push(XOR);
    out.push(zero_bytes as u8);
    out.extend_from_slice(&block[0].to_bits().to_le_bytes());
    let lengths = out.len();
    out.resize(lengths + (block.len() - 1).div_ceil(2), 0);
    for (j, pair) in block.windows(2).enumerate() {
        let rest = xor(pair) >> (8 * zero_bytes);
        let length = significant_bytes(rest);
        out[lengths + j / 2] |= (length as u8) << (4 * (j % 2));
        let end = out.len() + length;
        out.extend_from_slice(&rest.to_le_bytes());
        out.truncate(end);
    }
}

/// Appends the `k` values of one block; after an error `out` may hold a part of them.
fn decode_block(
    source: &mut &[u8],
    k: usize,
    scaled: &mut Vec<i64>,
    out: &mut Vec<f64>,
) -> Result<(), DecodeError> {
    match take_byte(source, "float tag")? {
        CONSTANT => {
            let value = f64::from_le_bytes(take_array(source, "constant float")?);
            out.resize(out.len() + k, value);
            Ok(())
        }
        RAW => {
            let (chunks, _) = take_slice(source, 8 * k, "raw floats")?.as_chunks::<8>();
            out.extend(chunks.iter().map(|chunk| f64::from_le_bytes(*chunk)));
            Ok(())
        }
        DECIMAL => decode_decimal(source, k, scaled, out),
        XOR => decode_xor(source, k, out),
        tag => Err(DecodeError::Invalid { what: "float tag", found: tag.into() }),
    }
}

fn decode_decimal(
    source: &mut &[u8],
    k: usize,
    scaled: &mut Vec<i64>,
    out: &mut Vec<f64>,
) -> Result<(), DecodeError> {
    let exponent = take_byte(source, "decimal exponent")?;
    let found = u64::from(exponent);
    let exponent = usize::from(exponent);
    if exponent >= POWERS.len() {
        return Err(DecodeError::Invalid { what: "decimal exponent", found });
    }
    scaled.clear();
    integers::decode_i64(source, k, scaled)?;
    out.extend(scaled.iter().map(|&integer| unscale(integer, exponent)));
    Ok(())
}

fn decode_xor(source: &mut &[u8], k: usize, out: &mut Vec<f64>) -> Result<(), DecodeError> {
    let zero_bytes = u32::from(take_byte(source, "xor zero bytes")?);
    if zero_bytes > 7 {
        return Err(DecodeError::Invalid { what: "xor zero bytes", found: zero_bytes.into() });
    }
    let mut bits = u64::from_le_bytes(take_array(source, "first float")?);
    let halves = take_slice(source, (k - 1).div_ceil(2), "xor lengths")?;
    let length_of = |j: usize| usize::from(halves[j / 2] >> (4 * (j % 2)) & 0xf);
    let (mut total, mut longest) = (0, 0);
    for j in 0..k - 1 {
        total += length_of(j);
        longest = longest.max(length_of(j));
    }
    if longest > 8 - zero_bytes as usize {
        return Err(DecodeError::Invalid { what: "xor length", found: longest as u64 });
    }
    let mut payload = take_slice(source, total, "xor payload")?;
    out.reserve(k);
    out.push(f64::from_bits(bits));
    for j in 0..k - 1 {
        bits ^= take_word(&mut payload, length_of(j)) << (8 * zero_bytes);
        out.push(f64::from_bits(bits));
    }
    Ok(())
}

/// Takes an integer of `length` bytes, 0 to 8, all of which are there.
#[inline(always)]
fn take_word(payload: &mut &[u8], length: usize) -> u64 {
    let word = match payload.first_chunk::<8>() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => {
            let mut padded = [0u8; 8];
            padded[..payload.len()].copy_from_slice(payload);
            u64::from_le_bytes(padded)
        }
    };
    *payload = &payload[length..];
    // No shift by 64: with no bytes the mask is empty.
    if length == 0 { 0 } else { word & (u64::MAX >> (64 - 8 * length)) }
}
