//! Simulated time and randomness. Time passes only when it is told to.

use fastrand::Rng;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::random::Random;

/// 2023-11-14 22:13:20 UTC: where simulated wall time starts.
const START_WALL_NS: i64 = 1_700_000_000_000_000_000;

/// A clock that is moved by hand. File operations move it a little, too.
pub struct SimClock(Mutex<Now>);

/// Both clocks; the wall clock is monotonic time plus an offset.
struct Now {
    monotonic_ns: u64,
    wall_offset_ns: i64,
}

impl SimClock {
    pub(super) fn new() -> SimClock {
        SimClock(Mutex::new(Now { monotonic_ns: 0, wall_offset_ns: START_WALL_NS }))
    }

    /// Lets `ns` nanoseconds pass on both clocks.
    pub fn advance(&self, ns: u64) {
        let mut now = self.0.lock();
        now.monotonic_ns = now.monotonic_ns.saturating_add(ns);
    }

    /// Sets the wall clock forward or back by `ns` nanoseconds, as an administrator might.
    pub fn shift_wall(&self, ns: i64) {
        let mut now = self.0.lock();
        now.wall_offset_ns = now.wall_offset_ns.saturating_add(ns);
    }
}

impl Clock for SimClock {
    fn wall_ns(&self) -> i64 {
        let now = self.0.lock();
        now.wall_offset_ns.saturating_add_unsigned(now.monotonic_ns)
    }

    fn monotonic_ns(&self) -> u64 {
        self.0.lock().monotonic_ns
    }
}

/// Random numbers that follow from the seed.
pub struct SimRandom(Mutex<Rng>);

impl SimRandom {
    pub(super) fn new(rng: Rng) -> SimRandom {
        SimRandom(Mutex::new(rng))
    }
}

impl Random for SimRandom {
    fn next_u64(&self) -> u64 {
        self.0.lock().u64(..)
    }
}
