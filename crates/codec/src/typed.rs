//! Built-in codecs written over slices of one type.
//!
//! Responsible for the step from [`Values`] and [`Sink`] to `&[i64]`, `&[f64]` and their vectors, so
//! that each codec states its id, its name and two functions. Text and booleans have few codecs,
//! which implement [`Codec`] themselves.

use std::ops::Range;

use crate::DecodeError;
use crate::codec::{Codec, CodecId, Kind, Sink, Speed, Values, vector_range, wrong_sink};

/// A codec of [`Kind::Integers`].
pub(crate) trait IntegerCodec: Send + Sync {
    const ID: CodecId;
    const NAME: &'static str;
    const SPEED: Speed;
    /// See [`Codec::has_table`].
    const HAS_TABLE: bool = false;

    /// Appends a block of 1 to 65,536 values. `false`: cannot, and nothing was appended.
    fn encode(values: &[i64], out: &mut Vec<u8>) -> bool;

    /// Appends the values at `range`, a whole vector, of the block `bytes` of `n` values.
    fn decode(
        bytes: &[u8],
        n: usize,
        range: Range<usize>,
        out: &mut Vec<i64>,
    ) -> Result<(), DecodeError>;
}

/// A codec of [`Kind::Floats`].
pub(crate) trait FloatCodec: Send + Sync {
    const ID: CodecId;
    const NAME: &'static str;
    const SPEED: Speed;
    /// See [`Codec::has_table`].
    const HAS_TABLE: bool = false;

    /// Appends a block of 1 to 65,536 values. `false`: cannot, and nothing was appended.
    fn encode(values: &[f64], out: &mut Vec<u8>) -> bool;

    /// Appends the values at `range`, a whole vector, of the block `bytes` of `n` values.
    fn decode(
        bytes: &[u8],
        n: usize,
        range: Range<usize>,
        out: &mut Vec<f64>,
    ) -> Result<(), DecodeError>;
}

/// An [`IntegerCodec`] as a [`Codec`].
pub(crate) struct OfIntegers<T>(pub T);

/// A [`FloatCodec`] as a [`Codec`].
pub(crate) struct OfFloats<T>(pub T);

/// The same for both: the traits differ only in the type of a value.
macro_rules! codec_of {
    ($wrapper:ident, $codec:ident, $kind:ident) => {
        impl<T: $codec> Codec for $wrapper<T> {
            fn id(&self) -> CodecId {
                T::ID
            }

            fn name(&self) -> &str {
                T::NAME
            }

            fn kind(&self) -> Kind {
                Kind::$kind
            }

            fn speed(&self) -> Speed {
                T::SPEED
            }

            fn has_table(&self) -> bool {
                T::HAS_TABLE
            }

            fn encode(&self, values: Values<'_>, out: &mut Vec<u8>) -> bool {
                match values {
                    Values::$kind([]) => true,
                    Values::$kind(values) => T::encode(values, out),
                    _ => false,
                }
            }

            fn decode_vector(
                &self,
                bytes: &[u8],
                n: usize,
                vector: usize,
                sink: Sink<'_>,
            ) -> Result<(), DecodeError> {
                match sink {
                    Sink::$kind(out) => T::decode(bytes, n, vector_range(n, vector)?, out),
                    other => Err(wrong_sink(&other)),
                }
            }
        }
    };
}

codec_of!(OfIntegers, IntegerCodec, Integers);
codec_of!(OfFloats, FloatCodec, Floats);
