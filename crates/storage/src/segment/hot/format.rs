//! Header, footer and tail of a hot segment: bytes ↔ plain values. The byte tables are in the head of
//! the module.
//!
//! Invariant: what is decoded is consistent: parts and chunks lie inside the segment, chunks are as
//! many as blocks and columns ask for, and no count is above what it counts within.

use std::borrow::Cow;
use std::fmt;

use pulsora_codec::{CodecId, DecodeError, VECTOR_VALUES};
use pulsora_model::{ColumnId, ColumnKind, ColumnType, SegmentId, TableId};

use super::summary::{Sum, Summary};

pub(super) const HEADER_BYTES: usize = 64;
pub(super) const TAIL_BYTES: usize = 32;
/// Rows of a block: the most that a block codec takes.
pub(crate) const BLOCK_ROWS: usize = pulsora_codec::BLOCK_VALUES_MAX;
/// What every part is aligned to.
pub(crate) const ALIGNMENT: usize = 8;

const HEADER_MAGIC: &[u8; 8] = b"PULSHOT1";
const TAIL_MAGIC: &[u8; 8] = b"PULSHOTE";
const VERSION: u32 = 1;
const PART_COUNT: usize = 5;
const CHUNK_BYTES: usize = 80;

/// Why bytes are not a hot segment.
#[derive(Debug)]
pub(super) struct Damage(pub Cow<'static, str>);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&'static str> for Damage {
    fn from(what: &'static str) -> Damage {
        Damage(Cow::Borrowed(what))
    }
}

impl From<String> for Damage {
    fn from(what: String) -> Damage {
        Damage(Cow::Owned(what))
    }
}

impl From<DecodeError> for Damage {
    fn from(error: DecodeError) -> Damage {
        Damage(Cow::Owned(error.to_string()))
    }
}

/// What decoding gives.
pub(super) type Parsed<T> = Result<T, Damage>;

/// The first 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub table: TableId,
    pub segment: SegmentId,
    pub min_time_ns: i64,
    pub max_time_ns: i64,
    pub rows: u64,
}

/// The last 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub footer_offset: u64,
    pub footer_length: u32,
    pub footer_crc: u32,
}

/// A range of the segment with its checksum; empty = there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub offset: u64,
    pub length: u64,
    pub crc: u32,
}

/// A column of the segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ColumnEntry {
    pub id: ColumnId,
    pub kind: ColumnKind,
    pub ty: ColumnType,
    pub name: String,
}

/// A codec in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CodecEntry {
    pub id: CodecId,
    pub name: String,
}

/// One column of one block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ChunkEntry {
    pub offset: u64,
    pub validity_length: u32,
    pub values_length: u32,
    pub crc: u32,
    pub validity_codec: CodecId,
    pub values_codec: CodecId,
    pub nulls: u32,
    pub summary: Option<Summary>,
}

/// Everything that is known of a segment without reading its rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Footer {
    pub rows: u32,
    pub block_rows: u32,
    pub series: u32,
    pub series_set: Part,
    pub series_directory: Part,
    pub hour_directory: Part,
    pub ids: Part,
    /// Tags included.
    pub columns: Vec<ColumnEntry>,
    pub codecs: Vec<CodecEntry>,
    /// Block by block, in a block by column without the tags.
    pub chunks: Vec<ChunkEntry>,
}

/// Takes little-endian values from the front of bytes.
pub(super) struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub fn take(&mut self, count: usize) -> Parsed<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or("it ends too early")?;
        self.0 = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Parsed<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub fn u16(&mut self) -> Parsed<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Parsed<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Parsed<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub fn i64(&mut self) -> Parsed<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn i128(&mut self) -> Parsed<i128> {
        Ok(i128::from_le_bytes(self.array()?))
    }

    fn name(&mut self) -> Parsed<String> {
        let length = usize::from(self.u16()?);
        let name = std::str::from_utf8(self.take(length)?).map_err(|_| "a name is not UTF-8")?;
        Ok(name.to_owned())
    }

    /// Zeros up to a multiple of eight from `whole`, the bytes this cursor started with.
    pub fn align(&mut self, whole: usize) -> Parsed<()> {
        let at = whole - self.0.len();
        let padding = self.take(at.next_multiple_of(ALIGNMENT) - at)?;
        if padding.iter().all(|byte| *byte == 0) {
            Ok(())
        } else {
            Err("bytes between its parts".into())
        }
    }
}

/// Adds zeros up to a multiple of eight.
pub(super) fn align(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}

impl Header {
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(HEADER_MAGIC);
        for word in [VERSION, self.table.0, self.segment.epoch, self.segment.counter] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&self.min_time_ns.to_le_bytes());
        bytes.extend_from_slice(&self.max_time_ns.to_le_bytes());
        bytes.extend_from_slice(&self.rows.to_le_bytes());
        bytes.resize(HEADER_BYTES - 4, 0);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&bytes);
        header
    }

    pub(super) fn decode(bytes: &[u8]) -> Parsed<Header> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or("it is shorter than its header")?;
        let mut cursor = Cursor(bytes);
        if cursor.take(8)? != HEADER_MAGIC {
            return Err("it is not a hot segment".into());
        }
        check_crc(&bytes[..HEADER_BYTES - 4], word(bytes, HEADER_BYTES - 4), "header")?;
        check_version(cursor.u32()?)?;
        Ok(Header {
            table: TableId(cursor.u32()?),
            segment: SegmentId { epoch: cursor.u32()?, counter: cursor.u32()? },
            min_time_ns: cursor.i64()?,
            max_time_ns: cursor.i64()?,
            rows: cursor.u64()?,
        })
    }
}

impl Tail {
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.footer_offset.to_le_bytes());
        out.extend_from_slice(&self.footer_length.to_le_bytes());
        out.extend_from_slice(&self.footer_crc.to_le_bytes());
        out.extend_from_slice(&VERSION.to_le_bytes());
        let crc = crc32c::crc32c(&out[start..]);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(TAIL_MAGIC);
    }

    pub fn decode(bytes: &[u8; TAIL_BYTES]) -> Parsed<Tail> {
        if &bytes[24..] != TAIL_MAGIC {
            return Err("it does not end as a hot segment".into());
        }
        check_crc(&bytes[..20], word(bytes, 20), "tail")?;
        check_version(word(bytes, 16))?;
        let mut cursor = Cursor(bytes);
        Ok(Tail {
            footer_offset: cursor.u64()?,
            footer_length: cursor.u32()?,
            footer_crc: cursor.u32()?,
        })
    }
}

impl Part {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
    }

    fn decode(cursor: &mut Cursor<'_>) -> Parsed<Part> {
        let part = Part { offset: cursor.u64()?, length: cursor.u64()?, crc: cursor.u32()? };
        cursor.take(4)?;
        Ok(part)
    }

    /// `bytes` placed at `offset`.
    pub fn of(offset: usize, bytes: &[u8]) -> Part {
        Part { offset: offset as u64, length: bytes.len() as u64, crc: crc32c::crc32c(bytes) }
    }
}

impl ChunkEntry {
    /// Length of validity and values.
    pub fn length(&self) -> u64 {
        u64::from(self.validity_length) + u64::from(self.values_length)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offset.to_le_bytes());
        for word in [self.validity_length, self.values_length, self.crc] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.validity_codec.0.to_le_bytes());
        out.extend_from_slice(&self.values_codec.0.to_le_bytes());
        out.extend_from_slice(&self.nulls.to_le_bytes());
        out.extend_from_slice(&u32::from(self.summary.is_some()).to_le_bytes());
        let Some(summary) = self.summary else {
            out.resize(out.len() + 48, 0);
            return;
        };
        for word in [summary.min, summary.max, summary.first, summary.last] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let sum = match summary.sum {
            Sum::Integer(sum) => sum,
            Sum::Float(sum) => i128::from(sum.to_bits()),
        };
        out.extend_from_slice(&sum.to_le_bytes());
    }

    fn decode(cursor: &mut Cursor<'_>, ty: ColumnType) -> Parsed<ChunkEntry> {
        let mut entry = ChunkEntry {
            offset: cursor.u64()?,
            validity_length: cursor.u32()?,
            values_length: cursor.u32()?,
            crc: cursor.u32()?,
            validity_codec: CodecId(cursor.u16()?),
            values_codec: CodecId(cursor.u16()?),
            nulls: cursor.u32()?,
            summary: None,
        };
        let present = cursor.u32()? == 1;
        let [min, max, first, last] = [cursor.i64()?, cursor.i64()?, cursor.i64()?, cursor.i64()?];
        let sum = cursor.i128()?;
        let sum = match ty {
            ColumnType::F64 => Sum::Float(f64::from_bits(sum as u64)),
            _ => Sum::Integer(sum),
        };
        entry.summary = present.then_some(Summary { min, max, first, last, sum });
        Ok(entry)
    }
}

impl Footer {
    /// Blocks of the segment.
    pub fn blocks(&self) -> usize {
        self.rows.div_ceil(self.block_rows) as usize
    }

    /// Rows of one block.
    pub fn rows_of_block(&self, block: usize) -> usize {
        let start = block * self.block_rows as usize;
        (self.rows as usize - start).min(self.block_rows as usize)
    }

    /// The columns that have chunks.
    pub fn stored(&self) -> impl Iterator<Item = &ColumnEntry> {
        self.columns.iter().filter(|column| column.kind != ColumnKind::Tag)
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&u64::from(self.rows).to_le_bytes());
        let counts = [self.columns.len(), self.blocks(), self.codecs.len(), 0];
        for word in [self.block_rows, self.series] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for count in counts {
            out.extend_from_slice(&(count as u32).to_le_bytes());
        }
        let reserved = Part::default();
        for part in
            [self.series_set, self.series_directory, self.hour_directory, self.ids, reserved]
        {
            part.encode(out);
        }
        for column in &self.columns {
            out.extend_from_slice(&column.id.0.to_le_bytes());
            out.extend_from_slice(&[kind_number(column.kind), type_number(column.ty)]);
            encode_name(&column.name, out);
        }
        for codec in &self.codecs {
            out.extend_from_slice(&codec.id.0.to_le_bytes());
            encode_name(&codec.name, out);
        }
        out.resize(start + (out.len() - start).next_multiple_of(ALIGNMENT), 0);
        for chunk in &self.chunks {
            chunk.encode(out);
        }
    }

    /// Reads the footer of a segment of `length` bytes.
    pub fn decode(bytes: &[u8], length: u64) -> Parsed<Footer> {
        let mut cursor = Cursor(bytes);
        let rows = cursor.u64()?;
        let (block_rows, series) = (cursor.u32()?, cursor.u32()?);
        let rows = u32::try_from(rows).map_err(|_| "too many rows")?;
        let whole_vectors = (block_rows as usize).is_multiple_of(VECTOR_VALUES);
        if rows == 0 || series == 0 || series > rows {
            return Err(format!("{rows} rows of {series} series").into());
        }
        if block_rows == 0 || !whole_vectors || block_rows as usize > BLOCK_ROWS {
            return Err(format!("blocks of {block_rows} rows").into());
        }
        let (columns, blocks, codecs) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
        cursor.take(4)?;
        let mut parts = [Part::default(); PART_COUNT];
        for part in &mut parts {
            *part = Part::decode(&mut cursor)?;
            check_inside(part.offset, part.length, length)?;
        }
        let columns = decode_columns(&mut cursor, columns)?;
        let codecs = decode_codecs(&mut cursor, codecs)?;
        cursor.align(bytes.len())?;
        let [series_set, series_directory, hour_directory, ids, _] = parts;
        let mut footer = Footer {
            rows,
            block_rows,
            series,
            series_set,
            series_directory,
            hour_directory,
            ids,
            columns,
            codecs,
            chunks: Vec::new(),
        };
        if blocks as usize != footer.blocks() {
            return Err(format!("{blocks} blocks of {rows} rows").into());
        }
        footer.decode_chunks(cursor.0, length)?;
        Ok(footer)
    }

    fn decode_chunks(&mut self, bytes: &[u8], length: u64) -> Parsed<()> {
        let types: Vec<(ColumnType, bool)> =
            self.stored().map(|column| (column.ty, column.kind == ColumnKind::Field)).collect();
        let count = types.len().checked_mul(self.blocks());
        if count.and_then(|count| count.checked_mul(CHUNK_BYTES)) != Some(bytes.len()) {
            return Err("its chunks do not fit its columns".into());
        }
        let mut cursor = Cursor(bytes);
        self.chunks.reserve_exact(bytes.len() / CHUNK_BYTES);
        for block in 0..self.blocks() {
            for (ty, nullable) in &types {
                let chunk = ChunkEntry::decode(&mut cursor, *ty)?;
                check_inside(chunk.offset, chunk.length(), length)?;
                let rows = self.rows_of_block(block) as u32;
                let partly = chunk.nulls > 0 && chunk.nulls < rows;
                if chunk.nulls > rows
                    || (chunk.nulls > 0 && !nullable)
                    || partly != (chunk.validity_length > 0)
                {
                    return Err(format!("{} of {rows} values are absent", chunk.nulls).into());
                }
                self.chunks.push(chunk);
            }
        }
        Ok(())
    }
}

fn decode_columns(cursor: &mut Cursor<'_>, count: u32) -> Parsed<Vec<ColumnEntry>> {
    let mut columns: Vec<ColumnEntry> = Vec::new();
    for _ in 0..count {
        let column = ColumnEntry {
            id: ColumnId(cursor.u32()?),
            kind: kind_of(cursor.u8()?)?,
            ty: type_of(cursor.u8()?)?,
            name: cursor.name()?,
        };
        if columns.iter().any(|other| other.id == column.id) {
            return Err("a column comes twice".into());
        }
        columns.push(column);
    }
    let times = columns.iter().filter(|column| column.kind == ColumnKind::Time).count();
    let ids = columns.iter().filter(|column| column.kind == ColumnKind::Id).count();
    if times != 1 || ids > 1 {
        return Err(format!("{times} time columns and {ids} of row ids").into());
    }
    let fits = |column: &ColumnEntry| match column.kind {
        ColumnKind::Time => column.ty == ColumnType::Timestamp,
        ColumnKind::Tag => column.ty == ColumnType::Utf8,
        ColumnKind::Id => column.ty == ColumnType::U64,
        ColumnKind::Field => true,
    };
    if columns.iter().all(fits) { Ok(columns) } else { Err("a column of a wrong type".into()) }
}

fn decode_codecs(cursor: &mut Cursor<'_>, count: u32) -> Parsed<Vec<CodecEntry>> {
    let mut codecs = Vec::new();
    for _ in 0..count {
        codecs.push(CodecEntry { id: CodecId(cursor.u16()?), name: cursor.name()? });
    }
    Ok(codecs)
}

fn encode_name(name: &str, out: &mut Vec<u8>) {
    // Names have at most 255 bytes; a codec's longer one is cut, it is only for messages.
    let mut end = name.len().min(usize::from(u16::MAX));
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    out.extend_from_slice(&(end as u16).to_le_bytes());
    out.extend_from_slice(&name.as_bytes()[..end]);
}

fn kind_number(kind: ColumnKind) -> u8 {
    match kind {
        ColumnKind::Time => 0,
        ColumnKind::Tag => 1,
        ColumnKind::Field => 2,
        ColumnKind::Id => 3,
    }
}

fn kind_of(number: u8) -> Parsed<ColumnKind> {
    [ColumnKind::Time, ColumnKind::Tag, ColumnKind::Field, ColumnKind::Id]
        .into_iter()
        .find(|kind| kind_number(*kind) == number)
        .ok_or_else(|| "a column of an unknown kind".into())
}

fn type_number(ty: ColumnType) -> u8 {
    match ty {
        ColumnType::Untyped => 0,
        ColumnType::I64 => 1,
        ColumnType::U64 => 2,
        ColumnType::F64 => 3,
        ColumnType::Bool => 4,
        ColumnType::Utf8 => 5,
        ColumnType::Timestamp => 6,
    }
}

fn type_of(number: u8) -> Parsed<ColumnType> {
    ColumnType::ALL
        .into_iter()
        .find(|ty| *ty != ColumnType::Untyped && type_number(*ty) == number)
        .ok_or_else(|| "a column of an unknown type".into())
}

fn check_inside(offset: u64, length: u64, whole: u64) -> Parsed<()> {
    match offset.checked_add(length) {
        Some(end) if end <= whole => Ok(()),
        _ => Err(format!("{length} bytes at {offset} are beyond its end at {whole}").into()),
    }
}

fn check_version(version: u32) -> Parsed<()> {
    if version == VERSION { Ok(()) } else { Err(format!("version {version} is not known").into()) }
}

/// Compares the checksum of `bytes` with the one that was written.
pub(super) fn check_crc(bytes: &[u8], expected: u32, what: &str) -> Parsed<()> {
    let crc = crc32c::crc32c(bytes);
    if crc == expected {
        return Ok(());
    }
    Err(format!("the checksum of its {what} is {crc:08x}, {expected:08x} was written").into())
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
