//! Numbers at the archive level: pcodec (crate `pco`, wrapped format 4).
//!
//! Responsible for the codecs `pco` of integers and of floats: the chunk of a block with one page for
//! each vector, so that vectors decode alone (0.1 bits a value more than one page). Decoding a vector
//! reads the chunk's tables again: 70 to 190 M values/s.
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 4 | length of the head `h` |
//! | 4 | `h` | version (2 bytes) and chunk metadata, as pcodec writes them |
//! | 4 + `h` | – | the pages, framed by [`crate::vectors`] |
//!
//! Invariant: of the modes that pcodec can read, `dict` is never written and is refused: its table may
//! claim any size.

use std::ops::Range;

use pco::data_types::Number;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, PagingSpec};

use crate::DecodeError;
use crate::codec::{CodecId, Speed, VECTOR_VALUES};
use crate::cursor::{take_array, take_slice};
use crate::typed::{FloatCodec, IntegerCodec};
use crate::vectors;

#[cfg(test)]
mod tests;

/// Its own default. Level 12 gains under 0.1 % on the real series and takes three times as long.
const LEVEL: usize = 8;

/// Where the mode stands in the head, behind the version, and the bits of it.
const MODE_AT: usize = 2;
const MODE_MASK: u8 = 0xf;
/// The last of the modes: classic, multiples of an integer, multiples of a float, quantised floats.
const MODE_MAX: u8 = 3;

/// Integers by pcodec.
pub(crate) struct PcoIntegers;

/// Floats by pcodec.
pub(crate) struct PcoFloats;

macro_rules! codec_of {
    ($codec:ident, $trait:ident, $value:ty, $id:literal) => {
        impl $trait for $codec {
            const ID: CodecId = CodecId($id);
            const NAME: &'static str = "pco";
            const SPEED: Speed = Speed::Slow;

            fn encode(values: &[$value], out: &mut Vec<u8>) -> bool {
                let start = out.len();
                let stored = encode(values, out).is_some();
                if !stored {
                    out.truncate(start);
                }
                stored
            }

            fn decode(
                bytes: &[u8],
                n: usize,
                range: Range<usize>,
                out: &mut Vec<$value>,
            ) -> Result<(), DecodeError> {
                decode(bytes, n, range, out)
            }
        }
    };
}

codec_of!(PcoIntegers, IntegerCodec, i64, 0x0140);
codec_of!(PcoFloats, FloatCodec, f64, 0x0240);

/// `None` when pcodec refuses the values, which it has no reason to.
fn encode<T: Number>(values: &[T], out: &mut Vec<u8>) -> Option<()> {
    let pages = values.chunks(VECTOR_VALUES).map(<[T]>::len).collect();
    let config = ChunkConfig::default()
        .with_compression_level(LEVEL)
        .with_paging_spec(PagingSpec::Exact(pages));
    let file = FileCompressor::default();
    let mut chunk = file.chunk_compressor(values, &config).ok()?;
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    file.write_header(&mut *out).ok()?;
    chunk.write_meta(&mut *out).ok()?;
    let length = u32::try_from(out.len() - start - 4).ok()?;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    let mut written = true;
    let fits = vectors::encode(values, out, |page, _, out| {
        written &= chunk.write_page(page, out).is_ok();
    });
    (fits && written).then_some(())
}

fn decode<T: Number>(
    mut bytes: &[u8],
    n: usize,
    range: Range<usize>,
    out: &mut Vec<T>,
) -> Result<(), DecodeError> {
    let length = u32::from_le_bytes(take_array(&mut bytes, "pcodec head")?);
    let head = take_slice(&mut bytes, length as usize, "pcodec head")?;
    let page = vectors::find(bytes, n, range.start / VECTOR_VALUES)?;
    let invalid = |what| move |_| DecodeError::Invalid { what, found: length.into() };
    match head.get(MODE_AT).map(|byte| byte & MODE_MASK) {
        Some(0..=MODE_MAX) => {}
        mode => {
            let found = mode.unwrap_or_default().into();
            return Err(DecodeError::Invalid { what: "pcodec mode", found });
        }
    }
    let (file, metadata) = FileDecompressor::new(head).map_err(invalid("pcodec version"))?;
    let (mut chunk, _) =
        file.chunk_decompressor::<T, _>(metadata).map_err(invalid("pcodec metadata"))?;
    let mut page =
        chunk.page_decompressor(page, range.len()).map_err(invalid("pcodec page head"))?;
    let start = out.len();
    out.resize(start + range.len(), T::default());
    page.read(&mut out[start..]).map_err(invalid("pcodec page"))?;
    Ok(())
}
