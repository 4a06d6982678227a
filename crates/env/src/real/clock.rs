//! Time and randomness of the machine.

use std::time::{Instant, SystemTime};

use crate::clock::Clock;
use crate::random::Random;

/// The clocks of the operating system.
pub(crate) struct RealClock {
    origin: Instant,
}

impl RealClock {
    /// Monotonic time counts from now.
    pub(crate) fn new() -> RealClock {
        RealClock { origin: Instant::now() }
    }
}

impl Clock for RealClock {
    fn wall_ns(&self) -> i64 {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
        }
    }

    fn monotonic_ns(&self) -> u64 {
        // 2^64 ns are 584 years.
        self.origin.elapsed().as_nanos() as u64
    }
}

/// The generator of each thread, seeded by the process.
pub(crate) struct RealRandom;

impl Random for RealRandom {
    fn next_u64(&self) -> u64 {
        fastrand::u64(..)
    }
}
