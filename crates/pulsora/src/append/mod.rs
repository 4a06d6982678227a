//! Single points through handles of numeric series, gathered in the process.
//!
//! `series.rs` the handle · `buffer.rs` the points of one shard, as the columns of a batch ·
//! `appenders.rs` all shards of a database: when they are sent, and what became of it.

mod appenders;
mod buffer;
mod series;

pub(crate) use appenders::Appenders;
pub use series::Series;

/// Table of numeric series.
pub const SERIES_TABLE: &str = "series";
/// Its tag: the id as 32 hex digits.
pub const SERIES_TAG: &str = "id";
