//! What the benchmark programs share.
//!
//! Responsible for making the workload, for sending it and for timing what comes back. Measures, and
//! asserts nothing. Knows the product by its HTTP contract only, but for the program that measures the
//! codecs.
//!
//! - [`args`]: `--name value` pairs
//! - [`cpu`]: the rows of the TSBS cpu-only workload, from a seed
//! - [`bodies`]: the rows as line protocol, MessagePack columns and CSV
//! - [`http`]: blocking requests
//! - [`latency`]: many requests from several clients, and their latencies
//! - [`outcome`]: how a program ends
//! - [`random`]: the random numbers of the workload and of its queries
//! - [`statements`]: the query types, as SQL with random windows and hosts
//! - [`report`]: figures as lines of a Markdown table, or as JSON

pub mod args;
pub mod bodies;
pub mod cpu;
pub mod http;
pub mod latency;
pub mod outcome;
pub mod random;
pub mod report;
pub mod statements;
#[cfg(test)]
mod tests;
