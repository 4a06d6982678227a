//! Many requests from several clients, and their latencies.
//!
//! - A client has one request on its way at a time, and takes the next one nobody has taken.
//! - The clock of a run starts when all clients are there and ends with the last answer.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Longest latency that is told apart from longer ones: ten minutes.
const LONGEST_US: u64 = 600_000_000;

/// How often the caller may look how far the run is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often it is looked whether the run has ended.
const ENDED_EVERY: Duration = Duration::from_millis(2);

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After so many requests.
    Requests(u64),
    /// When so much time has passed: the requests that are on their way then are the last.
    Time(Duration),
}

/// Who sends how much.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many send at once, at least 1.
    pub clients: usize,
    /// Number of the first request; those before it belong to other runs.
    pub first: u64,
    /// When it ends.
    pub until: Until,
}

/// What took how long.
#[derive(Clone)]
pub struct Times {
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Latencies, microseconds.
    pub latencies: Histogram<u64>,
}

impl Default for Times {
    fn default() -> Times {
        let latencies = Histogram::new_with_bounds(1, LONGEST_US, 3);
        let latencies = latencies.expect("three digits and these bounds are allowed");
        Times { elapsed: Duration::ZERO, latencies }
    }
}

impl Times {
    /// Adds those of a run that came after.
    pub fn add(&mut self, other: &Times) {
        self.elapsed += other.elapsed;
        self.latencies.add(&other.latencies).expect("all histograms have the same bounds");
    }

    /// The latency that this share (0 to 1) of the requests did not exceed, milliseconds.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        self.latencies.value_at_quantile(share) as f64 / 1_000.0
    }

    /// Number of requests.
    pub fn requests(&self) -> u64 {
        self.latencies.len()
    }
}

/// What the clients of a run share.
struct Shared {
    plan: Plan,
    next: AtomicU64,
    failed: AtomicBool,
    start: Barrier,
}

/// Has clients perform requests. `client` makes what a client keeps; `request` is given that and the
/// number of the request to perform; `watch` is called now and then while they run. Gives the times and
/// what each client kept.
///
/// # Errors
/// The first error of a client.
pub fn perform<C: Send>(
    plan: Plan,
    client: impl Fn() -> Result<C, String> + Sync,
    request: impl Fn(&mut C, u64) -> Result<(), String> + Sync,
    mut watch: impl FnMut(),
) -> Result<(Times, Vec<C>), String> {
    let shared = Shared {
        plan,
        next: AtomicU64::new(plan.first),
        failed: AtomicBool::new(false),
        start: Barrier::new(plan.clients + 1),
    };
    let one = || {
        let kept = client();
        shared.start.wait();
        let outcome = kept.and_then(|kept| shared.client(kept, &request));
        shared.failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
        outcome
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.clients).map(|_| scope.spawn(one)).collect();
        shared.start.wait();
        let since = Instant::now();
        let mut looked = since;
        while !threads.iter().all(|thread| thread.is_finished()) {
            std::thread::sleep(ENDED_EVERY);
            if looked.elapsed() >= LOOK_EVERY {
                watch();
                looked = Instant::now();
            }
        }
        let (mut times, mut all) = (Times::default(), Vec::new());
        for thread in threads {
            let (part, kept) = thread.join().expect("no client panics")?;
            times.latencies.add(&part.latencies).expect("all histograms have the same bounds");
            times.elapsed = times.elapsed.max(part.ended.saturating_duration_since(since));
            all.push(kept);
        }
        Ok((times, all))
    })
}

/// What one client measured.
struct Part {
    latencies: Histogram<u64>,
    ended: Instant,
}

impl Shared {
    fn client<C>(
        &self,
        mut kept: C,
        request: impl Fn(&mut C, u64) -> Result<(), String>,
    ) -> Result<(Part, C), String> {
        let since = Instant::now();
        let mut latencies = Times::default().latencies;
        let Plan { first, until, .. } = self.plan;
        while !self.failed.load(Ordering::Relaxed) {
            if matches!(until, Until::Time(time) if since.elapsed() >= time) {
                break;
            }
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if matches!(until, Until::Requests(requests) if number - first >= requests) {
                break;
            }
            let begun = Instant::now();
            request(&mut kept, number)?;
            latencies.saturating_record(begun.elapsed().as_micros() as u64);
        }
        Ok((Part { latencies, ended: Instant::now() }, kept))
    }
}
