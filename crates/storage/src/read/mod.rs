//! Reading: a snapshot, the scan that is asked of it, and the streams it answers with.
//!
//! `scan.rs` says what is asked, in ids and bounds · `snapshot.rs` is the moment that is read ·
//! `source.rs` gives the rows of one chunk or segment in key order · `merge.rs` brings overlapping
//! sources together · `time_order.rs` answers in time order · `statistics.rs` answers without rows.

mod scan;
mod snapshot;

pub use scan::{
    Order, Scan, ScanCounters, ScanPlan, ScanStatistics, ScanStream, TagPredicate, TimeRange,
};
pub use snapshot::Snapshot;
pub(crate) use snapshot::Published;
