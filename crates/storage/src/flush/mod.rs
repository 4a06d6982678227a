//! From memtables to segments.
//!
//! `plan.rs` decides which memtables to seal · `partition.rs` decides which partition each row goes
//! to · `output.rs` takes finished segments to the store, small ones together · `run.rs` writes segments
//! and commits the edits, those of compaction too.

pub(crate) mod output;
pub(crate) mod partition;
pub(crate) mod plan;
pub(crate) mod run;

#[cfg(test)]
mod tests;
