//! What went wrong with lines that nobody waits for, in the log: at most one message of a kind each second,
//! however many connections there are. The metrics count all of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use pulsora_model::{Detail, Error};

use crate::app::App;
use crate::context::Context;

/// Nanoseconds between two messages of a kind.
const INTERVAL_NS: u64 = 1_000_000_000;

/// When what was told last.
#[derive(Default)]
pub(super) struct Report {
    rejected: Paced,
    waiting: Paced,
    refused: Paced,
}

impl Report {
    /// Lines that cannot be stored; the first of them in full.
    pub(super) fn rejected(&self, context: &Context, peer: SocketAddr, lines: u64, first: &Detail) {
        if let Some(lines) = self.rejected.tell(&context.app, lines) {
            let text = first.text.as_deref().unwrap_or("");
            let reason = first.message.as_str();
            tracing::warn!(%peer, lines, text, reason, "lines over TCP cannot be stored; this is one of them");
        }
    }

    /// A batch waits because the engine cannot take it now.
    pub(super) fn waiting(&self, context: &Context, peer: SocketAddr, error: &Error) {
        if let Some(attempts) = self.waiting.tell(&context.app, 1) {
            tracing::warn!(%peer, attempts, %error, "lines over TCP wait to be stored");
        }
    }

    /// A connection too many.
    pub(super) fn refused(&self, app: &App, peer: SocketAddr) {
        if let Some(connections) = self.refused.tell(app, 1) {
            tracing::warn!(%peer, connections, "connections of line protocol are closed: tcp.connections");
        }
    }

    /// A line that is too long ends its connection, which bounds how often this is said.
    pub(super) fn long_line(&self, peer: SocketAddr, buffer_bytes: usize) {
        tracing::warn!(%peer, buffer_bytes, "a connection is closed: its line does not fit into tcp.buffer");
    }
}

/// Counts, and says once in a while how much came together.
#[derive(Default)]
struct Paced {
    count: AtomicU64,
    /// When it may be told again, monotonic.
    next_ns: AtomicU64,
}

impl Paced {
    /// Adds `count`; gives all that was not told yet if it is time to tell.
    fn tell(&self, app: &App, count: u64) -> Option<u64> {
        self.count.fetch_add(count, Ordering::Relaxed);
        let (now, next) = (app.env.clock.monotonic_ns(), self.next_ns.load(Ordering::Relaxed));
        let mine = now >= next
            && self
                .next_ns
                .compare_exchange(next, now + INTERVAL_NS, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        mine.then(|| self.count.swap(0, Ordering::Relaxed))
    }
}
