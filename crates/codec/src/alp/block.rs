//! The codecs `alp` and `alp-delta`.
//!
//! Responsible for a block of vectors with common candidates for their exponents. Not responsible for
//! the bytes of a vector.

use std::ops::Range;

use super::decimals::Exponents;
use super::vector::{self, Encoder, Forms};
use crate::DecodeError;
use crate::codec::{CodecId, Speed, VECTOR_VALUES};
use crate::typed::FloatCodec;
use crate::vectors;

/// Every vector a frame of reference: 4 to 5 G values/s.
pub(crate) struct Alp;

/// Each vector a frame of reference or steps, whichever is smaller.
pub(crate) struct AlpDelta;

impl FloatCodec for Alp {
    const ID: CodecId = CodecId(0x0210);
    const NAME: &'static str = "alp";
    const SPEED: Speed = Speed::Hot;

    fn encode(values: &[f64], out: &mut Vec<u8>) -> bool {
        encode(values, Forms::Frame, out)
    }

    fn decode(
        bytes: &[u8],
        n: usize,
        range: Range<usize>,
        out: &mut Vec<f64>,
    ) -> Result<(), DecodeError> {
        vector::decode(vectors::find(bytes, n, range.start / VECTOR_VALUES)?, range.len(), out)
    }
}

impl FloatCodec for AlpDelta {
    const ID: CodecId = CodecId(0x0211);
    const NAME: &'static str = "alp-delta";
    const SPEED: Speed = Speed::Hot;

    fn encode(values: &[f64], out: &mut Vec<u8>) -> bool {
        encode(values, Forms::FrameOrDelta, out)
    }

    fn decode(
        bytes: &[u8],
        n: usize,
        range: Range<usize>,
        out: &mut Vec<f64>,
    ) -> Result<(), DecodeError> {
        Alp::decode(bytes, n, range, out)
    }
}

/// Says no to values that are better raw.
fn encode(values: &[f64], forms: Forms, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let candidates = Exponents::of_block(values, VECTOR_VALUES);
    let mut encoder = Encoder::default();
    let fits = vectors::encode(values, out, |_, vector, out| {
        let exponents = Exponents::of_vector(vector, &candidates);
        encoder.encode(vector, exponents, forms, out);
    });
    let pays = fits && out.len() - start < size_of_val(values);
    if !pays {
        out.truncate(start);
    }
    pays
}
