//! Bytes of edits and checkpoints. All integers little-endian.
//!
//! | offset | size | meaning |
//! |---|---|---|
//! | 0 | 8 | magic `PULSEDIT` or `PULSCHKP` |
//! | 8 | 4 | version = 1 |
//! | 12 | 4 | CRC32C of everything from byte 16 to the end |
//! | 16 | 8 | number of the edit (of the last edit in a checkpoint) |
//! | 24 | 8 | length of the JSON |
//! | 32 | – | JSON: the edit or the state |
//! | – | 4 | number of delete bitmaps |
//! | – | – | per bitmap: segment epoch u32, counter u32, length u32, roaring bitmap (portable format) |

use std::sync::Arc;

use pulsora_model::{Error, Result, SegmentId};
use roaring::RoaringBitmap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::edit::Bitmap;

const VERSION: u32 = 1;
const HEADER: usize = 32;

/// Which kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Edit,
    Checkpoint,
}

impl Kind {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Kind::Edit => b"PULSEDIT",
            Kind::Checkpoint => b"PULSCHKP",
        }
    }
}

/// The bytes of an edit or a checkpoint.
///
/// # Errors
/// `internal` when it cannot be written as JSON.
pub(crate) fn encode<'a, T: Serialize>(
    kind: Kind,
    number: u64,
    body: &T,
    bitmaps: impl ExactSizeIterator<Item = (SegmentId, &'a RoaringBitmap)>,
) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(body).map_err(|e| Error::internal(format!("manifest: {e}")))?;
    let mut out = Vec::with_capacity(HEADER + json.len() + 4);
    out.extend_from_slice(kind.magic());
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&(json.len() as u64).to_le_bytes());
    out.extend_from_slice(&json);
    out.extend_from_slice(&(bitmaps.len() as u32).to_le_bytes());
    for (segment, rows) in bitmaps {
        out.extend_from_slice(&segment.epoch.to_le_bytes());
        out.extend_from_slice(&segment.counter.to_le_bytes());
        out.extend_from_slice(&(rows.serialized_size() as u32).to_le_bytes());
        rows.serialize_into(&mut out)
            .map_err(|e| Error::internal(format!("delete bitmap: {e}")))?;
    }
    let crc = crc32c::crc32c(&out[16..]);
    out[12..16].copy_from_slice(&crc.to_le_bytes());
    Ok(out)
}

/// What `encode` wrote: body and bitmaps.
///
/// # Errors
/// `corrupt` when the bytes are not a valid file of this kind and number.
pub(crate) fn decode<T: DeserializeOwned>(
    kind: Kind,
    number: u64,
    bytes: &[u8],
) -> Result<(T, Vec<Bitmap>)> {
    let bad = |what: String| Error::corrupt(format!("manifest file {number}: {what}"));
    if bytes.len() < HEADER || &bytes[..8] != kind.magic() {
        return Err(bad("it does not begin with its magic".into()));
    }
    let mut rest = &bytes[8..];
    let version = take_u32(&mut rest).unwrap_or(0);
    if version != VERSION {
        return Err(bad(format!("version {version} is not known here")));
    }
    let crc = take_u32(&mut rest).unwrap_or(0);
    if crc32c::crc32c(rest) != crc {
        return Err(bad("its checksum does not match".into()));
    }
    let stored = take_u64(&mut rest).unwrap_or(0);
    if stored != number {
        return Err(bad(format!("it says it is number {stored}")));
    }
    let json_len = take_u64(&mut rest).unwrap_or(0) as usize;
    let json = rest.get(..json_len).ok_or_else(|| bad("it ends early".into()))?;
    let body = serde_json::from_slice(json).map_err(|e| bad(format!("its body: {e}")))?;
    let mut rest = &rest[json_len..];
    let bitmaps = decode_bitmaps(&mut rest).ok_or_else(|| bad("its delete bitmaps".into()))?;
    Ok((body, bitmaps))
}

fn decode_bitmaps(rest: &mut &[u8]) -> Option<Vec<Bitmap>> {
    let count = take_u32(rest)?;
    let mut bitmaps = Vec::new();
    for _ in 0..count {
        let segment = SegmentId { epoch: take_u32(rest)?, counter: take_u32(rest)? };
        let len = take_u32(rest)? as usize;
        let bytes = rest.get(..len)?;
        *rest = &rest[len..];
        let rows = Arc::new(RoaringBitmap::deserialize_from(bytes).ok()?);
        bitmaps.push(Bitmap { segment, rows });
    }
    Some(bitmaps)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u32::from_le_bytes(*head))
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u64::from_le_bytes(*head))
}
