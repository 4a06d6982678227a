//! Bodies in snappy's block format, as remote write sends them. The framed format is another one.
//!
//! Invariant: nothing is allocated before the length that the block claims is found to be within the
//! limit.

use pulsora_model::{Code, Error, Result};

use super::decoder::too_large;

/// The length that the body says it has when unpacked.
///
/// # Errors
/// `malformed_body` when it says nothing readable; `body_too_large` past `max_bytes`.
pub fn snappy_len(body: &[u8], max_bytes: u64) -> Result<usize> {
    let len = snap::raw::decompress_len(body).map_err(|error| malformed(&error))?;
    // The densest element copies 64 bytes and takes 3: what claims more than 64/3 is no block.
    let possible = (body.len() as u64).saturating_mul(22);
    match len as u64 {
        len if len > max_bytes => Err(too_large(max_bytes)),
        len if len > possible => Err(malformed(&"it claims more than its bytes can hold")),
        _ => Ok(len),
    }
}

/// Unpacks a whole body.
///
/// # Errors
/// As [`snappy_len`]; `malformed_body` when the block is not whole.
pub fn unpack_snappy(body: &[u8], max_bytes: u64) -> Result<Vec<u8>> {
    let mut out = vec![0; snappy_len(body, max_bytes)?];
    let written = snap::raw::Decoder::new().decompress(body, &mut out);
    written.map_err(|error| malformed(&error))?;
    Ok(out)
}

fn malformed(reason: &dyn std::fmt::Display) -> Error {
    Error::new(Code::MalformedBody, format!("the snappy body cannot be decompressed: {reason}"))
        .hint("send snappy's block format, not the framed one, and the whole body")
}
