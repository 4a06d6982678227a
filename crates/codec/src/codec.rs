//! What a codec of column blocks is.
//!
//! Responsible for the trait [`Codec`], the values it takes and the places it decodes to. Not
//! responsible for which codecs exist ([`crate::codecs`]), which one a block gets
//! ([`crate::choose`]), or nulls: a null slot holds the previous valid value, and validity is stored
//! beside the block.
//!
//! Invariants of every codec, the users' own included:
//! - A **block** is up to [`BLOCK_VALUES_MAX`] values of one column. It consists of **vectors** of
//!   [`VECTOR_VALUES`] values, the last one possibly shorter. Each vector decodes alone, and finding
//!   it takes constant time.
//! - The number of values is the caller's; no block repeats it. Zero values may take zero bytes.
//! - A round trip is exact, bit for bit. The same values give the same bytes everywhere.
//! - No bytes make a decoder panic or allocate more than the values of one vector need.

use std::ops::Range;

use thiserror::Error;

use crate::DecodeError;

/// Values of one vector: what decodes alone. As in FastLanes, 16 lanes of 64 rows.
pub const VECTOR_VALUES: usize = 1024;

/// The most values of one block: 64 vectors.
pub const BLOCK_VALUES_MAX: usize = 65_536;

/// The lowest id of a user's codec; those below are built in.
pub const USER_CODEC_MIN: CodecId = CodecId(0x8000);

/// The number of a codec in files. It never changes its meaning.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct CodecId(pub u16);

/// What the values of a block are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// 64-bit integers; narrower ones, times and dictionary codes are widened.
    Integers,
    /// 64-bit floats.
    Floats,
    /// Booleans.
    Booleans,
    /// UTF-8 strings.
    Text,
}

/// The values of one block. `u64` columns go in as the `i64` of the same bits, timestamps as
/// nanoseconds, dictionary codes as `i64`.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// See [`Kind::Integers`].
    Integers(&'a [i64]),
    /// See [`Kind::Floats`].
    Floats(&'a [f64]),
    /// See [`Kind::Booleans`].
    Booleans(&'a [bool]),
    /// See [`Kind::Text`].
    Text(Text<'a>),
}

/// Strings end to end: string `i` is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// One more than there are strings, rising, from 0. Empty is as good as one 0.
    pub offsets: &'a [u32],
    /// Valid UTF-8, string by string.
    pub bytes: &'a [u8],
}

/// Where decoded values go: they are appended.
#[derive(Debug)]
pub enum Sink<'a> {
    /// For blocks of [`Kind::Integers`].
    Integers(&'a mut Vec<i64>),
    /// For blocks of [`Kind::Floats`].
    Floats(&'a mut Vec<f64>),
    /// For blocks of [`Kind::Booleans`].
    Booleans(&'a mut Vec<bool>),
    /// For blocks of [`Kind::Text`].
    Text {
        /// One more than there are strings. A codec that finds none puts the leading 0 itself.
        offsets: &'a mut Vec<u32>,
        /// The strings end to end.
        bytes: &'a mut Vec<u8>,
    },
}

/// How fast a codec decodes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Speed {
    /// At least 1 G values/s (text: 1 GB/s) on one core, as the benchmark measures it.
    Hot,
    /// Slower: a reader should keep what it has decoded.
    Slow,
}

/// One way to store the values of a block. See the module for what must hold.
pub trait Codec: Send + Sync {
    /// Its number in files; a user's is at least [`USER_CODEC_MIN`].
    fn id(&self) -> CodecId;

    /// Its name in settings and reports: lower case, one per kind.
    fn name(&self) -> &str;

    /// What it stores.
    fn kind(&self) -> Kind;

    /// How fast it decodes.
    fn speed(&self) -> Speed;

    /// Whether a block has one large table for all its vectors, so that a few vectors say little about
    /// its size. The chooser then looks at all of them.
    fn has_table(&self) -> bool {
        false
    }

    /// Appends the block. `false`: it cannot store these values (a constant of values that differ)
    /// and has appended nothing. Values of another kind are such values.
    fn encode(&self, values: Values<'_>, out: &mut Vec<u8>) -> bool;

    /// Appends the values of vector `vector` of a block of `n` values to `sink`.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not a block of `n` values, when it has no such vector, or
    /// when the sink is of another kind. What the sink held before stays in it; what an error leaves
    /// behind that is unspecified.
    fn decode_vector(
        &self,
        bytes: &[u8],
        n: usize,
        vector: usize,
        sink: Sink<'_>,
    ) -> Result<(), DecodeError>;

    /// Appends all `n` values to `sink`.
    ///
    /// # Errors
    /// As [`Codec::decode_vector`].
    fn decode(&self, bytes: &[u8], n: usize, mut sink: Sink<'_>) -> Result<(), DecodeError> {
        for vector in 0..n.div_ceil(VECTOR_VALUES) {
            self.decode_vector(bytes, n, vector, sink.reborrow())?;
        }
        Ok(())
    }
}

/// Why a codec cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The id belongs to the built-in codecs.
    #[error("codec {name}: id {id:#06x} is below 0x8000, where users' codecs start")]
    ReservedId {
        /// Name of the refused codec.
        name: String,
        /// Its id.
        id: u16,
    },
    /// Another codec has the id.
    #[error("codec {name}: id {id:#06x} belongs to {owner}")]
    DuplicateId {
        /// Name of the refused codec.
        name: String,
        /// Its id.
        id: u16,
        /// Name of the codec that has it.
        owner: String,
    },
    /// Another codec of the same kind has the name.
    #[error("codec {name}: the name is taken by the codec with id {owner:#06x}")]
    DuplicateName {
        /// The name.
        name: String,
        /// Id of the codec that has it.
        owner: u16,
    },
}

impl Values<'_> {
    /// What the values are.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Integers(_) => Kind::Integers,
            Self::Floats(_) => Kind::Floats,
            Self::Booleans(_) => Kind::Booleans,
            Self::Text(_) => Kind::Text,
        }
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Floats(values) => values.len(),
            Self::Booleans(values) => values.len(),
            Self::Text(text) => text.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> Text<'a> {
    /// How many strings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of string `index`.
    ///
    /// # Panics
    /// When there is no such string.
    #[must_use]
    pub fn value(&self, index: usize) -> &'a [u8] {
        &self.bytes[self.offsets[index] as usize..self.offsets[index + 1] as usize]
    }
}

impl Sink<'_> {
    /// The same place for a shorter time, so that it can be passed on in a loop.
    #[must_use]
    pub fn reborrow(&mut self) -> Sink<'_> {
        match self {
            Self::Integers(values) => Sink::Integers(values),
            Self::Floats(values) => Sink::Floats(values),
            Self::Booleans(values) => Sink::Booleans(values),
            Self::Text { offsets, bytes } => Sink::Text { offsets, bytes },
        }
    }

    /// What it takes.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Integers(_) => Kind::Integers,
            Self::Floats(_) => Kind::Floats,
            Self::Booleans(_) => Kind::Booleans,
            Self::Text { .. } => Kind::Text,
        }
    }
}

/// The positions of vector `vector` in a block of `n` values.
///
/// # Errors
/// `TooLarge` when `n` is over [`BLOCK_VALUES_MAX`] or the block has no such vector.
pub fn vector_range(n: usize, vector: usize) -> Result<Range<usize>, DecodeError> {
    let too_large = |what, found: usize, max: usize| {
        Err(DecodeError::TooLarge { what, found: found as u64, max: max as u64 })
    };
    if n > BLOCK_VALUES_MAX {
        return too_large("values of a block", n, BLOCK_VALUES_MAX);
    }
    if vector >= n.div_ceil(VECTOR_VALUES) {
        return too_large("vector of a block", vector, n.div_ceil(VECTOR_VALUES));
    }
    let start = vector * VECTOR_VALUES;
    Ok(start..n.min(start + VECTOR_VALUES))
}

/// The error of a sink that is not of the codec's kind.
pub(crate) fn wrong_sink(sink: &Sink<'_>) -> DecodeError {
    DecodeError::Invalid { what: "kind of the sink", found: sink.kind() as u64 }
}
