//! Floats by XOR with the previous one: Gorilla (Pelkonen et al., VLDB 2015, section 4.1.2), bit for bit.
//!
//! Responsible for the codec `gorilla` of floats; its times are integers ([`crate::ints`]). A block is
//! framed by [`crate::vectors`]; each vector is a [`crate::bitstream`] of its own:
//!
//! | bits | meaning |
//! |---|---|
//! | 64 | the first value |
//! | `0` | the next value equals the previous one |
//! | `10`, `m` bits | XOR of both, without the zeros outside of the last window of `m` bits |
//! | `11`, 5 bits `l`, 6 bits `m` (0 for 64), `m` bits | a new window after `l` leading zeros, and the XOR in it |
//!
//! The paper leaves open when a window that fits is not used; here, when a new one with its 11 bits is
//! smaller.

use std::ops::Range;

use crate::DecodeError;
use crate::bitstream::{BitReader, BitWriter, STEP_BITS_MAX};
use crate::codec::{CodecId, Speed, VECTOR_VALUES};
use crate::typed::FloatCodec;
use crate::vectors;

#[cfg(test)]
mod tests;

/// Leading zeros are written in 5 bits.
const LEADING_MAX: u32 = 31;
/// Bits of a new window: leading zeros and length.
const WINDOW_BITS: u32 = 5 + 6;

/// See the module.
pub(crate) struct GorillaFloats;

/// Which bits of an XOR are written.
#[derive(Clone, Copy)]
struct Window {
    leading: u32,
    bits: u32,
}

impl FloatCodec for GorillaFloats {
    const ID: CodecId = CodecId(0x0220);
    const NAME: &'static str = "gorilla";
    const SPEED: Speed = Speed::Slow;

    fn encode(values: &[f64], out: &mut Vec<u8>) -> bool {
        vectors::encode(values, out, |_, vector, out| encode_vector(vector, out))
    }

    fn decode(
        bytes: &[u8],
        n: usize,
        range: Range<usize>,
        out: &mut Vec<f64>,
    ) -> Result<(), DecodeError> {
        let vector = vectors::find(bytes, n, range.start / VECTOR_VALUES)?;
        let start = out.len();
        out.resize(start + range.len(), 0.0);
        decode_vector(vector, &mut out[start..])
    }
}

fn encode_vector(values: &[f64], out: &mut Vec<u8>) {
    let mut writer = BitWriter::new(out);
    let mut previous = values[0].to_bits();
    writer.put_wide(previous, 64);
    // No XOR but 0 fits it.
    let mut window = Window { leading: 64, bits: 0 };
    for value in &values[1..] {
        let xor = value.to_bits() ^ previous;
        previous = value.to_bits();
        if xor == 0 {
            writer.put(0, 1);
            continue;
        }
        let leading = xor.leading_zeros().min(LEADING_MAX);
        let trailing = xor.trailing_zeros();
        let own = Window { leading, bits: 64 - leading - trailing };
        let fits = leading >= window.leading && trailing >= window.trailing();
        if fits && window.bits <= own.bits + WINDOW_BITS {
            put(&mut writer, 0b10, 2, xor >> window.trailing(), window.bits);
        } else {
            // A window of 64 bits is written as 0 in 6.
            let head = 0b11 << WINDOW_BITS | leading << 6 | own.bits & 63;
            put(&mut writer, head.into(), 2 + WINDOW_BITS, xor >> trailing, own.bits);
            window = own;
        }
    }
    writer.finish();
}

/// Appends a head and bits, in one step where it holds them.
#[inline(always)]
fn put(writer: &mut BitWriter<'_>, head: u64, head_bits: u32, rest: u64, rest_bits: u32) {
    if head_bits + rest_bits <= STEP_BITS_MAX {
        writer.put(head << rest_bits | rest, head_bits + rest_bits);
    } else {
        writer.put(head, head_bits);
        writer.put_wide(rest, rest_bits);
    }
}

fn decode_vector(bytes: &[u8], out: &mut [f64]) -> Result<(), DecodeError> {
    let mut reader = BitReader::new(bytes);
    let mut bits = reader.take_wide(64);
    let (first, rest) = out
        .split_first_mut()
        .ok_or(DecodeError::Invalid { what: "values of a vector", found: 0 })?;
    *first = f64::from_bits(bits);
    let mut window = Window { leading: 0, bits: 64 };
    for value in rest {
        let seen = reader.window();
        if seen >> 63 == 1 {
            let mut head_bits = 2;
            if seen >> 62 == 0b11 {
                head_bits += WINDOW_BITS;
                window = Window::from_head(seen >> (64 - head_bits))?;
            }
            let xor = if head_bits + window.bits <= STEP_BITS_MAX {
                reader.skip(head_bits + window.bits);
                seen << head_bits >> (64 - window.bits)
            } else {
                reader.skip(head_bits);
                reader.take_wide(window.bits)
            };
            bits ^= xor << window.trailing();
        } else {
            reader.skip(1);
        }
        *value = f64::from_bits(bits);
    }
    reader.finish()
}

impl Window {
    #[inline(always)]
    fn trailing(self) -> u32 {
        64 - self.leading - self.bits
    }

    /// From leading zeros and length in the low 11 bits.
    #[inline(always)]
    fn from_head(head: u64) -> Result<Window, DecodeError> {
        let leading = (head >> 6 & 31) as u32;
        // 0 stands for 64, the others for themselves.
        let bits = (head as u32).wrapping_sub(1) % 64 + 1;
        if leading + bits > 64 {
            return Err(DecodeError::Invalid { what: "Gorilla window", found: head & 0x7ff });
        }
        Ok(Window { leading, bits })
    }
}
