//! Figures for operators.
//!
//! `recorder.rs` what requests add to · `sample.rs` what the engine and the server are asked for when
//! somebody looks · `process.rs` what the system tells of the process · `text.rs` the Prometheus text of
//! samples.

mod process;
mod recorder;
mod sample;
mod text;

pub use recorder::{Metrics, Protocol, QueryKind};
pub use sample::sampled;

#[cfg(test)]
mod tests;
