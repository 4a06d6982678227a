//! A fold → tasks that run in parallel, and their result.
//!
//! The work is cut into the pieces of a scan: a source alone is folded where it lies if it can be,
//! pieces of several sources as the merged stream of their rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pulsora_model::{Code, Column, Error, Result};

use super::ask::Fold;
use super::cells::Pages;
use super::chunk::ChunkGroups;
use super::part::{Budget, FoldPart};
use super::shape::Shape;
use crate::read::plan::{Part, STREAM_ROWS_MIN, balanced, parts};
use crate::read::scan::{ScanCounters, TimeRange};
use crate::read::snapshot::Snapshot;
use crate::read::source::Rows;
use crate::read::table_scan::TableScan;

/// Most tasks of a fold: each holds cells of its own, which are brought together at the end.
const TASKS_MAX: usize = 8;

/// A fold that is ready to run.
pub struct FoldPlan {
    /// Schema of the result: tags of groups as `Dictionary(UInt32, Utf8)`, the bucket as
    /// `Timestamp(ns, UTC)`, then one column per aggregate.
    pub schema: SchemaRef,
    /// At least one; they may run in parallel.
    pub tasks: Vec<FoldTask>,
    /// Figures, filled while the tasks run.
    pub counters: Arc<ScanCounters>,
    newest_buckets: Option<usize>,
    blank: Blank,
}

/// What an empty part is made of.
#[derive(Clone)]
struct Blank {
    shape: Arc<Shape>,
    pages: Pages,
    budget: Arc<Budget>,
}

impl Blank {
    fn part(&self) -> FoldPart {
        FoldPart::new(&self.shape, self.pages, &self.budget)
    }
}

/// A piece of the work of a fold.
pub struct FoldTask {
    table: Arc<TableScan>,
    columns: Arc<[Column]>,
    work: Vec<Part>,
    part: FoldPart,
}

impl Snapshot {
    /// The tasks that answer `fold`. Costs no I/O; segments are opened when tasks run.
    ///
    /// # Errors
    /// `table_not_found`, `column_not_found`; `sql_invalid` for a function that a column's type does
    /// not have; `invalid_request` for a fold that contradicts itself.
    pub fn fold(&self, fold: &Fold) -> Result<FoldPlan> {
        let table = TableScan::new(self, fold.table, fold.time, &fold.tags, &fold.fields)?;
        let shape = Arc::new(Shape::new(fold, &table.ask.schema)?);
        let pieces = table.pieces(fold.time);
        let bounds = pieces.iter().map(|piece| piece.time).reduce(|a, b| TimeRange {
            start_ns: a.start_ns.min(b.start_ns),
            end_ns: a.end_ns.max(b.end_ns),
        });
        let parts = parts(&table, pieces);
        let rows: u64 = parts.iter().map(|part| part.rows).sum();
        let tasks = (rows.div_ceil(STREAM_ROWS_MIN) as usize).clamp(1, TASKS_MAX);
        let blank = Blank {
            shape: Arc::clone(&shape),
            pages: pages(fold, bounds),
            budget: Arc::new(Budget::default()),
        };
        let (table, columns) = (Arc::new(table), shape.columns().into());
        let task = |work| FoldTask {
            table: Arc::clone(&table),
            columns: Arc::clone(&columns),
            work,
            part: blank.part(),
        };
        Ok(FoldPlan {
            schema: Arc::clone(&shape.schema),
            tasks: balanced(parts, tasks).into_iter().map(task).collect(),
            counters: Arc::clone(&table.ask.counters),
            newest_buckets: fold.newest_buckets,
            blank,
        })
    }
}

/// The pages for the buckets of a range of time.
fn pages(fold: &Fold, time: Option<TimeRange>) -> Pages {
    match (fold.bucket, time) {
        (Some(bucket), Some(time)) => {
            Pages::new(bucket.number(time.start_ns), bucket.number(time.end_ns))
        }
        _ => Pages::new(0, 0),
    }
}

impl FoldTask {
    /// Folds; blocking. `cancelled` is asked once per batch or source.
    ///
    /// # Errors
    /// `cancelled`; `memory_limit`; `corrupt` and `io_error` of the scan.
    pub fn run(mut self, cancelled: &dyn Fn() -> bool) -> Result<FoldPart> {
        let check = || match cancelled() {
            true => Err(Error::new(Code::Cancelled, "the query was cancelled")),
            false => Ok(()),
        };
        let mut groups = ChunkGroups::default();
        for work in &self.work {
            check()?;
            let single = work.piece.single().map(|source| &self.table.sources[source].rows);
            let ask = self.table.ask.within(work.piece.time);
            if let Some(Rows::Chunk(source)) = single
                && self.part.can_feed_chunk(source, &ask)
            {
                self.part.feed_chunk(source, &ask, &mut groups)?;
                continue;
            }
            for batch in self.table.stream(&work.piece, &self.columns, work.groups.clone()) {
                check()?;
                self.part.feed_batch(&batch?, &self.columns)?;
            }
        }
        Ok(self.part)
    }
}

impl FoldPlan {
    /// The result: rows sorted by bucket, then by the values of the groups' tags (by bytes, absent
    /// last). Without groups and buckets exactly one row.
    ///
    /// # Errors
    /// `sql_invalid` when an integer sum is outside its column's type; `memory_limit`.
    pub fn finish(&self, parts: Vec<FoldPart>) -> Result<Vec<RecordBatch>> {
        let mut whole = self.blank.part();
        for part in parts {
            match whole.rows.is_empty() {
                true => whole = part,
                false => whole.merge(part)?,
            }
        }
        whole.result(self.newest_buckets)
    }
}
