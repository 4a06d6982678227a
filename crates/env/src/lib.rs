//! The outside world of Pulsora behind small traits: time, randomness, files, an object store and
//! tasks. [`Env::real`] is the machine; [`sim::Simulation`] is a seeded world in memory that can lose
//! power at any operation.
//!
//! Responsible for: what an operation promises about durability, and a simulation that breaks every
//! promise that was not made. Not for: any format, retry policy or meaning of a file.
//!
//! Reading order: [`files`] (the promises) → [`store`] (immutable objects on top of them) →
//! [`tasks`] → `real/` → [`sim`]. [`block_on`] waits for a future.
//!
//! Invariants
//! - Everything is synchronous. Errors are [`std::io::Error`]; `StorageFull`, `AlreadyExists`,
//!   `NotFound` and `WouldBlock` are told apart by their kind.
//! - Nothing outside this crate reads a clock, draws a random number, touches a file or starts a
//!   thread of the engine.

mod block;
pub mod clock;
pub mod files;
pub mod random;
mod real;
pub mod sim;
pub mod store;
pub mod tasks;

use std::sync::Arc;

pub use block::block_on;
pub use clock::Clock;
pub use files::{Advice, DirEntry, File, Files, read_all, read_exact_at};
pub use random::Random;
pub use store::{LocalStore, ObjectWriter, Store};
pub use tasks::{Step, TaskControl, TaskHandle, Tasks};

/// Everything the engine may know of the world around it. Cheap to clone.
#[derive(Clone)]
pub struct Env {
    /// Wall and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Random numbers for names and salts; not for secrets.
    pub random: Arc<dyn Random>,
    /// The file system.
    pub files: Arc<dyn Files>,
    /// Background work.
    pub tasks: Arc<dyn Tasks>,
}

impl Env {
    /// The machine this process runs on.
    pub fn real() -> Env {
        real::env()
    }
}
