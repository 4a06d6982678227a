//! A fold → tasks that run in parallel, and their result.
//!
//! The work is cut into the pieces of a scan: a source alone is folded where it lies if it can be,
//! pieces of several sources as the merged stream of their rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pulsora_model::Result;

use super::ask::Fold;
use super::cells::Pages;
use super::part::{Budget, FoldPart};
use super::shape::Shape;
use super::task::{FoldTask, Walk, Work};
use crate::read::pieces::Piece;
use crate::read::plan::{STREAM_ROWS_MIN, parts};
use crate::read::scan::{ScanCounters, TimeRange};
use crate::read::snapshot::Snapshot;
use crate::read::source::Rows;
use crate::read::table_scan::TableScan;
use crate::segment::SegmentFormat;

/// Most tasks of a fold, and never more than there are cores: each holds cells of its own, which are
/// brought together at the end.
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

impl Snapshot {
    /// The tasks that answer `fold`. Costs no I/O; segments are opened when tasks run.
    ///
    /// # Errors
    /// `table_not_found`, `column_not_found`; `sql_invalid` for a function that a column's type does
    /// not have; `invalid_request` for a fold that contradicts itself.
    pub fn fold(&self, fold: &Fold) -> Result<FoldPlan> {
        let table = TableScan::new(self, fold.table, fold.time, &fold.tags, &fold.fields)?;
        let shape = Arc::new(Shape::new(fold, &table.ask.schema)?);
        let pieces = table.pieces(table.ask.time);
        let bounds = pieces.iter().map(|piece| piece.time).reduce(|a, b| TimeRange {
            start_ns: a.start_ns.min(b.start_ns),
            end_ns: a.end_ns.max(b.end_ns),
        });
        let walk = || match (fold.newest_buckets, fold.bucket) {
            (Some(count), Some(bucket)) => Walk::NewestBuckets(bucket, count),
            _ if shape.is_last_rows() => Walk::LastRows,
            _ => Walk::All,
        };
        let works = match walk() {
            Walk::All => in_parallel(&table, pieces),
            _ => vec![pieces.into_iter().map(|piece| whole(&table, piece)).collect()],
        };
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
            walk: walk(),
            part: blank.part(),
        };
        Ok(FoldPlan {
            schema: Arc::clone(&shape.schema),
            tasks: works.into_iter().map(task).collect(),
            counters: Arc::clone(&table.ask.counters),
            newest_buckets: fold.newest_buckets,
            blank,
        })
    }
}

fn whole(table: &TableScan, piece: Piece) -> Work {
    let rows = table.piece_rows(&piece);
    Work { piece, groups: None, share: (0, 1), rows }
}

/// The work on some pieces in equal parts, as many as pay.
fn in_parallel(table: &TableScan, pieces: Vec<Piece>) -> Vec<Vec<Work>> {
    let rows: u64 = pieces.iter().map(|piece| table.piece_rows(piece)).sum();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let tasks = (rows.div_ceil(STREAM_ROWS_MIN) as usize).clamp(1, TASKS_MAX.min(cores));
    let mut works = Vec::new();
    for piece in pieces {
        let format = piece.single().and_then(|source| match &table.sources[source].rows {
            Rows::Segment { segment, .. } => Some(segment.meta.format),
            Rows::Chunk(_) => None,
        });
        let work = whole(table, piece);
        match format {
            Some(SegmentFormat::Hot) if work.rows > rows / tasks as u64 => {
                // A few large segments: each is shared by all tasks.
                works.extend((0..tasks).map(|share| Work {
                    piece: work.piece.clone(),
                    groups: None,
                    share: (share, tasks),
                    rows: work.rows / tasks as u64,
                }));
            }
            Some(SegmentFormat::Parquet) => {
                works.extend(parts(table, vec![work.piece]).into_iter().map(|part| Work {
                    piece: part.piece,
                    groups: part.groups,
                    share: (0, 1),
                    rows: part.rows,
                }));
            }
            _ => works.push(work),
        }
    }
    balanced(works, tasks)
}

/// The largest first, each to the task that has least.
fn balanced(mut works: Vec<Work>, tasks: usize) -> Vec<Vec<Work>> {
    works.sort_by_key(|work| std::cmp::Reverse(work.rows));
    let mut shares: Vec<(u64, Vec<Work>)> = (0..tasks).map(|_| (0, Vec::new())).collect();
    for work in works {
        if let Some(least) = shares.iter_mut().min_by_key(|(rows, _)| *rows) {
            least.0 += work.rows.max(1);
            least.1.push(work);
        }
    }
    shares.into_iter().map(|(_, works)| works).collect()
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
