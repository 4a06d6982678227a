//! The engine that wires the parts: options in, requests in, snapshots out.
//!
//! `options.rs` what can be set · `request.rs` what is asked and answered · `engine.rs` the handle ·
//! `shared.rs` what the handle and the two tasks share · `queue.rs` requests on their way to the
//! commit owner · `key.rs` names of writes · `dedup.rs` tells a repeated write from a first one ·
//! `commit/` the commit owner · `command.rs` commands → catalog changes ·
//! `recover.rs` manifest and log → the first published state · `reserve.rs` disk space kept back ·
//! `stored.rs` what is stored already · `stats.rs` figures · `check.rs` every checksum of a directory at
//! rest.

mod check;
mod command;
mod commit;
mod counters;
mod dedup;
#[allow(clippy::module_inception)]
mod engine;
mod key;
mod options;
mod queue;
mod recover;
mod request;
mod reserve;
mod shared;
mod stats;
mod stored;

pub use crate::compaction::CompactionOptions;
pub use check::{CheckProgress, CheckReport, Finding, check};
pub use engine::Engine;
pub use key::IdempotencyKey;
pub use options::{ColdFormat, Durability, Options, Recover, SharedStore};
pub(crate) use queue::Reply;
pub use request::{
    Command, CompactFilter, FlushFilter, NewColumn, NewTable, Pending, Receipt, Room, TableChange,
    TableSetting, WriteRequest,
};
pub(crate) use shared::Shared;
pub use stats::{EngineStats, TableStats};
