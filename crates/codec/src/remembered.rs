//! The codec of a column from block to block.
//!
//! Neighbouring blocks of a column mostly want the same codec, and trying all of them costs about as much
//! as encoding the block. So the last choice is kept while it does as well as it did, and looked at again
//! now and then. The first block is chosen for by [`crate::encode_block`] alone.
//!
//! Invariant: what is chosen depends on the values of this block and those before, the registry and the
//! level.

use crate::choose::{Choice, encode_block, encode_whole};
use crate::codec::{CodecId, Values};
use crate::codecs::Codecs;

#[cfg(test)]
mod tests;

/// Blocks after which a choice is looked at again: bounds what all candidates cost to an eighth.
const BLOCKS_MAX: u32 = 8;

/// A choice is looked at again when values take this much more or less than they did, as a fraction: 1/8.
const CHANGE: u64 = 8;

/// What the blocks of a column have been stored with so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Remembered {
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    codec: CodecId,
    /// Bytes that 65,536 values took when it was chosen.
    size: u64,
    blocks: u32,
}

impl Remembered {
    /// Appends a block as [`encode_block`] does, and says which codec it has.
    ///
    /// # Panics
    /// When there are more than [`crate::BLOCK_VALUES_MAX`] values.
    pub fn encode(
        &mut self,
        codecs: &Codecs,
        values: Values<'_>,
        choice: Choice<'_>,
        out: &mut Vec<u8>,
    ) -> CodecId {
        let start = out.len();
        if let Some(last) = &mut self.last
            && choice.forced.is_none()
            && last.blocks < BLOCKS_MAX
            && let Some(codec) = codecs.by_id(last.codec)
            && encode_whole(codec.as_ref(), values, out)
        {
            let size = size_of(out.len() - start, values);
            if size.abs_diff(last.size) <= last.size / CHANGE {
                last.blocks += 1;
                return last.codec;
            }
            out.truncate(start);
        }
        let codec = encode_block(codecs, values, choice, out);
        self.last = Some(Last { codec, size: size_of(out.len() - start, values), blocks: 0 });
        codec
    }
}

/// As if there were 65,536 values.
fn size_of(bytes: usize, values: Values<'_>) -> u64 {
    ((bytes as u64) << 16) / values.len().max(1) as u64
}
