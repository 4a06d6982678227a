//! Arrays: lists of values whose number is known from elsewhere, in blocks of up to 65,536 by the
//! block codecs. The byte table is in the head of the module.
//!
//! Invariant: decoding allocates no more than the values that the caller asked for need.

use pulsora_codec::{
    BLOCK_VALUES_MAX, Choice, CodecId, Codecs, Kind, Level, Sink, Text, Values, encode_block,
};

use super::format::{Cursor, Parsed, align};

/// How blocks of arrays are encoded: these are small, and read often.
const CHOICE: Choice<'static> = Choice { level: Level::Hot, forced: None };

/// Appends integers as an array.
pub(super) fn encode_integers(codecs: &Codecs, values: &[i64], out: &mut Vec<u8>) {
    for block in values.chunks(BLOCK_VALUES_MAX) {
        encode(codecs, Values::Integers(block), out);
    }
}

/// Appends floats as an array.
pub(super) fn encode_floats(codecs: &Codecs, values: &[f64], out: &mut Vec<u8>) {
    for block in values.chunks(BLOCK_VALUES_MAX) {
        encode(codecs, Values::Floats(block), out);
    }
}

/// Appends strings as an array.
pub(super) fn encode_text(codecs: &Codecs, values: &[&str], out: &mut Vec<u8>) {
    for block in values.chunks(BLOCK_VALUES_MAX) {
        let (mut offsets, mut bytes) = (vec![0u32], Vec::new());
        for value in block {
            bytes.extend_from_slice(value.as_bytes());
            // A block of 65,536 tag values of at most 64 KiB is under 4 GiB.
            offsets.push(bytes.len() as u32);
        }
        encode(codecs, Values::Text(Text { offsets: &offsets, bytes: &bytes }), out);
    }
}

fn encode(codecs: &Codecs, values: Values<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    let codec = encode_block(codecs, values, CHOICE, out);
    let length = (out.len() - start - 8) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + 6].copy_from_slice(&codec.0.to_le_bytes());
    align(out);
}

/// Takes an array of `n` integers, which are appended to `into`.
pub(super) fn decode_integers(
    codecs: &Codecs,
    cursor: &mut Cursor<'_>,
    n: usize,
    into: &mut Vec<i64>,
) -> Parsed<()> {
    decode(codecs, cursor, n, Sink::Integers(into))
}

/// Takes an array of `n` floats, which are appended to `into`.
pub(super) fn decode_floats(
    codecs: &Codecs,
    cursor: &mut Cursor<'_>,
    n: usize,
    into: &mut Vec<f64>,
) -> Parsed<()> {
    decode(codecs, cursor, n, Sink::Floats(into))
}

/// Takes an array of `n` strings, which are appended; `offsets` starts with 0.
pub(super) fn decode_text(
    codecs: &Codecs,
    cursor: &mut Cursor<'_>,
    n: usize,
    offsets: &mut Vec<u32>,
    bytes: &mut Vec<u8>,
) -> Parsed<()> {
    decode(codecs, cursor, n, Sink::Text { offsets, bytes })
}

fn decode(codecs: &Codecs, cursor: &mut Cursor<'_>, n: usize, mut sink: Sink<'_>) -> Parsed<()> {
    let mut left = n;
    while left > 0 {
        let count = left.min(BLOCK_VALUES_MAX);
        let bytes = take_block(codecs, cursor, sink.kind())?;
        bytes.1.decode(bytes.0, count, sink.reborrow())?;
        left -= count;
    }
    Ok(())
}

type Block<'a, 'c> = (&'a [u8], &'c dyn pulsora_codec::Codec);

fn take_block<'a, 'c>(
    codecs: &'c Codecs,
    cursor: &mut Cursor<'a>,
    kind: Kind,
) -> Parsed<Block<'a, 'c>> {
    let length = cursor.u32()? as usize;
    let id = CodecId(cursor.u16()?);
    cursor.u16()?;
    let bytes = cursor.take(length)?;
    cursor.take(length.next_multiple_of(8) - length)?;
    let codec = codecs.by_id(id).filter(|codec| codec.kind() == kind);
    let codec = codec.ok_or_else(|| format!("codec {:#06x} is not known here", id.0))?;
    Ok((bytes, codec.as_ref()))
}
