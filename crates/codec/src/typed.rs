//! Built-in codecs written over slices of one type.
//!
//! Responsible for the step from [`Values`] and [`Sink`] to slices and vectors of one kind, so that
//! each codec states its id, its name and two functions.

use std::ops::Range;

use crate::DecodeError;
use crate::codec::{Codec, CodecId, Kind, Sink, Speed, Text, Values, vector_range, wrong_sink};

/// The codecs of numbers and booleans: a trait over slices of one type, and what makes a [`Codec`] of
/// its implementations. They differ only in the type of a value.
macro_rules! slice_codec {
    ($codec:ident, $wrapper:ident, $kind:ident, $value:ty) => {
        #[doc = concat!("A codec of [`Kind::", stringify!($kind), "`].")]
        pub(crate) trait $codec: Send + Sync {
            const ID: CodecId;
            const NAME: &'static str;
            const SPEED: Speed;
            /// See [`Codec::has_table`].
            const HAS_TABLE: bool = false;

            /// Appends a block of 1 to 65,536 values. `false`: cannot, and nothing was appended.
            fn encode(values: &[$value], out: &mut Vec<u8>) -> bool;

            /// Appends the values at `range`, a whole vector, of the block `bytes` of `n` values.
            fn decode(
                bytes: &[u8],
                n: usize,
                range: Range<usize>,
                out: &mut Vec<$value>,
            ) -> Result<(), DecodeError>;
        }

        /// Such a codec as a [`Codec`].
        pub(crate) struct $wrapper<T>(pub T);

        impl<T: $codec> Codec for $wrapper<T> {
            stated!();

            fn kind(&self) -> Kind {
                Kind::$kind
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

/// What an implementation states of itself.
macro_rules! stated {
    () => {
        fn id(&self) -> CodecId {
            T::ID
        }

        fn name(&self) -> &str {
            T::NAME
        }

        fn speed(&self) -> Speed {
            T::SPEED
        }

        fn has_table(&self) -> bool {
            T::HAS_TABLE
        }
    };
}

slice_codec!(IntegerCodec, OfIntegers, Integers, i64);
slice_codec!(FloatCodec, OfFloats, Floats, f64);
slice_codec!(BooleanCodec, OfBooleans, Booleans, bool);

/// Where the strings of a vector go: their ends, and their bytes.
pub(crate) struct TextSink<'a> {
    pub offsets: &'a mut Vec<u32>,
    pub bytes: &'a mut Vec<u8>,
}

/// A codec of [`Kind::Text`].
pub(crate) trait TextCodec: Send + Sync {
    const ID: CodecId;
    const NAME: &'static str;
    const SPEED: Speed;
    /// See [`Codec::has_table`].
    const HAS_TABLE: bool = false;

    /// Appends a block of 1 to 65,536 strings. `false`: cannot; what was appended is taken back.
    fn encode(text: Text<'_>, out: &mut Vec<u8>) -> bool;

    /// Appends vector `vector` of the block `bytes` of `n` strings.
    fn decode(bytes: &[u8], n: usize, vector: usize, out: TextSink<'_>) -> Result<(), DecodeError>;
}

/// A [`TextCodec`] as a [`Codec`].
pub(crate) struct OfText<T>(pub T);

impl<T: TextCodec> Codec for OfText<T> {
    stated!();

    fn kind(&self) -> Kind {
        Kind::Text
    }

    fn encode(&self, values: Values<'_>, out: &mut Vec<u8>) -> bool {
        let Values::Text(text) = values else { return false };
        let start = out.len();
        let stored = text.is_empty() || T::encode(text, out);
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
        match sink {
            Sink::Text { offsets, bytes: out } => {
                T::decode(bytes, n, vector, TextSink { offsets, bytes: out })
            }
            other => Err(wrong_sink(&other)),
        }
    }
}
