//! A fold → tasks that run in parallel, and their result.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pulsora_model::{Code, Column, Error, Result};

use super::ask::Fold;
use super::cells::Pages;
use super::part::{Budget, FoldPart};
use super::shape::Shape;
use crate::read::scan::{Scan, ScanCounters, ScanStream, TimeRange};
use crate::read::snapshot::Snapshot;

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
    stream: ScanStream,
    columns: Vec<Column>,
    part: FoldPart,
}

impl Snapshot {
    /// The tasks that answer `fold`. Costs no I/O; segments are opened when tasks run.
    ///
    /// # Errors
    /// `table_not_found`, `column_not_found`; `sql_invalid` for a function that a column's type does
    /// not have; `invalid_request` for a fold that contradicts itself.
    pub fn fold(&self, fold: &Fold) -> Result<FoldPlan> {
        let schema = self.schema(fold.table)?;
        let shape = Arc::new(Shape::new(fold, &schema)?);
        let columns = shape.columns();
        let plan = self.scan(&Scan {
            columns: Some(columns.iter().map(|column| column.id).collect()),
            time: fold.time,
            tags: fold.tags.clone(),
            fields: fold.fields.clone(),
            ..Scan::all(fold.table)
        })?;
        let (pages, budget) = (pages(fold, fold.time), Arc::new(Budget::default()));
        let blank = Blank { shape: Arc::clone(&shape), pages, budget };
        let task = |stream| FoldTask { stream, columns: columns.clone(), part: blank.part() };
        Ok(FoldPlan {
            schema: Arc::clone(&shape.schema),
            tasks: plan.streams.into_iter().map(task).collect(),
            counters: plan.counters,
            newest_buckets: fold.newest_buckets,
            blank,
        })
    }
}

/// The pages for the buckets of a range of time.
fn pages(fold: &Fold, time: TimeRange) -> Pages {
    match fold.bucket {
        Some(bucket) if !time.is_empty() => {
            Pages::new(bucket.number(time.start_ns), bucket.number(time.end_ns))
        }
        _ => Pages::new(0, 0),
    }
}

impl FoldTask {
    /// Folds; blocking. `cancelled` is asked once per batch.
    ///
    /// # Errors
    /// `cancelled`; `memory_limit`; `corrupt` and `io_error` of the scan.
    pub fn run(mut self, cancelled: &dyn Fn() -> bool) -> Result<FoldPart> {
        for batch in self.stream {
            if cancelled() {
                return Err(Error::new(Code::Cancelled, "the query was cancelled"));
            }
            self.part.feed_batch(&batch?, &self.columns)?;
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
