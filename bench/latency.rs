//! Many requests from several clients, and their latencies.
//!
//! - A client has one request on its way at a time, and takes the next one nobody has taken.
//! - The clock of a run starts when all clients are there and ends with the last answer.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::http::Client;

/// Longest latency that is told apart from longer ones: ten minutes, the time-out of the client.
const LONGEST_US: u64 = 600_000_000;

/// What a run took.
pub struct Run {
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Latencies, microseconds.
    pub latencies: Histogram<u64>,
}

impl Run {
    /// A run of nothing.
    pub fn none() -> Run {
        let latencies = Histogram::new_with_bounds(1, LONGEST_US, 3);
        let latencies = latencies.expect("three digits and these bounds are allowed");
        Run { elapsed: Duration::ZERO, latencies }
    }

    /// Adds a run that came after.
    pub fn add(&mut self, other: &Run) {
        self.elapsed += other.elapsed;
        self.latencies.add(&other.latencies).expect("all histograms have the same bounds");
    }

    /// The latency that this share (0 to 1) of the requests did not exceed, milliseconds.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        self.latencies.value_at_quantile(share) as f64 / 1_000.0
    }
}

/// Has `clients` clients of `url` perform `requests` requests; `request` is given the number of the one
/// to perform.
///
/// # Errors
/// The first error of a request.
pub fn run(
    url: &str,
    clients: usize,
    requests: usize,
    request: impl Fn(&Client, usize) -> Result<(), String> + Sync,
) -> Result<Run, String> {
    let next = AtomicUsize::new(0);
    let start = Barrier::new(clients + 1);
    let client = || {
        let client = Client::new(url);
        let mut latencies = Run::none().latencies;
        start.wait();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= requests {
                return Ok(latencies);
            }
            let since = Instant::now();
            request(&client, number)?;
            latencies.saturating_record(since.elapsed().as_micros() as u64);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        start.wait();
        let since = Instant::now();
        let results: Vec<Result<Histogram<u64>, String>> =
            threads.into_iter().map(|thread| thread.join().expect("no client panics")).collect();
        let mut run = Run { elapsed: since.elapsed(), ..Run::none() };
        for latencies in results {
            run.latencies.add(latencies?).expect("all histograms have the same bounds");
        }
        Ok(run)
    })
}
