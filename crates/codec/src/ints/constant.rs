//! One value for the whole block.
//!
//! | offset | size | meaning |
//! |---|---|---|
//! | 0 | 8 | the value, i64 |

use std::ops::Range;

use crate::DecodeError;
use crate::codec::{CodecId, Speed};
use crate::cursor::take_array;
use crate::typed::IntegerCodec;

/// `constant`: stores only blocks of equal values.
pub(crate) struct Constant;

impl IntegerCodec for Constant {
    const ID: CodecId = CodecId(0x0101);
    const NAME: &'static str = "constant";
    const SPEED: Speed = Speed::Hot;

    fn encode(values: &[i64], out: &mut Vec<u8>) -> bool {
        let Some((first, rest)) = values.split_first() else { return true };
        let equal = rest.iter().all(|value| value == first);
        if equal {
            out.extend_from_slice(&first.to_le_bytes());
        }
        equal
    }

    fn decode(
        mut bytes: &[u8],
        _n: usize,
        range: Range<usize>,
        out: &mut Vec<i64>,
    ) -> Result<(), DecodeError> {
        let value = i64::from_le_bytes(take_array(&mut bytes, "constant")?);
        out.resize(out.len() + range.len(), value);
        Ok(())
    }
}
