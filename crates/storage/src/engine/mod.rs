//! The engine that wires the parts: options in, requests in, snapshots out.
//!
//! `options.rs` what can be set · `request.rs` what is asked and answered · `engine.rs` the handle ·
//! `queue.rs` requests on their way to the commit owner · `commit.rs` the commit owner, one step ·
//! `apply.rs` resolved rows → memtables · `recover.rs` manifest and WAL → the first published state ·
//! `stats.rs` figures.

mod options;
mod request;
mod stats;

pub use options::{Durability, Options, Recover};
pub use request::{
    Command, FlushFilter, NewColumn, NewTable, Pending, Receipt, WriteRequest,
};
pub use stats::{EngineStats, TableStats};
