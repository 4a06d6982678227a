//! A file as pieces: text that is cut while it is read, or batches of the row groups of a Parquet file.
//!
//! Invariant: memory is bounded by pieces, whatever the size of the file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use indicatif::ProgressBar;
use pulsora_model::{Code, Error, Result};
use pulsora_wire::parquet_file::{Batches, ParquetFile};

use super::args::ImportArgs;
use super::format::Format;
use super::pieces::{Cutter, Piece};
use super::source::Source;

/// Bytes of a piece: small enough for a server with little memory, large enough that its answer does
/// not matter beside its work.
const PIECE_BYTES: usize = 8 << 20;

/// Bytes that tell a format.
const HEAD_BYTES: usize = 4 << 10;

/// Name of a column that holds row ids without being named.
const ID: &str = "id";

/// A file that is being read.
pub(super) struct Feed {
    /// What its pieces are.
    pub format: Format,
    /// Whether its rows may be replaced by later ones of the same file, as far as its columns tell.
    pub has_ids: bool,
    /// Position of the bar at the start of the file, and the file's size where it has one, bytes.
    before: u64,
    size: u64,
    bar: ProgressBar,
    from: From,
}

enum From {
    Text { source: Box<Source>, buffer: Vec<u8>, cutter: Cutter, done: bool },
    Parquet { groups: Arc<Groups>, present: Option<Group> },
}

/// A Parquet file, and which of its row groups nobody reads yet.
struct Groups {
    path: PathBuf,
    file: ParquetFile,
    next: AtomicUsize,
}

/// A row group that is being read.
struct Group {
    batches: Batches,
    /// Rows of the file before the next batch.
    row: u64,
}

impl Feed {
    /// Opens a file; `bar` stands at `before` then.
    ///
    /// # Errors
    /// `io_error`; `unsupported_format`; of a Parquet file `malformed_body`, and `type_conflict` with all
    /// columns that tables cannot have.
    pub fn open(args: &ImportArgs, path: &Path, bar: &ProgressBar, before: u64) -> Result<Feed> {
        let mut source = Source::open(path)?;
        let mut buffer = Vec::new();
        source.fill(&mut buffer, HEAD_BYTES, |_| {})?;
        let format = Format::decide(args.format, path, &buffer)?;
        let size = Source::size(path).unwrap_or(0);
        let feed =
            |format, has_ids, from| Feed { format, has_ids, before, size, bar: bar.clone(), from };
        if format == Format::Parquet {
            let groups = Groups::open(path, args.tags(), &source)?;
            let has_ids = groups.file.schema().fields().iter().any(|field| is_id(field.name()));
            let from = From::Parquet { groups: Arc::new(groups), present: None };
            return Ok(feed(Format::Arrow, has_ids, from));
        }
        let delimiter = args.delimiter(format)?;
        let header = buffer.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
        let names = header.unwrap_or_default().split(|byte| *byte == delimiter);
        let has_ids = names.filter_map(|name| std::str::from_utf8(name).ok()).any(is_id);
        let cutter = Cutter::new(format.cut(delimiter, &buffer));
        Ok(feed(
            format,
            has_ids,
            From::Text { source: Box::new(source), buffer, cutter, done: false },
        ))
    }

    /// Another feed of the same file, which takes pieces that the others leave; `None` where there is
    /// one place to read from.
    pub fn another(&self) -> Option<Feed> {
        let From::Parquet { groups, .. } = &self.from else { return None };
        let from = From::Parquet { groups: Arc::clone(groups), present: None };
        Some(Feed { from, bar: self.bar.clone(), ..*self })
    }

    /// The next piece.
    ///
    /// # Errors
    /// `io_error`, `malformed_body`.
    pub fn next(&mut self) -> Result<Option<Piece>> {
        let (bar, before, size) = (&self.bar, self.before, self.size);
        match &mut self.from {
            From::Text { done: true, .. } => Ok(None),
            From::Text { source, buffer, cutter, done } => {
                let target = if cutter.wants_all() { usize::MAX } else { PIECE_BYTES };
                source.fill(buffer, target, |read| bar.set_position(before + read))?;
                let piece = cutter.cut(buffer, source.ended())?;
                *done = piece.is_none() || source.ended() && buffer.is_empty();
                Ok(piece)
            }
            From::Parquet { groups, present } => loop {
                if let Some(group) = present
                    && let Some(batch) = group.batches.next()
                {
                    let (batch, row) = (batch?, group.row);
                    group.row += batch.num_rows() as u64;
                    bar.inc(groups.share(&batch, size));
                    return Ok(Some(Piece::of_rows(stream(&batch)?, row)));
                }
                *present = groups.next()?;
                if present.is_none() {
                    return Ok(None);
                }
            },
        }
    }

    /// Bytes of the file, as far as it has been read or as it is.
    pub fn size(&self) -> u64 {
        match &self.from {
            From::Text { source, .. } => source.bytes_read,
            From::Parquet { .. } => self.size,
        }
    }
}

impl Groups {
    fn open(path: &Path, tags: &[String], source: &Source) -> Result<Groups> {
        if Source::size(path).is_none() || source.is_packed() {
            return Err(Error::new(
                Code::UnsupportedFormat,
                "Parquet is read from its end: it can neither come through a pipe nor be packed again",
            )
            .hint("save it as a file, unpacked, and name that"));
        }
        let input = File::open(path).map_err(|error| Error::io("open", error))?;
        let file = ParquetFile::open(&input, tags)?;
        Ok(Groups { path: path.to_owned(), file, next: AtomicUsize::new(0) })
    }

    /// The next row group, with an input of its own: handles of one file share their position.
    fn next(&self) -> Result<Option<Group>> {
        let group = self.next.fetch_add(1, Ordering::Relaxed);
        if group >= self.file.groups() {
            return Ok(None);
        }
        let input = File::open(&self.path).map_err(|error| Error::io("open", error))?;
        let batches = self.file.batches(input, Some(group))?;
        Ok(Some(Group { batches, row: self.file.rows_before(group) }))
    }

    /// The part of the file's bytes that a batch stands for.
    fn share(&self, batch: &RecordBatch, size: u64) -> u64 {
        (size as f64 * batch.num_rows() as f64 / self.file.rows().max(1) as f64) as u64
    }
}

/// A batch as an Arrow IPC stream.
fn stream(batch: &RecordBatch) -> Result<Vec<u8>> {
    let failed =
        |error| Error::internal(format!("a batch cannot be written as an Arrow stream: {error}"));
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).map_err(failed)?;
    writer.write(batch).map_err(failed)?;
    writer.into_inner().map_err(failed)
}

fn is_id(name: &str) -> bool {
    name.trim().trim_matches('"').eq_ignore_ascii_case(ID)
}
