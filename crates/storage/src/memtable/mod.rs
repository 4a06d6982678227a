//! Recent rows of one table in memory, queryable at once.
//!
//! `series.rs` numbers tag sets · `chunk.rs` is an immutable run of rows in arrival order with its
//! cached key order · `tiers.rs` says which chunks become one · `table.rs` is the growing memtable of the commit owner and its published view.

mod chunk;
mod series;
mod table;
#[cfg(test)]
mod tests;
mod tiers;

pub(crate) use chunk::{Chunk, IdSpan, SortedRows};
#[cfg(test)]
pub(crate) use series::SeriesIndex;
pub(crate) use series::{Series, SeriesTable};
pub(crate) use table::{Memtable, MemtableView};
