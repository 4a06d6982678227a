//! The memory that operators of all queries reserve together.
//!
//! Operators that can spill share a part of it evenly and spill past their share; those that cannot
//! take what is left, first come, first served. The rest is kept from the spilling ones because every
//! spill ends in a merge, which cannot spill: without it a sort fills the pool and then cannot finish.

use std::fmt;

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use parking_lot::Mutex;

/// Of the pool, what operators that can spill may hold together: five eighths.
const SPILLING_SHARE: (usize, usize) = (5, 8);

/// The pool.
#[derive(Debug)]
pub(crate) struct QueryMemory {
    size: usize,
    /// Guards the sums.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Consumers that can spill.
    spilling_consumers: usize,
    /// Bytes held by them, and by the others.
    spilling: usize,
    other: usize,
}

impl QueryMemory {
    /// A pool of `size` bytes.
    pub(crate) fn new(size: usize) -> QueryMemory {
        QueryMemory { size, state: Mutex::default() }
    }
}

impl fmt::Display for QueryMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "queries({} bytes)", self.size)
    }
}

impl MemoryPool for QueryMemory {
    fn name(&self) -> &str {
        "queries"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.state.lock().spilling_consumers += usize::from(consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.state.lock().spilling_consumers -= usize::from(consumer.can_spill());
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut state = self.state.lock();
        match reservation.consumer().can_spill() {
            true => state.spilling += additional,
            false => state.other += additional,
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, less: usize) {
        let mut state = self.state.lock();
        match reservation.consumer().can_spill() {
            true => state.spilling -= less,
            false => state.other -= less,
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut state = self.state.lock();
        let free = self.size.saturating_sub(state.spilling + state.other);
        if reservation.consumer().can_spill() {
            let (part, whole) = SPILLING_SHARE;
            let together = (self.size / whole * part).min(self.size.saturating_sub(state.other));
            let share = together / state.spilling_consumers.max(1);
            if reservation.size() + additional > share || additional > free {
                return Err(exhausted(reservation, additional, share));
            }
            state.spilling += additional;
        } else {
            if additional > free {
                return Err(exhausted(reservation, additional, free));
            }
            state.other += additional;
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        let state = self.state.lock();
        state.spilling + state.other
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.size)
    }
}

fn exhausted(reservation: &MemoryReservation, additional: usize, room: usize) -> DataFusionError {
    DataFusionError::ResourcesExhausted(format!(
        "{} holds {} bytes and needs {additional} more of {room}",
        reservation.consumer().name(),
        reservation.size(),
    ))
}
