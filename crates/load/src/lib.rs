//! The benchmark's rows, the requests they are sent in, and clients that cost little.
//!
//! Responsible for making a workload from a seed, for sending it, for timing what comes back and for
//! knowing what must be there afterwards. Knows the product by its HTTP contract only, and asserts
//! nothing: `pulsora bench` and the programs of `bench/` report.
//!
//! Path of a row: [`cpu`] or [`walks`] (from a seed) → [`rows`] (one form for all shapes) → [`body`]
//! (bytes of a request, whose times can be moved on in place) → [`ring`] (all bodies of a run) →
//! [`send`] (by [`clients`], each with a
//! [`connection`]) → [`sums`] (what was accepted, to be compared with
//! what is stored).
//!
//! - [`random`]: the random numbers of the TSBS generator
//! - [`statements`]: the TSBS query types, as SQL with random windows and hosts
//! - [`http`]: blocking requests for everything that is not timed
//! - [`figures`]: what a server tells of itself: processor time, memory, syncs, bytes on disk

pub mod body;
pub mod clients;
pub mod connection;
pub mod cpu;
pub mod figures;
pub mod http;
pub mod protocol;
pub mod random;
pub mod ring;
pub mod rows;
pub mod send;
pub mod statements;
pub mod sums;
pub mod walks;

#[cfg(test)]
mod tests;
