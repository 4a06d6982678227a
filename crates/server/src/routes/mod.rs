//! The routes of the contract, `docs/http-api.md`.
//!
//! `health.rs` §1 · `tables.rs` §2 without rows · `row_ingest.rs`, `row_query.rs` §2 rows ·
//! `metric.rs` §3 · `line.rs` §4 · `msgpack.rs` §5 · `sql.rs` §6 · `databases.rs`, `operations.rs`, `compaction.rs` §7 ·
//! `delete.rs`, `retention.rs` §11, rows that leave · `remote_write.rs` §9 · `otlp.rs` §10 · `influx/` and `arc.rs` §8, what clients of those systems ask beside writing ·
//! `dispatch.rs` the routes that mean different things by their body · `router.rs` which path
//! goes where.

mod arc;
mod compaction;
mod databases;
mod delete;
mod dispatch;
mod health;
mod influx;
mod line;
mod metric;
mod msgpack;
mod operations;
mod otlp;
mod queries;
mod remote_write;
mod retention;
mod router;
mod row_ingest;
mod row_query;
mod sql;
mod tables;

pub use router::router;
