//! The codec `plain`: strings as they are, with packed lengths. The form of a vector is its strings,
//! end to end ([`super::strings`]).

use super::strings;
use crate::DecodeError;
use crate::codec::{Codec, CodecId, Kind, Sink, Speed, Values, wrong_sink};

/// See the module.
pub(crate) struct PlainText;

impl Codec for PlainText {
    fn id(&self) -> CodecId {
        CodecId(0x0401)
    }

    fn name(&self) -> &str {
        "plain"
    }

    fn kind(&self) -> Kind {
        Kind::Text
    }

    fn speed(&self) -> Speed {
        Speed::Hot
    }

    fn encode(&self, values: Values<'_>, out: &mut Vec<u8>) -> bool {
        let Values::Text(text) = values else { return false };
        let start = out.len();
        let stored = text.is_empty()
            || strings::encode(text, out, |strings, out| {
                out.extend_from_slice(strings);
                true
            });
        if !stored {
            out.truncate(start);
        }
        stored
    }

    fn decode_vector(
        &self,
        bytes: &[u8],
        n: usize,
        vector: usize,
        sink: Sink<'_>,
    ) -> Result<(), DecodeError> {
        let Sink::Text { offsets, bytes: out } = sink else { return Err(wrong_sink(&sink)) };
        let (lengths, strings) = strings::find(bytes, n, vector)?;
        strings::append(&lengths, offsets, out, |out| {
            out.extend_from_slice(strings);
            Ok(())
        })
    }
}
