//! One task of a fold: walks its pieces and folds each by the quickest way that is right for it.

use std::ops::Range;
use std::sync::Arc;

use pulsora_model::{Code, Column, Error, Result};

use super::ask::Bucket;
use super::chunk::ChunkGroups;
use super::hot::HotGroups;
use super::part::FoldPart;
use crate::read::pieces::Piece;
use crate::read::scan::TimeRange;
use crate::read::source::Rows;
use crate::read::table_scan::TableScan;
use crate::segment::SegmentFormat;

/// Some of the rows of a piece.
pub(super) struct Work {
    pub piece: Piece,
    /// Row groups of its one Parquet segment.
    pub groups: Option<Range<usize>>,
    /// Of the series of its one hot segment, this of so many equal shares.
    pub share: (usize, usize),
    /// About.
    pub rows: u64,
}

/// How a task goes about its work.
pub(super) enum Walk {
    /// Piece by piece.
    All,
    /// From the newest piece back, as long as an older row can still be the last of a group.
    LastRows,
    /// From the newest bucket back, until this many have rows.
    NewestBuckets(Bucket, usize),
}

/// A piece of the work of a fold.
pub struct FoldTask {
    pub(super) table: Arc<TableScan>,
    pub(super) columns: Arc<[Column]>,
    pub(super) work: Vec<Work>,
    pub(super) walk: Walk,
    pub(super) part: FoldPart,
}

impl FoldTask {
    /// Rows of the segments and chunks that the task looks into, about: an upper bound where tags
    /// leave some of their series out.
    pub fn rows_about(&self) -> u64 {
        self.work.iter().map(|work| work.rows).sum()
    }

    /// Folds; blocking. `cancelled` is asked once per batch or source.
    ///
    /// # Errors
    /// `cancelled`; `memory_limit`; `corrupt` and `io_error` of the scan.
    pub fn run(self, cancelled: &dyn Fn() -> bool) -> Result<FoldPart> {
        let check = || match cancelled() {
            true => Err(Error::new(Code::Cancelled, "the query was cancelled")),
            false => Ok(()),
        };
        let mut worker = Worker {
            table: &self.table,
            columns: &self.columns,
            part: self.part,
            chunks: ChunkGroups::default(),
            hots: HotGroups::default(),
            check: &check,
        };
        match self.walk {
            Walk::All => self.work.iter().try_for_each(|work| worker.fold(work))?,
            Walk::LastRows => worker.last_rows(self.work)?,
            Walk::NewestBuckets(bucket, count) => {
                worker.newest_buckets(self.work, bucket, count)?;
            }
        }
        Ok(worker.part)
    }
}

/// What a task works with.
pub(super) struct Worker<'a> {
    pub table: &'a TableScan,
    pub columns: &'a [Column],
    pub part: FoldPart,
    pub chunks: ChunkGroups,
    pub hots: HotGroups,
    pub check: &'a dyn Fn() -> Result<()>,
}

impl Worker<'_> {
    /// Folds all rows of some work.
    pub fn fold(&mut self, work: &Work) -> Result<()> {
        (self.check)()?;
        let ask = self.table.ask.within(work.piece.time);
        let single = work.piece.single().map(|source| &self.table.sources[source]);
        match single.map(|source| (&source.rows, source)) {
            Some((Rows::Chunk(chunk), _)) if self.part.can_feed_chunk(chunk, &ask) => {
                self.part.feed_chunk(chunk, &ask, &mut self.chunks)
            }
            Some((Rows::Segment { segment, .. }, source))
                if segment.meta.format == SegmentFormat::Hot && self.part.can_feed_hot() =>
            {
                let gone = source.gone()?;
                self.part.feed_hot(segment, gone, &ask, work.share, &mut self.hots, self.check)
            }
            // A share has no meaning to a stream: the first one takes all.
            _ if work.share.0 > 0 => Ok(()),
            _ => self.fold_stream(work),
        }
    }

    /// Folds the batches of the merged rows.
    fn fold_stream(&mut self, work: &Work) -> Result<()> {
        for batch in self.table.stream(&work.piece, self.columns, work.groups.clone()) {
            (self.check)()?;
            self.part.feed_batch(&batch?, self.columns)?;
        }
        Ok(())
    }

    /// Folds windows of time from the newest bucket back, each twice as wide as the one before.
    fn newest_buckets(&mut self, work: Vec<Work>, bucket: Bucket, count: usize) -> Result<()> {
        let mut buckets = i64::try_from(count).unwrap_or(i64::MAX);
        let mut end_ns = work.iter().map(|work| work.piece.time.end_ns).max();
        while let Some(newest_ns) = end_ns.filter(|_| self.part.cells_taken() < count) {
            let last = bucket.number(newest_ns);
            let window = TimeRange {
                start_ns: bucket.range(last.saturating_sub(buckets - 1)).start_ns,
                end_ns: newest_ns,
            };
            let mut older = None;
            for work in &work {
                let time = work.piece.time;
                if let Some(piece) = work.piece.within(window) {
                    self.fold(&Work { piece, groups: None, share: (0, 1), rows: work.rows })?;
                }
                if time.start_ns < window.start_ns {
                    // Times between pieces are passed over.
                    older = older.max(Some(time.end_ns.min(window.start_ns - 1)));
                }
            }
            end_ns = older;
            buckets = buckets.saturating_mul(2);
        }
        Ok(())
    }
}
