//! `pulsora bench`: how many rows a second this machine takes in and how fast it answers, with the
//! workloads of `pulsora-load`.
//!
//! `args.rs` what can be asked · `settings.rs` the same, checked · `place.rs` where the rows go: a server
//! of its own (`own_server.rs`), one that runs, a data directory (`embedded.rs`), or another system ·
//! `ingest.rs` and `query.rs` the two measurements · `loading.rs` rows into a place · `usage.rs` processor
//! time and memory meanwhile · `outcome.rs` and `text.rs` what came out, as JSON and as text.
//!
//! Invariants: a figure counts only rows that were read back, by number and by the sums of their fields;
//! a server that was started here has ended, and its directory is gone, when the command ends.

mod args;
mod embedded;
mod ingest;
mod loading;
mod outcome;
mod own_server;
mod place;
mod query;
mod settings;
mod text;
mod usage;

pub(super) use args::{BenchArgs, BenchCommand};
use pulsora_model::{Code, Error, Result};

use super::command::Outcome;

pub(super) fn run(args: &BenchArgs) -> Result<Outcome> {
    match &args.command {
        BenchCommand::Ingest(args) => ingest::run(args),
        BenchCommand::Query(args) => query::run(args),
    }
}

/// A sentence of the workload's clients as an error.
fn failed(message: String) -> Error {
    Error::new(Code::Io, message)
}
