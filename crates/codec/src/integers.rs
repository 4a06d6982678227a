//! Integers and timestamps: frame of reference over values, first or second differences, bit-packed.
//!
//! Values are cut into blocks of [`BLOCK_VALUES`] (the last one is shorter), so an outlier costs only
//! its block. A block of `k` values and difference order `o` is:
//!
//! | part | bytes | meaning |
//! |---|---|---|
//! | factor tag | 0 or 1 | 195 when a factor follows |
//! | factor | 0, or varint u64 | at least 2; what every packed number is multiplied by; else 1 |
//! | tag | 1 | `65 * o + w`: order `o` 0 (values), 1 (differences), 2 (differences of those); width `w` 0 to 64 |
//! | first value | 0, or varint i64 | when `o >= 1` |
//! | first difference | 0, or varint i64 | when `o = 2` |
//! | reference | varint i64 | the smallest of the `k - o` residuals |
//! | packed | `ceil((k - o) * w / 8)` | `(residual - reference) / factor`, by [`bitpack`] |
//!
//! `o < k`. A constant block is order 0 with width 0; a regular time axis is order 1 with width 0;
//! timestamps in whole seconds kept as nanoseconds lose their zeros to the factor. All arithmetic
//! wraps at 64 bits, so the whole range of i64 and u64 (stored as the i64 of the same bits) is exact.
//! A u32 is stored as the i64 of the same value, and a decoded one outside u32 is an error.

use crate::DecodeError;
use crate::bitpack::{self, packed_len, take_packed, unpack_with, width_of};
use crate::cursor::take_byte;
use crate::varint::{len_i64, len_u64, put_i64, put_u64, take_i64, take_u64};

#[cfg(test)]
mod tests;

/// Values per block: 1,024 of 8 bytes fill 8 KiB, a quarter of a first-level cache, and share a head
/// of 2 to 23 bytes, at most a fifth of a bit per value.
pub const BLOCK_VALUES: usize = 1024;

/// Differences of the first values say for most blocks whether all of them can be worth it.
const SAMPLE_VALUES: usize = 64;

/// Tags per difference order: widths 0 to 64.
const WIDTHS: u8 = 65;

/// The tag that announces a factor; the first one that is not `65 * order + width`.
const FACTOR: u8 = 3 * WIDTHS;

/// Below this width a factor is not looked for: it could save a byte per value at most, and a common
/// divisor is rare among small numbers.
const FACTOR_WIDTH_MIN: u32 = 9;

/// Appends `values` in blocks.
pub fn encode_i64(values: &[i64], out: &mut Vec<u8>) {
    encode(values, out);
}

/// Takes `n` values that [`encode_i64`] appended and appends them to `out`.
///
/// # Errors
/// `Truncated` or `Invalid`, with `out` as it was.
pub fn decode_i64(source: &mut &[u8], n: usize, out: &mut Vec<i64>) -> Result<(), DecodeError> {
    decode(source, n, out)
}

/// Appends `values` in blocks; the bytes are those of [`encode_i64`] for the same bits.
pub fn encode_u64(values: &[u64], out: &mut Vec<u8>) {
    encode(values, out);
}

/// Takes `n` values that [`encode_u64`] appended and appends them to `out`.
///
/// # Errors
/// `Truncated` or `Invalid`, with `out` as it was.
pub fn decode_u64(source: &mut &[u8], n: usize, out: &mut Vec<u64>) -> Result<(), DecodeError> {
    decode(source, n, out)
}

/// Appends `values` (dictionary codes, lengths) in blocks; the bytes are those of [`encode_i64`] for
/// the same values.
pub fn encode_u32(values: &[u32], out: &mut Vec<u8>) {
    encode(values, out);
}

/// Takes `n` values that [`encode_u32`] appended and appends them to `out`.
///
/// # Errors
/// `Truncated`, or `Invalid` (also for a value outside u32), with `out` as it was.
pub fn decode_u32(source: &mut &[u8], n: usize, out: &mut Vec<u32>) -> Result<(), DecodeError> {
    decode(source, n, out)
}

/// An integer that has a place in i64.
trait Integer: Copy + Default {
    /// Bits that are zero in every widened value.
    const FORBIDDEN: u64;
    fn widen(self) -> i64;
    fn narrow(wide: i64) -> Self;
}

impl Integer for i64 {
    const FORBIDDEN: u64 = 0;
    #[inline(always)]
    fn widen(self) -> i64 {
        self
    }
    #[inline(always)]
    fn narrow(wide: i64) -> i64 {
        wide
    }
}

impl Integer for u64 {
    const FORBIDDEN: u64 = 0;
    #[inline(always)]
    fn widen(self) -> i64 {
        self as i64
    }
    #[inline(always)]
    fn narrow(wide: i64) -> u64 {
        wide as u64
    }
}

impl Integer for u32 {
    const FORBIDDEN: u64 = !(u32::MAX as u64);
    #[inline(always)]
    fn widen(self) -> i64 {
        i64::from(self)
    }
    #[inline(always)]
    fn narrow(wide: i64) -> u32 {
        wide as u32
    }
}

fn encode<T: Integer>(values: &[T], out: &mut Vec<u8>) {
    let mut offsets = Vec::with_capacity(values.len().min(BLOCK_VALUES));
    for block in values.chunks(BLOCK_VALUES) {
        let frame = Frame::choose(block);
        frame.offsets(block, &mut offsets);
        let factor = take_factor(&mut offsets, frame.width);
        let width = width_of(frame.spread / factor);
        frame.put_head(factor, width, out);
        bitpack::pack_u64(&offsets, width, out);
    }
}

fn decode<T: Integer>(source: &mut &[u8], n: usize, out: &mut Vec<T>) -> Result<(), DecodeError> {
    let start = out.len();
    let mut left = n;
    while left > 0 {
        let k = left.min(BLOCK_VALUES);
        if let Err(error) = decode_block(source, k, out) {
            out.truncate(start);
            return Err(error);
        }
        left -= k;
    }
    Ok(())
}

/// How the residuals of one block lie.
struct Frame {
    order: usize,
    /// The first value and the first difference; the first `order` of them are stored.
    heads: [i64; 2],
    reference: i64,
    /// The largest residual minus the reference.
    spread: u64,
    width: u32,
}

impl Frame {
    /// The difference order with the fewest bytes; of equals the lowest, which decodes fastest.
    fn choose<T: Integer>(block: &[T]) -> Frame {
        let first = block[0].widen();
        let second = block.get(1).map_or(0, |value| value.widen().wrapping_sub(first));
        let heads = [first, second];
        let mut best = Frame::of(0, heads, block.iter().map(|value| value.widen()));
        let sample = &block[..block.len().min(SAMPLE_VALUES)];
        // A sample that is as wide already says the same of the whole block.
        let may_win =
            |best: &Frame, sample: Frame| block.len() > sample.order && best.width > sample.width;
        if may_win(&best, Frame::of(1, heads, sample.windows(2).map(difference))) {
            let next = Frame::of(1, heads, block.windows(2).map(difference));
            if next.cost(block.len()) < best.cost(block.len()) {
                best = next;
            }
        }
        if may_win(&best, Frame::of(2, heads, sample.windows(3).map(second_difference))) {
            let next = Frame::of(2, heads, block.windows(3).map(second_difference));
            if next.cost(block.len()) < best.cost(block.len()) {
                best = next;
            }
        }
        best
    }

    fn of(order: usize, heads: [i64; 2], residuals: impl Iterator<Item = i64>) -> Frame {
        let (min, max) = residuals.fold((i64::MAX, i64::MIN), |(min, max), residual| {
            (min.min(residual), max.max(residual))
        });
        let spread = max.wrapping_sub(min) as u64;
        Frame { order, heads, reference: min, spread, width: width_of(spread) }
    }

    /// Bytes of a block of `k` values, but for the tag and without a factor.
    fn cost(&self, k: usize) -> usize {
        let heads: usize = self.heads[..self.order].iter().map(|&head| len_i64(head)).sum();
        heads + len_i64(self.reference) + packed_len(k - self.order, self.width)
    }

    /// Replaces `offsets` with the residuals minus the reference.
    fn offsets<T: Integer>(&self, block: &[T], offsets: &mut Vec<u64>) {
        let offset = |residual: i64| residual.wrapping_sub(self.reference) as u64;
        offsets.clear();
        match self.order {
            0 => offsets.extend(block.iter().map(|value| offset(value.widen()))),
            1 => offsets.extend(block.windows(2).map(|pair| offset(difference(pair)))),
            _ => offsets.extend(block.windows(3).map(|three| offset(second_difference(three)))),
        }
    }

    fn put_head(&self, factor: u64, width: u32, out: &mut Vec<u8>) {
        if factor > 1 {
            out.push(FACTOR);
            put_u64(out, factor);
        }
        out.push(self.order as u8 * WIDTHS + width as u8);
        for &head in &self.heads[..self.order] {
            put_i64(out, head);
        }
        put_i64(out, self.reference);
    }
}

#[inline(always)]
fn difference<T: Integer>(pair: &[T]) -> i64 {
    pair[1].widen().wrapping_sub(pair[0].widen())
}

#[inline(always)]
fn second_difference<T: Integer>(three: &[T]) -> i64 {
    difference(&three[1..]).wrapping_sub(difference(&three[..2]))
}

/// Divides `offsets` by their greatest common divisor and returns it, or 1 when that saves nothing.
fn take_factor(offsets: &mut [u64], width: u32) -> u64 {
    if width < FACTOR_WIDTH_MIN {
        return 1;
    }
    let mut factor = 0;
    for &offset in offsets.iter() {
        factor = greatest_common_divisor(offset, factor);
        if factor == 1 {
            return 1;
        }
    }
    // The quotients save at least this many bits each; the factor costs its tag and its varint.
    let saved_bits = offsets.len() * (width_of(factor) as usize - 1);
    if saved_bits <= 8 * (1 + len_u64(factor)) {
        return 1;
    }
    for offset in offsets {
        *offset /= factor;
    }
    factor
}

/// Euclid's algorithm; one division when `b` already divides `a`.
fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Appends the `k` values of one block, or nothing.
fn decode_block<T: Integer>(
    source: &mut &[u8],
    k: usize,
    out: &mut Vec<T>,
) -> Result<(), DecodeError> {
    let (factor, tag) = take_tag(source)?;
    let (order, width) = (usize::from(tag / WIDTHS), u32::from(tag % WIDTHS));
    if order >= k {
        return Err(DecodeError::Invalid { what: "difference order", found: order as u64 });
    }
    let mut heads = [0i64; 2];
    for head in &mut heads[..order] {
        *head = take_i64(source)?;
    }
    let reference = take_i64(source)?;
    let packed = take_packed(source, k - order, width, 64)?;
    let start = out.len();
    out.resize(start + k, T::default());
    let residual = |offset: u64| reference.wrapping_add(offset.wrapping_mul(factor) as i64);
    let seen = sum_up(packed, width, order, heads, residual, &mut out[start..]);
    if seen & T::FORBIDDEN != 0 {
        return Err(DecodeError::Invalid { what: "integer out of range", found: seen });
    }
    Ok(())
}

/// Takes the factor (1 when there is none) and the tag.
fn take_tag(source: &mut &[u8]) -> Result<(u64, u8), DecodeError> {
    let tag = take_byte(source, "integer tag")?;
    if tag < FACTOR {
        return Ok((1, tag));
    }
    if tag > FACTOR {
        return Err(DecodeError::Invalid { what: "integer tag", found: tag.into() });
    }
    let factor = take_u64(source)?;
    if factor < 2 {
        return Err(DecodeError::Invalid { what: "integer factor", found: factor });
    }
    let tag = take_byte(source, "integer tag")?;
    if tag >= FACTOR {
        return Err(DecodeError::Invalid { what: "integer tag after a factor", found: tag.into() });
    }
    Ok((factor, tag))
}

/// Fills `out` (longer than `order`) from the residuals and returns all wide values or-ed together.
#[inline]
fn sum_up<T: Integer>(
    packed: &[u8],
    width: u32,
    order: usize,
    heads: [i64; 2],
    residual: impl Fn(u64) -> i64,
    out: &mut [T],
) -> u64 {
    let mut seen = 0u64;
    let mut keep = |wide: i64| {
        seen |= wide as u64;
        T::narrow(wide)
    };
    let [mut value, mut step] = heads;
    match order {
        0 => unpack_with(packed, width, out, |offset| keep(residual(offset))),
        1 => {
            out[0] = keep(value);
            unpack_with(packed, width, &mut out[1..], |offset| {
                value = value.wrapping_add(residual(offset));
                keep(value)
            });
        }
        _ => {
            out[0] = keep(value);
            value = value.wrapping_add(step);
            out[1] = keep(value);
            unpack_with(packed, width, &mut out[2..], |offset| {
                step = step.wrapping_add(residual(offset));
                value = value.wrapping_add(step);
                keep(value)
            });
        }
    }
    seen
}
