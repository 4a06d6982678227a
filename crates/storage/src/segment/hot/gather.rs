//! Values of chosen rows as Arrow arrays: whole vectors are decoded straight into the buffer that the
//! array keeps, and what was not asked for is closed up behind them.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray,
    TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use pulsora_codec::VECTOR_VALUES;
use pulsora_model::types::UTC;
use pulsora_model::{ColumnType, Result};

use super::reader::{HotColumn, HotSegment};
use super::series_set::{ABSENT, SeriesTag, strings};

/// How many rows the ranges hold.
pub(super) fn count(ranges: &[Range<u32>]) -> usize {
    ranges.iter().map(ExactSizeIterator::len).sum()
}

impl HotSegment {
    /// The values of a column at `ranges` (ascending row numbers), in its stored type.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn gather(&self, column: &HotColumn, ranges: &[Range<u32>]) -> Result<ArrayRef> {
        let nulls = self.gather_nulls(column, ranges)?;
        Ok(match column.ty {
            ColumnType::F64 => {
                let values = gather(ranges, |vector, out| self.floats(column, vector, out))?;
                Arc::new(Float64Array::new(values.into(), nulls))
            }
            ColumnType::Bool => {
                let values = gather(ranges, |vector, out| self.booleans(column, vector, out))?;
                Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls))
            }
            ColumnType::Utf8 => {
                let (offsets, values, _) = self.gather_text(column, ranges)?.into_parts();
                Arc::new(StringArray::new(offsets, values, nulls))
            }
            ColumnType::U64 => {
                let values = gather(ranges, |vector, out| self.integers(column, vector, out))?;
                // The same bits in the same buffer.
                let values = ScalarBuffer::<u64>::from(Buffer::from_vec(values));
                Arc::new(UInt64Array::new(values, nulls))
            }
            ColumnType::Timestamp => {
                let values = gather(ranges, |vector, out| self.integers(column, vector, out))?;
                Arc::new(TimestampNanosecondArray::new(values.into(), nulls).with_timezone(UTC))
            }
            ColumnType::I64 | ColumnType::Untyped => {
                let values = gather(ranges, |vector, out| self.integers(column, vector, out))?;
                Arc::new(Int64Array::new(values.into(), nulls))
            }
        })
    }

    /// The series of the rows at `ranges` (ascending), each with how many of them it has.
    pub fn series_runs(&self, ranges: &[Range<u32>]) -> Vec<(u32, u32)> {
        let starts = self.row_starts();
        let mut runs: Vec<(u32, u32)> = Vec::new();
        let mut series = ranges.first().map_or(0, |range| self.series_of(range.start)) as usize;
        for range in ranges {
            if starts[series + 1] <= range.start {
                // Mostly the next one; far ahead after a gap.
                series += 1;
                if starts[series + 1] <= range.start {
                    series = self.series_of(range.start) as usize;
                }
            }
            let mut row = range.start;
            loop {
                let end = starts[series + 1].min(range.end);
                match runs.last_mut() {
                    Some((open, rows)) if *open == series as u32 => *rows += end - row,
                    _ => runs.push((series as u32, end - row)),
                }
                row = end;
                if row >= range.end {
                    break;
                }
                series += 1;
            }
        }
        runs
    }

    /// The values of a tag for runs of rows of the same series; all such arrays share one dictionary.
    pub fn gather_tag(&self, tag: &SeriesTag, runs: &[(u32, u32)]) -> ArrayRef {
        let rows = runs.iter().map(|(_, rows)| *rows as usize).sum();
        let mut keys = Vec::with_capacity(rows);
        let mut absent = false;
        for (series, rows) in runs {
            let code = tag.code(*series);
            absent |= code == ABSENT;
            keys.resize(keys.len() + *rows as usize, code);
        }
        let nulls = absent.then(|| {
            let nulls = NullBuffer::from_iter(keys.iter().map(|key| *key != ABSENT));
            keys.iter_mut().filter(|key| **key == ABSENT).for_each(|key| *key = 0);
            nulls
        });
        let keys = UInt32Array::new(keys.into(), nulls);
        // The codes were checked against the dictionary when it was read; an all-absent tag has none.
        match DictionaryArray::try_new(keys, Arc::clone(&tag.dictionary)) {
            Ok(array) => Arc::new(array),
            Err(_) => arrow::array::new_null_array(&pulsora_model::types::tag_type(), rows),
        }
    }

    fn gather_nulls(
        &self,
        column: &HotColumn,
        ranges: &[Range<u32>],
    ) -> Result<Option<NullBuffer>> {
        let mut valid: Option<Vec<bool>> = None;
        let mut done = 0;
        for_each_vector(ranges, |vector, pieces| {
            let count: usize = pieces.iter().map(ExactSizeIterator::len).sum();
            if self.is_full(column, vector) {
                if let Some(valid) = &mut valid {
                    valid.resize(done + count, true);
                }
            } else {
                let valid = valid.get_or_insert_with(|| vec![true; done]);
                self.validity(column, vector, valid)?;
                close_up(valid, done, pieces);
            }
            done += count;
            Ok(())
        })?;
        let nulls = valid.map(|valid| NullBuffer::from(BooleanBuffer::from(valid)));
        Ok(nulls.filter(|nulls| nulls.null_count() > 0))
    }

    fn gather_text(&self, column: &HotColumn, ranges: &[Range<u32>]) -> Result<StringArray> {
        let (mut ends, mut text) = (vec![0u32], Vec::new());
        let (mut offsets, mut bytes) = (Vec::new(), Vec::new());
        for_each_vector(ranges, |vector, pieces| {
            offsets.clear();
            offsets.push(0);
            bytes.clear();
            self.text(column, vector, &mut offsets, &mut bytes)?;
            for piece in pieces {
                let base = text.len() as u32;
                let first = offsets[piece.start];
                let own = &offsets[piece.start + 1..=piece.end];
                ends.extend(own.iter().map(|end| base.wrapping_add(end.wrapping_sub(first))));
                let last = offsets[piece.end];
                let own = bytes.get(first as usize..last as usize);
                text.extend_from_slice(own.ok_or_else(|| self.corrupt("text out of order"))?);
            }
            Ok(())
        })?;
        strings(ends, text).map_err(|damage| self.corrupt(&damage.0))
    }
}

/// Decodes the vectors of `ranges` one behind the other and keeps the rows that were asked for.
fn gather<T: Copy>(
    ranges: &[Range<u32>],
    mut decode: impl FnMut(usize, &mut Vec<T>) -> Result<()>,
) -> Result<Vec<T>> {
    let mut values = Vec::with_capacity(count(ranges) + VECTOR_VALUES);
    for_each_vector(ranges, |vector, pieces| {
        let start = values.len();
        decode(vector, &mut values)?;
        close_up(&mut values, start, pieces);
        Ok(())
    })?;
    Ok(values)
}

/// Of the vector that starts at `start`, the last one in `values`, keeps the `pieces`.
fn close_up<T: Copy>(values: &mut Vec<T>, start: usize, pieces: &[Range<usize>]) {
    let mut end = start;
    for piece in pieces {
        if start + piece.start != end {
            values.copy_within(start + piece.start..start + piece.end, end);
        }
        end += piece.len();
    }
    values.truncate(end);
}

/// Calls `visit` for each vector with the positions in it that `ranges` cover.
fn for_each_vector(
    ranges: &[Range<u32>],
    mut visit: impl FnMut(usize, &[Range<usize>]) -> Result<()>,
) -> Result<()> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let mut open = 0;
    for range in ranges {
        let (mut row, end) = (range.start as usize, range.end as usize);
        while row < end {
            let vector = row / VECTOR_VALUES;
            if vector != open && !pieces.is_empty() {
                visit(open, &pieces)?;
                pieces.clear();
            }
            open = vector;
            let first = vector * VECTOR_VALUES;
            let stop = end.min(first + VECTOR_VALUES);
            pieces.push(row - first..stop - first);
            row = stop;
        }
    }
    if pieces.is_empty() { Ok(()) } else { visit(open, &pieces) }
}
