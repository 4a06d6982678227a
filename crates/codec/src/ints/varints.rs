//! Differences as zigzag varints: for blocks so short that a head would be most of them.
//!
//! | part | bytes |
//! |---|---|
//! | directory | only in blocks of more than one vector, see [`super::directory`]; its one column is the end of the vector's bytes, from the start of the first vector |
//! | vectors | for each value its difference from the one before in the vector, the first one's from 0, wrapping, as a zigzag varint |

use std::ops::Range;

use super::directory::{self, Directory};
use crate::codec::{CodecId, Speed, VECTOR_VALUES};
use crate::typed::IntegerCodec;
use crate::{DecodeError, varint};

/// `varint`: stores any values.
pub(crate) struct Varint;

impl IntegerCodec for Varint {
    const ID: CodecId = CodecId(0x0103);
    const NAME: &'static str = "varint";
    const SPEED: Speed = Speed::Slow;

    fn encode(values: &[i64], out: &mut Vec<u8>) -> bool {
        let (mut vectors, mut entries) = (Vec::with_capacity(values.len()), Vec::new());
        for vector in values.chunks(VECTOR_VALUES) {
            let mut previous = 0;
            for &value in vector {
                varint::put_i64(&mut vectors, value.wrapping_sub(previous));
                previous = value;
            }
            entries.push(directory::end_entry(vectors.len()));
        }
        if entries.len() > 1 {
            directory::encode(&entries, 1, out);
        }
        out.extend_from_slice(&vectors);
        true
    }

    fn decode(
        mut bytes: &[u8],
        n: usize,
        range: Range<usize>,
        out: &mut Vec<i64>,
    ) -> Result<(), DecodeError> {
        if n > VECTOR_VALUES {
            let directory = Directory::take(&mut bytes, 1, n.div_ceil(VECTOR_VALUES))?;
            bytes = directory.bytes_of(range.start / VECTOR_VALUES, bytes)?;
        }
        out.reserve(range.len());
        let mut value = 0i64;
        for _ in range {
            value = value.wrapping_add(varint::take_i64(&mut bytes)?);
            out.push(value);
        }
        Ok(())
    }
}
