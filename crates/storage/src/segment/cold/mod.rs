//! Cold segments: Parquet, readable by any reader.
//!
//! `writer.rs` sorted rows → Parquet object (+ row id index) · `footer.rs` checked bytes and footer
//! of an object · `prune.rs` statistics → rows that can match · `filter.rs` exact predicates ·
//! `reader.rs` Parquet object → batches.

mod filter;
mod footer;
mod prune;
mod reader;
mod writer;

pub(crate) use filter::ExactFilter;
pub(crate) use reader::ParquetRows;
#[cfg(test)]
pub(crate) use writer::Layout;
pub(crate) use writer::{ROW_GROUP_ROWS, SegmentWriter};
