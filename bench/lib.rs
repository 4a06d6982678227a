//! What the benchmark programs share beside `pulsora-load`: how they are called and how they report.
//!
//! - [`args`]: `--name value` pairs
//! - [`outcome`]: how a program ends
//! - [`report`]: figures as lines of a Markdown table, or as JSON

pub mod args;
pub mod outcome;
pub mod report;
