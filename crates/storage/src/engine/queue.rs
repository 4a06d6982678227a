//! Requests on their way to the commit owner.

use std::collections::VecDeque;

use parking_lot::Mutex;
use pulsora_model::{Code, Error, Result};
use tokio::sync::oneshot;

use super::request::{Command, FlushFilter, Pending, Receipt, WriteRequest};
use crate::correction::Correction;

/// Where the answer goes.
pub(crate) type Reply = oneshot::Sender<Result<Receipt>>;

/// Everything that can happen to the commit owner.
pub(super) enum Event {
    Write(WriteRequest, Reply),
    Execute(Command, Reply),
    Flush(FlushFilter, Reply),
    Correct(Box<Correction>, Reply),
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
        match self {
            Event::Flush(..) | Event::Correct(..) | Event::Close(_) => true,
            Event::Execute(command, _) => command.is_alone(),
            Event::Write(..) => false,
        }
    }

    fn reply(self) -> Reply {
        match self {
            Event::Write(_, reply)
            | Event::Execute(_, reply)
            | Event::Flush(_, reply)
            | Event::Correct(_, reply)
            | Event::Close(reply) => reply,
        }
    }
}

/// An event in the queue.
struct Waiting {
    bytes: u64,
    /// Monotonic nanoseconds.
    since_ns: u64,
    event: Event,
}

#[derive(Default)]
struct State {
    events: VecDeque<Waiting>,
    bytes: u64,
    closed: bool,
}

/// The queue. Guards the events and whether more are taken.
#[derive(Default)]
pub(super) struct Queue(Mutex<State>);

impl Queue {
    /// Adds an event; answered with `closed` at once when [`Event::Close`] came before.
    pub fn push(&self, since_ns: u64, make: impl FnOnce(Reply) -> Event) -> Pending {
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
        state.events.push_back(Waiting { bytes, since_ns, event });
        Pending(pending)
    }

    /// Takes the next events: up to `bytes` and `count`, never past a barrier (which comes alone).
    pub fn take(&self, bytes: u64, count: usize) -> Vec<Event> {
        let mut state = self.0.lock();
        let mut taken = Vec::new();
        let mut sum = 0;
        while let Some(Waiting { bytes: size, event, .. }) = state.events.front() {
            let full = sum + size > bytes || taken.len() == count;
            if !taken.is_empty() && (full || event.is_barrier()) {
                break;
            }
            sum += size;
            let barrier = event.is_barrier();
            taken.extend(state.events.pop_front().map(|waiting| waiting.event));
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
            state.events.iter().position(|waiting| matches!(waiting.event, Event::Flush(..)))?;
        state.events.remove(position).map(|waiting| waiting.event)
    }

    /// Takes the writes at the front that have waited since `since_ns` or longer.
    pub fn take_writes_since(&self, since_ns: u64) -> Vec<Reply> {
        let mut state = self.0.lock();
        let mut replies = Vec::new();
        let due = |waiting: &mut Waiting| {
            waiting.since_ns <= since_ns && matches!(waiting.event, Event::Write(..))
        };
        while let Some(waiting) = state.events.pop_front_if(due) {
            state.bytes -= waiting.bytes;
            replies.push(waiting.event.reply());
        }
        replies
    }

    /// Requests waiting, and their bytes.
    pub fn len(&self) -> (u64, u64) {
        let state = self.0.lock();
        (state.events.len() as u64, state.bytes)
    }
}

#[cfg(test)]
mod tests {
    use pulsora_model::Name;

    use super::super::options::Durability;
    use super::*;

    fn write(reply: Reply) -> Event {
        let database = Name::literal("default");
        let (tables, durability) = (Vec::new(), Durability::Fsync);
        Event::Write(WriteRequest { database, tables, durability, key: None }, reply)
    }

    #[test]
    fn only_writes_at_the_front_that_waited_long_enough_are_taken_back() {
        let queue = Queue::default();
        let mut early = [queue.push(1, write), queue.push(2, write)];
        let _flush = queue.push(3, |reply| Event::Flush(FlushFilter::default(), reply));
        let _late = queue.push(3, write);
        assert_eq!(queue.take_writes_since(0).len(), 0);
        for reply in queue.take_writes_since(3) {
            let full = Error::new(Code::Overloaded, "full");
            reply.send(Err(full)).unwrap();
        }
        for pending in &mut early {
            assert_eq!(pending.try_take().unwrap().unwrap_err().code(), Code::Overloaded);
        }
        assert_eq!(queue.len().0, 2, "the flush stands before the other write");
        assert!(queue.take_flush().is_some());
        assert_eq!(queue.take_writes_since(3).len(), 1);
        assert_eq!(queue.len(), (0, 0));
    }

    #[test]
    fn a_closed_queue_answers_at_once() {
        let queue = Queue::default();
        let _close = queue.push(1, Event::Close);
        let answer = queue.push(2, write).try_take().unwrap();
        assert_eq!(answer.unwrap_err().code(), Code::Closed);
    }
}
