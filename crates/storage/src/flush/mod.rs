//! From memtables to segments.
//!
//! `plan.rs` decides which memtables to seal · `partition.rs` decides which partition each row goes
//! to · `key_order.rs` sorts, `rows.rs` hands the rows of a memtable to a segment · `write.rs` writes the
//! segments of a memtable · `output.rs` takes finished segments to the store, small ones together · `run/`
//! is the task: it commits the edits, those of compaction, corrections and retention too · `log_files.rs`
//! removes what the log does not need any more.

mod key_order;
pub(crate) mod log_files;
pub(crate) mod output;
pub(crate) mod partition;
pub(crate) mod plan;
mod rows;
pub(crate) mod run;
mod write;

#[cfg(test)]
pub(crate) use key_order::Wanted;
#[cfg(test)]
pub(crate) use rows::MemtableRows;

#[cfg(test)]
mod tests;
