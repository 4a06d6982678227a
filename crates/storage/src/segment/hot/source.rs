//! The bytes of an opened hot segment: mapped into memory, or read by ranges where the store cannot
//! map.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use pulsora_env::{File, read_exact_at};

/// Where the bytes of a segment are.
pub(crate) enum SegmentBytes {
    /// In memory, exactly those of the segment.
    Mapped(Bytes),
    /// In a file.
    Ranged {
        file: Arc<dyn File>,
        /// Where the segment starts.
        offset: u64,
        length: u64,
    },
}

impl SegmentBytes {
    /// Length of the segment.
    pub fn len(&self) -> u64 {
        match self {
            SegmentBytes::Mapped(bytes) => bytes.len() as u64,
            SegmentBytes::Ranged { length, .. } => *length,
        }
    }

    /// The bytes at `offset` of the segment.
    ///
    /// # Errors
    /// `UnexpectedEof` when they are not all inside; those of the file.
    pub fn read(&self, offset: u64, length: u64) -> io::Result<Cow<'_, [u8]>> {
        let end = offset.checked_add(length).filter(|end| *end <= self.len());
        if end.is_none() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{length} bytes at {offset} are beyond its end at {}", self.len()),
            ));
        }
        match self {
            SegmentBytes::Mapped(bytes) => {
                Ok(Cow::Borrowed(&bytes[offset as usize..(offset + length) as usize]))
            }
            SegmentBytes::Ranged { file, offset: start, .. } => {
                let mut bytes = vec![0; length as usize];
                read_exact_at(&**file, &mut bytes, start + offset)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }
}
