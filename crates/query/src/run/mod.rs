//! Where queries and scans run: a pool of their own, so that I/O threads never compute.
//!
//! `memory.rs` what operators may reserve · `pool.rs` threads, slots and the queue for them · `results.rs` batches on their way out.

mod memory;
mod pool;
mod results;

pub(crate) use memory::QueryMemory;
pub use pool::{CancelFlag, PoolStats};
pub(crate) use pool::{Pool, Slot, Threads, ended_early, timed_out};
pub use results::BatchStream;
pub(crate) use results::{READY_BATCHES, drive, ready};
