//! The times of Gorilla (Pelkonen et al., VLDB 2015, §4.1.1): differences of differences in bit codes.
//!
//! | difference of differences | bits, first bit first |
//! |---|---|
//! | 0 | `0` |
//! | -63 to 64 | `10`, 7 bits |
//! | -255 to 256 | `110`, 9 bits |
//! | -2,047 to 2,048 | `1110`, 12 bits |
//! | else within ±(2^31 - 1) | `1111`, 32 bits |
//! | any other | `1111`, the 32 bits 0x80000000, 64 bits |
//!
//! The low bits of the two's complement are stored; the highest number of each row, whose bits are those
//! of the lowest, is positive. The last row is not in the paper, whose seconds never need it. Beside that
//! the paper's blocks are two hours long and ours are vectors: each starts with its first value in 64
//! bits, and its first difference is a code like all others (from 0, where the paper has 14 bits). Our
//! times are nanoseconds; the common factor of the block is taken out first.
//!
//! | part | bytes |
//! |---|---|
//! | scale | see [`Scale`] |
//! | directory | see [`super::directory`]; its one column is the end of the vector's bytes, from the start of the first vector |
//! | vectors | a bit stream ([`crate::bitstream`]) each |

use std::ops::Range;

use super::directory::{self, Directory};
use super::factor::Scale;
use crate::DecodeError;
use crate::bitstream::{BitReader, BitWriter, STEP_BITS_MAX};
use crate::codec::{CodecId, Speed, VECTOR_VALUES};
use crate::typed::IntegerCodec;

#[cfg(test)]
mod tests;

/// By the ones that a code starts with, 0 to 4: the code, its bits, and the bits of the number behind it.
const CODES: [(u64, u32, u32); 5] =
    [(0, 1, 0), (0b10, 2, 7), (0b110, 3, 9), (0b1110, 4, 12), (0b1111, 4, 32)];

/// Zeros from which on a run of them is taken at once. Fewer go the way of all codes, so that what is
/// taken hardly depends on a branch.
const RUN: usize = 8;

/// In place of 32 bits: 64 follow.
const WIDE: u64 = 0x8000_0000;

/// `gorilla` for integers.
pub(crate) struct GorillaIntegers;

impl IntegerCodec for GorillaIntegers {
    const ID: CodecId = CodecId(0x0107);
    const NAME: &'static str = "gorilla";
    const SPEED: Speed = Speed::Slow;

    fn encode(values: &[i64], out: &mut Vec<u8>) -> bool {
        let scale = Scale::of(values);
        scale.encode(out);
        let mut numbers = Vec::with_capacity(values.len());
        scale.divide(values, &mut numbers);
        let (mut vectors, mut entries) = (Vec::new(), Vec::new());
        for vector in numbers.chunks(VECTOR_VALUES) {
            encode_vector(vector, &mut vectors);
            entries.push(directory::end_entry(vectors.len()));
        }
        directory::encode(&entries, 1, out);
        out.extend_from_slice(&vectors);
        true
    }

    fn decode(
        mut bytes: &[u8],
        n: usize,
        range: Range<usize>,
        out: &mut Vec<i64>,
    ) -> Result<(), DecodeError> {
        let scale = Scale::take(&mut bytes)?;
        let directory = Directory::take(&mut bytes, 1, n.div_ceil(VECTOR_VALUES))?;
        let bytes = directory.bytes_of(range.start / VECTOR_VALUES, bytes)?;
        let start = out.len();
        out.resize(start + range.len(), 0);
        decode_vector(bytes, &mut out[start..])?;
        scale.multiply(&mut out[start..]);
        Ok(())
    }
}

fn encode_vector(values: &[i64], out: &mut Vec<u8>) {
    let Some((&first, rest)) = values.split_first() else { return };
    let mut writer = BitWriter::new(out);
    writer.put_wide(first as u64, 64);
    let (mut value, mut difference) = (first, 0i64);
    for run in rest.chunks(RUN) {
        let mut numbers = [0; RUN];
        let mut any = 0;
        for (number, &next) in numbers.iter_mut().zip(run) {
            let next_difference = next.wrapping_sub(value);
            *number = next_difference.wrapping_sub(difference);
            any |= *number;
            (value, difference) = (next, next_difference);
        }
        // A regular time axis is little else.
        if any == 0 {
            writer.put(0, run.len() as u32);
        } else {
            numbers[..run.len()].iter().for_each(|&number| put(&mut writer, number));
        }
    }
    writer.finish();
}

/// Writes the code of one number.
#[inline(always)]
fn put(writer: &mut BitWriter<'_>, number: i64) {
    // Whether it is outside of the row of so many bits.
    let outside = |bits: u32| {
        let most_below = (1 << (bits - 1)) - 1;
        usize::from(number.wrapping_add(most_below) as u64 >> bits != 0)
    };
    let ones = usize::from(number != 0) + outside(7) + outside(9) + outside(12);
    let (code, code_bits, bits) = CODES[ones];
    if number.unsigned_abs() >= WIDE {
        writer.put(code << bits | WIDE, code_bits + bits);
        writer.put_wide(number as u64, 64);
    } else {
        let low = number as u64 & ((1 << bits) - 1);
        writer.put(code << bits | low, code_bits + bits);
    }
}

fn decode_vector(bytes: &[u8], out: &mut [i64]) -> Result<(), DecodeError> {
    let Some((first, mut rest)) = out.split_first_mut() else { return Ok(()) };
    let mut reader = BitReader::new(bytes);
    *first = reader.take_wide(64) as i64;
    let (mut value, mut difference) = (*first, 0i64);
    while !rest.is_empty() {
        let window = reader.window();
        let zeros = window.leading_zeros().min(STEP_BITS_MAX) as usize;
        if zeros >= RUN {
            let (same, others) = rest.split_at_mut(zeros.min(rest.len()));
            reader.skip(same.len() as u32);
            for slot in same {
                value = value.wrapping_add(difference);
                *slot = value;
            }
            rest = others;
            continue;
        }
        let (_, code_bits, bits) = CODES[window.leading_ones().min(4) as usize];
        reader.skip(code_bits + bits);
        let low = (window << code_bits >> 1) >> (63 - bits);
        // The lowest number of the row is that many below 0; what is above its highest is negative.
        let most_below = ((1u64 << bits) - 1) >> 1;
        let row = (1u64 << bits) - 1;
        let mut number = (low.wrapping_add(most_below) & row).wrapping_sub(most_below) as i64;
        if low == WIDE {
            number = reader.take_wide(64) as i64;
        }
        difference = difference.wrapping_add(number);
        value = value.wrapping_add(difference);
        let Some((slot, others)) = std::mem::take(&mut rest).split_first_mut() else { break };
        *slot = value;
        rest = others;
    }
    reader.finish()
}
