//! The command line. `command.rs` the commands and which file runs them · `flags.rs` flags from the
//! table of configuration keys · `serve.rs`, `import/`, `sql/`, `bench/`, `config.rs`, `check.rs`, `compact.rs`,
//! `completions.rs` one command each · `client.rs` a server over HTTP · `place.rs` a server or a data
//! directory · `report.rs` errors for people · `progress.rs` bars on terminals.
//!
//! Invariants: results go to standard output, everything else to standard error; a failure ends with
//! a non-zero exit; a reader that has gone away (`| head`) is not a failure.

mod bench;
mod check;
mod client;
mod command;
mod compact;
mod completions;
mod config;
mod flags;
mod import;
mod place;
mod progress;
mod report;
mod serve;
mod sql;

pub use command::run;

#[cfg(test)]
mod tests;
