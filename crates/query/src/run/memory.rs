//! The memory that operators of all queries reserve together.
//!
//! Operators that can spill share a part of it evenly and spill past their share; those that cannot
//! take what is left, first come, first served. The rest is kept from the spilling ones because every
//! spill ends in a merge, which cannot spill: without it a sort fills the pool and then cannot finish.
//!
//! Each query reserves through a share of its own, which counts what it holds, and refuses more to operators that cannot
//! spill once the query was told to stop.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use parking_lot::Mutex;

use crate::error::into_datafusion;
use crate::queries::{CancelFlag, Query};

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

/// What the operators of one query hold.
#[derive(Debug, Default)]
pub(crate) struct Held {
    now: AtomicUsize,
    peak: AtomicUsize,
}

impl Held {
    /// Bytes.
    pub(crate) fn now(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    /// Most bytes so far.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(now, Ordering::Relaxed);
    }

    fn remove(&self, bytes: usize) {
        self.now.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The pool as one query sees it.
#[derive(Debug)]
pub(crate) struct QueryShare {
    pool: Arc<dyn MemoryPool>,
    held: Arc<Held>,
    flag: CancelFlag,
}

impl QueryShare {
    /// The share of a query.
    pub(crate) fn new(pool: &Arc<dyn MemoryPool>, query: &Query) -> QueryShare {
        let (held, flag) = (Arc::clone(&query.held), query.flag.clone());
        QueryShare { pool: Arc::clone(pool), held, flag }
    }
}

impl fmt::Display for QueryShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query({} bytes of {})", self.held.now(), self.pool)
    }
}

impl MemoryPool for QueryShare {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.pool.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.pool.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.pool.grow(reservation, additional);
        self.held.add(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, less: usize) {
        self.pool.shrink(reservation, less);
        self.held.remove(less);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        // One that can spill would spill.
        if !reservation.consumer().can_spill() {
            self.flag.check().map_err(into_datafusion)?;
        }
        self.pool.try_grow(reservation, additional)?;
        self.held.add(additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.pool.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.pool.memory_limit()
    }
}
