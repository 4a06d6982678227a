//! Rows in time order: slice by slice of time, each sorted in memory.
//!
//! Slices are cut at the windows of segments and at even distances inside them, so that about a
//! quarter million rows are sorted at once. They are walked in the asked direction and never opened
//! once the limit is reached. Under a limit a first pass over the times alone finds how far into the
//! slice the rows reach; the other columns are read only there.
//!
//! The order is (time, tags, row id or arrival); descending is its exact reverse.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, NullArray, RecordBatch, RecordBatchOptions};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Schema, SchemaRef, TimestampNanosecondType};
use arrow::row::{RowConverter, Rows, SortField};
use pulsora_model::{Column, ColumnKind, Error, Result};

use super::scan::{Order, ScanStream, TimeRange};
use super::source::BATCH_ROWS;
use super::table_scan::TableScan;

/// Rows of a slice, about: 2^18 of them with ten columns take some 20 MiB.
const SLICE_ROWS: u64 = 1 << 18;

/// Most slices between two cuts; the rows of one window are rarely more than 2^28.
const SLICES_MAX: u64 = 1 << 10;

/// A first pass over the times pays when the slice has this many times the rows that are wanted.
const FIRST_PASS_FACTOR: u64 = 4;

/// By this much the steps of the first pass grow while they find too few rows: four of them reach from
/// a sixty-thousandth of a slice to all of it.
const STEP_GROWTH: i128 = 16;

/// All rows of `table` in the direction of `order`, at most `limit` of them.
pub(super) fn time_ordered(
    table: TableScan,
    columns: &[Column],
    order: Order,
    limit: Option<usize>,
) -> ScanStream {
    let descending = order == Order::TimeDescending;
    let mut slices: VecDeque<TimeRange> = slices(&table).into();
    if descending {
        slices.make_contiguous().reverse();
    }
    let given: Vec<_> = columns.iter().map(Column::arrow_field).collect();
    Box::new(TimeOrdered {
        read: read_columns(&table, columns),
        schema: Arc::new(Schema::new(given)),
        columns: columns.to_vec(),
        table,
        descending,
        left: limit.unwrap_or(usize::MAX),
        slices,
        sorted: None,
    })
}

/// The asked columns, and those that decide the order.
fn read_columns(table: &TableScan, columns: &[Column]) -> Vec<Column> {
    let mut read = columns.to_vec();
    for column in &table.ask.schema.columns {
        let decides = match column.kind {
            ColumnKind::Time | ColumnKind::Id => true,
            ColumnKind::Tag => !table.ask.fixes(column.id),
            ColumnKind::Field => false,
        };
        if decides && !read.iter().any(|read| read.id == column.id) {
            read.push(column.clone());
        }
    }
    read
}

/// The slices of a scan, ascending; together they cover every source inside the asked range.
fn slices(table: &TableScan) -> Vec<TimeRange> {
    let range = table.sources.iter().map(|source| source.time.intersect(&table.ask.time));
    let range = range.reduce(|a, b| TimeRange {
        start_ns: a.start_ns.min(b.start_ns),
        end_ns: a.end_ns.max(b.end_ns),
    });
    let Some(range) = range else { return Vec::new() };
    let mut cuts: Vec<i64> = table.sources.iter().flat_map(|source| source.cuts()).collect();
    cuts.retain(|cut| range.start_ns < *cut && *cut <= range.end_ns);
    cuts.sort_unstable();
    cuts.dedup();
    let starts = std::iter::once(range.start_ns).chain(cuts.iter().copied());
    let ends = cuts.iter().map(|cut| cut - 1).chain([range.end_ns]);
    let windows = starts.zip(ends).map(|(start_ns, end_ns)| TimeRange { start_ns, end_ns });
    windows.flat_map(|window| even_slices(table, window)).collect()
}

fn even_slices(table: &TableScan, window: TimeRange) -> Vec<TimeRange> {
    let rows = table.rows_about(window);
    let width = i128::from(window.end_ns) - i128::from(window.start_ns) + 1;
    let count = i128::from(rows.div_ceil(SLICE_ROWS).min(SLICES_MAX)).min(width);
    let start = |slice: i128| i128::from(window.start_ns) + width * slice / count;
    (0..count)
        .map(|slice| TimeRange {
            // Both lie inside the window.
            start_ns: start(slice) as i64,
            end_ns: (start(slice + 1) - 1) as i64,
        })
        .collect()
}

struct TimeOrdered {
    table: TableScan,
    /// Columns to give, in order; they come first in `read`.
    columns: Vec<Column>,
    read: Vec<Column>,
    schema: SchemaRef,
    descending: bool,
    /// Rows that are still wanted.
    left: usize,
    /// In the asked direction.
    slices: VecDeque<TimeRange>,
    sorted: Option<SortedSlice>,
}

/// The rows of a slice, sorted, partly given.
struct SortedSlice {
    batches: Vec<RecordBatch>,
    /// (batch, row) in the asked order.
    rows: Vec<(usize, usize)>,
    next: usize,
}

impl TimeOrdered {
    fn sort_slice(&self, slice: TimeRange) -> Result<SortedSlice> {
        let slice = self.narrow(slice)?;
        let mut batches = Vec::new();
        // Sources in sequence order, so that equal keys stay in arrival order.
        let mut pieces = self.table.pieces(slice);
        pieces.sort_by(|a, b| a.sources.cmp(&b.sources));
        for piece in pieces {
            for batch in self.table.stream(&piece, &self.read, None) {
                batches.push(batch?);
            }
        }
        let mut rows = self.sorted_rows(&batches)?;
        if self.descending {
            rows.reverse();
        }
        rows.truncate(self.left);
        Ok(SortedSlice { batches, rows, next: 0 })
    }

    fn sorted_rows(&self, batches: &[RecordBatch]) -> Result<Vec<(usize, usize)>> {
        let tie_breakers = self.tie_breakers();
        let fields = tie_breakers.iter().map(|at| SortField::new(self.read[*at].arrow_type()));
        let converter = RowConverter::new(fields.collect())?;
        let (mut keys, mut rows): (Vec<Rows>, Vec<(i64, u32, u32)>) = (Vec::new(), Vec::new());
        for (number, batch) in batches.iter().enumerate() {
            let columns: Vec<ArrayRef> =
                tie_breakers.iter().map(|at| Arc::clone(batch.column(*at))).collect();
            if !columns.is_empty() {
                keys.push(converter.convert_columns(&columns)?);
            }
            let times = times(batch, self.time_position())?;
            rows.extend((0u32..).zip(times).map(|(row, time)| (*time, number as u32, row)));
        }
        rows.sort_unstable_by(|a, b| {
            let tie = || match keys.is_empty() {
                true => Ordering::Equal,
                false => {
                    let key = |at: &(i64, u32, u32)| keys[at.1 as usize].row(at.2 as usize);
                    key(a).cmp(&key(b))
                }
            };
            a.0.cmp(&b.0).then_with(tie).then_with(|| (a.1, a.2).cmp(&(b.1, b.2)))
        });
        Ok(rows.into_iter().map(|(_, batch, row)| (batch as usize, row as usize)).collect())
    }

    fn time_position(&self) -> usize {
        self.read.iter().position(|column| column.kind == ColumnKind::Time).unwrap_or(0)
    }

    /// Positions of the tags and the row id, in the order in which they decide.
    fn tie_breakers(&self) -> Vec<usize> {
        let schema = &self.table.ask.schema;
        let decide = schema.tags().chain(schema.row_id()).map(|column| column.id);
        decide
            .filter(|id| !self.table.ask.fixes(*id))
            .filter_map(|id| self.read.iter().position(|column| column.id == id))
            .collect()
    }

    /// The part of a slice that holds the rows that are still wanted, by a pass over times alone. It
    /// starts where these rows would be if all were evenly spread, and goes on in wider steps.
    fn narrow(&self, slice: TimeRange) -> Result<TimeRange> {
        let wanted = self.left as u64;
        let rows = self.table.rows_about(slice);
        if rows <= wanted.saturating_mul(FIRST_PASS_FACTOR).saturating_add(BATCH_ROWS as u64) {
            return Ok(slice);
        }
        let width = i128::from(slice.end_ns) - i128::from(slice.start_ns) + 1;
        let share = i128::from(wanted.saturating_mul(FIRST_PASS_FACTOR));
        let mut step = (width * share / i128::from(rows)).max(1);
        // The wanted times found so far, the one that leaves next on top.
        let mut found: BinaryHeap<i64> = BinaryHeap::new();
        let mut done: i128 = 0;
        while done < width {
            let end = width.min(done + step);
            // Both lie inside the slice.
            let part = match self.descending {
                true => TimeRange {
                    start_ns: (i128::from(slice.end_ns) - end + 1) as i64,
                    end_ns: (i128::from(slice.end_ns) - done) as i64,
                },
                false => TimeRange {
                    start_ns: (i128::from(slice.start_ns) + done) as i64,
                    end_ns: (i128::from(slice.start_ns) + end - 1) as i64,
                },
            };
            self.find_times(part, &mut found)?;
            if let Some(last) = found.peek().filter(|_| found.len() == self.left) {
                return Ok(match self.descending {
                    true => TimeRange { start_ns: !*last, ..slice },
                    false => TimeRange { end_ns: *last, ..slice },
                });
            }
            (done, step) = (end, step.saturating_mul(STEP_GROWTH));
        }
        Ok(slice)
    }

    /// Adds the wanted times of a range to `found`.
    fn find_times(&self, range: TimeRange, found: &mut BinaryHeap<i64>) -> Result<()> {
        let mut pieces = self.table.pieces(range);
        if self.descending {
            pieces.sort_by_key(|piece| Reverse(piece.time.end_ns));
        }
        let time = [self.table.ask.schema.time().clone()];
        let mut narrow = range;
        for piece in pieces {
            let Some(piece) = piece.within(narrow) else { continue };
            for batch in self.table.stream(&piece, &time, None) {
                for time in times(&batch?, 0)? {
                    // `!time` reverses the order without an overflow.
                    let rank = if self.descending { !*time } else { *time };
                    if found.len() < self.left {
                        found.push(rank);
                    } else if found.peek().is_some_and(|last| rank < *last) {
                        found.pop();
                        found.push(rank);
                    }
                }
            }
            if let Some(last) = found.peek().filter(|_| found.len() == self.left) {
                match self.descending {
                    true => narrow.start_ns = narrow.start_ns.max(!*last),
                    false => narrow.end_ns = narrow.end_ns.min(*last),
                }
            }
        }
        Ok(())
    }

    fn give(&self, sorted: &SortedSlice, rows: &[(usize, usize)]) -> Result<RecordBatch> {
        let columns = (0..self.columns.len()).map(|column| {
            let values: Vec<&dyn Array> =
                sorted.batches.iter().map(|batch| batch.column(column).as_ref()).collect();
            match values.first().map(|values| values.data_type()) {
                None | Some(DataType::Null) => Ok(Arc::new(NullArray::new(rows.len())) as ArrayRef),
                Some(_) => Ok(interleave(&values, rows)?),
            }
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(Error::from)
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(mut sorted) = self.sorted.take() {
                let end = sorted.rows.len().min(sorted.next + BATCH_ROWS);
                let batch = self.give(&sorted, &sorted.rows[sorted.next..end])?;
                sorted.next = end;
                self.left -= batch.num_rows();
                self.sorted = (end < sorted.rows.len()).then_some(sorted);
                return Ok(Some(batch));
            }
            if self.left == 0 {
                return Ok(None);
            }
            let Some(slice) = self.slices.pop_front() else { return Ok(None) };
            let sorted = self.sort_slice(slice)?;
            self.sorted = (!sorted.rows.is_empty()).then_some(sorted);
        }
    }
}

impl Iterator for TimeOrdered {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch().transpose();
        if matches!(next, Some(Err(_))) {
            self.slices.clear();
            self.sorted = None;
        }
        next
    }
}

fn times(batch: &RecordBatch, column: usize) -> Result<&[i64]> {
    let times = batch.column(column).as_primitive_opt::<TimestampNanosecondType>();
    Ok(times.ok_or_else(|| Error::internal("the time column does not hold times"))?.values())
}
