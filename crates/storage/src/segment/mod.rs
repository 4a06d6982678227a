//! Segments: immutable sorted runs of rows of one table and one partition.
//!
//! `access.rs` what the segments of one engine share · `meta.rs` is what the manifest says of a segment · `segment.rs` a segment of a version with its
//! file and its delete bitmap · `path.rs` object names · `draft.rs` what is known before the rows ·
//! `object.rs` an object of
//! the store · `ids.rs` the (id → row) index format · `read.rs` what is read of a segment, in any format ·
//! `cold/` Parquet segments.

mod access;
mod cold;
mod draft;
mod ids;
mod meta;
mod object;
mod path;
mod read;
#[allow(clippy::module_inception, reason = "one noun per file, and this is the noun")]
mod segment;

pub(crate) use access::SegmentAccess;
pub(crate) use cold::{ROW_GROUP_ROWS, SegmentWriter};
pub(crate) use draft::SegmentDraft;
pub use meta::{IdIndexMeta, IntBounds, SegmentFormat, SegmentMeta};
pub(crate) use read::{ReadSpec, RowChoice};
pub(crate) use segment::{Segment, SegmentFile};

#[cfg(test)]
pub(crate) use cold::Layout;

#[cfg(test)]
mod tests;
