//! SQL over the engine, and the pool on which queries and scans run. The only crate that names the
//! planner (DataFusion).
//!
//! Path of a statement: `engine.rs` (listed in `queries/`) → `cache/` (has it been answered before, of the same rows?) →
//! `run/queue.rs` (a slot) → `statement.rs` → `plans/` (has it been planned before?) → `sql/` (text → statement, names,
//! params) → `session.rs` and `catalog.rs` (what the planner sees of one snapshot) → `scan/` (what is pushed into the
//! engine's scan) → `fold/` (aggregates that the engine answers itself; `leaf.rs` is what operators without inputs have
//! in common) → `functions/` → `run/` (batches on their way out). `insert.rs` turns rows into a batch for the engine,
//! `change/` a DELETE or UPDATE into a correction, `alter.rs` an ALTER into a command,
//! `answers.rs` answers what needs no plan, `error.rs` puts the planner's errors into the words of the contract,
//! `kept.rs` is what caches have in common.
//!
//! Knows no HTTP and no result format, and stores nothing but spilled rows of running queries.
//!
//! Invariants
//! - One statement reads one snapshot.
//! - Statements reach tables of this engine and nothing else: no file, no setting, no other statement
//!   than those that `sql/statement.rs` lists.
//! - Every answer ends in the last batch or an error, never silently.
//! - Every query is on the list from its arrival to its end, and ends soon after it is told to.

mod alter;
mod answers;
mod cache;
mod catalog;
mod change;
mod counters;
mod engine;
mod error;
mod fold;
mod functions;
mod insert;
mod kept;
mod leaf;
mod options;
mod plans;
mod queries;
mod request;
mod run;
mod scan;
mod session;
mod sql;
mod statement;

pub use cache::CacheStats;
pub use counters::{QueryCounters, QueryTotals};
pub use engine::{QueryEngine, Relief, Shortage};
pub use options::{QUEUE_PER_SLOT, QueryOptions, STATEMENT_BYTES_MAX};
pub use plans::PlanStats;
pub use queries::{
    About, CacheUse, CancelFlag, Priority, Query, QueryListStats, QueryReport, QueryState, Ticket,
};
pub use request::{Caching, Folds, Planning, SqlRequest, SqlResult, StatementKind};
pub use run::{BatchStream, PoolStats, WAIT_BOUNDS, Waits};
pub use sql::SqlParam;
