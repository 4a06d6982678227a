//! The codec `dictionary` of text: for columns of few distinct strings.
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 4 | distinct strings `d`, at least 1 |
//! | 4 | 4 + 4 `d` | 0 and the end of each string, from the start of the first |
//! | 8 + 4 `d` | `b`, the last end | the strings, the most frequent first (equally frequent ones as they first appear) |
//! | 8 + 4 `d` + `b` | – | the codes, a block of [`FrameOfReference`], whose exceptions are rare strings |

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::RandomState;

use super::strings;
use crate::DecodeError;
use crate::codec::{CodecId, Speed, Text, vector_range};
use crate::cursor::{take_array, take_slice};
use crate::ints::patched::FrameOfReference;
use crate::typed::{IntegerCodec, TextCodec, TextSink};

/// After an eighth of the strings, and at least this many, the dictionary is given up when more than
/// three quarters of them were new: hosts that take turns repeat late.
const PROBE_STRINGS_MIN: usize = 512;

/// Short strings are copied as so many bytes, whatever their length: 62 to 200 M values/s.
const COPY: usize = 16;

/// See the module.
pub(crate) struct DictionaryText;

impl TextCodec for DictionaryText {
    const ID: CodecId = CodecId(0x0403);
    const NAME: &'static str = "dictionary";
    const SPEED: Speed = Speed::Hot;
    const HAS_TABLE: bool = true;

    fn encode(text: Text<'_>, out: &mut Vec<u8>) -> bool {
        let Some((distinct, codes)) = number(text) else { return false };
        // At most one for each string of a block, and together no more bytes than the block's.
        out.extend_from_slice(&(distinct.len() as u32).to_le_bytes());
        let mut end = 0u32;
        out.extend_from_slice(&end.to_le_bytes());
        for string in &distinct {
            end += string.len() as u32;
            out.extend_from_slice(&end.to_le_bytes());
        }
        distinct.iter().for_each(|string| out.extend_from_slice(string));
        FrameOfReference::encode(&codes, out)
    }

    fn decode(
        mut bytes: &[u8],
        n: usize,
        vector: usize,
        out: TextSink<'_>,
    ) -> Result<(), DecodeError> {
        let range = vector_range(n, vector)?;
        let count = u32::from_le_bytes(take_array(&mut bytes, "dictionary")?) as usize;
        let length = count.saturating_add(1).saturating_mul(4);
        let (ends, _) = take_slice(&mut bytes, length, "ends of a dictionary")?.as_chunks::<4>();
        let last = ends.last().map_or(0, |end| u32::from_le_bytes(*end));
        // With what lies behind them, so that the last ones can be copied like the others.
        let strings_on = bytes;
        let distinct = take_slice(&mut bytes, last as usize, "strings of a dictionary")?;
        let mut codes = Vec::with_capacity(range.len());
        FrameOfReference::decode(bytes, n, range, &mut codes)?;
        let dictionary = Dictionary { ends, distinct };
        let mut places = Vec::with_capacity(codes.len());
        let mut total = 0;
        for code in &mut codes {
            let place = dictionary.place(*code)?;
            // From here on the length of the string.
            *code = place.len() as i64;
            total += place.len();
            places.push(place.start);
        }
        strings::append(&codes, out.offsets, out.bytes, |out| {
            let start = out.len();
            out.resize(start + total + COPY, 0);
            let mut rest = &mut out[start..];
            for (&place, &length) in places.iter().zip(&codes) {
                let length = length as usize;
                let short = if length <= COPY { strings_on.get(place..place + COPY) } else { None };
                match (short, rest.first_chunk_mut::<COPY>()) {
                    (Some(from), Some(to)) => to.copy_from_slice(from),
                    _ => rest[..length].copy_from_slice(&distinct[place..place + length]),
                }
                rest = &mut rest[length..];
            }
            out.truncate(start + total);
            Ok(())
        })
    }
}

/// The strings as they lie in a block.
struct Dictionary<'a> {
    ends: &'a [[u8; 4]],
    distinct: &'a [u8],
}

impl Dictionary<'_> {
    /// Where the string of a code lies.
    #[inline]
    fn place(&self, code: i64) -> Result<Range<usize>, DecodeError> {
        let ends = usize::try_from(code).ok().and_then(|code| self.ends.get(code..)?.first_chunk());
        if let Some([start, end]) = ends {
            let (start, end) = (u32::from_le_bytes(*start), u32::from_le_bytes(*end));
            if start <= end && end as usize <= self.distinct.len() {
                return Ok(start as usize..end as usize);
            }
        }
        Err(DecodeError::Invalid { what: "dictionary code", found: code as u64 })
    }
}

/// The distinct strings and the code of each string. `None` when few repeat.
fn number(text: Text<'_>) -> Option<(Vec<&[u8]>, Vec<i64>)> {
    let mut known: HashMap<&[u8], usize, RandomState> = HashMap::default();
    let mut found: Vec<(usize, &[u8])> = Vec::new();
    let mut codes = Vec::with_capacity(text.len());
    let probe = PROBE_STRINGS_MIN.max(text.len() / 8);
    for index in 0..text.len() {
        let string = text.value(index);
        let code = *known.entry(string).or_insert_with(|| {
            found.push((0, string));
            found.len() - 1
        });
        found[code].0 += 1;
        codes.push(code as i64);
        if index + 1 == probe && found.len() > probe / 4 * 3 {
            return None;
        }
    }
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|&code| std::cmp::Reverse(found[code].0));
    let mut places = vec![0; found.len()];
    for (place, &code) in order.iter().enumerate() {
        places[code] = place as i64;
    }
    for code in &mut codes {
        *code = places[*code as usize];
    }
    Some((order.into_iter().map(|code| found[code].1).collect(), codes))
}
