//! What one task of a fold has folded so far.
//!
//! Invariant: `rows`, all states and all picks have one entry per cell, and some to spare; a cell
//! without rows is not part of the result.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::Schema;
use pulsora_model::{Code, Column, Error, Result};

use super::cells::{Cells, Groups, Pages};
use super::picks::Picks;
use super::shape::Shape;
use super::states::{Rows, States};
use super::summary::Slices;

/// Most bytes that all parts of one fold hold: as many as four million cells with a few aggregates
/// take.
pub(super) const FOLD_BYTES_MAX: usize = 256 << 20;

/// Bytes of all parts of a fold.
#[derive(Default)]
pub(super) struct Budget(AtomicUsize);

/// What one task has folded; [`super::FoldPlan::finish`] brings parts together.
pub struct FoldPart {
    pub(super) shape: Arc<Shape>,
    pub(super) groups: Groups,
    pub(super) cells: Cells,
    /// Rows by cell.
    pub(super) rows: Vec<u64>,
    /// By folded column.
    pub(super) states: Vec<States>,
    pub(super) first: Option<Picks>,
    pub(super) last: Option<Picks>,
    budget: Arc<Budget>,
    /// Bytes that the budget knows of.
    settled: usize,
}

impl FoldPart {
    /// Nothing folded yet.
    pub(super) fn new(shape: &Arc<Shape>, pages: Pages, budget: &Arc<Budget>) -> FoldPart {
        let picked = shape.picked.iter().map(Column::arrow_field);
        let schema = Arc::new(Schema::new(picked.collect::<Vec<_>>()));
        let picks = |wanted: bool, latest| wanted.then(|| Picks::new(Arc::clone(&schema), latest));
        FoldPart {
            groups: Groups::default(),
            cells: Cells::new(pages),
            rows: Vec::new(),
            states: shape.folded.iter().map(States::new).collect(),
            first: picks(shape.first_row, false),
            last: picks(shape.last_row, true),
            shape: Arc::clone(shape),
            budget: Arc::clone(budget),
            settled: 0,
        }
    }

    /// The number of a cell, with room made for it.
    #[inline]
    pub(super) fn cell(&mut self, group: u32, bucket: i64) -> usize {
        let cell = self.cells.cell(group, bucket);
        if self.rows.len() < self.cells.len() {
            self.grow();
        }
        cell
    }

    /// Makes room for all cells, and for half as many again, so that it is seldom called.
    #[cold]
    fn grow(&mut self) {
        let cells = self.cells.len() + self.cells.len() / 2;
        self.rows.resize(cells, 0);
        for states in &mut self.states {
            states.grow(cells);
        }
        for picks in self.first.iter_mut().chain(&mut self.last) {
            picks.grow(cells);
        }
    }

    /// How many cells have rows.
    pub(super) fn cells_taken(&self) -> usize {
        self.rows.iter().filter(|rows| **rows > 0).count()
    }

    /// Adds a range of rows, ascending in time and not empty, to a cell. `columns` are the folded
    /// columns, `times` is given whenever the shape needs times.
    pub(super) fn feed(
        &mut self,
        cell: usize,
        columns: &[Slices<'_>],
        rows: Range<usize>,
        times: Option<&[i64]>,
    ) {
        self.rows[cell] += rows.len() as u64;
        for (states, slices) in self.states.iter_mut().zip(columns) {
            states.feed(cell, slices, rows.clone(), times);
        }
        let Some(times) = times else { return };
        if let Some(first) = &mut self.first {
            first.offer(cell, times[rows.start], rows.start);
        }
        if let Some(last) = &mut self.last {
            last.offer(cell, times[rows.end - 1], rows.end - 1);
        }
    }

    /// Adds rows in any order, each to its cell. `times` is given whenever the shape needs times.
    pub(super) fn scatter(&mut self, columns: &[Slices<'_>], rows: &Rows<'_>) {
        for cell in rows.cells {
            self.rows[*cell as usize] += 1;
        }
        for (states, slices) in self.states.iter_mut().zip(columns) {
            states.scatter(slices, rows);
        }
        let Some(times) = rows.times else { return };
        for picks in self.first.iter_mut().chain(&mut self.last) {
            for (row, cell) in rows.rows.iter().zip(rows.cells) {
                picks.offer(*cell as usize, times[*row as usize], *row as usize);
            }
        }
    }

    /// Feeds the rows of one group, bucket by bucket.
    pub(super) fn feed_group(
        &mut self,
        group: u32,
        columns: &[Slices<'_>],
        rows: Range<usize>,
        times: Option<&[i64]>,
    ) {
        let Some(times) = times else {
            let cell = self.cell(group, 0);
            return self.feed(cell, columns, rows, None);
        };
        let bucket = self.shape.bucket;
        let mut start = rows.start;
        while start < rows.end {
            let (number, last_ns) = match bucket {
                None => (0, i64::MAX),
                Some(bucket) => {
                    let number = bucket.number(times[start]);
                    (number, bucket.range(number).end_ns)
                }
            };
            let ascending = times[start..rows.end].windows(2);
            let more = ascending.take_while(|pair| pair[0] <= pair[1] && pair[1] <= last_ns);
            let end = start + 1 + more.count();
            let cell = self.cell(group, number);
            self.feed(cell, columns, start..end, Some(times));
            start = end;
        }
    }

    /// Feeds the rows of one series, ascending in time, bucket by bucket.
    pub(super) fn feed_sorted(
        &mut self,
        group: u32,
        columns: &[Slices<'_>],
        rows: Range<usize>,
        times: &[i64],
    ) {
        let Some(bucket) = self.shape.bucket else {
            let cell = self.cell(group, 0);
            return self.feed(cell, columns, rows, Some(times));
        };
        let mut start = rows.start;
        let (mut number, mut last_ns) = (0, i64::MIN);
        while start < rows.end {
            // Mostly the next bucket.
            let next_ns = last_ns.checked_add(bucket.width_ns).filter(|_| start > rows.start);
            match next_ns.filter(|next_ns| times[start] <= *next_ns) {
                Some(next_ns) => (number, last_ns) = (number + 1, next_ns),
                None => {
                    number = bucket.number(times[start]);
                    last_ns = bucket.range(number).end_ns;
                }
            }
            let end = start + leading(&times[start..rows.end], last_ns);
            let cell = self.cell(group, number);
            self.feed(cell, columns, start..end, Some(times));
            start = end;
        }
    }

    /// Tells the budget what is held now.
    ///
    /// # Errors
    /// `memory_limit` when all parts together hold more than [`FOLD_BYTES_MAX`].
    pub(super) fn settle(&mut self) -> Result<()> {
        let states: usize = self.states.iter().map(States::size_bytes).sum();
        let picks: usize = self.first.iter().chain(&self.last).map(Picks::size_bytes).sum();
        let keys = self.groups.size_bytes() + self.cells.size_bytes() + self.rows.len() * 8;
        let bytes = states + picks + keys;
        let before = std::mem::replace(&mut self.settled, bytes);
        let total = &self.budget.0;
        total.fetch_add(bytes.saturating_sub(before), Ordering::Relaxed);
        total.fetch_sub(before.saturating_sub(bytes), Ordering::Relaxed);
        if total.load(Ordering::Relaxed) <= FOLD_BYTES_MAX {
            return Ok(());
        }
        let message =
            format!("the groups of the query hold more than {} MiB", FOLD_BYTES_MAX >> 20);
        Err(Error::new(Code::MemoryLimit, message)
            .hint("group by fewer tags, use wider buckets, or ask for a shorter time"))
    }
}

/// How many of some ascending times, of which the first is, are up to `last_ns`. Steps that double and
/// then halve: buckets of few rows and of many are both found quickly.
fn leading(times: &[i64], last_ns: i64) -> usize {
    let mut step = 1;
    while step < times.len() && times[step] <= last_ns {
        step *= 2;
    }
    let low = step / 2 + 1;
    let high = step.min(times.len());
    low.min(high) + times[low.min(high)..high].partition_point(|time| *time <= last_ns)
}
