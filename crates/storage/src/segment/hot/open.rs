//! Hot segments that stay open while nobody reads them: their series, directories and footers, byte-bounded.
//!
//! Whoever reads a segment holds it; kept here, it need not be read and checked again by the next reader.
//! They leave in the order in which they came, passing over those that were used since they were last
//! looked at. Series that several segments share count once.
//!
//! Invariant: the bytes of all kept segments stay within the bound, but the newest is always kept: a bound
//! below a single segment must not make every reader open it anew.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::FixedState;
use parking_lot::Mutex;

use super::reader::HotSegment;

/// The segments that are kept open.
pub(crate) struct OpenSegments {
    bytes_max: usize,
    /// Guards the queue and the sums.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<HotSegment>>,
    /// How many of the queue have a set of series, by its address.
    sets: HashMap<usize, usize, FixedState>,
    bytes: usize,
}

impl OpenSegments {
    /// None yet, and at most `bytes_max` bytes of them.
    pub fn new(bytes_max: u64) -> OpenSegments {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        OpenSegments { bytes_max, state: Mutex::default() }
    }

    /// Keeps a segment that has just been opened.
    pub fn keep(&self, segment: &Arc<HotSegment>) {
        let mut gone = Vec::new();
        let mut state = self.state.lock();
        state.add(Arc::clone(segment));
        while state.bytes > self.bytes_max && state.queue.len() > 1 {
            gone.extend(state.pass());
        }
        drop(state);
        // What takes long to drop is dropped outside.
        drop(gone);
    }

    /// Lets go of a segment whose file is about to be removed.
    pub fn forget(&self, segment: &Arc<HotSegment>) {
        let mut state = self.state.lock();
        let place = state.queue.iter().position(|kept| Arc::ptr_eq(kept, segment));
        let gone = place.map(|place| state.remove(place));
        drop(state);
        drop(gone);
    }
}

impl State {
    fn add(&mut self, segment: Arc<HotSegment>) {
        self.bytes += segment.own_bytes();
        let holders = self.sets.entry(address(&segment)).or_default();
        *holders += 1;
        if *holders == 1 {
            self.bytes += segment.series().size_bytes();
        }
        self.queue.push_back(segment);
    }

    /// Looks at the oldest: to the end with it if it was used, else out.
    fn pass(&mut self) -> Option<Arc<HotSegment>> {
        if self.queue.front()?.take_used() {
            self.queue.rotate_left(1);
            return None;
        }
        Some(self.remove(0))
    }

    fn remove(&mut self, place: usize) -> Arc<HotSegment> {
        let segment = self.queue.remove(place).expect("the place is in the queue");
        self.bytes -= segment.own_bytes();
        let set = address(&segment);
        let holders = self.sets.get_mut(&set).expect("every kept segment has a set");
        *holders -= 1;
        if *holders == 0 {
            self.sets.remove(&set);
            self.bytes -= segment.series().size_bytes();
        }
        segment
    }
}

/// Where the series of a segment lie: the same place is the same series.
fn address(segment: &HotSegment) -> usize {
    Arc::as_ptr(segment.series()) as usize
}
