//! Sorted rows of one partition → the bytes of a hot segment and what the manifest says of it.
//!
//! Not responsible for order, folding or the split into partitions: rows come sorted by (tags, time),
//! without duplicated row ids, inside one window. Nor for where the bytes go ([`super::place`]).
//!
//! Invariant: memory holds the encoded blocks, one block of values, and nothing else that grows with
//! the rows but their ids, series and hours.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::datatypes::UInt64Type;
use pulsora_codec::{Choice, CodecId, Codecs, Level};
use pulsora_model::partition::HOUR_NS;
use pulsora_model::{Column, ColumnId, ColumnKind, ColumnType, Error, Result};

use super::columns::{BlockColumn, stored_type};
use super::format::{
    BLOCK_ROWS, ChunkEntry, CodecEntry, ColumnEntry, Footer, HEADER_BYTES, Header, Part, Tail,
    align,
};
use super::hours::{HourBuilder, Piece};
use super::keyed::KeyedRows;
use super::place::HotDraft;
use super::series_builder::SeriesBuilder;
use super::summary::Summary;
use crate::segment::draft::SegmentDraft;
use crate::segment::ids;
use crate::segment::meta::{IdIndexMeta, IntBounds, SegmentFormat, SegmentMeta};
use crate::segment::stored::{is_stored, stored};

/// Text of one block beyond this cannot be given as one Arrow array.
const BLOCK_TEXT_BYTES_MAX: usize = i32::MAX as usize;

/// How a segment is encoded.
#[derive(Clone)]
pub(crate) struct HotOptions {
    /// The codecs to choose from.
    pub codecs: Arc<Codecs>,
    /// The rule by which they are chosen.
    pub level: Level,
    /// A codec that the table's owner wants.
    pub forced: Option<String>,
    /// Rows of a block: a multiple of 1,024 up to 65,536.
    pub block_rows: usize,
}

impl Default for HotOptions {
    fn default() -> HotOptions {
        HotOptions {
            codecs: Arc::new(Codecs::builtin().clone()),
            level: Level::Hot,
            forced: None,
            block_rows: BLOCK_ROWS,
        }
    }
}

/// A hot segment that is being written, in memory.
pub(crate) struct HotWriter<'a> {
    draft: SegmentDraft<'a>,
    options: HotOptions,
    /// The columns that are stored by row, in the table's order.
    columns: Vec<&'a Column>,
    time: usize,
    /// The values of the block that is being filled, one for each column.
    block: Vec<BlockColumn>,
    rows_in_block: usize,
    rows: u32,
    series: SeriesBuilder,
    hours: HourBuilder,
    ids: Vec<u64>,
    chunks: Vec<ChunkEntry>,
    bytes: Vec<u8>,
}

impl<'a> HotWriter<'a> {
    /// Starts a segment.
    pub fn new(draft: SegmentDraft<'a>, options: HotOptions) -> HotWriter<'a> {
        let by_row = |column: &&Column| is_stored(column) && column.kind != ColumnKind::Tag;
        let columns: Vec<&Column> = draft.schema.columns.iter().filter(by_row).collect();
        let fields = columns.iter().filter(|column| column.kind == ColumnKind::Field);
        HotWriter {
            time: columns.iter().position(|c| c.kind == ColumnKind::Time).unwrap_or_default(),
            block: columns.iter().map(|column| BlockColumn::new(stored_type(column))).collect(),
            rows_in_block: 0,
            rows: 0,
            series: SeriesBuilder::new(draft.schema.tags().map(|tag| tag.id)),
            hours: HourBuilder::new(fields.map(|column| (column.id, stored_type(column)))),
            ids: Vec::new(),
            chunks: Vec::new(),
            bytes: vec![0; HEADER_BYTES],
            draft,
            options,
            columns,
        }
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        u64::from(self.rows)
    }

    /// Bytes of memory, about; what is encoded is the largest part.
    pub fn size_bytes(&self) -> usize {
        let block: usize = self.block.iter().map(BlockColumn::size_bytes).sum();
        let others = self.series.size_bytes() + self.hours.size_bytes() + self.ids.len() * 8;
        self.bytes.len() + block + others
    }

    /// Adds rows that follow all earlier ones in (tags, time) order. Columns are found by name; tags
    /// may be plain text, and a column that is absent is null.
    ///
    /// # Errors
    /// `internal` when a column cannot be stored in the table's type, when rows are out of order, or
    /// when there are too many.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut rest = batch.clone();
        while rest.num_rows() > 0 {
            let room = self.options.block_rows - self.rows_in_block;
            let taken = rest.num_rows().min(room);
            self.append(&rest.slice(0, taken))?;
            rest = rest.slice(taken, rest.num_rows() - taken);
            if self.rows_in_block == self.options.block_rows {
                self.flush_block()?;
            }
        }
        Ok(())
    }

    /// Adds all rows of an empty segment.
    ///
    /// # Errors
    /// As [`HotWriter::write`].
    pub fn write_keyed(&mut self, keyed: &KeyedRows<'_>) -> Result<()> {
        if self.rows > 0 || keyed.places.len() >= u32::MAX as usize {
            return Err(self.failed("rows in key order are all of its rows, and below 2^32"));
        }
        let mut runs = keyed.runs.iter().peekable();
        let mut start = 0;
        while start < keyed.places.len() {
            let end = keyed.places.len().min(start + self.options.block_rows);
            while let Some((series, first)) = runs.next_if(|run| (run.1 as usize) < end) {
                self.series.begin(*first, |tag| (keyed.tag)(*series, tag));
            }
            self.gather(keyed, start..end)?;
            self.rows = end as u32;
            self.rows_in_block = end - start;
            self.flush_block()?;
            start = end;
        }
        Ok(())
    }

    /// Fills the columns of the block.
    fn gather(&mut self, keyed: &KeyedRows<'_>, rows: Range<usize>) -> Result<()> {
        let places = &keyed.places[rows.clone()];
        for (column, block) in self.columns.iter().zip(&mut self.block) {
            match keyed.columns.get(&column.id) {
                _ if column.kind == ColumnKind::Time => {
                    block.append_times(&keyed.times[rows.clone()])
                }
                Some(paged) => block.gather(paged, &paged.folded(places, rows.start, keyed.older)),
                None => block.append(&new_null_array(&column.arrow_type(), places.len())),
            }
            if column.kind == ColumnKind::Id {
                self.ids.extend(block.integers().iter().map(|id| *id as u64));
            }
            check_text(&self.draft, column, block)?;
        }
        Ok(())
    }

    fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        let count = batch.num_rows();
        // One less than u32::MAX, so that the end of the rows is a row number as well.
        let rows = self.rows.checked_add(count as u32).filter(|rows| *rows < u32::MAX);
        let rows = rows.ok_or_else(|| self.failed("more than 2^32 rows"))?;
        let tags = self.draft.schema.tags().map(|tag| stored(batch, tag));
        let tags = tags.collect::<Result<Vec<ArrayRef>>>()?;
        self.series.add(self.rows, count, &tags);
        for (column, block) in self.columns.iter().zip(&mut self.block) {
            let values = stored(batch, column)?;
            if column.kind == ColumnKind::Id {
                self.ids.extend_from_slice(values.as_primitive::<UInt64Type>().values());
            }
            block.append(&values);
            check_text(&self.draft, column, block)?;
        }
        self.rows = rows;
        self.rows_in_block += count;
        Ok(())
    }

    fn flush_block(&mut self) -> Result<()> {
        if self.rows_in_block == 0 {
            return Ok(());
        }
        let start = self.rows - self.rows_in_block as u32;
        let pieces = self.pieces(start)?;
        let fields = self.columns.iter().zip(&self.block);
        let fields = fields.filter(|(column, _)| column.kind == ColumnKind::Field);
        let fields: Vec<&BlockColumn> = fields.map(|(_, block)| block).collect();
        self.hours.add(start, &pieces, &fields);
        let HotOptions { codecs, level, forced, .. } = &self.options;
        for (column, block) in self.columns.iter().zip(&mut self.block) {
            let forced = forced.as_deref().filter(|_| column.kind != ColumnKind::Id);
            let choice = Choice { level: *level, forced };
            self.chunks.push(block.encode(codecs, choice, &mut self.bytes));
        }
        self.rows_in_block = 0;
        Ok(())
    }

    /// The rows of the block by series and hour; notes the times of the series.
    fn pieces(&mut self, start: u32) -> Result<Vec<Piece>> {
        let times = self.block[self.time].integers();
        let mut pieces = Vec::new();
        for (series, rows) in self.series.rows_between(start, start + times.len() as u32) {
            let rows = (rows.start - start) as usize..(rows.end - start) as usize;
            let own = &times[rows.clone()];
            if !own.is_sorted() || !self.series.note_times(series, own) {
                return Err(self.failed("its rows are not in time order"));
            }
            let mut at = rows.start;
            while at < rows.end {
                let hour = times[at].div_euclid(HOUR_NS);
                let end = hour.checked_add(1).and_then(|next| next.checked_mul(HOUR_NS));
                let inside = end.map_or(rows.end - at, |end| {
                    times[at..rows.end].partition_point(|time| *time < end)
                });
                pieces.push(Piece { series, hour, rows: at..at + inside });
                at += inside;
            }
        }
        Ok(pieces)
    }

    /// The segment; `None` without rows.
    ///
    /// # Errors
    /// `internal` when rows were out of order.
    pub fn finish(mut self) -> Result<Option<HotDraft>> {
        if self.rows == 0 {
            return Ok(None);
        }
        self.flush_block()?;
        let codecs = Arc::clone(&self.options.codecs);
        let (min_key, max_key) = self.series.key_range();
        let (min_time_ns, max_time_ns) = self.series.time_range();
        let sorted = self.series.finish();
        let Some(sorted) = sorted else { return Err(self.failed("its rows are not in tag order")) };
        let mut out = std::mem::take(&mut self.bytes);
        let series_set = part(&mut out, |out| sorted.encode_set(&codecs, out));
        let series_directory = part(&mut out, |out| sorted.encode_directory(&codecs, out));
        let hours = std::mem::replace(&mut self.hours, HourBuilder::new(std::iter::empty()));
        let hour_directory = hours.finish(&codecs, &mut out);
        let has_ids = self.draft.schema.row_id().is_some();
        let ids = match has_ids {
            true => {
                let index = ids::encode(self.draft.id, &self.ids);
                part(&mut out, |out| out.extend_from_slice(&index))
            }
            false => Part::default(),
        };
        let footer = Footer {
            rows: self.rows,
            block_rows: self.options.block_rows as u32,
            series: sorted.len(),
            series_set,
            series_directory,
            hour_directory,
            ids,
            columns: self.column_entries(),
            codecs: self.codec_entries(),
            chunks: std::mem::take(&mut self.chunks),
        };
        let int_bounds = self.int_bounds(&footer.chunks);
        let header = Header {
            table: self.draft.schema.id,
            segment: self.draft.id,
            min_time_ns,
            max_time_ns,
            rows: u64::from(self.rows),
        };
        seal(&header, &footer, &mut out);
        let meta = SegmentMeta {
            id: self.draft.id,
            table: self.draft.schema.id,
            schema_version: self.draft.schema.version,
            format: SegmentFormat::Hot,
            written_ns: self.draft.written_ns,
            level: self.draft.level,
            object: String::new(),
            offset: 0,
            length: out.len() as u64,
            crc: crc32c::crc32c(&out),
            piece_crcs: Vec::new(),
            rows: u64::from(self.rows),
            window: self.draft.window,
            min_time_ns,
            max_time_ns,
            first: self.draft.first,
            last: self.draft.last,
            min_key,
            max_key,
            int_bounds,
            ids: has_ids.then(|| self.ids_meta(ids)),
        };
        Ok(Some(HotDraft { bytes: out, meta }))
    }

    /// Tags included, in the table's order.
    fn column_entries(&self) -> Vec<ColumnEntry> {
        let columns = self.draft.schema.columns.iter().filter(|column| is_stored(column));
        let entry = |column: &Column| ColumnEntry {
            id: column.id,
            kind: column.kind,
            ty: stored_type(column),
            name: column.name.to_string(),
        };
        columns.map(entry).collect()
    }

    fn codec_entries(&self) -> Vec<CodecEntry> {
        let used = self.chunks.iter().flat_map(|chunk| {
            let validity = (chunk.validity_length > 0).then_some(chunk.validity_codec);
            let values =
                (chunk.nulls == 0 || chunk.values_length > 0).then_some(chunk.values_codec);
            [validity, values]
        });
        let mut used: Vec<CodecId> = used.flatten().collect();
        used.sort_unstable();
        used.dedup();
        let name = |id| self.options.codecs.by_id(id).map_or("", |codec| codec.name()).to_owned();
        used.into_iter().map(|id| CodecEntry { id, name: name(id) }).collect()
    }

    fn int_bounds(&self, chunks: &[ChunkEntry]) -> Vec<IntBounds> {
        let mut bounds: Vec<IntBounds> = Vec::new();
        for (position, column) in self.columns.iter().enumerate() {
            let magnitude = |summary: Summary| match column.ty {
                ColumnType::U64 => summary.max as u64,
                _ => summary.min.unsigned_abs().max(summary.max.unsigned_abs()),
            };
            let integer = matches!(column.ty, ColumnType::I64 | ColumnType::U64);
            let own = chunks.iter().skip(position).step_by(self.columns.len());
            let largest = own.filter_map(|chunk| chunk.summary).map(magnitude).max();
            if let Some(magnitude_max) =
                largest.filter(|_| integer && column.kind == ColumnKind::Field)
            {
                bounds.push(IntBounds { column: column.id, magnitude_max });
            }
        }
        bounds.sort_unstable_by_key(|bounds| bounds.column);
        bounds
    }

    fn ids_meta(&self, part: Part) -> IdIndexMeta {
        IdIndexMeta {
            object: String::new(),
            offset: part.offset,
            length: part.length,
            crc: part.crc,
            min_id: self.ids.iter().copied().min().unwrap_or(0),
            max_id: self.ids.iter().copied().max().unwrap_or(0),
        }
    }

    fn failed(&self, what: &str) -> Error {
        failed(&self.draft, what)
    }
}

fn failed(draft: &SegmentDraft<'_>, what: &str) -> Error {
    let (id, table) = (draft.id, &draft.schema.name);
    Error::internal(format!("write segment {id} of {table:?}: {what}"))
}

/// # Errors
/// `internal` when the text of the block cannot be given as one Arrow array.
fn check_text(draft: &SegmentDraft<'_>, column: &Column, block: &BlockColumn) -> Result<()> {
    if block.ty == ColumnType::Utf8 && block.size_bytes() > BLOCK_TEXT_BYTES_MAX {
        let what = format!("column {:?}: 65,536 rows hold more than 2 GiB", &*column.name);
        return Err(failed(draft, &what));
    }
    Ok(())
}

/// Appends a part.
fn part(out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) -> Part {
    let start = out.len();
    encode(out);
    let part = Part::of(start, &out[start..]);
    align(out);
    part
}

/// Adds footer and tail, and writes the header.
fn seal(header: &Header, footer: &Footer, out: &mut Vec<u8>) {
    let start = out.len();
    footer.encode(out);
    let tail = Tail {
        footer_offset: start as u64,
        footer_length: (out.len() - start) as u32,
        footer_crc: crc32c::crc32c(&out[start..]),
    };
    tail.encode(out);
    out[..HEADER_BYTES].copy_from_slice(&header.encode());
}

/// The key of a series as the manifest keeps it: its present tags.
pub(super) type SeriesKey = Vec<(ColumnId, String)>;
