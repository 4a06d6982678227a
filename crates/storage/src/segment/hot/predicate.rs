//! Field predicates of a read, bound to a segment: by the statistics of a block where these decide,
//! else over decoded values.

use std::ops::Range;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use pulsora_model::{Column, ColumnType, Result};

use super::gather::count;
use super::reader::{BlockStatistics, HotColumn, HotSegment};
use super::series_set::extend;
use super::summary::{float_key, order_key};
use crate::read::{FieldPredicate, FieldTest};

/// A predicate and where its column is.
pub(crate) struct BoundPredicate {
    predicate: FieldPredicate,
    /// As the schema has it.
    column: Column,
    stored: Option<HotColumn>,
}

/// What is known of the rows of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    None,
    Some,
    All,
}

impl BoundPredicate {
    pub fn new(segment: &HotSegment, column: &Column, predicate: &FieldPredicate) -> Self {
        BoundPredicate {
            predicate: predicate.clone(),
            column: column.clone(),
            stored: segment.column(column.id).cloned(),
        }
    }

    /// The rows of `ranges` that match.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn narrow(&self, segment: &HotSegment, ranges: Vec<Range<u32>>) -> Result<Vec<Range<u32>>> {
        let Some(column) = &self.stored else { return self.narrow_others(segment, ranges) };
        let mut kept = Vec::new();
        for (block, part) in by_block(&ranges, segment.block_rows()) {
            match self.decide(column, segment.statistics(column, block)) {
                Match::None => {}
                Match::All => part.into_iter().for_each(|range| extend(&mut kept, range)),
                Match::Some => self.test(segment.gather(column, &part)?, &part, &mut kept)?,
            }
        }
        Ok(kept)
    }

    /// A tag, or a column that the segment lacks.
    fn narrow_others(
        &self,
        segment: &HotSegment,
        ranges: Vec<Range<u32>>,
    ) -> Result<Vec<Range<u32>>> {
        let mut kept = Vec::new();
        if let Some(tag) = segment.series().tag(self.column.id) {
            self.test(segment.gather_tag(tag, &segment.series_runs(&ranges)), &ranges, &mut kept)?;
        } else if self.predicate.test == FieldTest::IsNull {
            kept = ranges;
        }
        Ok(kept)
    }

    fn test(
        &self,
        values: ArrayRef,
        ranges: &[Range<u32>],
        kept: &mut Vec<Range<u32>>,
    ) -> Result<()> {
        let ty = self.column.arrow_type();
        let values = if *values.data_type() == ty { values } else { cast(&values, &ty)? };
        let fits = self.predicate.matches(&values)?;
        debug_assert_eq!(fits.len(), count(ranges));
        // Positions in `fits` of the range under way.
        let (mut rest, mut start) = (ranges.iter(), 0);
        let mut range = rest.next().cloned().unwrap_or(0..0);
        for (from, to) in fits.set_slices() {
            let mut from = from;
            while from < to {
                while from >= start + range.len() {
                    start += range.len();
                    range = rest.next().cloned().unwrap_or(0..u32::MAX);
                }
                let end = to.min(start + range.len());
                let row = |position: usize| range.start + (position - start) as u32;
                extend(kept, row(from)..row(end));
                from = end;
            }
        }
        Ok(())
    }

    fn decide(&self, column: &HotColumn, statistics: BlockStatistics) -> Match {
        let (rows, nulls) = (statistics.rows, statistics.nulls);
        let null = self.predicate.test == FieldTest::IsNull;
        if nulls == rows {
            return if null { Match::All } else { Match::None };
        }
        match self.predicate.test {
            FieldTest::IsNull if nulls == 0 => return Match::None,
            FieldTest::IsNotNull if nulls == 0 => return Match::All,
            FieldTest::IsNull | FieldTest::IsNotNull => return Match::Some,
            FieldTest::Range { .. } => {}
        }
        let (Some((low, high)), Some(summary)) = (self.predicate.keys(), statistics.summary) else {
            return Match::Some;
        };
        let key = |word: i64| self.key(word, column.ty);
        let (min, max) = (key(summary.min), key(summary.max));
        if max < low || high < min {
            Match::None
        } else if nulls == 0 && low <= min && max <= high {
            Match::All
        } else {
            Match::Some
        }
    }

    /// The order key that a stored word has in the type of the schema.
    fn key(&self, word: i64, stored: ColumnType) -> i64 {
        match (stored, self.column.ty) {
            (ColumnType::I64, ColumnType::F64) => float_key((word as f64).to_bits() as i64),
            (ColumnType::U64, ColumnType::F64) => float_key((word as u64 as f64).to_bits() as i64),
            _ => order_key(word, stored),
        }
    }
}

/// The parts of `ranges` by the block they are in.
pub(super) fn by_block(ranges: &[Range<u32>], block_rows: u32) -> Vec<(usize, Vec<Range<u32>>)> {
    let mut blocks: Vec<(usize, Vec<Range<u32>>)> = Vec::new();
    for range in ranges {
        let mut start = range.start;
        while start < range.end {
            let block = start / block_rows;
            let end = range.end.min((block + 1).saturating_mul(block_rows));
            match blocks.last_mut() {
                Some((open, parts)) if *open == block as usize => parts.push(start..end),
                _ => blocks.push((block as usize, std::iter::once(start..end).collect())),
            }
            start = end;
        }
    }
    blocks
}
