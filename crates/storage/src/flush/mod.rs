//! From memtables to segments.
//!
//! `plan.rs` decides which memtables to seal · `partition.rs` decides which partition each row goes
//! to · `run.rs` writes segments and commits the edit.

pub(crate) mod partition;
pub(crate) mod plan;
pub(crate) mod run;

#[cfg(test)]
mod tests;
