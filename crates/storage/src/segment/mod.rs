//! Segments: immutable sorted runs of rows of one table and one partition.
//!
//! `access.rs` what the segments of one engine share · `meta.rs` is what the manifest says of a segment · `segment.rs` a segment of a version with its
//! file and its delete bitmap · `path.rs` object names · `draft.rs` what is known before the rows ·
//! `object.rs` an object of
//! the store · `open.rs` what stays open of segments · `ids.rs` the (id → row) index format · `index.rs` which segments a scan opens · `stored.rs` which columns are stored · `read.rs` what is read of a segment, in any format ·
//! `hot/` native segments · `cold/` Parquet segments.

mod access;
mod cold;
mod draft;
mod hot;
mod ids;
mod index;
mod meta;
mod object;
mod open;
mod path;
mod read;
#[allow(clippy::module_inception, reason = "one noun per file, and this is the noun")]
mod segment;
mod stored;

pub(crate) use access::SegmentAccess;
pub(crate) use cold::{ExactFilter, Layout, ROW_GROUP_ROWS, SegmentWriter};
pub(crate) use draft::SegmentDraft;
pub use hot::CacheFigures;
pub(crate) use hot::{
    ABSENT, ALIGNMENT, BoundPredicate, CacheKey, CachePart, HotColumn, HotDraft, HotOptions,
    HotSegment, HotWriter, HourEntry, HourPart, HourTotals, KeyedRows, PAGE_ROWS, PAGES_MAX,
    PagedColumn, RowSelect, SegmentBytes, SeriesSet, hot_segments_in, page_and_row, place,
    row_place,
};
pub use index::{KeyRanges, SegmentAsk, SegmentIndex, SegmentView};
pub use meta::{IdIndexMeta, IntBounds, SegmentFormat, SegmentMeta};
pub use path::period;
pub(crate) use path::{bundle_object, hot_object, table_of_object};
pub(crate) use read::{Listed, ReadSpec, RowChoice};
pub(crate) use segment::{Segment, SegmentFile};

#[cfg(test)]
mod tests;
