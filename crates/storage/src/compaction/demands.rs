//! Segments that somebody outside of the plan wants rewritten, whatever their state.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use pulsora_model::{Error, SegmentId};

/// A segment that is demanded.
#[derive(Default)]
struct Demand {
    /// How many ask for it.
    asked: usize,
    /// What its last rewrite failed with.
    failure: Option<Error>,
}

/// The segments that are demanded.
#[derive(Default)]
pub(crate) struct Demands(Mutex<BTreeMap<SegmentId, Demand>>);

impl Demands {
    /// Takes a demand for the segments `before` back and makes one for `after`.
    pub fn replace(&self, before: &BTreeSet<SegmentId>, after: &BTreeSet<SegmentId>) {
        let mut demanded = self.0.lock();
        for id in after {
            demanded.entry(*id).or_default().asked += 1;
        }
        for id in before {
            if let Some(demand) = demanded.get_mut(id) {
                demand.asked -= 1;
            }
        }
        demanded.retain(|_, demand| demand.asked > 0);
    }

    /// Notes that a rewrite of segments has failed.
    pub fn failed(&self, segments: impl Iterator<Item = SegmentId>, error: &Error) {
        let mut demanded = self.0.lock();
        for id in segments {
            if let Some(demand) = demanded.get_mut(&id) {
                demand.failure = Some(error.duplicate());
            }
        }
    }

    /// What the rewrite of one of these segments has failed with.
    pub fn failure(&self, segments: &BTreeSet<SegmentId>) -> Option<Error> {
        let demanded = self.0.lock();
        let mut failures = segments.iter().filter_map(|id| demanded.get(id)?.failure.as_ref());
        failures.next().map(Error::duplicate)
    }

    /// The segments that are demanded now.
    pub fn segments(&self) -> BTreeSet<SegmentId> {
        self.0.lock().keys().copied().collect()
    }
}
