//! Requests on their way to the commit owner.

use std::collections::VecDeque;

use parking_lot::Mutex;
use pulsora_model::{Code, Error, Result};
use tokio::sync::oneshot;

use super::request::{Command, FlushFilter, Pending, Receipt, WriteRequest};

/// Where the answer goes.
pub(super) type Reply = oneshot::Sender<Result<Receipt>>;

/// Everything that can happen to the commit owner.
pub(super) enum Event {
    Write(WriteRequest, Reply),
    Execute(Command, Reply),
    Flush(FlushFilter, Reply),
    Close(Reply),
}

impl Event {
    /// Bytes it holds, for the bound of a group.
    fn size_bytes(&self) -> u64 {
        match self {
            Event::Write(request, _) => {
                request.tables.iter().map(|table| table.batch.size_bytes() as u64).sum()
            }
            _ => 0,
        }
    }

    /// Whether the group ends before it: it acts on what was written.
    fn is_barrier(&self) -> bool {
        matches!(self, Event::Flush(..) | Event::Close(_))
    }

    fn reply(self) -> Reply {
        match self {
            Event::Write(_, reply)
            | Event::Execute(_, reply)
            | Event::Flush(_, reply)
            | Event::Close(reply) => reply,
        }
    }
}

#[derive(Default)]
struct State {
    /// With their sizes in bytes.
    events: VecDeque<(u64, Event)>,
    bytes: u64,
    closed: bool,
}

/// The queue. Guards the events and whether more are taken.
#[derive(Default)]
pub(super) struct Queue(Mutex<State>);

impl Queue {
    /// Adds an event; answered with `closed` at once when [`Event::Close`] came before.
    pub fn push(&self, make: impl FnOnce(Reply) -> Event) -> Pending {
        let (reply, pending) = oneshot::channel();
        let event = make(reply);
        let mut state = self.0.lock();
        if state.closed {
            drop(state);
            let closed = Error::new(Code::Closed, "the server is shutting down");
            let _gone = event.reply().send(Err(closed));
            return Pending(pending);
        }
        // Nothing comes behind the end: nobody would answer it.
        state.closed = matches!(event, Event::Close(_));
        let bytes = event.size_bytes();
        state.bytes += bytes;
        state.events.push_back((bytes, event));
        Pending(pending)
    }

    /// Takes the next events: up to `bytes` and `count`, never past a barrier (which comes alone).
    pub fn take(&self, bytes: u64, count: usize) -> Vec<Event> {
        let mut state = self.0.lock();
        let mut taken = Vec::new();
        let mut sum = 0;
        while let Some((size, event)) = state.events.front() {
            let full = sum + size > bytes || taken.len() == count;
            if !taken.is_empty() && (full || event.is_barrier()) {
                break;
            }
            sum += size;
            let barrier = event.is_barrier();
            if let Some((_, event)) = state.events.pop_front() {
                taken.push(event);
            }
            if barrier {
                break;
            }
        }
        state.bytes -= sum;
        taken
    }

    /// Takes what must not wait while memory is short: a flush, wherever it stands.
    pub fn take_flush(&self) -> Option<Event> {
        let mut state = self.0.lock();
        let position =
            state.events.iter().position(|(_, event)| matches!(event, Event::Flush(..)))?;
        state.events.remove(position).map(|(_, event)| event)
    }

    /// Requests waiting, and their bytes.
    pub fn len(&self) -> (u64, u64) {
        let state = self.0.lock();
        (state.events.len() as u64, state.bytes)
    }
}
