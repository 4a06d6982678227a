//! The codec `alp-rd`: floats that are no decimals, cut in two.
//!
//! Responsible for floats whose high bits repeat and whose low bits are noise (ALP-RD, section 3.4 of
//! the paper). The left part, up to 16 bits, is a code into a dictionary of up to 8; the right part is
//! packed as it is. A left part that is not in the dictionary is an exception.
//!
//! | part | bytes |
//! |---|---|
//! | bits of a right part `r`, 48 to 63 | 1 |
//! | entries of the dictionary `d`, 1 to 8 | 1 |
//! | the entries | 2 `d` |
//! | vectors | as [`crate::vectors`] has them |
//!
//! | part of a vector of `k` values | bytes |
//! |---|---|
//! | exceptions `x` | 2 |
//! | codes at the bits that `d - 1` needs | as [`super`] packs offsets |
//! | right parts at `r` bits | likewise |
//! | positions of exceptions; their left parts | 2 `x`, 2 `x` |

use std::ops::Range;

use super::kernels;
use super::sample;
use super::scattered::Scattered;
use crate::DecodeError;
use crate::bitpack::width_of;
use crate::codec::{CodecId, Speed, VECTOR_VALUES};
use crate::cursor::{take_array, take_byte, take_slice};
use crate::lanes::pack::{pack, unpack};
use crate::typed::FloatCodec;
use crate::vectors;

/// A left part has at most this many bits, as in the paper, so that an exception takes 2 bytes.
const LEFT_BITS_MAX: u32 = 16;
/// The fewest bits of a right part.
const RIGHT_BITS_MIN: u32 = 64 - LEFT_BITS_MAX;
/// The most entries of a dictionary, as in the paper: codes of 3 bits.
const ENTRIES_MAX: usize = 8;
/// Position and left part.
const EXCEPTION_BITS: usize = 32;
/// Values of a block that are looked at.
const SAMPLE_VALUES: usize = 512;

/// See the module.
pub(crate) struct AlpRd;

/// How the floats of a block are cut.
struct Cut {
    right_bits: u32,
    /// 1 to 8 left parts, the most frequent first.
    dictionary: Vec<u16>,
}

impl FloatCodec for AlpRd {
    const ID: CodecId = CodecId(0x0212);
    const NAME: &'static str = "alp-rd";
    const SPEED: Speed = Speed::Hot;

    fn encode(values: &[f64], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let cut = Cut::best(values);
        out.extend_from_slice(&[cut.right_bits as u8, cut.dictionary.len() as u8]);
        out.extend(cut.dictionary.iter().flat_map(|left| left.to_le_bytes()));
        let fits = vectors::encode(values, out, |_, vector, out| cut.encode_vector(vector, out));
        let pays = fits && out.len() - start < size_of_val(values);
        if !pays {
            out.truncate(start);
        }
        pays
    }

    fn decode(
        mut bytes: &[u8],
        n: usize,
        range: Range<usize>,
        out: &mut Vec<f64>,
    ) -> Result<(), DecodeError> {
        let cut = Cut::take(&mut bytes)?;
        let vector = vectors::find(bytes, n, range.start / VECTOR_VALUES)?;
        cut.decode_vector(vector, range.len(), out)
    }
}

impl Cut {
    /// The cut that makes a sample smallest.
    fn best(values: &[f64]) -> Cut {
        let sample: Vec<u64> = sample::places(values.len(), SAMPLE_VALUES)
            .map(|place| values[place].to_bits())
            .collect();
        let cuts = (RIGHT_BITS_MIN..64).map(|right_bits| Cut::of(&sample, right_bits));
        // There are sixteen, of which the first smallest is taken.
        let best = cuts.min_by_key(|(bits, _)| *bits);
        best.map_or(Cut { right_bits: RIGHT_BITS_MIN, dictionary: vec![0] }, |(_, cut)| cut)
    }

    /// The cut at `right_bits`, and the bits that the sample takes by it.
    fn of(sample: &[u64], right_bits: u32) -> (usize, Cut) {
        let mut lefts: Vec<u16> = sample.iter().map(|bits| (bits >> right_bits) as u16).collect();
        lefts.sort_unstable();
        let mut found: Vec<(usize, u16)> =
            lefts.chunk_by(|a, b| a == b).map(|same| (same.len(), same[0])).collect();
        found.sort_unstable_by_key(|&(times, left)| (std::cmp::Reverse(times), left));
        found.truncate(ENTRIES_MAX);
        let held: usize = found.iter().map(|&(times, _)| times).sum();
        let dictionary: Vec<u16> = found.into_iter().map(|(_, left)| left).collect();
        let cut = Cut { right_bits, dictionary };
        let width = (right_bits + cut.code_bits()) as usize;
        (width * sample.len() + EXCEPTION_BITS * (sample.len() - held), cut)
    }

    fn code_bits(&self) -> u32 {
        width_of(self.dictionary.len() as u64 - 1)
    }

    fn encode_vector(&self, values: &[f64], out: &mut Vec<u8>) {
        let bits: Vec<i64> = values.iter().map(|value| value.to_bits() as i64).collect();
        let mut exceptions = Vec::new();
        let mut codes = Vec::with_capacity(values.len());
        for (index, bits) in bits.iter().enumerate() {
            let left = (*bits as u64 >> self.right_bits) as u16;
            match self.dictionary.iter().position(|&entry| entry == left) {
                Some(code) => codes.push(code as i64),
                None => {
                    codes.push(0);
                    exceptions.push((index as u16, left));
                }
            }
        }
        // No more than there are values, 1,024.
        out.extend_from_slice(&(exceptions.len() as u16).to_le_bytes());
        pack(&codes, 0, self.code_bits(), out);
        pack(&bits, 0, self.right_bits, out);
        out.extend(exceptions.iter().flat_map(|(index, _)| index.to_le_bytes()));
        out.extend(exceptions.iter().flat_map(|(_, left)| left.to_le_bytes()));
    }

    fn take(source: &mut &[u8]) -> Result<Cut, DecodeError> {
        let right_bits = take_byte(source, "ALP-RD right bits")?.into();
        let entries = take_byte(source, "ALP-RD dictionary")?;
        if !(RIGHT_BITS_MIN..64).contains(&right_bits) {
            return Err(DecodeError::Invalid {
                what: "ALP-RD right bits",
                found: right_bits.into(),
            });
        }
        if entries == 0 || usize::from(entries) > ENTRIES_MAX {
            return Err(DecodeError::Invalid { what: "ALP-RD dictionary", found: entries.into() });
        }
        let bytes = take_slice(source, 2 * usize::from(entries), "ALP-RD dictionary")?;
        let dictionary = bytes.as_chunks().0.iter().map(|&left| u16::from_le_bytes(left)).collect();
        Ok(Cut { right_bits, dictionary })
    }

    /// Appends the `k` values of the vector `bytes`.
    fn decode_vector(
        &self,
        mut bytes: &[u8],
        k: usize,
        out: &mut Vec<f64>,
    ) -> Result<(), DecodeError> {
        let source = &mut bytes;
        let exceptions = u16::from_le_bytes(take_array(source, "ALP-RD exceptions")?);
        let (mut codes, mut rights) = (Vec::with_capacity(k), Vec::with_capacity(k));
        unpack(source, k, 0, self.code_bits(), &mut codes)?;
        unpack(source, k, 0, self.right_bits, &mut rights)?;
        let exceptions = Scattered::take(source, exceptions.into(), k)?;
        // A code past the dictionary, which no encoder writes, means 0.
        let mut lefts = [0; ENTRIES_MAX];
        for (left, entry) in lefts.iter_mut().zip(&self.dictionary) {
            *left = u64::from(*entry) << self.right_bits;
        }
        let start = out.len();
        out.reserve(k);
        kernels::join(&codes, &rights, &lefts, &mut out.spare_capacity_mut()[..k]);
        // SAFETY: `join` writes all of the slots it is given.
        unsafe { out.set_len(start + k) };
        let values = &mut out[start..];
        let mask = (1u64 << self.right_bits) - 1;
        exceptions.each(|index, left| {
            let left = u64::from(u16::from_le_bytes(left)) << self.right_bits;
            values[index] = f64::from_bits(values[index].to_bits() & mask | left);
        });
        Ok(())
    }
}
