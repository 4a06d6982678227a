//! The engine: takes batches, makes them durable, keeps them queryable and writes them out as
//! segments. Rules: the invariants in ARCHITECTURE.md.
//!
//! Write path: `engine/write.rs` (queue) → `engine/commit.rs` (the one commit owner) →
//! `catalog/resolve.rs` (schema changes) → `wal/` (group, one fsync) → `memtable/` (chunks) →
//! published. Flush path: `flush/plan.rs` decides, `flush/run.rs` acts → `segment/writer.rs` →
//! `manifest/` (one edit). Later: `compaction/plan.rs` decides, `compaction/rewrite.rs` rewrites. Read path: `read/snapshot.rs` → `read/scan.rs` → sources
//! (`memtable/`, `segment/reader.rs`) → `read/merge.rs`.
//!
//! Synchronous throughout: background work is a step function on `env` tasks, so that the whole
//! engine runs under a seeded simulation. Knows no SQL, no HTTP and no wire format.

pub mod catalog;
mod compaction;
mod correction;
pub mod engine;
mod flush;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod manifest;
mod memtable;
pub mod read;
mod retention;
pub mod segment;
pub mod segment_files;
mod wal;

pub use catalog::{Catalog, Database};
pub use compaction::{
    Candidate, CompactionOptions, CompactionReport, CompactionWork, DayWindow, JobReport,
    JobStatus, Reason,
};
pub use correction::{Change, Correction, RowChange, RowTest, Selection};
pub use engine::{CheckProgress, CheckReport, Finding, check};
pub use engine::{
    ColdFormat, Command, CompactFilter, Durability, Engine, EngineStats, FlushFilter,
    IdempotencyKey, NewColumn, NewTable, Options, Pending, Receipt, Recover, Room, SharedStore,
    TableChange, TableSetting, TableStats, WriteRequest,
};
pub use read::{
    Aggregate, Bucket, FieldPredicate, FieldTest, FieldValue, Fold, FoldPart, FoldPlan, FoldTask,
    Function, Order, Scan, ScanCounters, ScanPlan, ScanStatistics, ScanStream, Snapshot,
    TableStamp, TagPredicate, TimeRange,
};
pub use retention::{Expired, RetentionRun};
pub use segment::{CacheFigures, KeyRanges, SegmentAsk, SegmentIndex, SegmentView};
