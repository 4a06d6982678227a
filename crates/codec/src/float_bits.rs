//! Floats stored by their bits through codecs of integers.
//!
//! Responsible for `constant`, `run-length` and `dictionary` of floats. The first two are blocks of
//! [`crate::ints`] over the bits of the values; `dictionary`, for columns of few distinct values:
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 2 | distinct values `d` less 1 |
//! | 2 | 8 `d` | their bits, the most frequent first (equally frequent ones by their bits) |
//! | 2 + 8 `d` | – | the codes, a block of [`FrameOfReference`], whose exceptions are rare values |

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::RandomState;

use crate::DecodeError;
use crate::codec::{CodecId, Speed};
use crate::cursor::{take_array, take_slice};
use crate::ints::constant::Constant;
use crate::ints::patched::FrameOfReference;
use crate::ints::run_length::RunLength;
use crate::lanes::dispatch::for_each_processor;
use crate::typed::{FloatCodec, IntegerCodec};

#[cfg(test)]
mod tests;

/// One value for the whole block.
pub(crate) struct ConstantFloats;

/// Runs of equal values.
pub(crate) struct RunLengthFloats;

/// Codes of distinct values.
pub(crate) struct DictionaryFloats;

/// A dictionary of this many values is 32 KiB, which a first-level cache holds.
const ENTRIES_MAX: usize = 4096;

/// After this many values, the dictionary is given up when more than seven eighths of them were new.
const PROBE_VALUES: usize = 2048;

macro_rules! by_bits {
    ($codec:ident, $integers:ident, $id:literal, $name:literal) => {
        impl FloatCodec for $codec {
            const ID: CodecId = CodecId($id);
            const NAME: &'static str = $name;
            const SPEED: Speed = Speed::Hot;

            fn encode(values: &[f64], out: &mut Vec<u8>) -> bool {
                let bits: Vec<i64> = values.iter().map(|value| value.to_bits() as i64).collect();
                $integers::encode(&bits, out)
            }

            fn decode(
                bytes: &[u8],
                n: usize,
                range: Range<usize>,
                out: &mut Vec<f64>,
            ) -> Result<(), DecodeError> {
                let mut bits = Vec::with_capacity(range.len());
                $integers::decode(bytes, n, range, &mut bits)?;
                out.extend(bits.iter().map(|&bits| f64::from_bits(bits as u64)));
                Ok(())
            }
        }
    };
}

by_bits!(ConstantFloats, Constant, 0x0201, "constant");
by_bits!(RunLengthFloats, RunLength, 0x0202, "run-length");

impl FloatCodec for DictionaryFloats {
    const ID: CodecId = CodecId(0x0203);
    const NAME: &'static str = "dictionary";
    const SPEED: Speed = Speed::Hot;
    const HAS_TABLE: bool = true;

    fn encode(values: &[f64], out: &mut Vec<u8>) -> bool {
        let Some((entries, codes)) = number(values) else { return false };
        // At most ENTRIES_MAX, and at least one of one value or more.
        out.extend_from_slice(&((entries.len() - 1) as u16).to_le_bytes());
        out.extend(entries.iter().flat_map(|bits| bits.to_le_bytes()));
        FrameOfReference::encode(&codes, out)
    }

    fn decode(
        mut bytes: &[u8],
        n: usize,
        range: Range<usize>,
        out: &mut Vec<f64>,
    ) -> Result<(), DecodeError> {
        let count = 1 + usize::from(u16::from_le_bytes(take_array(&mut bytes, "dictionary")?));
        let (entries, _) = take_slice(&mut bytes, 8 * count, "dictionary")?.as_chunks::<8>();
        let mut codes = Vec::with_capacity(range.len());
        FrameOfReference::decode(bytes, n, range, &mut codes)?;
        let start = out.len();
        out.resize(start + codes.len(), 0.0);
        match look_up(&codes, entries, &mut out[start..]) {
            true => Ok(()),
            false => Err(DecodeError::Invalid { what: "dictionary code", found: count as u64 }),
        }
    }
}

for_each_processor! {
    /// The entry of each code, and whether there was one for each.
    fn look_up(codes: &[i64], entries: &[[u8; 8]], out: &mut [f64]) -> bool {
        let mut known = true;
        for (slot, &code) in out.iter_mut().zip(codes) {
            let entry = entries.get(code as usize);
            known &= entry.is_some();
            *slot = f64::from_le_bytes(entry.copied().unwrap_or_default());
        }
        known
    }
}

/// The distinct values, as bits and the most frequent first, and the code of each value. `None` when
/// they are too many.
fn number(values: &[f64]) -> Option<(Vec<u64>, Vec<i64>)> {
    let mut known: HashMap<u64, usize, RandomState> = HashMap::default();
    let mut found: Vec<(usize, u64)> = Vec::new();
    let mut codes = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let bits = value.to_bits();
        let code = *known.entry(bits).or_insert_with(|| {
            found.push((0, bits));
            found.len() - 1
        });
        found[code].0 += 1;
        codes.push(code as i64);
        let probed = index + 1 == PROBE_VALUES && found.len() > PROBE_VALUES / 8 * 7;
        if probed || found.len() > ENTRIES_MAX {
            return None;
        }
    }
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_unstable_by_key(|&code| (std::cmp::Reverse(found[code].0), found[code].1));
    let mut places = vec![0; found.len()];
    for (place, &code) in order.iter().enumerate() {
        places[code] = place as i64;
    }
    for code in &mut codes {
        *code = places[*code as usize];
    }
    Some((order.into_iter().map(|code| found[code].1).collect(), codes))
}
