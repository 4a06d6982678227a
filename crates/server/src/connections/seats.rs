//! So many connections at once. When all seats are taken, the connection that has been quiet longest gives
//! its seat to a new one; when none is quiet, the new one is refused.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::state::{Phase, State};

/// How long a connection without a request must have been quiet to lose its seat: longer than any client
/// takes between connecting and asking, or between two requests that follow each other.
const QUIET: Duration = Duration::from_secs(1);

/// The seats.
pub(super) struct Seats {
    max: usize,
    /// The connections by number; held for a look-up or a walk over all of them, never across an await.
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    states: HashMap<u64, Arc<State>>,
}

impl Seats {
    /// `max` seats.
    pub(super) fn new(max: usize) -> Arc<Seats> {
        Arc::new(Seats { max, taken: Mutex::default() })
    }

    /// A seat, if there is one or somebody quiet gives his.
    pub(super) fn take(self: &Arc<Seats>, now: Instant) -> Option<Seat> {
        let mut taken = self.taken.lock();
        if taken.states.len() >= self.max {
            let number = self.quietest(&taken, now)?;
            // Its task ends by itself; until then there is one socket more than seats.
            taken.states.remove(&number);
        }
        let (number, state) = (taken.next, State::new(now));
        taken.next += 1;
        taken.states.insert(number, Arc::clone(&state));
        Some(Seat { seats: Arc::clone(self), number, state })
    }

    /// Asks the quietest connection to close.
    fn quietest(&self, taken: &Taken, now: Instant) -> Option<u64> {
        let before = now.checked_sub(QUIET)?;
        let quiet = taken.states.iter().filter_map(|(number, state)| {
            let (phase, since) = state.now();
            let quiet = since <= before && matches!(phase, Phase::Idle | Phase::Head);
            quiet.then_some((since, *number, state))
        });
        let (_, number, state) = quiet.min_by_key(|(since, number, _)| (*since, *number))?;
        state.close_if_quiet(before).then_some(number)
    }
}

/// A seat; free again when dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    state: Arc<State>,
}

impl Seat {
    /// The state of the connection that has it.
    pub(super) fn state(&self) -> &Arc<State> {
        &self.state
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken.lock().states.remove(&self.number);
    }
}
