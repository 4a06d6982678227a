//! What is read of a segment, whatever its format, and the batches of it.
//!
//! Invariant: batches come in row order and hold the asked columns in the types of the schema.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use pulsora_model::{Column, ColumnId, Result};
use roaring::RoaringBitmap;

use super::cold::ParquetRows;
use super::segment::Segment;
use crate::read::{ScanCounters, TagPredicate, TimeRange};

/// What is read of a segment.
#[derive(Clone)]
pub(crate) struct ReadSpec {
    /// Columns to give, in this order, as they are in the schema.
    pub columns: Vec<Column>,
    /// The time column of the table.
    pub time_column: ColumnId,
    pub time: TimeRange,
    /// All must hold.
    pub tags: Vec<TagPredicate>,
    pub rows: RowChoice,
    /// Row groups to read; `None` = all.
    pub groups: Option<Range<usize>>,
    /// Rows of a batch, at most; a power of two, so that batches end with row groups.
    pub batch_rows: usize,
    pub counters: Arc<ScanCounters>,
}

/// Which rows of a segment count, before any predicate.
#[derive(Clone)]
pub(crate) enum RowChoice {
    /// All that are not deleted.
    Live,
    /// All that are neither deleted nor listed.
    LiveExcept(Arc<RoaringBitmap>),
    /// The listed ones, deleted or not.
    Only(Arc<RoaringBitmap>),
}

/// The batches of one read.
pub(crate) enum SegmentRows {
    /// Of a Parquet object.
    Cold(Box<ParquetRows>),
}

impl Segment {
    /// The rows that `spec` asks for, in row order.
    ///
    /// # Errors
    /// `corrupt` when the object is damaged or missing, `io_error`; so does every batch.
    pub fn read(&self, spec: ReadSpec) -> Result<SegmentRows> {
        Ok(SegmentRows::Cold(Box::new(ParquetRows::open(self, spec)?)))
    }
}

impl Iterator for SegmentRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            SegmentRows::Cold(rows) => rows.next(),
        }
    }
}

/// Rows that are gone, or all that are wanted.
pub(super) fn listed(segment: &Segment, choice: &RowChoice) -> Option<Arc<RoaringBitmap>> {
    match (choice, &segment.deleted) {
        (RowChoice::Only(rows), _) => Some(Arc::clone(rows)),
        (RowChoice::Live, deleted) => deleted.clone(),
        (RowChoice::LiveExcept(rows), None) => Some(Arc::clone(rows)),
        (RowChoice::LiveExcept(rows), Some(deleted)) => Some(Arc::new(&**rows | &**deleted)),
    }
}
