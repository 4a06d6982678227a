//! Tables as the planner sees them, over the engine's scan.
//!
//! `table.rs` what a table offers · `filter.rs` which conditions the scan evaluates · `exec.rs` the
//! scan as an operator of a plan · `stream.rs` blocking batches as an asynchronous stream.

mod exec;
mod filter;
mod stream;
mod table;

pub(crate) use stream::ScanBatches;
pub(crate) use table::Table;
