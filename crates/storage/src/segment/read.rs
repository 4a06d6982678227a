//! What is read of a segment, whatever its format, and the batches of it.
//!
//! Invariant: batches come in row order and hold the asked columns in the types of the schema.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use pulsora_model::{Column, ColumnId, Result};
use roaring::RoaringBitmap;

use super::cold::ParquetRows;
use super::hot::HotRows;
use super::meta::SegmentFormat;
use super::segment::Segment;
use crate::read::{FieldPredicate, ScanCounters, TagPredicate, TimeRange, filter_fields};

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
    /// All must hold, each with its column as it is in the schema.
    pub fields: Vec<(Column, FieldPredicate)>,
    pub rows: RowChoice,
    /// Row groups (Parquet) or blocks (hot) to read; `None` = all.
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
    /// Of a Parquet object, with what its rows have to pass still.
    Cold(Box<ParquetRows>, Option<Box<FieldFilter>>),
    /// Of a hot segment.
    Hot(Box<HotRows>),
}

/// Field predicates over the batches of a Parquet object, which hold their columns as well.
pub(crate) struct FieldFilter {
    columns: Vec<Column>,
    predicates: Vec<FieldPredicate>,
    /// The asked columns in those batches: they come first.
    asked: Vec<usize>,
}

/// Rows that do not count, or the only ones that do.
#[derive(Clone)]
pub(crate) enum Listed {
    Gone(Arc<RoaringBitmap>),
    Wanted(Arc<RoaringBitmap>),
}

impl Segment {
    /// The rows that `spec` asks for, in row order.
    ///
    /// # Errors
    /// `corrupt` when the object is damaged or missing, `io_error`; so does every batch.
    pub fn read(&self, mut spec: ReadSpec) -> Result<SegmentRows> {
        if self.meta.format == SegmentFormat::Hot {
            return Ok(SegmentRows::Hot(Box::new(HotRows::open(self, spec)?)));
        }
        let filter = (!spec.fields.is_empty()).then(|| Box::new(FieldFilter::new(&mut spec)));
        Ok(SegmentRows::Cold(Box::new(ParquetRows::open(self, spec)?), filter))
    }
}

impl FieldFilter {
    /// Takes the predicates out of `spec` and makes it read their columns.
    fn new(spec: &mut ReadSpec) -> FieldFilter {
        let asked = (0..spec.columns.len()).collect();
        let mut predicates = Vec::new();
        for (column, predicate) in std::mem::take(&mut spec.fields) {
            if !spec.columns.iter().any(|other| other.id == column.id) {
                spec.columns.push(column);
            }
            predicates.push(predicate);
        }
        FieldFilter { columns: spec.columns.clone(), predicates, asked }
    }

    fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        Ok(filter_fields(batch, &self.columns, &self.predicates)?.project(&self.asked)?)
    }
}

impl Iterator for SegmentRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            SegmentRows::Hot(rows) => rows.next(),
            SegmentRows::Cold(rows, None) => rows.next(),
            SegmentRows::Cold(rows, Some(filter)) => loop {
                match rows.next()?.and_then(|batch| filter.apply(&batch)) {
                    Ok(batch) if batch.num_rows() == 0 => {}
                    other => return Some(other),
                }
            },
        }
    }
}

/// The rows that a choice names, deletions included.
pub(super) fn listed(segment: &Segment, choice: &RowChoice) -> Option<Listed> {
    match (choice, &segment.deleted) {
        (RowChoice::Only(rows), _) => Some(Listed::Wanted(Arc::clone(rows))),
        (RowChoice::Live, deleted) => deleted.clone().map(Listed::Gone),
        (RowChoice::LiveExcept(rows), None) => Some(Listed::Gone(Arc::clone(rows))),
        (RowChoice::LiveExcept(rows), Some(deleted)) => {
            Some(Listed::Gone(Arc::new(&**rows | &**deleted)))
        }
    }
}
