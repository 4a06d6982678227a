//! The memory guard: past 85 % of `memory.limit` new work waits, then is refused; past 95 % what caches and queries hold is
//! given back.
//!
//! Invariant: writes that were let in are never refused by the guard later.

use std::time::Duration;

use pulsora_model::{Code, Error, Result};
use tokio::time::{Instant, sleep};

use crate::allocator;

/// Share of the limit above which new work waits, percent.
const GATE_PERCENT: u64 = 85;

/// Share of the limit above which the largest query ends, percent.
const RELIEF_PERCENT: u64 = 95;

/// How often that is looked at: a query that reads at 1 GB/s takes 20 MB meanwhile.
pub const RELIEF_LOOK: Duration = Duration::from_millis(20);

/// How long a query that was told to stop has to give its memory back before another one is.
pub const RELIEF_PAUSE: Duration = Duration::from_secs(1);

/// How often a waiting request looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Lets work in while there is memory.
pub struct MemoryGuard {
    limit: u64,
    used: fn() -> u64,
}

impl MemoryGuard {
    /// A guard of `limit` bytes over the counting allocator.
    pub fn new(limit: u64) -> MemoryGuard {
        MemoryGuard { limit, used: allocator::allocated_bytes }
    }

    /// Whether memory has to be given back at once.
    pub fn is_exhausted(&self) -> bool {
        (self.used)() > self.limit / 100 * RELIEF_PERCENT
    }

    /// Returns once there is memory for new work.
    ///
    /// # Errors
    /// `memory_limit` when there is none within `max_wait`.
    pub async fn admit(&self, max_wait: Duration) -> Result<()> {
        let deadline = Instant::now() + max_wait;
        let gate = self.limit / 100 * GATE_PERCENT;
        loop {
            let used = (self.used)();
            if used <= gate {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::new(
                    Code::MemoryLimit,
                    format!("{used} of {} bytes of memory are in use", self.limit),
                )
                .hint("send it again a little later; raise memory.limit if it stays like this"));
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// What the system says of the process's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    /// Anonymous pages in memory, bytes: what the limit is about.
    pub anonymous: u64,
    /// All pages in memory, bytes, mapped files included.
    pub total: u64,
}

/// Reads `/proc/self/status`; zeros where there is none.
pub fn resident() -> Resident {
    std::fs::read_to_string("/proc/self/status").map_or_else(|_| Resident::default(), |s| parse(&s))
}

fn parse(status: &str) -> Resident {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Resident { anonymous: field("RssAnon:").unwrap_or(0), total: field("VmRSS:").unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test]
    async fn waits_until_memory_is_given_back() {
        static USED: AtomicU64 = AtomicU64::new(87);
        let guard = MemoryGuard { limit: 100, used: || USED.fetch_sub(1, Ordering::Relaxed) };
        guard.admit(Duration::from_secs(60)).await.unwrap();
        assert_eq!(USED.load(Ordering::Relaxed), 84, "looked at 87, 86 and 85");
    }

    #[tokio::test]
    async fn refuses_after_the_wait() {
        let guard = MemoryGuard { limit: 100, used: || 86 };
        let error = guard.admit(Duration::ZERO).await.unwrap_err();
        assert_eq!(error.code(), Code::MemoryLimit);
    }

    #[test]
    fn reads_the_status_of_a_process() {
        let resident = parse("Name:\tx\nVmRSS:\t  2048 kB\nRssAnon:\t 1024 kB\n");
        assert_eq!(resident, Resident { anonymous: 1 << 20, total: 2 << 20 });
        assert_eq!(parse("nothing"), Resident::default());
    }
}
