//! Hot segments as files of their own, without an engine: written by one program, read by any.
//!
//! `writer.rs` batches → files · `reader.rs` files → the scans and folds of the engine ·
//! `statistics.rs` what a file says of itself.

mod reader;
mod statistics;
mod writer;

pub use reader::SegmentReader;
pub use statistics::{ColumnStatistics, FileStatistics};
pub use writer::{SegmentLimits, SegmentWriter};

#[cfg(test)]
mod tests;
