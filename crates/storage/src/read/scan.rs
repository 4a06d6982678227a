//! What a scan asks and what it answers with. Plain data in ids and bounds, no names, so that a scan
//! can be described to another process.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pulsora_model::{Code, ColumnId, Error, Result, TableId, Timestamp};

use super::field::FieldPredicate;

/// Times from `start_ns` to `end_ns`, both inclusive, nanoseconds UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// First nanosecond inside.
    pub start_ns: i64,
    /// Last nanosecond inside.
    pub end_ns: i64,
}

impl TimeRange {
    /// All of time.
    pub const ALL: TimeRange = TimeRange { start_ns: i64::MIN, end_ns: i64::MAX };

    /// Whether nothing lies inside.
    pub fn is_empty(&self) -> bool {
        self.start_ns > self.end_ns
    }

    /// Whether `time_ns` lies inside.
    pub fn contains(&self, time_ns: i64) -> bool {
        self.start_ns <= time_ns && time_ns <= self.end_ns
    }

    /// What lies in both.
    #[must_use]
    pub fn intersect(&self, other: &TimeRange) -> TimeRange {
        TimeRange {
            start_ns: self.start_ns.max(other.start_ns),
            end_ns: self.end_ns.min(other.end_ns),
        }
    }

    /// Whether the two share a nanosecond.
    pub fn overlaps(&self, other: &TimeRange) -> bool {
        !self.intersect(other).is_empty()
    }
}

impl From<RangeFull> for TimeRange {
    fn from(_: RangeFull) -> TimeRange {
        TimeRange::ALL
    }
}

impl From<RangeInclusive<Timestamp>> for TimeRange {
    fn from(range: RangeInclusive<Timestamp>) -> TimeRange {
        TimeRange { start_ns: range.start().ns(), end_ns: range.end().ns() }
    }
}

impl From<RangeFrom<Timestamp>> for TimeRange {
    fn from(range: RangeFrom<Timestamp>) -> TimeRange {
        TimeRange { start_ns: range.start.ns(), ..TimeRange::ALL }
    }
}

impl From<Range<Timestamp>> for TimeRange {
    fn from(range: Range<Timestamp>) -> TimeRange {
        match range.end.ns().checked_sub(1) {
            Some(end_ns) => TimeRange { start_ns: range.start.ns(), end_ns },
            // Nothing lies before the earliest moment.
            None => TimeRange { start_ns: i64::MAX, end_ns: i64::MIN },
        }
    }
}

/// A tag must have one of these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagPredicate {
    /// The tag's column.
    pub column: ColumnId,
    /// Accepted values; `None` is null (the tag is absent).
    pub values: Vec<Option<String>>,
}

/// The order in which a scan gives rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// None asked for; streams are independent and each is in (tags, time) order where
    /// [`ScanPlan::sorted_by`] says so.
    #[default]
    Any,
    /// One stream by (time, tags, row id or sequence), oldest first.
    TimeAscending,
    /// One stream by (time, tags, row id or sequence), the exact reverse.
    TimeDescending,
}

/// What is asked of a snapshot.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The table.
    pub table: TableId,
    /// Columns to give, in this order; `None` = all, in the table's order. May be empty: batches then
    /// have a row count only.
    pub columns: Option<Vec<ColumnId>>,
    /// Rows outside are left out.
    pub time: TimeRange,
    /// All must hold.
    pub tags: Vec<TagPredicate>,
    /// All must hold.
    pub fields: Vec<FieldPredicate>,
    /// Order of the rows.
    pub order: Order,
    /// At most this many rows in all (any rows for `Order::Any`, the first ones otherwise).
    pub limit: Option<usize>,
}

impl Scan {
    /// Everything of a table.
    pub fn all(table: TableId) -> Scan {
        Scan {
            table,
            columns: None,
            time: TimeRange::ALL,
            tags: Vec::new(),
            fields: Vec::new(),
            order: Order::Any,
            limit: None,
        }
    }
}

/// Figures of one scan, and whether it is to end; shared by its streams.
#[derive(Debug, Default)]
pub struct ScanCounters {
    /// Rows decoded from segments or looked at in memtables.
    pub rows_read: AtomicU64,
    /// Row groups or chunks of which at least one value was read.
    pub blocks_read: AtomicU64,
    /// Segments opened.
    pub segments_read: AtomicU64,
    /// Segments left out by time, tags or statistics.
    pub segments_pruned: AtomicU64,
    /// Rows given.
    pub rows_returned: AtomicU64,
    stopped: AtomicBool,
}

impl ScanCounters {
    /// Makes the streams end with `cancelled` at their next block: nobody takes their rows any more.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// `cancelled` once the scan was stopped.
    pub(crate) fn check(&self) -> Result<()> {
        match self.stopped.load(Ordering::Relaxed) {
            true => Err(Error::new(Code::Cancelled, "the scan was stopped")),
            false => Ok(()),
        }
    }

    /// Adds to one of the figures.
    pub fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Reads one of the figures.
    pub fn value(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// Batches of a scan, one after the other. Blocking: run it on a thread that may wait for a disk.
pub type ScanStream = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// The answer to a scan: independent streams that together give every row once.
pub struct ScanPlan {
    /// Arrow schema of every batch: the asked columns, time as `Timestamp(ns, UTC)`, tags as
    /// `Dictionary(UInt32, Utf8)`.
    pub schema: SchemaRef,
    /// At least one stream (it may be empty); with an [`Order`] in time exactly one.
    pub streams: Vec<ScanStream>,
    /// Columns by which *every single stream* is sorted, ascending (nulls first); empty = unsorted.
    pub sorted_by: Vec<ColumnId>,
    /// Figures, filled while the streams run.
    pub counters: Arc<ScanCounters>,
}

/// What is known of the rows of a scan without reading them. `None` = not known exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanStatistics {
    /// Exact number of rows.
    pub rows: Option<u64>,
    /// Exact earliest time.
    pub min_time_ns: Option<i64>,
    /// Exact latest time.
    pub max_time_ns: Option<i64>,
}
