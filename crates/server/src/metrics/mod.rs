//! Figures for operators.
//!
//! `recorder.rs` what requests add to · `sample.rs` what the engine and the process are asked for when
//! somebody looks · `text.rs` the Prometheus text of samples.

mod recorder;
mod sample;
mod text;

pub use recorder::{Metrics, Protocol, QueryKind};
pub use sample::sampled;

#[cfg(test)]
mod tests;
