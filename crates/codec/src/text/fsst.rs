//! The codec `fsst`: text by a table of frequent pieces (Boncz, Neumann and Leis, VLDB 2020; crate
//! `fsst-rs`).
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 1 | symbols `s`, 0 to 255 |
//! | 1 | `s` | length of each symbol, 1 to 8 |
//! | 1 + `s` | their sum | the symbols |
//! | | – | [`super::strings`]; the form of a vector is the codes of its strings, end to end |
//!
//! A code is the number of a symbol; 255 says that the next byte stands for itself.

use fsst::{Compressor, Decompressor, Symbol};

use super::strings;
use crate::DecodeError;
use crate::codec::{CodecId, Speed, Text};
use crate::cursor::{take_byte, take_slice};
use crate::typed::{TextCodec, TextSink};

/// The code before a byte that stands for itself.
const ESCAPE: u8 = 255;

/// See the module.
pub(crate) struct FsstText;

impl TextCodec for FsstText {
    const ID: CodecId = CodecId(0x0410);
    const NAME: &'static str = "fsst";
    const SPEED: Speed = Speed::Hot;

    fn encode(text: Text<'_>, out: &mut Vec<u8>) -> bool {
        let compressor = Compressor::train(&(0..text.len()).map(|i| text.value(i)).collect());
        put_table(&compressor, out);
        strings::encode(text, out, |strings, out| {
            out.extend(compressor.compress(strings));
            true
        })
    }

    fn decode(
        mut bytes: &[u8],
        n: usize,
        vector: usize,
        out: TextSink<'_>,
    ) -> Result<(), DecodeError> {
        let (symbols, lengths) = take_table(&mut bytes)?;
        let decompressor = Decompressor::new(&symbols, &lengths);
        let (lengths, codes) = strings::find(bytes, n, vector)?;
        if codes.last() == Some(&ESCAPE) {
            return Err(DecodeError::Invalid { what: "last FSST code", found: ESCAPE.into() });
        }
        strings::append(&lengths, out.offsets, out.bytes, |out| {
            let start = out.len();
            out.reserve(decompressor.max_decompression_capacity(codes));
            // It panics when the last code is an escape, seen to above, and when the room is too small.
            let length = decompressor.decompress_into(codes, out.spare_capacity_mut());
            // SAFETY: so many bytes were written. Zeros first, up to eight for each code, would cost as
            // much as decoding.
            unsafe { out.set_len(start + length) };
            Ok(())
        })
    }
}

fn put_table(compressor: &Compressor, out: &mut Vec<u8>) {
    let (symbols, lengths) = (compressor.symbol_table(), compressor.symbol_lengths());
    // At most 255.
    out.push(symbols.len() as u8);
    out.extend_from_slice(lengths);
    for (symbol, &length) in symbols.iter().zip(lengths) {
        out.extend_from_slice(&symbol.to_u64().to_le_bytes()[..usize::from(length)]);
    }
}

/// All codes below 255 have a symbol: those that no encoder writes stand for a zero byte.
fn take_table(source: &mut &[u8]) -> Result<([Symbol; 255], [u8; 255]), DecodeError> {
    let count = usize::from(take_byte(source, "FSST table")?);
    let taken = take_slice(source, count, "FSST lengths")?;
    let (mut symbols, mut lengths) = ([Symbol::ZERO; 255], [1; 255]);
    for ((symbol, slot), &length) in symbols.iter_mut().zip(&mut lengths).zip(taken) {
        if !(1..=8).contains(&length) {
            return Err(DecodeError::Invalid { what: "FSST length", found: length.into() });
        }
        let mut word = [0; 8];
        let piece = take_slice(source, length.into(), "FSST symbol")?;
        word[..piece.len()].copy_from_slice(piece);
        (*symbol, *slot) = (Symbol::from_slice(&word), length);
    }
    Ok((symbols, lengths))
}
