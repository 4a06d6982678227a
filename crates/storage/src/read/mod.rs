//! Reading: a snapshot, the scan that is asked of it, and the streams it answers with.
//!
//! `scan.rs` says what is asked, in ids and bounds · `snapshot.rs` is the moment that is read ·
//! `plan.rs` turns a scan into streams over `table_scan.rs`, the sources of one table, cut by
//! `pieces.rs` where they overlap · `source.rs` gives the rows of one segment or chunk
//! (`chunk_rows.rs`) in key order · `replaced.rs` finds rows whose id came again · `merge.rs` brings
//! overlapping sources together, `streams.rs` those that follow each other · `time_order.rs` answers in
//! time order · `field.rs` tests values · `fold/` computes aggregates · `statistics.rs` answers without
//! rows, `row.rs` with one · `stamp.rs` tells whether a table may have changed · `flush_rows.rs` gives a flush to
//! Parquet all rows of a memtable, `rewrite_rows.rs` a rewrite those of segments, `correction_rows.rs` a correction
//! those that it hits.

mod chunk_rows;
mod correction_rows;
mod field;
mod flush_rows;
mod fold;
mod merge;
mod pieces;
mod plan;
mod replaced;
mod rewrite_rows;
mod row;
mod scan;
mod snapshot;
mod source;
mod stamp;
mod statistics;
mod streams;
mod table_scan;
mod time_order;

pub(crate) use chunk_rows::chunk_values;
pub(crate) use correction_rows::KeyPick;
pub(crate) use field::filter as filter_fields;
pub use field::{FieldPredicate, FieldTest, FieldValue};
pub(crate) use flush_rows::{flush_stream, rows_gone};
pub use fold::{Aggregate, Bucket, Fold, FoldPart, FoldPlan, FoldTask, Function};
pub(crate) use rewrite_rows::{Reading, RowNumbers};
pub use scan::{
    Order, Scan, ScanCounters, ScanPlan, ScanStatistics, ScanStream, TagPredicate, TimeRange,
};
pub(crate) use snapshot::Published;
pub use snapshot::Snapshot;
pub(crate) use source::replaced_rows;
pub use stamp::TableStamp;

#[cfg(test)]
mod tests;
