//! The machine: its clock, file system and threads.
//!
//! Reading order: `clock.rs`, `files.rs` (system calls behind the promises of [`crate::files`]),
//! `map.rs` (files as memory), `tasks.rs` (one named thread per task), `helper.rs` (the thread behind a join).

mod clock;
mod files;
mod helper;
mod map;
mod tasks;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::Env;

/// See [`Env::real`].
pub(crate) fn env() -> Env {
    Env {
        clock: Arc::new(clock::RealClock::new()),
        random: Arc::new(clock::RealRandom),
        files: Arc::new(files::RealFiles),
        tasks: Arc::new(tasks::RealTasks),
    }
}
