//! Booleans stored as the integers 0 and 1.
//!
//! Responsible for `constant` and `run-length` of booleans, which also store which rows have a value.
//! Their blocks are those of [`crate::ints`]. A bitmap is [`crate::raw`].

use std::ops::Range;

use crate::DecodeError;
use crate::codec::{CodecId, Speed};
use crate::ints::constant::Constant;
use crate::ints::run_length::RunLength;
use crate::typed::{BooleanCodec, IntegerCodec};

#[cfg(test)]
mod tests;

/// One value for the whole block.
pub(crate) struct ConstantBooleans;

/// Runs of equal values.
pub(crate) struct RunLengthBooleans;

macro_rules! by_integers {
    ($codec:ident, $integers:ident, $id:literal) => {
        impl BooleanCodec for $codec {
            const ID: CodecId = CodecId($id);
            const NAME: &'static str = $integers::NAME;
            const SPEED: Speed = Speed::Hot;

            fn encode(values: &[bool], out: &mut Vec<u8>) -> bool {
                let integers: Vec<i64> = values.iter().map(|&value| value.into()).collect();
                $integers::encode(&integers, out)
            }

            fn decode(
                bytes: &[u8],
                n: usize,
                range: Range<usize>,
                out: &mut Vec<bool>,
            ) -> Result<(), DecodeError> {
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

by_integers!(ConstantBooleans, Constant, 0x0301);
by_integers!(RunLengthBooleans, RunLength, 0x0302);
