//! Retention: rows leave when they are older than their table keeps them.
//!
//! `floor.rs` the time below which rows of a table are no longer shown · `plan.rs` which segments hold
//! nothing else (pure) · `history.rs` what has left, and who asks for it now.
//!
//! Readers leave expired rows out from the moment they expire (`read/snapshot.rs`); the flush task drops
//! segments that hold nothing else, all of them in one edit; rewrites leave out the expired rows of the
//! others.
//!
//! Invariant: a row that is not shown is never shown again, unless retention is made longer before its
//! segment is dropped or rewritten.

mod floor;
mod history;
mod plan;

pub(crate) use floor::kept;
pub(crate) use history::History;
pub use history::RetentionRun;
pub use plan::Expired;
pub(crate) use plan::plan;
