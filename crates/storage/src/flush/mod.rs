//! From memtables to segments.
//!
//! `plan.rs` decides which memtables to seal · `partition.rs` decides which partition each row goes
//! to · `key_order.rs` sorts, `rows.rs` hands the rows of a memtable to a segment · `output.rs` takes finished segments to the store, small ones together · `run.rs` writes segments
//! and commits the edits, those of compaction too.

mod key_order;
pub(crate) mod output;
pub(crate) mod partition;
pub(crate) mod plan;
mod rows;
pub(crate) mod run;

#[cfg(test)]
pub(crate) use key_order::Wanted;
#[cfg(test)]
pub(crate) use rows::MemtableRows;

#[cfg(test)]
mod tests;
