//! The life of segments after their flush: hot ones of a partition are merged while it is written
//! and once it rests, and turned into Parquet when it is cold.
//!
//! `plan.rs` decides what is rewritten (pure) · `run.rs` the task: reads the inputs, writes the
//! outputs, at a bounded share of the processor · `handover.rs` how the finished work reaches the
//! flush task, which owns the manifest.
//!
//! Not responsible for which rows exist: a rewrite shows the same rows before and after.

pub(crate) mod demands;
pub(crate) mod handover;
pub(crate) mod plan;
pub(crate) mod run;

#[cfg(test)]
mod tests;
