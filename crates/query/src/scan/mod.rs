//! Tables as the planner sees them, over the engine's scan.
//!
//! `table.rs` what a table offers · `filter.rs` which conditions the scan evaluates, `field.rs` those
//! on fields · `selection.rs` the rows that they leave · `exec.rs` the scan as an operator of a plan ·
//! `stream.rs` blocking batches as an asynchronous stream.

mod exec;
mod field;
mod filter;
mod selection;
mod stream;
mod table;

pub(crate) use exec::{ScanExec, ScanShape, add_scan_metrics};
pub(crate) use filter::{Condition, conditions};
pub(crate) use selection::Selection;
pub(crate) use stream::ScanBatches;
pub(crate) use table::Table;
