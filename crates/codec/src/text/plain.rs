//! The codec `plain`: strings as they are, with packed lengths. The form of a vector is its strings,
//! end to end ([`super::strings`]).

use super::strings;
use crate::DecodeError;
use crate::codec::{CodecId, Speed, Text};
use crate::typed::{TextCodec, TextSink};

/// See the module.
pub(crate) struct PlainText;

impl TextCodec for PlainText {
    const ID: CodecId = CodecId(0x0401);
    const NAME: &'static str = "plain";
    const SPEED: Speed = Speed::Hot;

    fn encode(text: Text<'_>, out: &mut Vec<u8>) -> bool {
        strings::encode(text, out, |strings, out| {
            out.extend_from_slice(strings);
            true
        })
    }

    fn decode(bytes: &[u8], n: usize, vector: usize, out: TextSink<'_>) -> Result<(), DecodeError> {
        let (lengths, strings) = strings::find(bytes, n, vector)?;
        strings::append(&lengths, out.offsets, out.bytes, |out| {
            out.extend_from_slice(strings);
            Ok(())
        })
    }
}
