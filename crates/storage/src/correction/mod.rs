//! Corrections: rows of a table that are deleted or changed after they were stored.
//!
//! `ask.rs` what is asked · `queue.rs` corrections on their way, and what they forbid meanwhile ·
//! `resolve.rs` a correction → delete bitmaps, segments that go whole and rows in their new shape ·
//! `run.rs` the task · `erase.rs` when the bytes of erased rows are gone as well · `remains.rs` where
//! those may lie that no version shows any more.
//!
//! A correction seals and flushes the memtables of its table, so that everything it hits lies in
//! segments; the rows it hits are found by a scan, and one manifest edit makes it durable and visible.
//! What is written meanwhile has higher sequences and is not hit. Why not by records of the log:
//! `docs/decisions/0008-corrections.md`.
//!
//! Invariants: corrections run one after the other, those of a table in the order of their sequences; while
//! one is at work on a table no rewrite of that table is committed, and from the moment that it is sent none
//! is begun that would make one segment of what it hits and of what came after it; either all of a
//! correction is there or nothing.

mod ask;
mod erase;
mod queue;
mod remains;
mod resolve;
pub(crate) mod run;

pub use ask::{Change, Correction, RowChange, RowTest, Selection};
pub(crate) use erase::Erasure;
pub(crate) use queue::{Corrections, Job, Resolved};
