//! An opened hot segment: its columns, series, rows and decoded vectors.
//!
//! Opening reads header, tail, footer, series set and first rows. A chunk is read when one of its
//! vectors is first asked for, and its checksum verified then; a bit per chunk remembers that.
//! Vectors of fast codecs are decoded straight from the mapped bytes into the caller's buffer; those
//! of slow ones, and the bytes of chunks that are not mapped, go through the cache.

use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use pulsora_codec::{Codec, CodecId, DecodeError, Sink, Speed, VECTOR_VALUES};
use pulsora_env::Advice;
use pulsora_model::{Column, ColumnId, ColumnKind, ColumnType, Error, Name, Result, SegmentId};

use super::cache::{CacheKey, CachePart};
use super::format::{ChunkEntry, Footer, Header, Part, check_crc};
use super::hours::{HourDirectory, Hours};
use super::opening::Opening;
use super::series_set::SeriesSet;
use super::source::SegmentBytes;
use super::summary::Summary;
use crate::segment::SegmentAccess;
use crate::segment::meta::SegmentMeta;
use crate::segment::object::{corrupt_object, read_error};
use crate::segment::open::Opened;

/// A hot segment that can be read.
pub(crate) struct HotSegment {
    /// Name of its object, for messages.
    object: String,
    bytes: SegmentBytes,
    pub(super) access: Arc<SegmentAccess>,
    header: Header,
    pub(super) footer: Footer,
    columns: Vec<HotColumn>,
    /// The codecs in use, ascending by id.
    codecs: Vec<(CodecId, Arc<dyn Codec>)>,
    series: Arc<SeriesSet>,
    /// First row of each series, and the number of rows.
    row_starts: Vec<u32>,
    /// One bit per chunk: its checksum has been verified.
    verified: Vec<AtomicU64>,
    pub(super) hours: OnceLock<Option<(HourDirectory, Hours)>>,
    /// It was asked for since somebody last looked.
    used: AtomicBool,
}

/// A column that is stored by row: time, row id or field.
#[derive(Clone, Debug)]
pub(crate) struct HotColumn {
    pub id: ColumnId,
    pub kind: ColumnKind,
    /// The type in which it is stored, which may be narrower than the schema's by now.
    pub ty: ColumnType,
    pub name: String,
    /// Its place in a block.
    position: usize,
}

/// What is known of one column of one block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BlockStatistics {
    pub rows: u32,
    /// Rows without a value.
    pub nulls: u32,
    /// Numbers and times with at least one value.
    pub summary: Option<Summary>,
}

/// Earliest and latest time of each series.
pub(crate) struct SeriesTimes {
    pub first: Vec<i64>,
    pub last: Vec<i64>,
}

/// The bytes of a chunk.
enum ChunkBytes<'a> {
    Mapped(&'a [u8]),
    Kept(Arc<Vec<u8>>),
}

impl Deref for ChunkBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            ChunkBytes::Mapped(bytes) => bytes,
            ChunkBytes::Kept(bytes) => bytes,
        }
    }
}

impl Opened for HotSegment {
    fn used(&self) -> &AtomicBool {
        &self.used
    }

    fn own_bytes(&self) -> usize {
        let entries = self.footer.chunks.len() * size_of::<ChunkEntry>();
        self.row_starts.len() * size_of::<u32>()
            + entries
            + self.footer.hour_directory.length as usize
    }

    /// Its series: the same place is the same series.
    fn shared(&self) -> Option<(usize, usize)> {
        Some((Arc::as_ptr(&self.series) as usize, self.series.size_bytes()))
    }
}

impl HotSegment {
    /// Opens the segment that `bytes` hold; `object` names them in messages. What the manifest says,
    /// if it says anything, must be true of it.
    ///
    /// # Errors
    /// `corrupt` when the bytes are damaged, `unsupported_format` when a codec is not registered,
    /// `io_error`.
    pub fn open(
        object: &str,
        bytes: SegmentBytes,
        access: &Arc<SegmentAccess>,
        expected: Option<&SegmentMeta>,
    ) -> Result<HotSegment> {
        if let SegmentBytes::Mapped(mapped) = &bytes {
            // What is needed is asked for chunk by chunk.
            access.store.advise(mapped, Advice::Random);
        }
        let opening = Opening { object, bytes: &bytes };
        let (header, footer) = opening.footer()?;
        opening.check(&header, &footer, expected)?;
        let codecs = opening.codecs(&footer, access)?;
        let (series, row_starts) = opening.series(&footer, access)?;
        let stored = footer.stored().enumerate();
        let columns = stored.map(|(position, column)| HotColumn {
            id: column.id,
            kind: column.kind,
            ty: column.ty,
            name: column.name.clone(),
            position,
        });
        let columns = columns.collect();
        let verified = (0..footer.chunks.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(HotSegment {
            object: object.to_owned(),
            bytes,
            access: Arc::clone(access),
            header,
            footer,
            columns,
            codecs,
            series,
            row_starts,
            verified,
            hours: OnceLock::new(),
            used: AtomicBool::new(false),
        })
    }

    /// Which segment of which table it is, and its bounds of time.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its id.
    pub fn id(&self) -> SegmentId {
        self.header.segment
    }

    /// Tags of its series, in key order; the same `Arc` for the same series.
    pub fn series(&self) -> &Arc<SeriesSet> {
        &self.series
    }

    /// First row of each series, and the number of rows.
    pub fn row_starts(&self) -> &[u32] {
        &self.row_starts
    }

    /// The rows of a series.
    pub fn rows_of(&self, series: u32) -> Range<u32> {
        self.row_starts[series as usize]..self.row_starts[series as usize + 1]
    }

    /// The series of a row.
    pub fn series_of(&self, row: u32) -> u32 {
        self.row_starts.partition_point(|start| *start <= row) as u32 - 1
    }

    /// Rows, deleted ones included.
    pub fn rows(&self) -> u32 {
        self.footer.rows
    }

    /// Rows of every block but the last.
    pub fn block_rows(&self) -> u32 {
        self.footer.block_rows
    }

    /// Blocks.
    pub fn blocks(&self) -> usize {
        self.footer.blocks()
    }

    /// The columns that are stored by row; tags are in [`HotSegment::series`].
    pub fn columns(&self) -> &[HotColumn] {
        &self.columns
    }

    /// One of them.
    pub fn column(&self, id: ColumnId) -> Option<&HotColumn> {
        self.columns.iter().find(|column| column.id == id)
    }

    /// The time column.
    pub fn time(&self) -> &HotColumn {
        // The footer was refused if it has none.
        self.columns.iter().find(|c| c.kind == ColumnKind::Time).unwrap_or(&self.columns[0])
    }

    /// What is known of a column of a block.
    pub fn statistics(&self, column: &HotColumn, block: usize) -> BlockStatistics {
        let chunk = self.chunk_entry(column, block);
        let rows = self.footer.rows_of_block(block) as u32;
        BlockStatistics { rows, nulls: chunk.nulls, summary: chunk.summary }
    }

    /// Every column, tags included, with the type in which it is stored.
    ///
    /// # Errors
    /// `corrupt` when a name cannot be one.
    pub fn all_columns(&self) -> Result<Vec<Column>> {
        let columns = self.footer.columns.iter().map(|column| {
            let name = Name::new(&column.name).map_err(|_| self.corrupt("a column has no name"))?;
            Ok(Column { id: column.id, name, kind: column.kind, ty: column.ty })
        });
        columns.collect()
    }

    /// How a column of a block is stored: bytes, and the name of the codec of its values if there are
    /// any.
    pub fn storage(&self, column: &HotColumn, block: usize) -> (u64, Option<&str>) {
        let chunk = self.chunk_entry(column, block);
        let bytes = u64::from(chunk.validity_length) + u64::from(chunk.values_length);
        let codec = self.footer.codecs.iter().find(|codec| codec.id == chunk.values_codec);
        (bytes, codec.filter(|_| chunk.values_length > 0).map(|codec| codec.name.as_str()))
    }

    /// Appends a vector of an integer or time column; u64 as the same bits. Rows without a value hold
    /// any.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn integers(&self, column: &HotColumn, vector: usize, out: &mut Vec<i64>) -> Result<()> {
        let place = self.place(column, vector);
        if place.empty {
            out.resize(out.len() + place.count, 0);
            return Ok(());
        }
        if place.codec(self)?.speed() == Speed::Hot {
            return self.decode(&place, Sink::Integers(out));
        }
        let kept = self.kept(&place, 8, |values: &mut Vec<i64>| Sink::Integers(values))?;
        out.extend_from_slice(&kept);
        Ok(())
    }

    /// Appends a vector of a float column. Rows without a value hold any.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn floats(&self, column: &HotColumn, vector: usize, out: &mut Vec<f64>) -> Result<()> {
        let place = self.place(column, vector);
        if place.empty {
            out.resize(out.len() + place.count, 0.0);
            return Ok(());
        }
        if place.codec(self)?.speed() == Speed::Hot {
            return self.decode(&place, Sink::Floats(out));
        }
        let kept = self.kept(&place, 8, |values: &mut Vec<f64>| Sink::Floats(values))?;
        out.extend_from_slice(&kept);
        Ok(())
    }

    /// Appends a vector of a boolean column. Rows without a value hold any.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn booleans(&self, column: &HotColumn, vector: usize, out: &mut Vec<bool>) -> Result<()> {
        let place = self.place(column, vector);
        if place.empty {
            out.resize(out.len() + place.count, false);
            return Ok(());
        }
        self.decode(&place, Sink::Booleans(out))
    }

    /// Appends a vector of a text column: an end for each string, and their bytes; `offsets` starts
    /// with 0. Rows without a value are empty.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn text(
        &self,
        column: &HotColumn,
        vector: usize,
        offsets: &mut Vec<u32>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        let place = self.place(column, vector);
        if place.empty {
            let end = offsets.last().copied().unwrap_or(0);
            offsets.resize(offsets.len() + place.count, end);
            return Ok(());
        }
        if place.codec(self)?.speed() == Speed::Hot {
            return self.decode(&place, Sink::Text { offsets, bytes });
        }
        let key = self.vector_key(&place);
        let kept = self.access.cache.find_or_insert(key, || {
            let (mut ends, mut text) = (vec![0u32], Vec::new());
            self.decode(&place, Sink::Text { offsets: &mut ends, bytes: &mut text })?;
            let size = ends.len() * 4 + text.len();
            Ok::<_, Error>(((ends, text), size))
        })?;
        let (ends, text) = &*kept;
        let base = bytes.len() as u32;
        offsets.extend(ends[1..].iter().map(|end| base + end));
        bytes.extend_from_slice(text);
        Ok(())
    }

    /// Appends the times of a vector.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn times(&self, vector: usize, out: &mut Vec<i64>) -> Result<()> {
        self.integers(self.time(), vector, out)
    }

    /// Appends for each row of a vector whether it has a value; appends nothing and gives `false` when
    /// all have.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn validity(&self, column: &HotColumn, vector: usize, out: &mut Vec<bool>) -> Result<bool> {
        let place = self.place(column, vector);
        if place.chunk.nulls == 0 {
            return Ok(false);
        }
        if place.empty {
            out.resize(out.len() + place.count, false);
            return Ok(true);
        }
        let before = out.len();
        let bytes = self.chunk(&place)?;
        let bytes = &bytes[..place.chunk.validity_length as usize];
        let codec = self.codec(place.chunk.validity_codec)?;
        codec
            .decode_vector(bytes, place.block_rows, place.vector_in_block, Sink::Booleans(out))
            .map_err(|error| self.undecodable(&place, error))?;
        self.check_count(&place, out.len() - before)?;
        Ok(true)
    }

    /// Whether every row of a vector's block has a value.
    pub fn is_full(&self, column: &HotColumn, vector: usize) -> bool {
        self.place(column, vector).chunk.nulls == 0
    }

    /// Earliest and latest time of each series.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn series_times(&self) -> Result<Arc<SeriesTimes>> {
        let key = CacheKey { segment: self.id(), part: CachePart::SeriesTimes };
        self.access.cache.find_or_insert(key, || {
            let [_, first, last] = self.parse_directory()?;
            let size = (first.len() + last.len()) * 8;
            Ok((SeriesTimes { first, last }, size))
        })
    }

    fn parse_directory(&self) -> Result<[Vec<i64>; 3]> {
        let opening = Opening { object: &self.object, bytes: &self.bytes };
        opening.directory(&self.footer, &self.access)
    }

    /// Length of the segment, bytes.
    pub fn length(&self) -> u64 {
        self.bytes.len()
    }

    pub(super) fn read(&self, offset: u64, length: u64) -> Result<std::borrow::Cow<'_, [u8]>> {
        Opening { object: &self.object, bytes: &self.bytes }.read(offset, length)
    }

    /// A checked part of the segment.
    pub(super) fn part(&self, part: Part, what: &str) -> Result<std::borrow::Cow<'_, [u8]>> {
        Opening { object: &self.object, bytes: &self.bytes }.part(part, what)
    }

    fn chunk_entry(&self, column: &HotColumn, block: usize) -> &ChunkEntry {
        &self.footer.chunks[block * self.columns.len() + column.position]
    }

    fn place<'a>(&'a self, column: &'a HotColumn, vector: usize) -> Place<'a> {
        let vectors = self.footer.block_rows as usize / VECTOR_VALUES;
        let (block, vector_in_block) = (vector / vectors, vector % vectors);
        let block_rows = self.footer.rows_of_block(block);
        let chunk = self.chunk_entry(column, block);
        let empty = chunk.nulls as usize == block_rows;
        let count = (block_rows - vector_in_block * VECTOR_VALUES).min(VECTOR_VALUES);
        Place { column, chunk, block, vector, vector_in_block, block_rows, count, empty }
    }

    fn codec(&self, id: CodecId) -> Result<&Arc<dyn Codec>> {
        match self.codecs.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => Ok(&self.codecs[at].1),
            Err(_) => Err(self.corrupt(&format!("codec {:#06x} is not in its list", id.0))),
        }
    }

    /// The bytes of a chunk, verified.
    fn chunk(&self, place: &Place<'_>) -> Result<ChunkBytes<'_>> {
        let chunk = place.chunk;
        if let SegmentBytes::Mapped(bytes) = &self.bytes {
            // The footer was refused if a chunk is not inside.
            let start = chunk.offset as usize;
            let bytes = &bytes[start..start + chunk.length() as usize];
            let number = place.block * self.columns.len() + place.column.position;
            let (word, bit) = (&self.verified[number / 64], 1u64 << (number % 64));
            // Whoever sees the bit may skip the check: the bytes never change.
            if word.load(Ordering::Relaxed) & bit == 0 {
                // The check reads all of it now, whatever is decoded later.
                self.access.store.advise(bytes, Advice::WillNeed);
                self.verify_chunk(place, bytes)?;
                word.fetch_or(bit, Ordering::Relaxed);
            }
            return Ok(ChunkBytes::Mapped(bytes));
        }
        let part = CachePart::Chunk { column: place.column.id, block: place.block as u32 };
        let key = CacheKey { segment: self.id(), part };
        let kept = self.access.cache.find_or_insert(key, || {
            let bytes = self.bytes.read(chunk.offset, chunk.length());
            let bytes = bytes.map_err(|error| read_error(&self.object, error))?.into_owned();
            self.verify_chunk(place, &bytes)?;
            let size = bytes.len();
            Ok::<_, Error>((bytes, size))
        })?;
        Ok(ChunkBytes::Kept(kept))
    }

    fn verify_chunk(&self, place: &Place<'_>, bytes: &[u8]) -> Result<()> {
        let what = format!("block {} of column {:?}", place.block, place.column.name);
        check_crc(bytes, place.chunk.crc, &what).map_err(|damage| self.corrupt(&damage.0))
    }

    fn decode(&self, place: &Place<'_>, mut sink: Sink<'_>) -> Result<()> {
        let before = sink_len(&sink);
        let bytes = self.chunk(place)?;
        let bytes = &bytes[place.chunk.validity_length as usize..];
        place
            .codec(self)?
            .decode_vector(bytes, place.block_rows, place.vector_in_block, sink.reborrow())
            .map_err(|error| self.undecodable(place, error))?;
        self.check_count(place, sink_len(&sink) - before)
    }

    /// A vector of a slow codec, from the cache or for it.
    fn kept<T: Send + Sync + 'static>(
        &self,
        place: &Place<'_>,
        value_bytes: usize,
        sink: impl FnOnce(&mut Vec<T>) -> Sink<'_>,
    ) -> Result<Arc<Vec<T>>> {
        self.access.cache.find_or_insert(self.vector_key(place), || {
            let mut values = Vec::with_capacity(place.count);
            self.decode(place, sink(&mut values))?;
            Ok((values, place.count * value_bytes))
        })
    }

    fn vector_key(&self, place: &Place<'_>) -> CacheKey {
        let part = CachePart::Vector { column: place.column.id, vector: place.vector as u32 };
        CacheKey { segment: self.id(), part }
    }

    /// A codec of a user may give another number of values than it was asked for.
    fn check_count(&self, place: &Place<'_>, count: usize) -> Result<()> {
        if count == place.count {
            return Ok(());
        }
        let name = &place.column.name;
        let message = format!("column {name:?}: {count} values instead of {}", place.count);
        Err(self.corrupt(&message))
    }

    fn undecodable(&self, place: &Place<'_>, error: DecodeError) -> Error {
        self.corrupt(&format!("column {:?}, block {}: {error}", place.column.name, place.block))
    }

    /// `corrupt`, naming the object.
    pub(super) fn corrupt(&self, what: &str) -> Error {
        corrupt_object(&self.object, what)
    }
}

/// Where a vector is.
struct Place<'a> {
    column: &'a HotColumn,
    chunk: &'a ChunkEntry,
    block: usize,
    vector: usize,
    vector_in_block: usize,
    block_rows: usize,
    /// Rows of the vector.
    count: usize,
    /// No row of the block has a value.
    empty: bool,
}

impl Place<'_> {
    fn codec<'a>(&self, segment: &'a HotSegment) -> Result<&'a Arc<dyn Codec>> {
        segment.codec(self.chunk.values_codec)
    }
}

fn sink_len(sink: &Sink<'_>) -> usize {
    match sink {
        Sink::Integers(values) => values.len(),
        Sink::Floats(values) => values.len(),
        Sink::Booleans(values) => values.len(),
        Sink::Text { offsets, .. } => offsets.len(),
    }
}
