//! The HTTP server: routes, configuration, limits, metrics, logs, start and shutdown.
//!
//! Responsible for the contract of `docs/http-api.md`. The only crate that names axum. Knows no file
//! format of the engine and no grammar of a wire format.

//! Start: `serve.rs` binds, opens the engine and serves; `app.rs` is what requests share.
//! A request: `connections/` → `middleware/` → `routes/router.rs` → a handler with its `context.rs`.
//! Write path: `body.rs` (within limits and memory, `clients.rs` for each client) → `store_body.rs`,
//! `pieces.rs`, `parquet_body.rs` → `write.rs` (parse off the I/O threads, engine, again when the schema
//! moved). `tcp/` gathers lines that come without HTTP.
//! Read path: `routes/row_query.rs` with `row_pages.rs`, `metric_query/`, `routes/sql.rs` → `stream.rs`.
//!
//! Invariants: every answer has a request id and is logged and counted once; every limit comes from
//! `config/keys.rs`; no lock is held across an await; every task starts in `tasks.rs`.

pub mod allocator;
mod answer;
mod app;
mod body;
mod clients;
pub mod config;
mod connections;
mod context;
mod descriptors;
pub mod error;
pub mod logging;
pub mod memory;
mod metric_query;
mod metrics;
mod middleware;
mod params;
mod parquet_body;
mod pieces;
mod routes;
mod row_pages;
mod serve;
mod store_body;
mod stream;
mod tasks;
mod tcp;
mod time_param;
mod write;

pub use allocator::CountingAllocator;
pub use config::Config;
pub use serve::{Server, serve};
