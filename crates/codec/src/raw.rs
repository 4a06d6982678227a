//! Values as they are: what every block of a kind can be stored as.
//!
//! | kind | bytes of a block of `n` values |
//! |---|---|
//! | integers | `n` times i64 |
//! | floats | `n` times the bits of an f64 |
//! | booleans | `ceil(n / 8)`; value `i` is bit `i % 8` (lowest first) of byte `i / 8`; spare bits are zero |
//! | text | `n` times u32, the end of each string; the strings end to end |

use std::ops::Range;

use crate::DecodeError;
use crate::codec::{CodecId, Speed, Text, vector_range};
use crate::typed::{BooleanCodec, FloatCodec, IntegerCodec, TextCodec, TextSink};

/// Integers as they are.
pub(crate) struct RawIntegers;

/// Floats as they are.
pub(crate) struct RawFloats;

/// One bit for each boolean.
pub(crate) struct RawBooleans;

/// Strings as they are.
pub(crate) struct RawText;

impl IntegerCodec for RawIntegers {
    const ID: CodecId = CodecId(0x0100);
    const NAME: &'static str = "raw";
    const SPEED: Speed = Speed::Hot;

    fn encode(values: &[i64], out: &mut Vec<u8>) -> bool {
        out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        true
    }

    fn decode(
        bytes: &[u8],
        n: usize,
        range: Range<usize>,
        out: &mut Vec<i64>,
    ) -> Result<(), DecodeError> {
        out.extend(words(bytes, n, range)?.iter().map(|word| i64::from_le_bytes(*word)));
        Ok(())
    }
}

impl FloatCodec for RawFloats {
    const ID: CodecId = CodecId(0x0200);
    const NAME: &'static str = "raw";
    const SPEED: Speed = Speed::Hot;

    fn encode(values: &[f64], out: &mut Vec<u8>) -> bool {
        out.extend(values.iter().flat_map(|value| value.to_bits().to_le_bytes()));
        true
    }

    fn decode(
        bytes: &[u8],
        n: usize,
        range: Range<usize>,
        out: &mut Vec<f64>,
    ) -> Result<(), DecodeError> {
        let words = words(bytes, n, range)?;
        out.extend(words.iter().map(|word| f64::from_bits(u64::from_le_bytes(*word))));
        Ok(())
    }
}

impl BooleanCodec for RawBooleans {
    const ID: CodecId = CodecId(0x0300);
    const NAME: &'static str = "raw";
    const SPEED: Speed = Speed::Hot;

    fn encode(values: &[bool], out: &mut Vec<u8>) -> bool {
        let byte = |eight: &[bool]| {
            eight.iter().enumerate().fold(0, |byte, (bit, &value)| byte | u8::from(value) << bit)
        };
        out.extend(values.chunks(8).map(byte));
        true
    }

    fn decode(
        bytes: &[u8],
        n: usize,
        range: Range<usize>,
        out: &mut Vec<bool>,
    ) -> Result<(), DecodeError> {
        exact_len(bytes, n.div_ceil(8), "raw booleans")?;
        // A vector starts at a multiple of 1,024 and so at a whole byte.
        let mut left = range.len();
        for byte in &bytes[range.start / 8..range.end.div_ceil(8)] {
            let bits: [bool; 8] = std::array::from_fn(|bit| byte >> bit & 1 == 1);
            out.extend_from_slice(&bits[..left.min(8)]);
            left -= left.min(8);
        }
        Ok(())
    }
}

impl TextCodec for RawText {
    const ID: CodecId = CodecId(0x0400);
    const NAME: &'static str = "raw";
    const SPEED: Speed = Speed::Hot;

    fn encode(Text { offsets, bytes }: Text<'_>, out: &mut Vec<u8>) -> bool {
        if let Some((_, ends)) = offsets.split_first() {
            out.extend(ends.iter().flat_map(|end| end.to_le_bytes()));
            out.extend_from_slice(bytes);
        }
        true
    }

    fn decode(
        bytes: &[u8],
        n: usize,
        vector: usize,
        sink: TextSink<'_>,
    ) -> Result<(), DecodeError> {
        let TextSink { offsets, bytes: out } = sink;
        let range = vector_range(n, vector)?;
        let Some((ends, strings)) = bytes.split_at_checked(n * 4) else {
            return Err(DecodeError::Truncated {
                what: "raw text",
                need: n * 4,
                have: bytes.len(),
            });
        };
        let (ends, _) = ends.as_chunks::<4>();
        let end = |index: usize| u32::from_le_bytes(ends[index]) as usize;
        let first = range.start.checked_sub(1).map_or(0, end);
        let invalid = |found: usize| DecodeError::Invalid {
            what: "end of a string in raw text",
            found: found as u64,
        };
        let last = end(range.end - 1);
        let strings = strings.get(first..last).ok_or_else(|| invalid(last))?;
        let strings = simdutf8::basic::from_utf8(strings).map_err(|_| invalid(first))?;
        if offsets.is_empty() {
            offsets.push(0);
        }
        let base = out.len();
        let mut previous = first;
        for index in range {
            let end = end(index);
            // Rising from `first` to `last`, each between two characters.
            if end < previous || !strings.is_char_boundary(end - first) {
                return Err(invalid(end));
            }
            previous = end;
            offsets.push(u32::try_from(base + end - first).map_err(|_| invalid(end))?);
        }
        out.extend_from_slice(strings.as_bytes());
        Ok(())
    }
}

/// The words at `range` of a block of `n`.
fn words(bytes: &[u8], n: usize, range: Range<usize>) -> Result<&[[u8; 8]], DecodeError> {
    exact_len(bytes, n * 8, "raw values")?;
    Ok(&bytes.as_chunks::<8>().0[range])
}

fn exact_len(bytes: &[u8], need: usize, what: &'static str) -> Result<(), DecodeError> {
    if bytes.len() == need {
        Ok(())
    } else {
        Err(DecodeError::Truncated { what, need, have: bytes.len() })
    }
}
