//! `pulsora import`: files of rows into a server or a data directory.
//!
//! Path of a file: `source.rs` (bytes, decompressed while they are read) → `pieces.rs` (cut where
//! records end) → `sink.rs` (a server or a directory) → `run.rs` (sums, progress, report). `args.rs`
//! what can be asked, `format.rs` which format a file has.
//!
//! Invariant: each piece is stored whole or not at all, in the order of the file; line numbers in
//! reports are those of the file.

mod args;
mod format;
mod pieces;
mod run;
mod sink;
mod source;

pub(super) use args::ImportArgs;
pub(super) use run::run;

#[cfg(test)]
mod tests;
