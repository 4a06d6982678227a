//! Which codec a block gets.
//!
//! Responsible for the rule of each level and for finding the smallest codec from a sample. Not
//! responsible for what codecs there are, nor for the blocks before ([`crate::Remembered`]).
//!
//! Invariants: the choice depends on the values, the registry and the level alone. A block of up to
//! [`SAMPLE_VECTORS`] vectors is encoded by every candidate, so that the choice is exact; a longer one
//! is judged by as many whole vectors, spread evenly, but a codec with a table by all of them.

use std::sync::Arc;

use crate::codec::{BLOCK_VALUES_MAX, Codec, CodecId, Speed, Text, VECTOR_VALUES, Values};
use crate::codecs::Codecs;

/// Vectors that a long block is judged by: an eighth of a whole one.
const SAMPLE_VECTORS: usize = 8;

/// The rule by which a codec is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Level {
    /// The smallest of the codecs with [`Speed::Hot`].
    Hot,
    /// The smallest of all.
    Archive,
}

/// What a writer asks for.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The rule.
    pub level: Level,
    /// A codec by name, for the kinds that have one of that name; it may be of any speed. When it
    /// cannot store a block, the rule decides.
    pub forced: Option<&'a str>,
}

/// Chooses a codec, appends the block and says which it was.
///
/// # Panics
/// When there are more than [`BLOCK_VALUES_MAX`] values.
pub fn encode_block(
    codecs: &Codecs,
    values: Values<'_>,
    choice: Choice<'_>,
    out: &mut Vec<u8>,
) -> CodecId {
    assert!(values.len() <= BLOCK_VALUES_MAX, "a block of {} values", values.len());
    let kind = values.kind();
    let forced = choice.forced.and_then(|name| codecs.by_name(kind, name));
    if let Some(codec) = forced
        && encode_whole(codec.as_ref(), values, out)
    {
        return codec.id();
    }
    let mut ranked = rank(codecs, values, choice.level);
    // The sort is stable and candidates come by id: equal sizes go to the lower id.
    ranked.sort_by_key(|(size, _)| *size);
    for (_, codec) in ranked {
        if encode_whole(codec.as_ref(), values, out) {
            return codec.id();
        }
    }
    unreachable!("raw stores every block of its kind")
}

/// Encodes the block; a codec that cannot must leave `out` alone, which is made sure of here.
pub(crate) fn encode_whole(codec: &dyn Codec, values: Values<'_>, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let stored = codec.encode(values, out);
    if !stored {
        out.truncate(start);
    }
    stored
}

/// The candidates that can store the sample, each with its size of it.
fn rank(codecs: &Codecs, values: Values<'_>, level: Level) -> Vec<(usize, Arc<dyn Codec>)> {
    let sample = Sample::of(values);
    let mut scratch = Vec::new();
    let mut ranked = Vec::new();
    for codec in codecs.iter() {
        if codec.kind() != values.kind() || (level == Level::Hot && codec.speed() != Speed::Hot) {
            continue;
        }
        scratch.clear();
        let judged = if codec.has_table() { values } else { sample.values(values) };
        if codec.encode(judged, &mut scratch) {
            // As if it had been the sample; a block is far below 2^32 bytes and values.
            let size = scratch.len() as u64 * sample.values(values).len() as u64;
            ranked.push(((size / judged.len().max(1) as u64) as usize, codec.clone()));
        }
    }
    ranked
}

/// The vectors by which a block is judged, end to end.
enum Sample {
    /// The block is short enough to be its own sample.
    Whole,
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Booleans(Vec<bool>),
    Text {
        offsets: Vec<u32>,
        bytes: Vec<u8>,
    },
}

impl Sample {
    fn of(values: Values<'_>) -> Self {
        let vectors = values.len().div_ceil(VECTOR_VALUES);
        if vectors <= SAMPLE_VECTORS {
            return Self::Whole;
        }
        // From the first vector to the last whole one.
        let last = values.len() / VECTOR_VALUES - 1;
        let starts = (0..SAMPLE_VECTORS).map(|i| i * last / (SAMPLE_VECTORS - 1) * VECTOR_VALUES);
        match values {
            Values::Integers(values) => Self::Integers(gather(values, starts)),
            Values::Floats(values) => Self::Floats(gather(values, starts)),
            Values::Booleans(values) => Self::Booleans(gather(values, starts)),
            Values::Text(text) => Self::text(text, starts),
        }
    }

    fn text(text: Text<'_>, starts: impl Iterator<Item = usize>) -> Self {
        let (mut offsets, mut bytes) = (vec![0], Vec::new());
        for start in starts {
            for index in start..start + VECTOR_VALUES {
                bytes.extend_from_slice(text.value(index));
                // No more bytes than the block has, whose offsets are u32.
                offsets.push(bytes.len() as u32);
            }
        }
        Self::Text { offsets, bytes }
    }

    fn values<'a>(&'a self, whole: Values<'a>) -> Values<'a> {
        match self {
            Self::Whole => whole,
            Self::Integers(values) => Values::Integers(values),
            Self::Floats(values) => Values::Floats(values),
            Self::Booleans(values) => Values::Booleans(values),
            Self::Text { offsets, bytes } => Values::Text(Text { offsets, bytes }),
        }
    }
}

fn gather<T: Copy>(values: &[T], starts: impl Iterator<Item = usize>) -> Vec<T> {
    let mut sample = Vec::with_capacity(SAMPLE_VECTORS * VECTOR_VALUES);
    for start in starts {
        sample.extend_from_slice(&values[start..start + VECTOR_VALUES]);
    }
    sample
}
