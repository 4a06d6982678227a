//! Segments: immutable sorted runs of rows of one table and one partition.
//!
//! `meta.rs` is what the manifest says of a segment · `segment.rs` a segment of a version with its
//! file and its delete bitmap · `writer.rs` sorted rows → Parquet object (+ row id index) ·
//! `reader.rs` Parquet object → batches, pruned · `ids.rs` the (id → row) index format.

mod meta;
mod segment;

pub use meta::{IdIndexMeta, IntBounds, SegmentMeta};
pub(crate) use segment::{Segment, SegmentFile};
