//! What a connection is doing, and since when. Shared by its task, its socket, its requests, and whoever
//! looks for a quiet one to close.
//!
//! Invariant: a connection is asked to close only while it has no request and no answer on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits for a request of which nothing has come.
    Idle,
    /// The head of a request is on its way.
    Head,
    /// A request is being answered.
    Busy,
    /// It was asked to close.
    Closing,
}

/// Bits of the packed state that hold the phase; the others are milliseconds.
const PHASE_BITS: u32 = 2;

/// The state of one connection.
pub(super) struct State {
    begun: Instant,
    /// Phase, and when it began, in milliseconds since `begun`.
    packed: AtomicU64,
    /// Whether the client does not take what is written.
    stalled: AtomicBool,
    close: Notify,
}

impl State {
    /// A connection that is accepted now.
    pub(super) fn new(now: Instant) -> Arc<State> {
        let packed = AtomicU64::new(Phase::Idle as u64);
        let (stalled, close) = (AtomicBool::new(false), Notify::new());
        Arc::new(State { begun: now, packed, stalled, close })
    }

    /// The phase, and when it began. While bytes of an answer are not taken, its request is not over.
    pub(super) fn now(&self) -> (Phase, Instant) {
        let (phase, ms) = unpack(self.packed.load(Ordering::Acquire));
        let phase = if self.stalled.load(Ordering::Relaxed) { Phase::Busy } else { phase };
        (phase, self.begun + Duration::from_millis(ms))
    }

    /// Bytes came: outside of a request they begin one.
    pub(super) fn received(&self, now: impl FnOnce() -> Instant) {
        if unpack(self.packed.load(Ordering::Relaxed)).0 == Phase::Idle {
            self.turn(now(), Phase::Head, |phase| phase == Phase::Idle);
        }
    }

    /// Whether the client takes what is written.
    pub(super) fn stalled(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Relaxed);
    }

    /// A request begins; it ends when the value is dropped.
    pub(super) fn begin(self: &Arc<State>, now: Instant) -> InRequest {
        self.turn(now, Phase::Busy, |_| true);
        InRequest(Arc::clone(self))
    }

    /// Asks a connection without a request to close, if it has been quiet since `before`. Says whether it
    /// will.
    pub(super) fn close_if_quiet(&self, before: Instant) -> bool {
        let (phase, since) = self.now();
        let quiet = since <= before && matches!(phase, Phase::Idle | Phase::Head);
        let closes = quiet && self.turn(before, Phase::Closing, |now| now == phase);
        if closes {
            self.close.notify_one();
        }
        closes
    }

    /// Returns when the connection is asked to close.
    pub(super) async fn asked_to_close(&self) {
        self.close.notified().await;
    }

    fn turn(&self, now: Instant, to: Phase, from: impl Fn(Phase) -> bool) -> bool {
        let ms = now.saturating_duration_since(self.begun).as_millis();
        let ms = u64::try_from(ms).unwrap_or(u64::MAX);
        let next = ms << PHASE_BITS | to as u64;
        let change = |packed| from(unpack(packed).0).then_some(next);
        self.packed.fetch_update(Ordering::AcqRel, Ordering::Acquire, change).is_ok()
    }
}

fn unpack(packed: u64) -> (Phase, u64) {
    let phase = match packed & ((1 << PHASE_BITS) - 1) {
        0 => Phase::Idle,
        1 => Phase::Head,
        2 => Phase::Busy,
        _ => Phase::Closing,
    };
    (phase, packed >> PHASE_BITS)
}

/// A request that is being answered.
pub(super) struct InRequest(Arc<State>);

impl Drop for InRequest {
    fn drop(&mut self) {
        self.0.turn(Instant::now(), Phase::Idle, |phase| phase == Phase::Busy);
    }
}
