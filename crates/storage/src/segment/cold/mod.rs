//! Cold segments: Parquet, readable by any reader.
//!
//! `writer.rs` sorted rows → Parquet object (+ row id index) · `encoding.rs` how its columns are encoded · `sink.rs` its
//! bytes → the store · `footer.rs` checked bytes and footer of an object · `prune.rs` statistics → rows that can match ·
//! `filter.rs` exact predicates · `row_group.rs` pages of a row group · `reader.rs` Parquet object → batches.

mod encoding;
mod filter;
mod footer;
mod prune;
mod reader;
mod row_group;
mod sink;
mod writer;

pub(crate) use filter::ExactFilter;
pub(in crate::segment) use footer::Pieces;
pub(crate) use reader::ParquetRows;
pub(crate) use writer::{Layout, ROW_GROUP_ROWS, SegmentWriter};
