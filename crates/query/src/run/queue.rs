//! The slots that bound how many queries run at once, and the queue for them.
//!
//! Who waits goes by its *rank*: the moment it came, later by the handicap of its priority. So urgent queries go first,
//! equally urgent ones in the order they came, and nobody starves: a query waits only for those that came before its
//! rank.
//!
//! Invariants: a slot is held from before planning until the last batch is taken, the request is dropped or its
//! deadline passes and its operators have looked up; a free slot and a waiting query never exist together; never more
//! wait than the queue holds; while the queue is full, no client has more than half of it if another one asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pulsora_model::{Code, Error, Result};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::figures::{Figures, PoolStats};
use crate::queries::{Priority, Query};

/// Where slots are given out.
pub(crate) struct SlotQueue {
    size: usize,
    queue_max: usize,
    state: Mutex<State>,
}

/// Guarded by one lock, which is held for a few steps only.
struct State {
    free: usize,
    waiting: BTreeMap<Place, Waiter>,
    /// How many each client has waiting.
    clients: HashMap<Arc<str>, usize>,
    next: u64,
    figures: Figures,
}

/// A place in the queue: rank, then arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(Instant, u64);

struct Waiter {
    call: oneshot::Sender<Result<Slot>>,
    client: Option<Arc<str>>,
    priority: Priority,
}

impl State {
    fn remove(&mut self, place: Place) -> Option<Waiter> {
        let waiter = self.waiting.remove(&place)?;
        self.figures.left(waiter.priority);
        if let Some(client) = &waiter.client
            && let Some(count) = self.clients.get_mut(client)
        {
            *count -= 1;
            if *count == 0 {
                self.clients.remove(client);
            }
        }
        Some(waiter)
    }

    fn insert(&mut self, place: Place, waiter: Waiter) {
        self.figures.joined(waiter.priority);
        if let Some(client) = &waiter.client {
            *self.clients.entry(Arc::clone(client)).or_default() += 1;
        }
        self.waiting.insert(place, waiter);
    }

    /// Who has to leave a queue that holds one more than it may, and why: the last one of a client that has more than
    /// its share, else the last one of all.
    fn victim(&self, share: usize, queue_max: usize) -> Option<(Place, Error)> {
        let largest = self.clients.iter().max_by_key(|(_, count)| **count);
        if let Some((client, count)) = largest.filter(|(_, count)| **count > share) {
            let mut places = self.waiting.iter().rev();
            let last = places.find(|(_, waiter)| waiter.client.as_ref() == Some(client));
            return last.map(|(place, _)| (*place, client_limit(*count, queue_max)));
        }
        self.waiting.last_key_value().map(|(place, _)| (*place, overloaded(queue_max)))
    }
}

fn overloaded(queue_max: usize) -> Error {
    Error::new(Code::Overloaded, format!("{queue_max} queries wait already"))
        .hint("try again in a moment, or raise query.queue")
}

fn client_limit(count: usize, queue_max: usize) -> Error {
    let message =
        format!("the queue of {queue_max} queries is full, and {count} of them are this client's");
    Error::new(Code::ClientLimit, message).hint("send fewer queries at once")
}

impl SlotQueue {
    pub(crate) fn new(size: usize, queue_max: usize) -> SlotQueue {
        let state = State {
            free: size,
            waiting: BTreeMap::new(),
            clients: HashMap::new(),
            next: 0,
            figures: Figures::default(),
        };
        SlotQueue { size, queue_max, state: Mutex::new(state) }
    }

    /// A slot for a query, after waiting for one if need be. Must be awaited inside the query pool's runtime.
    ///
    /// # Errors
    /// `overloaded` or `client_limit` when the queue is full, `timeout` when the deadline passes first, or why the
    /// query was told to stop.
    pub(crate) async fn slot(self: &Arc<SlotQueue>, query: &Query) -> Result<Slot> {
        let came = Instant::now();
        let (waiting, called) = match self.enter(query, came) {
            Entered::Slot(slot) => {
                query.has_slot(Duration::ZERO);
                return Ok(slot);
            }
            Entered::Waiting(waiting, called) => (waiting, called),
        };
        let outcome = tokio::select! {
            biased;
            called = called => called.unwrap_or_else(|_| Err(Error::new(Code::Closed, "the query pool has ended"))),
            why = query.flag.clone().stopped() => Err(why),
            () = sleep_until(query.deadline) => Err(waited_too_long()),
        };
        drop(waiting);
        let slot = outcome?;
        query.has_slot(came.elapsed());
        Ok(slot)
    }

    pub(super) fn enter(self: &Arc<SlotQueue>, query: &Query, came: Instant) -> Entered {
        let priority = query.about.priority;
        let mut state = self.state.lock();
        if state.free > 0 {
            state.free -= 1;
            let active = self.size - state.free;
            state.figures.started(priority, Duration::ZERO, active);
            return Entered::Slot(Slot::new(self));
        }
        let place = Place(came + priority.handicap(), state.next);
        state.next += 1;
        let (call, called) = oneshot::channel();
        state.insert(place, Waiter { call, client: query.about.client.clone(), priority });
        let refused = match state.waiting.len() > self.queue_max {
            true => state.victim((self.queue_max / 2).max(1), self.queue_max),
            false => None,
        };
        let refused = refused.and_then(|(place, why)| Some((state.remove(place)?, why)));
        state.figures.refused += u64::from(refused.is_some());
        let waiting = state.waiting.len();
        state.figures.waits_now(waiting);
        drop(state);
        if let Some((waiter, why)) = refused {
            // One that has left needs no answer.
            let _left = waiter.call.send(Err(why));
        }
        Entered::Waiting(Waiting { queue: Arc::clone(self), place }, called)
    }

    /// Gives a slot to the first in the queue, or frees it.
    fn give(self: &Arc<SlotQueue>, held: Duration) {
        let mut state = self.state.lock();
        state.figures.finished(held);
        let first = state.waiting.first_key_value().map(|(place, _)| *place);
        let Some(waiter) = first.and_then(|place| state.remove(place)) else {
            state.free += 1;
            return;
        };
        let active = self.size - state.free;
        let came = first.map(|Place(rank, _)| rank - waiter.priority.handicap());
        let waited = came.map_or(Duration::ZERO, |came| came.elapsed());
        state.figures.started(waiter.priority, waited, active);
        drop(state);
        // One that has left drops the slot, which gives it on.
        let _left = waiter.call.send(Ok(Slot::new(self)));
    }

    /// Figures.
    pub(crate) fn stats(&self) -> PoolStats {
        let state = self.state.lock();
        let active = self.size - state.free;
        state.figures.stats(self.size, active, state.waiting.len(), self.queue_max)
    }
}

fn waited_too_long() -> Error {
    Error::new(Code::Timeout, "the query waited for a free slot until its deadline")
        .hint("try again, or give it more time with timeout_ms")
}

pub(super) enum Entered {
    Slot(Slot),
    Waiting(Waiting, oneshot::Receiver<Result<Slot>>),
}

/// A place in the queue; left when dropped.
pub(super) struct Waiting {
    queue: Arc<SlotQueue>,
    place: Place,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.queue.state.lock().remove(self.place);
    }
}

/// The right to run; given on when dropped.
pub(crate) struct Slot {
    queue: Arc<SlotQueue>,
    began: Instant,
}

impl Slot {
    fn new(queue: &Arc<SlotQueue>) -> Slot {
        Slot { queue: Arc::clone(queue), began: Instant::now() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.queue.give(self.began.elapsed());
    }
}
