//! Segments: immutable sorted runs of rows of one table and one partition.
//!
//! `meta.rs` is what the manifest says of a segment · `segment.rs` a segment of a version with its
//! file and its delete bitmap · `path.rs` object names · `writer.rs` sorted rows → Parquet object
//! (+ row id index) · `ids.rs` the (id → row) index format · `object.rs` checked bytes, footer and
//! index of an object · `prune.rs` statistics → rows that can match ·
//! `filter.rs` exact predicates · `reader.rs` Parquet object →
//! batches.

mod filter;
mod ids;
mod meta;
mod object;
mod path;
mod prune;
mod reader;
#[allow(clippy::module_inception, reason = "one noun per file, and this is the noun")]
mod segment;
mod writer;

pub use meta::{IdIndexMeta, IntBounds, SegmentMeta};
pub(crate) use reader::{ReadSpec, RowChoice};
pub(crate) use segment::{Segment, SegmentFile};
pub(crate) use writer::{ROW_GROUP_ROWS, SegmentDraft, SegmentWriter};

#[cfg(test)]
pub(crate) use writer::Layout;

#[cfg(test)]
mod tests;
