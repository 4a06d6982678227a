//! The HTTP server: routes, configuration, limits, metrics, logs, start and shutdown.
//!
//! Responsible for the contract of `docs/http-api.md`. The only crate that names axum. Knows no file
//! format of the engine and no grammar of a wire format.

pub mod allocator;
pub mod config;
pub mod error;
pub mod logging;
pub mod memory;

pub use allocator::CountingAllocator;
pub use config::Config;
