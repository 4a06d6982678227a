//! The log of the process.
//!
//! - [`install()`]: pretty or JSON lines, filtered by level
//! - [`lines`]: lines are gathered and written together, so that a request does not wait for its line

mod install;
mod lines;

pub use install::{ACCESS, PERFORMANCE, PERFORMANCE_ROWS_MIN, install};
