//! `pulsora import`: files of rows into a server or a data directory.
//!
//! Path of a file: `source.rs` (bytes, decompressed while they are read) → `pieces.rs` (cut where
//! records end, `items.rs` between the items of an array) or row groups of Parquet, both behind
//! `feed.rs` → `pump.rs` (threads that read and threads that send) → `sink.rs` (a server or a directory)
//! → `run.rs` (sums, progress, report). `args.rs` what can be asked, `format.rs` which format a file has.
//!
//! Invariants: each piece is stored whole or not at all; in the order of the file where a later row may
//! replace an earlier one; line and row numbers in reports are those of the file; memory is bounded.

mod args;
mod feed;
mod format;
mod items;
mod pieces;
mod pump;
mod run;
mod sink;
mod source;

pub(super) use args::ImportArgs;
pub(super) use run::run;

#[cfg(test)]
mod tests;
