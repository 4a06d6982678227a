//! Booleans stored as the integers 0 and 1.
//!
//! Responsible for `constant` and `run-length` of booleans, which also store which rows have a value.
//! Their blocks are those of [`crate::ints`]. A bitmap is [`crate::raw`].

use crate::DecodeError;
use crate::codec::{Codec, CodecId, Kind, Sink, Speed, Values, vector_range, wrong_sink};
use crate::ints::constant::Constant;
use crate::ints::run_length::RunLength;
use crate::typed::IntegerCodec;

#[cfg(test)]
mod tests;

/// One value for the whole block.
pub(crate) struct ConstantBooleans;

/// Runs of equal values.
pub(crate) struct RunLengthBooleans;

macro_rules! by_integers {
    ($codec:ident, $integers:ident, $id:literal, $name:literal) => {
        impl Codec for $codec {
            fn id(&self) -> CodecId {
                CodecId($id)
            }

            fn name(&self) -> &str {
                $name
            }

            fn kind(&self) -> Kind {
                Kind::Booleans
            }

            fn speed(&self) -> Speed {
                Speed::Hot
            }

            fn encode(&self, values: Values<'_>, out: &mut Vec<u8>) -> bool {
                let Values::Booleans(values) = values else { return false };
                let integers: Vec<i64> = values.iter().map(|&value| value.into()).collect();
                integers.is_empty() || $integers::encode(&integers, out)
            }

            fn decode_vector(
                &self,
                bytes: &[u8],
                n: usize,
                vector: usize,
                sink: Sink<'_>,
            ) -> Result<(), DecodeError> {
                let Sink::Booleans(out) = sink else { return Err(wrong_sink(&sink)) };
                let range = vector_range(n, vector)?;
                let mut integers = Vec::with_capacity(range.len());
                $integers::decode(bytes, n, range, &mut integers)?;
                if let Some(other) = integers.iter().find(|&&integer| integer as u64 > 1) {
                    let found = *other as u64;
                    return Err(DecodeError::Invalid { what: "boolean", found });
                }
                out.extend(integers.iter().map(|&integer| integer == 1));
                Ok(())
            }
        }
    };
}

by_integers!(ConstantBooleans, Constant, 0x0301, "constant");
by_integers!(RunLengthBooleans, RunLength, 0x0302, "run-length");
