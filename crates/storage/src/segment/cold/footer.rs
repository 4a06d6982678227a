//! The bytes of a Parquet segment: ranged reads, its checksum on first touch, its footer.
//!
//! Invariants: nothing is decoded before the checksum of its piece has been verified; no read leaves
//! the segment's range of the object, whatever the bytes claim; damaged bytes are a `corrupt` error
//! that names the object, also where the Parquet library gives up by panicking.

use std::io::{self, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::reader::{ChunkReader, Length};
use pulsora_env::{File, read_exact_at};
use pulsora_model::Result;

use crate::segment::meta::PIECE_BYTES;
use crate::segment::open::Part;
use crate::segment::{SegmentFile, SegmentMeta};

/// A checksum reads this much at a time.
const CHECKSUM_BYTES: u64 = 1 << 20;

/// The pieces of a segment that have a checksum each, and which of them have been verified. Where the manifest has
/// none of pieces, the whole segment is one.
pub(in crate::segment) struct Pieces {
    meta: Arc<SegmentMeta>,
    /// Of each but the last, which may be shorter.
    piece_bytes: u64,
    verified: Vec<AtomicBool>,
}

impl Pieces {
    /// Those of a segment.
    pub fn of(meta: &Arc<SegmentMeta>) -> Pieces {
        let count = meta.length.div_ceil(PIECE_BYTES as u64);
        let known = count > 0 && meta.piece_crcs.len() as u64 == count;
        let (count, piece_bytes) =
            if known { (meta.piece_crcs.len(), PIECE_BYTES as u64) } else { (1, meta.length) };
        let verified = std::iter::repeat_with(AtomicBool::default).take(count).collect();
        Pieces { meta: Arc::clone(meta), piece_bytes: piece_bytes.max(1), verified }
    }

    fn crc(&self, piece: usize) -> u32 {
        match self.verified.len() {
            1 => self.meta.crc,
            _ => self.meta.piece_crcs[piece],
        }
    }

    /// Verifies the pieces that hold `length` bytes at `start`, each once.
    fn verify(&self, file: &dyn File, start: u64, length: u64) -> io::Result<()> {
        let last = start.saturating_add(length).min(self.meta.length).saturating_sub(1);
        for piece in start / self.piece_bytes..=last / self.piece_bytes {
            let Some(verified) = self.verified.get(piece as usize) else { break };
            if verified.load(Ordering::Acquire) {
                continue;
            }
            let from = piece * self.piece_bytes;
            let length = (self.meta.length - from).min(self.piece_bytes);
            let found = checksum(file, self.meta.offset + from, length)?;
            let expected = self.crc(piece as usize);
            if found != expected {
                let message = format!(
                    "the checksum of its bytes from {from} on is {found:08x}, {expected:08x} was written"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            verified.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// The CRC-32C of a range of a file.
fn checksum(file: &dyn File, offset: u64, length: u64) -> io::Result<u32> {
    let mut crc = 0;
    let mut buffer = vec![0; length.min(CHECKSUM_BYTES) as usize];
    let mut at = 0;
    while at < length {
        let count = (length - at).min(buffer.len() as u64) as usize;
        read_exact_at(file, &mut buffer[..count], offset + at)?;
        crc = crc32c::crc32c_append(crc, &buffer[..count]);
        at += count as u64;
    }
    Ok(crc)
}

/// The segment's range of its object.
#[derive(Clone)]
pub(super) struct Range {
    file: Arc<dyn File>,
    offset: u64,
    length: u64,
    pieces: Arc<Pieces>,
}

impl Range {
    fn verify(&self, start: u64, length: u64) -> io::Result<()> {
        self.pieces.verify(&*self.file, start, length)
    }
}

impl Length for Range {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Range {
    type T = BufReader<RangeCursor>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(RangeCursor { range: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.length);
        if end.is_none() {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start} are beyond the end at {}",
                self.length
            )));
        }
        self.verify(start, length as u64)?;
        let mut bytes = vec![0; length];
        read_exact_at(&*self.file, &mut bytes, self.offset + start)?;
        Ok(bytes.into())
    }
}

/// Reads a [`Range`] from a position on.
pub(super) struct RangeCursor {
    range: Range,
    at: u64,
}

impl Read for RangeCursor {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.range.length.saturating_sub(self.at);
        let count = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.range.verify(self.at, count as u64)?;
        let count = self.range.file.read_at(&mut buf[..count], self.range.offset + self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl SegmentFile {
    /// Opens the segment's range of its object.
    pub(super) fn range(&self) -> Result<Range> {
        let file = self.object.open()?;
        let (offset, length) = (self.meta.offset, self.meta.length);
        Ok(Range { file, offset, length, pieces: Arc::clone(&self.pieces) })
    }

    /// Verifies the checksum of the whole segment.
    ///
    /// # Errors
    /// `corrupt` when it is damaged or missing, `io_error`.
    pub fn verify_parquet(&self) -> Result<()> {
        let range = self.range()?;
        let crc = checksum(&*range.file, range.offset, range.length);
        let crc = crc.map_err(|error| self.object.read_error(error))?;
        if crc == self.meta.crc {
            return Ok(());
        }
        let expected = self.meta.crc;
        Err(self.corrupt(&format!("its checksum is {crc:08x}, {expected:08x} was written")))
    }

    /// Footer and page indexes.
    pub(super) fn footer(&self, range: &Range) -> Result<ArrowReaderMetadata> {
        let footer = self.footer.get(&self.access.open, || {
            let options =
                ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
            let footer = self.guard(|| ArrowReaderMetadata::load(range, options))?;
            self.check_rows(&footer)?;
            let bytes = footer.metadata().memory_size();
            Ok(Part::new(footer, bytes))
        });
        footer.map(|footer| ArrowReaderMetadata::clone(&footer))
    }

    fn check_rows(&self, footer: &ArrowReaderMetadata) -> Result<()> {
        let groups = footer.metadata().row_groups();
        let rows = groups
            .iter()
            .try_fold(0u64, |rows, group| rows.checked_add(u64::try_from(group.num_rows()).ok()?));
        if rows == Some(self.meta.rows) {
            return Ok(());
        }
        Err(self.corrupt(&format!("it does not hold {} rows", self.meta.rows)))
    }

    /// Runs Parquet code over bytes that may be damaged. The library answers some of them with a
    /// panic (an index out of bounds, an assertion); like its errors it becomes `corrupt`.
    pub(super) fn guard<T>(&self, run: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
        // Whatever `run` has touched is dropped by the caller after an error.
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(ParquetError::External(source))) => match source.downcast::<io::Error>() {
                Ok(error) if error.kind() == io::ErrorKind::InvalidData => {
                    Err(self.corrupt(&error.to_string()))
                }
                Ok(error) => Err(self.object.read_error(*error)),
                Err(source) => Err(self.corrupt(&source.to_string())),
            },
            Ok(Err(error)) => Err(self.corrupt(&error.to_string())),
            Err(_) => Err(self.corrupt("the decoder gave up on its bytes")),
        }
    }
}
