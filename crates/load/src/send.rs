//! The bodies of a ring to a target, and what of them was accepted.
//!
//! - Requests leave in the order of their rows' times.
//! - A request that is asked to come again comes again; its latency counts all of that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clients::{Plan, Times, perform};
use crate::connection::Connection;
use crate::ring::Ring;
use crate::sums::Sums;

/// How long a client waits that is asked to come again.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Characters of a refusal that are shown.
const REFUSAL_CHARS: usize = 500;

/// Where bodies go.
pub trait Target: Sync {
    /// What one client sends with.
    type Sender: Sender;

    /// Makes one.
    ///
    /// # Errors
    /// A sentence for the user.
    fn sender(&self) -> Result<Self::Sender, String>;
}

/// Sends bodies, one at a time.
pub trait Sender: Send {
    /// Sends one and waits for what becomes of it.
    ///
    /// # Errors
    /// A sentence for the user: it was refused, or its fate is unknown.
    fn send(&mut self, body: &[u8]) -> Result<Fate, String>;
}

/// What became of a body that was not refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All of its rows are stored.
    Accepted,
    /// Nothing is stored: there is no room just now.
    Again,
}

/// A path of a server.
#[derive(Clone, Debug)]
pub struct HttpTarget {
    /// `http://host:port`.
    pub base: String,
    /// From the first slash on, with parameters.
    pub path: String,
    /// Of every body.
    pub content_type: &'static str,
}

impl Target for HttpTarget {
    type Sender = Connection;

    fn sender(&self) -> Result<Connection, String> {
        Connection::new(&self.base, &self.path, self.content_type)
    }
}

impl Sender for Connection {
    fn send(&mut self, body: &[u8]) -> Result<Fate, String> {
        let answer = self.post(body)?;
        match answer.status {
            200..=299 => Ok(Fate::Accepted),
            429 | 503 => Ok(Fate::Again),
            status => {
                let text = String::from_utf8_lossy(answer.body);
                let text: String = text.chars().take(REFUSAL_CHARS).collect();
                Err(format!("a request was refused: {status} {text}"))
            }
        }
    }
}

/// What a run did.
#[derive(Clone, Default)]
pub struct Run {
    /// What took how long.
    pub times: Times,
    /// What the accepted rows add up to.
    pub accepted: Sums,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// How often a request was asked to come again.
    pub again: u64,
}

impl Run {
    /// Adds a run that came after.
    pub fn add(&mut self, other: &Run) {
        self.times.add(&other.times);
        self.accepted.add(&other.accepted);
        self.bytes += other.bytes;
        self.again += other.again;
    }
}

/// What a client keeps.
struct Kept<S> {
    sender: S,
    accepted: Sums,
    bytes: u64,
    again: u64,
}

/// Sends bodies of `ring` as `plan` says, at most `rate` rows a second; `watch` is called now and then
/// with the number of rows accepted so far.
///
/// # Errors
/// The first error of a client.
pub fn send<T: Target>(
    target: &T,
    ring: &Ring,
    plan: Plan,
    rate: Option<f64>,
    mut watch: impl FnMut(u64),
) -> Result<Run, String> {
    let rows = AtomicU64::new(0);
    let since = Instant::now();
    let client = || {
        let sender = target.sender()?;
        Ok(Kept { sender, accepted: Sums::default(), bytes: 0, again: 0 })
    };
    let request = |kept: &mut Kept<T::Sender>, number| {
        if let Some(rate) = rate {
            let due = ring.rows_before(number - plan.first) / rate;
            std::thread::sleep(Duration::from_secs_f64(due).saturating_sub(since.elapsed()));
        }
        let body = ring.body(number);
        while kept.sender.send(&body.bytes)? == Fate::Again {
            kept.again += 1;
            std::thread::sleep(AGAIN_AFTER);
        }
        kept.accepted.add(&body.sums);
        kept.bytes += body.bytes.len() as u64;
        rows.fetch_add(body.sums.rows, Ordering::Relaxed);
        Ok(())
    };
    let look = || watch(rows.load(Ordering::Relaxed));
    let (times, clients) = perform(plan, client, request, look)?;
    let mut run = Run { times, ..Run::default() };
    for kept in clients {
        run.accepted.add(&kept.accepted);
        run.bytes += kept.bytes;
        run.again += kept.again;
    }
    Ok(run)
}
