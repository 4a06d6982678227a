//! The values of one block while it is being written.
//!
//! Invariant: a row without a value repeats the value before it (the first value of the block, where
//! none came before; text is empty), so that it costs a codec next to nothing.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType, UInt64Type};
use pulsora_codec::{Choice, Codecs, Remembered, Text, Values, encode_block};
use pulsora_model::{Column, ColumnKind, ColumnType};

use super::format::{ChunkEntry, align};
use super::keyed::{PagedColumn, PagedValues, page_and_row};
use super::summary::Summary;

/// A column of the block that is being filled.
pub(super) struct BlockColumn {
    pub ty: ColumnType,
    values: BlockValues,
    /// Per row whether it has a value; `None` = all have.
    valid: Option<Vec<bool>>,
    rows: usize,
    /// The codec of the blocks before.
    codec: Remembered,
}

enum BlockValues {
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Booleans(Vec<bool>),
    Text { offsets: Vec<u32>, bytes: Vec<u8> },
}

/// The type in which a column is stored.
pub(super) fn stored_type(column: &Column) -> ColumnType {
    match column.kind {
        ColumnKind::Time => ColumnType::Timestamp,
        ColumnKind::Tag => ColumnType::Utf8,
        ColumnKind::Id => ColumnType::U64,
        ColumnKind::Field => column.ty,
    }
}

impl BlockColumn {
    pub fn new(ty: ColumnType) -> BlockColumn {
        let values = match ty {
            ColumnType::F64 => BlockValues::Floats(Vec::new()),
            ColumnType::Bool => BlockValues::Booleans(Vec::new()),
            ColumnType::Utf8 => BlockValues::Text { offsets: vec![0], bytes: Vec::new() },
            _ => BlockValues::Integers(Vec::new()),
        };
        BlockColumn { ty, values, valid: None, rows: 0, codec: Remembered::default() }
    }

    /// Appends an array of the column's Arrow type.
    pub fn append(&mut self, array: &ArrayRef) {
        self.append_values(array);
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        self.append_validity(array.len(), nulls.as_ref().map(|nulls| nulls.iter()));
    }

    /// Appends times, all of them there.
    pub fn append_times(&mut self, times: &[i64]) {
        if let BlockValues::Integers(into) = &mut self.values {
            into.extend_from_slice(times);
        }
        self.append_validity(times.len(), None::<std::iter::Empty<bool>>);
    }

    /// Appends the values at some places of a column of the same type.
    pub fn gather(&mut self, column: &PagedColumn, places: &[u32]) {
        match (&mut self.values, &column.values) {
            (BlockValues::Integers(into), PagedValues::Integers(pages)) => {
                pick(pages.iter().map(|page| &page[..]), places, into);
            }
            (BlockValues::Floats(into), PagedValues::Floats(pages)) => {
                pick(pages.iter().map(|page| &page[..]), places, into);
            }
            (BlockValues::Booleans(into), PagedValues::Booleans(pages)) => {
                into.extend(places.iter().map(|place| {
                    let (page, row) = page_and_row(*place);
                    pages[page].as_ref().is_some_and(|page| page.value(row))
                }));
            }
            (BlockValues::Text { offsets, bytes }, PagedValues::Text(pages)) => {
                for place in places {
                    let (page, row) = page_and_row(*place);
                    let page = pages[page].as_ref().filter(|page| page.is_valid(row));
                    bytes.extend_from_slice(page.map_or("", |page| page.value(row)).as_bytes());
                    // The writer ends a block before its text reaches 4 GiB.
                    offsets.push(bytes.len() as u32);
                }
            }
            _ => unreachable!("the pages of a column are of its type"),
        }
        self.append_validity(places.len(), column.validity(places));
    }

    fn append_values(&mut self, array: &ArrayRef) {
        match (&mut self.values, self.ty) {
            (BlockValues::Integers(into), ColumnType::I64) => {
                into.extend_from_slice(array.as_primitive::<Int64Type>().values());
            }
            (BlockValues::Integers(into), ColumnType::U64) => {
                let values = array.as_primitive::<UInt64Type>().values();
                into.extend(values.iter().map(|value| *value as i64));
            }
            (BlockValues::Integers(into), _) => {
                into.extend_from_slice(array.as_primitive::<TimestampNanosecondType>().values());
            }
            (BlockValues::Floats(into), _) => {
                into.extend_from_slice(array.as_primitive::<Float64Type>().values());
            }
            (BlockValues::Booleans(into), _) => into.extend(array.as_boolean().values().iter()),
            (BlockValues::Text { offsets, bytes }, _) => {
                for value in array.as_string::<i32>() {
                    bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
                    // The writer ends a block before its text reaches 4 GiB.
                    offsets.push(bytes.len() as u32);
                }
            }
        }
    }

    /// Ends the appending of `count` rows, of which those with `valid` have a value.
    fn append_validity(&mut self, count: usize, valid: Option<impl Iterator<Item = bool>>) {
        let before = self.rows;
        self.rows += count;
        if valid.is_none() && self.valid.is_none() {
            return;
        }
        let known = self.valid.get_or_insert_with(|| vec![true; before]);
        match valid {
            None => known.resize(self.rows, true),
            Some(valid) => known.extend(valid),
        }
        self.fill(before);
    }

    /// Repeats values into the rows without one, from row `from` on.
    fn fill(&mut self, from: usize) {
        let Some(valid) = &self.valid else { return };
        match &mut self.values {
            BlockValues::Integers(values) => fill(values, valid, from),
            BlockValues::Floats(values) => fill(values, valid, from),
            BlockValues::Booleans(values) => fill(values, valid, from),
            BlockValues::Text { .. } => {}
        }
    }

    /// Bytes in memory.
    pub fn size_bytes(&self) -> usize {
        match &self.values {
            BlockValues::Integers(values) => values.len() * 8,
            BlockValues::Floats(values) => values.len() * 8,
            BlockValues::Booleans(values) => values.len(),
            BlockValues::Text { offsets, bytes } => offsets.len() * 4 + bytes.len(),
        }
    }

    /// The values as integers: times.
    pub fn integers(&self) -> &[i64] {
        match &self.values {
            BlockValues::Integers(values) => values,
            _ => &[],
        }
    }

    /// What the values at `rows` sum up to and how many they are; numbers and times only.
    pub fn summary(&self, rows: std::ops::Range<usize>) -> (usize, Option<Summary>) {
        let valid = self.valid.as_ref().map(|valid| &valid[rows.clone()]);
        let count = valid.map_or(rows.len(), |valid| valid.iter().filter(|v| **v).count());
        let summary = match &self.values {
            BlockValues::Integers(values) => Summary::of_integers(&values[rows], valid, self.ty),
            BlockValues::Floats(values) => Summary::of_floats(&values[rows], valid),
            _ => None,
        };
        (count, summary)
    }

    /// Appends the chunk of the block and empties the column.
    pub fn encode(&mut self, codecs: &Codecs, choice: Choice<'_>, out: &mut Vec<u8>) -> ChunkEntry {
        let (count, summary) = self.summary(0..self.rows);
        let nulls = self.rows - count;
        let offset = out.len();
        let mut chunk = ChunkEntry {
            offset: offset as u64,
            validity_length: 0,
            values_length: 0,
            crc: 0,
            validity_codec: pulsora_codec::CodecId(0),
            values_codec: pulsora_codec::CodecId(0),
            nulls: nulls as u32,
            summary,
        };
        if let Some(valid) = self.valid.as_ref().filter(|_| nulls > 0 && count > 0) {
            let choice = Choice { forced: None, ..choice };
            chunk.validity_codec = encode_block(codecs, Values::Booleans(valid), choice, out);
        }
        chunk.validity_length = (out.len() - offset) as u32;
        if count > 0 {
            let values = self.values.as_values();
            chunk.values_codec = self.codec.encode(codecs, values, choice, out);
        }
        chunk.values_length = (out.len() - offset) as u32 - chunk.validity_length;
        chunk.crc = crc32c::crc32c(&out[offset..]);
        align(out);
        self.clear();
        chunk
    }

    fn clear(&mut self) {
        match &mut self.values {
            BlockValues::Integers(values) => values.clear(),
            BlockValues::Floats(values) => values.clear(),
            BlockValues::Booleans(values) => values.clear(),
            BlockValues::Text { offsets, bytes } => {
                offsets.truncate(1);
                bytes.clear();
            }
        }
        self.valid = None;
        self.rows = 0;
    }
}

impl BlockValues {
    fn as_values(&self) -> Values<'_> {
        match self {
            BlockValues::Integers(values) => Values::Integers(values),
            BlockValues::Floats(values) => Values::Floats(values),
            BlockValues::Booleans(values) => Values::Booleans(values),
            BlockValues::Text { offsets, bytes } => Values::Text(Text { offsets, bytes }),
        }
    }
}

/// Appends the values at `places`; those of pages without values are anything.
fn pick<'a, T: Copy + Default + 'a>(
    pages: impl Iterator<Item = &'a [T]>,
    places: &[u32],
    into: &mut Vec<T>,
) {
    let pages: Vec<&[T]> = pages.collect();
    into.extend(places.iter().map(|place| {
        let (page, row) = page_and_row(*place);
        pages[page].get(row).copied().unwrap_or_default()
    }));
}

fn fill<T: Copy>(values: &mut [T], valid: &[bool], from: usize) {
    let first = valid.iter().position(|valid| *valid);
    // Rows before the first value of the block, which may come with a later batch, repeat it as well.
    let Some(first) = first else { return };
    let start = if first >= from { 0 } else { from };
    let mut previous = if start > first { values[start - 1] } else { values[first] };
    for (value, valid) in values[start..].iter_mut().zip(&valid[start..]) {
        if *valid {
            previous = *value;
        } else {
            *value = previous;
        }
    }
}
