//! Where queries and scans run: a pool of their own, so that I/O threads never compute.
//!
//! `pool.rs` the threads · `queue.rs` the slots and the queue for them, `figures.rs` what they count · `memory.rs` what
//! operators may reserve · `watch.rs` makes operators look up that compute for long · `results.rs` batches on their way
//! out.

mod figures;
mod memory;
mod pool;
mod queue;
mod results;
mod watch;

pub use figures::{PoolStats, WAIT_BOUNDS, Waits};
pub(crate) use memory::{Held, QueryMemory, QueryShare};
pub(crate) use pool::{Pool, Threads, ended_early, timed_out};
pub(crate) use queue::{Slot, SlotQueue};
pub use results::BatchStream;
pub(crate) use results::{READY_BATCHES, drive, ready, tracked};
pub(crate) use watch::watched;

#[cfg(test)]
mod tests;
