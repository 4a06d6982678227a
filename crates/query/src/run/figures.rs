//! Figures of slots and their queue.

use std::time::Duration;

use crate::queries::Priority;

/// Upper bounds of the histograms of waiting, seconds: from what a thread change costs to a deadline.
pub const WAIT_BOUNDS: [f64; 12] =
    [0.000_5, 0.002_5, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 300.0];

/// How long queries of one priority waited for their slot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waits {
    /// Queries that waited at most as long as the bound of the same place in [`WAIT_BOUNDS`].
    pub buckets: [u64; WAIT_BOUNDS.len()],
    /// Queries that got a slot.
    pub count: u64,
    /// Their waits together, seconds.
    pub seconds: f64,
}

/// One moment's figures of the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PoolStats {
    /// Slots.
    pub pool_size: usize,
    /// Slots in use, and the most ever.
    pub active: u64,
    pub active_peak: u64,
    /// Slots that are free.
    pub idle: u64,
    /// Requests waiting for a slot, and the most ever.
    pub queue_depth: u64,
    pub queue_depth_peak: u64,
    /// Most that may wait.
    pub queue_max: usize,
    /// Requests waiting, in the order of [`Priority::ALL`].
    pub queue_by_priority: [u64; 4],
    /// Requests that got a slot; those whose slot is free again; those that were refused.
    pub started: u64,
    pub finished: u64,
    pub refused: u64,
    /// Mean wait for a slot, milliseconds.
    pub avg_wait_ms: f64,
    /// Mean time a slot was held, milliseconds.
    pub avg_execution_ms: f64,
    /// Waits, in the order of [`Priority::ALL`].
    pub waits: [Waits; 4],
}

/// What is counted.
#[derive(Default)]
pub(super) struct Figures {
    active_peak: u64,
    waiting_peak: u64,
    waiting: [u64; 4],
    waits: [Waits; 4],
    finished: u64,
    pub(super) refused: u64,
    held: Duration,
}

impl Figures {
    pub(super) fn joined(&mut self, priority: Priority) {
        self.waiting[priority.index()] += 1;
    }

    pub(super) fn waits_now(&mut self, waiting: usize) {
        self.waiting_peak = self.waiting_peak.max(waiting as u64);
    }

    pub(super) fn left(&mut self, priority: Priority) {
        self.waiting[priority.index()] -= 1;
    }

    pub(super) fn started(&mut self, priority: Priority, waited: Duration, active: usize) {
        self.active_peak = self.active_peak.max(active as u64);
        let (waits, seconds) = (&mut self.waits[priority.index()], waited.as_secs_f64());
        waits.count += 1;
        waits.seconds += seconds;
        for (bucket, bound) in waits.buckets.iter_mut().zip(WAIT_BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    pub(super) fn finished(&mut self, held: Duration) {
        self.finished += 1;
        self.held += held;
    }

    pub(super) fn stats(
        &self,
        size: usize,
        active: usize,
        waiting: usize,
        queue_max: usize,
    ) -> PoolStats {
        let started: u64 = self.waits.iter().map(|waits| waits.count).sum();
        let waited: f64 = self.waits.iter().map(|waits| waits.seconds).sum();
        let mean_ms = |seconds: f64, n: u64| if n == 0 { 0.0 } else { seconds * 1e3 / n as f64 };
        PoolStats {
            pool_size: size,
            active: active as u64,
            active_peak: self.active_peak,
            idle: (size - active) as u64,
            queue_depth: waiting as u64,
            queue_depth_peak: self.waiting_peak,
            queue_max,
            queue_by_priority: self.waiting,
            started,
            finished: self.finished,
            refused: self.refused,
            avg_wait_ms: mean_ms(waited, started),
            avg_execution_ms: mean_ms(self.held.as_secs_f64(), self.finished),
            waits: self.waits,
        }
    }
}
