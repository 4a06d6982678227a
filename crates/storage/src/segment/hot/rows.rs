//! Hot segment → batches: series, time, bitmaps and field predicates choose the rows, then the asked
//! columns are decoded at these alone.
//!
//! Invariants: batches come in row order; a column that the segment lacks is null; damaged bytes are an
//! error, after which nothing more comes.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema, SchemaRef};
use pulsora_model::{Code, Column, Error, Result};

use super::gather::count;
use super::predicate::{BoundPredicate, by_block};
use super::reader::{HotColumn, HotSegment};
use super::select::RowSelect;
use crate::read::ScanCounters;
use crate::segment::read::{ReadSpec, listed};
use crate::segment::{Segment, SegmentFile};

/// Rows that predicates look at together, at least: eight vectors.
const TEST_ROWS: usize = 8_192;

/// The batches of one read.
pub(crate) struct HotRows {
    /// Keeps the object while it is read.
    _file: Arc<SegmentFile>,
    segment: Arc<HotSegment>,
    schema: SchemaRef,
    outputs: Vec<Output>,
    select: RowSelect,
    predicates: Vec<BoundPredicate>,
    /// Rows that passed the predicates and were not given yet.
    found: Vec<Range<u32>>,
    batch_rows: usize,
    counters: Arc<ScanCounters>,
    /// Blocks below this have been counted.
    counted: usize,
    ended: bool,
}

/// Where an asked column comes from.
enum Output {
    Stored(HotColumn),
    /// Index of a tag of the series.
    Tag(usize),
    Missing,
}

impl HotRows {
    /// The rows of a hot segment that `spec` asks for.
    ///
    /// # Errors
    /// `corrupt` when the object is damaged or missing, `io_error`; so does every batch.
    pub fn open(segment: &Segment, spec: ReadSpec) -> Result<HotRows> {
        let hot = segment.file.hot()?;
        ScanCounters::add(&spec.counters.segments_read, 1);
        let blocks = hot.blocks();
        let blocks = spec.groups.clone().map_or(0..blocks, |part| part.start..part.end.min(blocks));
        let listed = listed(segment, &spec.rows);
        let select = RowSelect::new(&hot, blocks, spec.time, &spec.tags, listed)?;
        let fields = spec.columns.iter().map(Column::arrow_field).collect::<Vec<_>>();
        let predicates = spec.fields.iter();
        let predicates =
            predicates.map(|(column, test)| BoundPredicate::new(&hot, column, test)).collect();
        Ok(HotRows {
            _file: Arc::clone(&segment.file),
            schema: Arc::new(Schema::new(fields)),
            outputs: spec.columns.iter().map(|column| output(&hot, column)).collect(),
            segment: hot,
            select,
            predicates,
            found: Vec::new(),
            batch_rows: spec.batch_rows,
            counters: spec.counters,
            counted: 0,
            ended: false,
        })
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let ranges = match self.predicates.is_empty() {
            true => self.candidates(self.batch_rows)?,
            false => self.matching()?,
        };
        if ranges.is_empty() {
            return Ok(None);
        }
        // What Arrow refuses here is not what was written.
        let given = self.give(&ranges);
        given.map(Some).map_err(|error| match error.code() {
            Code::Corrupt | Code::Io => error,
            _ => self.segment.corrupt(error.message()).source(error),
        })
    }

    /// The next rows before predicates.
    fn candidates(&mut self, rows_max: usize) -> Result<Vec<Range<u32>>> {
        self.counters.check()?;
        let ranges = self.select.take(rows_max)?;
        ScanCounters::add(&self.counters.rows_read, count(&ranges));
        for (block, _) in by_block(&ranges, self.segment.block_rows()) {
            if block >= self.counted {
                ScanCounters::add(&self.counters.blocks_read, 1);
                self.counted = block + 1;
            }
        }
        Ok(ranges)
    }

    /// The next rows that pass all predicates.
    fn matching(&mut self) -> Result<Vec<Range<u32>>> {
        let mut found = count(&self.found);
        while found < self.batch_rows {
            let mut ranges = self.candidates(self.batch_rows.max(TEST_ROWS))?;
            if ranges.is_empty() {
                break;
            }
            for predicate in &self.predicates {
                if !ranges.is_empty() {
                    ranges = predicate.narrow(&self.segment, ranges)?;
                }
            }
            found += count(&ranges);
            self.found.extend(ranges);
        }
        Ok(split_off(&mut self.found, self.batch_rows))
    }

    /// The asked columns at some rows.
    fn give(&self, ranges: &[Range<u32>]) -> Result<RecordBatch> {
        let rows = count(ranges);
        let tagged = self.outputs.iter().any(|output| matches!(output, Output::Tag(_)));
        let runs = if tagged { self.segment.series_runs(ranges) } else { Vec::new() };
        let columns = self.outputs.iter().zip(self.schema.fields());
        let columns = columns.map(|(output, field)| self.column(output, field, ranges, &runs));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        RecordBatch::try_new_with_options(schema, columns, &options).map_err(Error::from)
    }

    fn column(
        &self,
        output: &Output,
        field: &Field,
        ranges: &[Range<u32>],
        runs: &[(u32, u32)],
    ) -> Result<ArrayRef> {
        let values = match output {
            Output::Stored(column) => self.segment.gather(column, ranges)?,
            Output::Tag(tag) => self.segment.gather_tag(&self.segment.series().tags()[*tag], runs),
            Output::Missing => return Ok(new_null_array(field.data_type(), count(ranges))),
        };
        if values.data_type() == field.data_type() {
            return Ok(values);
        }
        // The column has been widened since.
        Ok(cast(&values, field.data_type())?)
    }
}

fn output(segment: &HotSegment, column: &Column) -> Output {
    if let Some(stored) = segment.column(column.id) {
        return Output::Stored(stored.clone());
    }
    let tags = segment.series().tags();
    tags.iter().position(|tag| tag.column == column.id).map_or(Output::Missing, Output::Tag)
}

/// The first `rows` rows of `ranges`, which keeps the rest.
fn split_off(ranges: &mut Vec<Range<u32>>, rows: usize) -> Vec<Range<u32>> {
    let mut left = rows;
    for position in 0..ranges.len() {
        let len = ranges[position].len();
        if len <= left {
            left -= len;
            continue;
        }
        let mut rest = ranges.split_off(position);
        let cut = rest[0].start + left as u32;
        if left > 0 {
            ranges.push(rest[0].start..cut);
            rest[0].start = cut;
        }
        return std::mem::replace(ranges, rest);
    }
    std::mem::take(ranges)
}

impl Iterator for HotRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_batch().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
