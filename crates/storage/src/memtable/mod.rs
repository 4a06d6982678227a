//! Recent rows of one table in memory, queryable at once.
//!
//! `chunk.rs` is an immutable run of rows in arrival order, their series as numbers of the table's
//! registry, with its cached key order · `tiers.rs` says which chunks become one · `table.rs` is the
//! growing memtable of the commit owner and its published view.

mod chunk;
mod table;
#[cfg(test)]
mod tests;
mod tiers;

pub(crate) use chunk::{Chunk, IdSpan, SortedRows};
pub(crate) use table::{Memtable, MemtableView};
