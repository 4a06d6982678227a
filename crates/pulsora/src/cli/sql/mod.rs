//! `pulsora sql`: statements to a server or a data directory, answers as tables or in any format, and
//! a prompt.
//!
//! `session.rs` a statement in, batches out · `statements.rs` where statements end · `output.rs`
//! formats and files · `table.rs` rows for people · `prompt.rs` the prompt with `complete.rs`.

mod complete;
mod output;
mod prompt;
mod run;
mod session;
mod statements;
mod table;

pub(super) use run::{SqlArgs, run};

#[cfg(test)]
mod tests;
