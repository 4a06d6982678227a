//! Points of one shard on their way to the engine, already in the columns of a batch.
//!
//! Invariants: `codes`, `times` and `values` have one entry per point; every code is a position in
//! `ids`, which holds no id twice; a generation never comes again in less than 2^32 buffers, so a code
//! that was remembered with its generation is right or known to be stale.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Float64Array, StringArray};
use arrow::buffer::{Buffer as Bytes, OffsetBuffer};
use pulsora_model::{
    Batch, ColumnType, FieldColumn, Name, SeriesColumn, SeriesKeys, TableOptions, TableWrite,
    TagColumn,
};

use super::{SERIES_TABLE, SERIES_TAG};
use crate::series_key::VALUE;

/// Points of a buffer: 64 KiB at 20 bytes each (code, time, value).
pub(super) const POINTS_MAX: usize = (64 << 10) / 20;

/// Hex digits of an id.
const ID_DIGITS: usize = 32;

/// Points of one shard.
#[derive(Default)]
pub(super) struct Buffer {
    generation: u32,
    /// Distinct ids in the order of their first point.
    ids: Vec<u128>,
    codes_of: HashMap<u128, u32, foldhash::fast::RandomState>,
    codes: Vec<u32>,
    times: Vec<i64>,
    values: Vec<f64>,
    /// Monotonic clock at the first point, nanoseconds.
    pub since_ns: u64,
}

impl Buffer {
    pub fn len(&self) -> usize {
        self.times.len()
    }

    pub fn is_full(&self) -> bool {
        self.len() >= POINTS_MAX
    }

    /// The code of `id`. `remembered` is what this gave before for the same id, 0 = nothing.
    #[inline]
    pub fn code(&mut self, id: u128, remembered: u64) -> (u32, u64) {
        if (remembered >> 32) as u32 == self.generation && self.generation != 0 {
            return (remembered as u32, remembered);
        }
        let ids = &mut self.ids;
        let code = *self.codes_of.entry(id).or_insert_with(|| {
            ids.push(id);
            ids.len() as u32 - 1
        });
        (code, u64::from(self.generation) << 32 | u64::from(code))
    }

    /// Adds a point.
    #[inline]
    pub fn push(&mut self, code: u32, time_ns: i64, value: f64) {
        self.codes.push(code);
        self.times.push(time_ns);
        self.values.push(value);
    }

    /// Begins anew and gives what was in it, as a batch of the table of series.
    pub fn take(&mut self, schema_version: Option<u32>) -> TableWrite {
        self.generation = self.generation.wrapping_add(1).max(1);
        self.codes_of.clear();
        let ids = std::mem::take(&mut self.ids);
        let full = self.is_full();
        let batch = Batch {
            rows: self.len(),
            series: SeriesColumn {
                codes: taken(&mut self.codes, full).into(),
                keys: SeriesKeys::Sets {
                    sets: ids.len(),
                    tags: vec![TagColumn {
                        name: Name::literal(SERIES_TAG),
                        values: id_texts(&ids),
                    }],
                },
            },
            time: taken(&mut self.times, full).into(),
            fields: vec![FieldColumn {
                name: Name::literal(VALUE),
                ty: ColumnType::F64,
                values: Arc::new(Float64Array::from(taken(&mut self.values, full))),
            }],
            ids: None,
        };
        TableWrite {
            table: Name::literal(SERIES_TABLE),
            options: TableOptions::upsert(),
            schema_version,
            batch,
        }
    }
}

/// The values of a column; a full buffer gives its memory away, another one keeps it and gives a copy.
fn taken<T: Copy>(column: &mut Vec<T>, full: bool) -> Vec<T> {
    if full {
        return std::mem::replace(column, Vec::with_capacity(POINTS_MAX));
    }
    let values = column.as_slice().to_vec();
    column.clear();
    values
}

/// The text of an id: 32 lower-case hex digits.
pub(super) fn id_text(id: u128) -> String {
    format!("{id:032x}")
}

/// The texts of ids, without an allocation for each.
fn id_texts(ids: &[u128]) -> StringArray {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(ids.len() * ID_DIGITS);
    for id in ids {
        for byte in id.to_be_bytes() {
            text.push(DIGITS[usize::from(byte >> 4)]);
            text.push(DIGITS[usize::from(byte & 15)]);
        }
    }
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(ID_DIGITS, ids.len()));
    StringArray::new(offsets, Bytes::from_vec(text), None)
}
