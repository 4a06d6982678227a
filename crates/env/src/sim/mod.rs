//! A seeded world in memory: the whole engine runs in it on one thread, and the same seed gives the
//! same run, operation by operation.
//!
//! Reading order: `world.rs` ([`Simulation`], where a test starts) → `clock.rs` → `tasks.rs` →
//! `disk.rs` (faults, crashes) → `files.rs` (operations) → `names.rs` (which names survive) → `content.rs` (which
//! bytes survive) → `trace.rs`.
//!
//! Invariants
//! - Every decision is drawn from a generator seeded by the seed; no map with a random order is
//!   iterated; no clock but the simulated one is read.
//! - At a loss of power whatever [`crate::files`] does not promise may be lost, and nothing else.

mod clock;
mod content;
mod disk;
mod files;
mod names;
mod tasks;
#[cfg(test)]
mod tests;
mod trace;
mod world;

pub use clock::{SimClock, SimRandom};
pub use content::PAGE_BYTES;
pub use disk::{OpKind, SimFiles};
pub use tasks::SimTasks;
pub use world::Simulation;
