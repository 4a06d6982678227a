//! What has been opened of segments and stays open while nobody reads it: footers, directories and series of
//! hot segments, footers of Parquet, row id indexes; all of it together byte-bounded.
//!
//! Whoever reads a part holds it; kept here, it need not be read and checked again by the next reader.
//! Parts leave in the order in which they came, passing over those that were used since they were last
//! looked at. What several share counts once.
//!
//! Invariant: the bytes of all kept parts stay within the bound, but the newest is always kept: a bound
//! below a single part must not make every reader open it anew.

use std::collections::{HashMap, VecDeque};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use foldhash::fast::FixedState;
use parking_lot::Mutex;
use pulsora_model::Result;

/// A part of a segment that can be kept open.
pub(crate) trait Opened: Send + Sync + 'static {
    /// Whether it was asked for since it was last looked at.
    fn used(&self) -> &AtomicBool;

    /// Bytes held by it alone, about.
    fn own_bytes(&self) -> usize;

    /// What it may share with others, if anything: where that lies, and its bytes.
    fn shared(&self) -> Option<(usize, usize)> {
        None
    }
}

/// A value that is all there is of a part.
pub(crate) struct Part<T> {
    value: T,
    bytes: usize,
    used: AtomicBool,
}

impl<T> Part<T> {
    /// A value of about so many bytes.
    pub fn new(value: T, bytes: usize) -> Part<T> {
        Part { value, bytes, used: AtomicBool::new(false) }
    }
}

impl<T> Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Send + Sync + 'static> Opened for Part<T> {
    fn used(&self) -> &AtomicBool {
        &self.used
    }

    fn own_bytes(&self) -> usize {
        self.bytes
    }
}

/// A part of one segment, while somebody reads it or it is kept open. Guards only which one it is.
pub(crate) struct Slot<T>(Mutex<Weak<T>>);

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot(Mutex::new(Weak::new()))
    }
}

impl<T: Opened> Slot<T> {
    /// The part, made unless it is open. Whoever reads on holds it.
    ///
    /// # Errors
    /// What making it reports.
    pub fn get(&self, kept: &OpenParts, make: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        if let Some(part) = self.0.lock().upgrade() {
            part.used().store(true, Ordering::Relaxed);
            return Ok(part);
        }
        let made = Arc::new(make()?);
        let mut slot = self.0.lock();
        // Another reader may have been faster.
        if let Some(part) = slot.upgrade() {
            return Ok(part);
        }
        *slot = Arc::downgrade(&made);
        drop(slot);
        kept.keep(Arc::clone(&made) as Arc<dyn Opened>);
        Ok(made)
    }

    /// Lets go of it when its file is about to be removed: what is kept open would keep its bytes on disk.
    pub fn forget(&mut self, kept: &OpenParts) {
        if let Some(part) = self.0.get_mut().upgrade() {
            kept.forget(&(part as Arc<dyn Opened>));
        }
    }
}

/// The parts that are kept open.
pub(crate) struct OpenParts {
    bytes_max: usize,
    /// Guards the queue and the sums.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<dyn Opened>>,
    /// How many of the queue have what they share, by its address.
    holders: HashMap<usize, usize, FixedState>,
    bytes: usize,
}

impl OpenParts {
    /// None yet, and at most `bytes_max` bytes of them.
    pub fn new(bytes_max: u64) -> OpenParts {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        OpenParts { bytes_max, state: Mutex::default() }
    }

    /// Keeps a part that has just been opened.
    fn keep(&self, part: Arc<dyn Opened>) {
        let mut gone = Vec::new();
        let mut state = self.state.lock();
        state.add(part);
        while state.bytes > self.bytes_max && state.queue.len() > 1 {
            gone.extend(state.pass());
        }
        drop(state);
        // What takes long to drop is dropped outside.
        drop(gone);
    }

    fn forget(&self, part: &Arc<dyn Opened>) {
        let mut state = self.state.lock();
        let place = state.queue.iter().position(|kept| Arc::ptr_eq(kept, part));
        let gone = place.map(|place| state.remove(place));
        drop(state);
        drop(gone);
    }
}

impl State {
    fn add(&mut self, part: Arc<dyn Opened>) {
        self.bytes += part.own_bytes();
        if let Some((address, bytes)) = part.shared() {
            let holders = self.holders.entry(address).or_default();
            *holders += 1;
            if *holders == 1 {
                self.bytes += bytes;
            }
        }
        self.queue.push_back(part);
    }

    /// Looks at the oldest: to the end with it if it was used, else out.
    fn pass(&mut self) -> Option<Arc<dyn Opened>> {
        if self.queue.front()?.used().swap(false, Ordering::Relaxed) {
            self.queue.rotate_left(1);
            return None;
        }
        Some(self.remove(0))
    }

    fn remove(&mut self, place: usize) -> Arc<dyn Opened> {
        let part = self.queue.remove(place).expect("the place is in the queue");
        self.bytes -= part.own_bytes();
        if let Some((address, bytes)) = part.shared() {
            let holders =
                self.holders.get_mut(&address).expect("what a kept part shares is counted");
            *holders -= 1;
            if *holders == 0 {
                self.holders.remove(&address);
                self.bytes -= bytes;
            }
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_open_within_their_bound() {
        let kept = OpenParts::new(100);
        let mut slots = [0; 3].map(|_| Slot::<Part<usize>>::default());
        let mut made = 0;
        let mut get = |slot: &Slot<Part<usize>>| {
            let part = slot.get(&kept, || {
                made += 1;
                Ok(Part::new(made, 40))
            });
            **part.unwrap()
        };
        assert_eq!([get(&slots[0]), get(&slots[1]), get(&slots[0])], [1, 2, 1]);
        assert_eq!(get(&slots[2]), 3, "the one that was used stays");
        assert_eq!([get(&slots[0]), get(&slots[2]), get(&slots[1])], [1, 3, 4]);
        slots[1].forget(&kept);
        assert_eq!(get(&slots[1]), 5, "one that is forgotten is made anew");
        let large = Slot::<Part<usize>>::default();
        let one = large.get(&kept, || Ok(Part::new(7, 1_000))).unwrap();
        assert_eq!(kept.state.lock().bytes, 1_000, "the newest is kept");
        assert!(slots.iter().all(|slot| slot.0.lock().upgrade().is_none()));
        assert!(
            large.get(&kept, || panic!("it is there")).is_ok_and(|other| Arc::ptr_eq(&one, &other))
        );
    }

    #[test]
    fn what_cannot_be_made_is_not_there() {
        let (kept, slot) = (OpenParts::new(100), Slot::<Part<u8>>::default());
        assert!(slot.get(&kept, || Err(pulsora_model::Error::internal("no"))).is_err());
        assert!(slot.get(&kept, || Ok(Part::new(1, 1))).is_ok_and(|part| **part == 1));
    }
}
