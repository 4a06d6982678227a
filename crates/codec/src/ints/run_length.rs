//! Runs of equal values.
//!
//! A run ends with its vector, so that vectors decode alone.
//!
//! | part | bytes |
//! |---|---|
//! | reference | varint, zigzag: the least value |
//! | width | u8, bits of a value less the reference, 0 to 64 |
//! | directory | see [`super::directory`]; its one column is the number of runs up to the end of the vector, in place of bytes |
//! | ends | for each run the position of its last value in the vector, bit-packed at 10 bits |
//! | values | for each run its value less the reference, bit-packed at the width |

use std::ops::Range;

use super::directory::{self, Directory, bits_at};
use super::window::{POSITION_BITS, Window};
use crate::codec::{CodecId, Speed, VECTOR_VALUES};
use crate::cursor::{take_byte, take_slice};
use crate::typed::IntegerCodec;
use crate::{DecodeError, bitpack, varint};

#[cfg(test)]
mod tests;

/// Values that are written for each run at once, before its length is looked at.
const STEP: usize = 8;

/// Values that runs must have on average. Shorter ones would decode below the speed of
/// [`Speed::Hot`], since each run costs as much time as several values.
const RUN_VALUES_MIN: usize = 4;

/// `run-length`: stores blocks whose runs have [`RUN_VALUES_MIN`] values or more on average.
pub(crate) struct RunLength;

impl IntegerCodec for RunLength {
    const ID: CodecId = CodecId(0x0102);
    const NAME: &'static str = "run-length";
    const SPEED: Speed = Speed::Hot;

    fn encode(values: &[i64], out: &mut Vec<u8>) -> bool {
        let changes = values.windows(2).filter(|pair| pair[0] != pair[1]).count();
        if (changes + 1) * RUN_VALUES_MIN > values.len() {
            return false;
        }
        let (mut ends, mut numbers, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for vector in values.chunks(VECTOR_VALUES) {
            for (i, &value) in vector.iter().enumerate() {
                if vector.get(i + 1) != Some(&value) {
                    ends.push(i as u32);
                    numbers.push(value);
                }
            }
            entries.push(directory::end_entry(ends.len()));
        }
        let Window { reference, width } = Window::around(&numbers);
        varint::put_i64(out, reference);
        out.push(width as u8);
        directory::encode(&entries, 1, out);
        bitpack::pack_u32(&ends, POSITION_BITS, out);
        let offset = |number: &i64| number.wrapping_sub(reference) as u64;
        bitpack::pack_u64(&numbers.iter().map(offset).collect::<Vec<_>>(), width, out);
        true
    }

    fn decode(
        mut bytes: &[u8],
        n: usize,
        range: Range<usize>,
        out: &mut Vec<i64>,
    ) -> Result<(), DecodeError> {
        let source = &mut bytes;
        let reference = varint::take_i64(source)?;
        let width = take_byte(source, "width of runs")?;
        let vectors = n.div_ceil(VECTOR_VALUES);
        let directory = Directory::take(source, 1, vectors)?;
        let all = runs(directory.number(vectors - 1, 0), n)?;
        let ends = take_slice(source, bitpack::packed_len(all, POSITION_BITS), "ends of runs")?;
        let values = bitpack::take_packed(source, all, width.into(), 64)?;

        let vector = range.start / VECTOR_VALUES;
        let first = if vector == 0 { 0 } else { runs(directory.number(vector - 1, 0), all)? };
        let last = runs(directory.number(vector, 0), all)?;
        let from = out.len();
        out.resize(from + range.len(), 0);
        let out = &mut out[from..];
        let mut start = 0;
        for run in first..last {
            let end = 1 + bits_at(ends, run * POSITION_BITS as usize, POSITION_BITS) as usize;
            let offset = bits_at(values, run * usize::from(width), width.into());
            let value = reference.wrapping_add(offset as i64);
            if end <= start || end > out.len() {
                return Err(DecodeError::Invalid { what: "end of a run", found: end as u64 });
            }
            match out.get_mut(start..start + STEP) {
                Some(step) => step.fill(value),
                None => out[start..end].fill(value),
            }
            if end > start + STEP {
                out[start + STEP..end].fill(value);
            }
            start = end;
        }
        if start != out.len() {
            return Err(DecodeError::Invalid { what: "values in runs", found: start as u64 });
        }
        Ok(())
    }
}

/// A number of runs as it stands in the directory; each has at least one of `max` values or runs.
fn runs(number: i64, max: usize) -> Result<usize, DecodeError> {
    usize::try_from(number).ok().filter(|&runs| runs <= max).ok_or(DecodeError::TooLarge {
        what: "runs",
        found: number as u64,
        max: max as u64,
    })
}
