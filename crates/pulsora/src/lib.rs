//! Pulsora inside a Rust program: [`Database`] is the engine of the server as a library, without
//! HTTP. `database.rs` is all of it; `examples/embedded.rs` shows it at work.
//!
//! Everything that passes through it keeps its promises: a write that has returned is on disk and
//! visible to the next query, also after a crash. One process may have a data directory open; that of
//! a server can be opened when the server has stopped, and the other way round.
//!
//! The binary `pulsora` (`main.rs`, `cli/`) uses it for everything that works on a data directory.

mod database;

pub use database::{Database, DatabaseOptions, Rows, Written};
pub use pulsora_model::time::Precision;
pub use pulsora_model::{
    Batch, BatchBuilder, Code, Detail, Error, ErrorKind, Name, Result, TableOptions, TableWrite,
};
pub use pulsora_query::{QueryOptions, SqlParam, SqlRequest, SqlResult};
pub use pulsora_storage::{Options, Order, Scan, ScanPlan, Snapshot, TagPredicate, TimeRange};
pub use pulsora_wire::rows::RowFormat;
pub use pulsora_wire::rows::{OnError, RowOptions, TimeFormat};
