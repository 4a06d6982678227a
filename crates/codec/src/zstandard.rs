//! Numbers as they are, through Zstandard (RFC 8878): the archive's answer to patterns that repeat,
//! which codecs of neighbours do not see.
//!
//! Responsible for the codecs `zstd` of integers and floats; that of text is [`crate::text`]. Eight
//! vectors share a frame: decoding one decodes those before it in the frame, too.
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 4 `f` | end of each of the `f = ceil(n / 8192)` frames (u32), counted from the byte after this table |
//! | 4 `f` | – | the frames: 8,192 values of 8 bytes each, the last one fewer |

use std::io::Read;
use std::ops::Range;

use crate::DecodeError;
use crate::codec::{CodecId, Speed, VECTOR_VALUES};
use crate::cursor::take_slice;
use crate::typed::{FloatCodec, IntegerCodec};

#[cfg(test)]
mod tests;

/// Frames of one vector are 1 to 23 % larger on the real series, one for all not 2 % smaller.
const FRAME_VALUES: usize = 8 * VECTOR_VALUES;
/// By 1 to 26 % smaller than level 3.
const LEVEL: i32 = 9;

/// Integers by Zstandard.
pub(crate) struct ZstdIntegers;

/// Floats by Zstandard.
pub(crate) struct ZstdFloats;

macro_rules! codec_of {
    ($codec:ident, $trait:ident, $value:ty, $id:literal) => {
        impl $trait for $codec {
            const ID: CodecId = CodecId($id);
            const NAME: &'static str = "zstd";
            const SPEED: Speed = Speed::Slow;

            fn encode(values: &[$value], out: &mut Vec<u8>) -> bool {
                let words: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                encode(&words, out)
            }

            fn decode(
                bytes: &[u8],
                n: usize,
                range: Range<usize>,
                out: &mut Vec<$value>,
            ) -> Result<(), DecodeError> {
                let words = decode(bytes, n, range)?;
                out.extend(words.as_chunks().0.iter().map(|word| <$value>::from_le_bytes(*word)));
                Ok(())
            }
        }
    };
}

codec_of!(ZstdIntegers, IntegerCodec, i64, 0x0141);
codec_of!(ZstdFloats, FloatCodec, f64, 0x0241);

/// Says no to what does not get smaller.
fn encode(words: &[u8], out: &mut Vec<u8>) -> bool {
    let table = out.len();
    let start = table + 4 * words.len().div_ceil(8 * FRAME_VALUES);
    out.resize(start, 0);
    for (index, frame) in words.chunks(8 * FRAME_VALUES).enumerate() {
        match zstd::bulk::compress(frame, LEVEL) {
            Ok(compressed) if out.len() + compressed.len() - table < words.len() => {
                out.extend_from_slice(&compressed);
            }
            _ => {
                out.truncate(table);
                return false;
            }
        }
        // Fewer than the 512 KiB of a block.
        let end = (out.len() - start) as u32;
        out[table + 4 * index..][..4].copy_from_slice(&end.to_le_bytes());
    }
    true
}

/// The bytes of the values at `range`.
fn decode(mut bytes: &[u8], n: usize, range: Range<usize>) -> Result<Vec<u8>, DecodeError> {
    let frames = n.div_ceil(FRAME_VALUES);
    let (ends, _) = take_slice(&mut bytes, 4 * frames, "ends of zstd frames")?.as_chunks::<4>();
    let end = |index: usize| u32::from_le_bytes(ends[index]) as usize;
    let index = range.start / FRAME_VALUES;
    let first = index.checked_sub(1).map_or(0, end);
    let invalid = DecodeError::Invalid { what: "zstd frame", found: index as u64 };
    let frame = bytes.get(first..end(index)).ok_or(invalid)?;
    let decoder = zstd::stream::read::Decoder::with_buffer(frame).map_err(|_| invalid)?;
    let mut decoder = decoder.single_frame();
    let before = 8 * (range.start % FRAME_VALUES) as u64;
    std::io::copy(&mut decoder.by_ref().take(before), &mut std::io::sink()).map_err(|_| invalid)?;
    let mut words = vec![0; 8 * range.len()];
    decoder.read_exact(&mut words).map_err(|_| invalid)?;
    Ok(words)
}
