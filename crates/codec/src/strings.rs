//! UTF-8 strings: lengths and bytes, or a dictionary and codes when that is smaller.
//!
//! | part | bytes | meaning |
//! |---|---|---|
//! | tag | 1 | 0 plain, 1 dictionary |
//! | plain: lengths | `n` integers u32 | length of each string in bytes |
//! | plain: bytes | their sum | the strings, without gaps |
//! | dictionary: count | varint u64 | distinct strings `d`, at most `n`, in order of first appearance |
//! | dictionary: lengths | `d` integers u32 | length of each distinct string |
//! | dictionary: bytes | their sum | the distinct strings |
//! | dictionary: codes | `n` integers u32 | index of each string, below `d` |
//!
//! Integers are those of [`integers`]. Offsets count bytes, as in an Arrow string array: `n + 1`
//! entries, string `i` is `data[offsets[i]..offsets[i + 1]]`.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::RandomState;

use crate::DecodeError;
use crate::bitpack::{packed_len, width_of};
use crate::cursor::{take_byte, take_slice};
use crate::integers;
use crate::varint::{put_u64, take_count};

#[cfg(test)]
mod tests;

const PLAIN: u8 = 0;
const DICTIONARY: u8 = 1;

/// After an eighth of the strings, and at least this many, the hash pass stops as soon as three quarters
/// of them were new. It must scale with the column: of `d` values in random order nearly all of the
/// first `d / 2` rows are new, however often they repeat later.
const PROBE_STRINGS_MIN: usize = 64;

/// Decoded strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strings {
    /// `n + 1` byte offsets into `data`, from 0, ascending.
    pub offsets: Vec<i32>,
    /// The strings without gaps; valid UTF-8 between any two offsets.
    pub data: Vec<u8>,
}

/// Appends the strings `data[offsets[i]..offsets[i + 1]]`. The first offset need not be 0. Bytes that
/// are not UTF-8 can be encoded, but [`decode`] refuses them. No offsets mean no strings.
///
/// # Panics
/// When offsets descend, are negative, or pass the end of `data`.
pub fn encode(offsets: &[i32], data: &[u8], out: &mut Vec<u8>) {
    let lengths: Vec<u32> = offsets.windows(2).map(length_of).collect();
    if lengths.is_empty() {
        return;
    }
    let data = &data[byte_range(offsets, 0).start..byte_range(offsets, lengths.len() - 1).end];
    match Dictionary::build(&lengths, data).filter(|found| found.is_smaller(&lengths, data)) {
        Some(dictionary) => dictionary.encode(out),
        None => {
            out.push(PLAIN);
            integers::encode_u32(&lengths, out);
            out.extend_from_slice(data);
        }
    }
}

/// Takes `n` strings that [`encode`] appended. Their bytes together are at most `bytes_max`, and never
/// above `i32::MAX`: a dictionary of a few bytes can stand for many more.
///
/// # Errors
/// `Truncated`; `TooLarge` for too many bytes or distinct strings; `Invalid` for an unknown tag, a
/// code without a string, or bytes that are not UTF-8.
pub fn decode(source: &mut &[u8], n: usize, bytes_max: usize) -> Result<Strings, DecodeError> {
    if n == 0 {
        return Ok(Strings { offsets: vec![0], data: Vec::new() });
    }
    let bytes_max = bytes_max.min(i32::MAX as usize);
    match take_byte(source, "string tag")? {
        PLAIN => {
            let (offsets, data) = take_plain(source, n, bytes_max)?;
            Ok(Strings { offsets, data: data.to_vec() })
        }
        DICTIONARY => {
            let count = take_count(source, n)?;
            let (offsets, data) = take_plain(source, count, bytes_max)?;
            let mut codes = Vec::new();
            integers::decode_u32(source, n, &mut codes)?;
            expand(&offsets, data, &codes, bytes_max)
        }
        tag => Err(DecodeError::Invalid { what: "string tag", found: tag.into() }),
    }
}

/// The length of the string between two offsets.
fn length_of(pair: &[i32]) -> u32 {
    u32::try_from(i64::from(pair[1]) - i64::from(pair[0])).expect("string offsets ascend")
}

/// Where string `i` lies.
fn byte_range(offsets: &[i32], i: usize) -> Range<usize> {
    let at = |offset: i32| usize::try_from(offset).expect("string offsets are not negative");
    at(offsets[i])..at(offsets[i + 1])
}

/// The distinct strings of a column and the code of each row.
struct Dictionary<'a> {
    distinct: Vec<&'a [u8]>,
    codes: Vec<u32>,
}

impl<'a> Dictionary<'a> {
    /// Numbers the strings in order of first appearance, or gives up when few repeat. The seed of the
    /// hash differs from process to process, against chosen collisions; the numbers do not depend on it.
    fn build(lengths: &[u32], data: &'a [u8]) -> Option<Dictionary<'a>> {
        let mut known: HashMap<&[u8], u32, RandomState> = HashMap::default();
        let mut found =
            Dictionary { distinct: Vec::new(), codes: Vec::with_capacity(lengths.len()) };
        let probe = PROBE_STRINGS_MIN.max(lengths.len() / 8);
        let mut rest = data;
        for (row, &length) in lengths.iter().enumerate() {
            let (string, after) = rest.split_at(length as usize);
            rest = after;
            let code = *known.entry(string).or_insert_with(|| {
                found.distinct.push(string);
                found.distinct.len() as u32 - 1
            });
            found.codes.push(code);
            if row >= probe && found.distinct.len() * 4 > row * 3 {
                return None;
            }
        }
        Some(found)
    }

    /// Compares estimates: bytes of strings, and lengths and codes at their full width.
    fn is_smaller(&self, lengths: &[u32], data: &[u8]) -> bool {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let shortest = lengths.iter().copied().min().unwrap_or(0);
        let length_width = width_of(u64::from(longest - shortest));
        let code_width = width_of(self.distinct.len() as u64 - 1);
        let distinct_bytes: usize = self.distinct.iter().map(|string| string.len()).sum();
        // The head of a second run of integers: a count, a tag and a reference.
        let heads = 4;
        let own = distinct_bytes
            + packed_len(self.distinct.len(), length_width)
            + packed_len(self.codes.len(), code_width)
            + heads;
        own < data.len() + packed_len(lengths.len(), length_width)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(DICTIONARY);
        put_u64(out, self.distinct.len() as u64);
        let lengths: Vec<u32> = self.distinct.iter().map(|string| string.len() as u32).collect();
        integers::encode_u32(&lengths, out);
        for string in &self.distinct {
            out.extend_from_slice(string);
        }
        integers::encode_u32(&self.codes, out);
    }
}

/// Takes `n` lengths and the bytes of as many strings, and proves that each is UTF-8.
fn take_plain<'a>(
    source: &mut &'a [u8],
    n: usize,
    bytes_max: usize,
) -> Result<(Vec<i32>, &'a [u8]), DecodeError> {
    let mut lengths = Vec::new();
    integers::decode_u32(source, n, &mut lengths)?;
    let offsets = offsets_of(lengths.iter().copied(), n, bytes_max)?;
    let data = take_slice(source, end_of(&offsets), "string bytes")?;
    if let Err(error) = simdutf8::compat::from_utf8(data) {
        return Err(DecodeError::Invalid {
            what: "UTF-8 at this byte of a string column",
            found: error.valid_up_to() as u64,
        });
    }
    // A string that starts with a continuation byte cuts a character in two.
    let is_inside = |&&offset: &&i32| data.get(offset as usize).is_some_and(|b| b & 0xc0 == 0x80);
    match offsets.iter().find(is_inside) {
        Some(&offset) => Err(DecodeError::Invalid {
            what: "string offset inside a character",
            found: offset as u64,
        }),
        None => Ok((offsets, data)),
    }
}

/// Sums up `n` lengths, none of the sums above `bytes_max`, which is at most `i32::MAX`.
fn offsets_of(
    lengths: impl Iterator<Item = u32>,
    n: usize,
    bytes_max: usize,
) -> Result<Vec<i32>, DecodeError> {
    let max = bytes_max as u64;
    let mut offsets = Vec::with_capacity(n + 1);
    let mut end = 0u64;
    offsets.push(0);
    for length in lengths {
        end += u64::from(length);
        if end > max {
            return Err(DecodeError::TooLarge { what: "bytes of strings", found: end, max });
        }
        offsets.push(end as i32);
    }
    Ok(offsets)
}

/// The last offset: how many bytes the strings have.
fn end_of(offsets: &[i32]) -> usize {
    offsets.last().map_or(0, |&end| end as usize)
}

/// Writes out the string of each code.
fn expand(
    distinct: &[i32],
    distinct_data: &[u8],
    codes: &[u32],
    bytes_max: usize,
) -> Result<Strings, DecodeError> {
    let count = distinct.len() - 1;
    if let Some(&code) = codes.iter().find(|&&code| code as usize >= count) {
        return Err(DecodeError::Invalid { what: "dictionary code", found: code.into() });
    }
    let range = |code: u32| byte_range(distinct, code as usize);
    let lengths = codes.iter().map(|&code| range(code).len() as u32);
    let offsets = offsets_of(lengths, codes.len(), bytes_max)?;
    let mut data = Vec::with_capacity(end_of(&offsets));
    for &code in codes {
        data.extend_from_slice(&distinct_data[range(code)]);
    }
    Ok(Strings { offsets, data })
}
