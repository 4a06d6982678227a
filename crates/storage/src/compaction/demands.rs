//! Segments that somebody outside of the plan wants rewritten, whatever their state.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use pulsora_model::SegmentId;

/// How many ask for each segment.
#[derive(Default)]
pub(crate) struct Demands(Mutex<BTreeMap<SegmentId, usize>>);

impl Demands {
    /// Takes a demand for the segments `before` back and makes one for `after`.
    pub fn replace(&self, before: &BTreeSet<SegmentId>, after: &BTreeSet<SegmentId>) {
        let mut demanded = self.0.lock();
        for id in after {
            *demanded.entry(*id).or_default() += 1;
        }
        for id in before {
            if let Some(count) = demanded.get_mut(id) {
                *count -= 1;
            }
        }
        demanded.retain(|_, count| *count > 0);
    }

    /// The segments that are demanded now.
    pub fn segments(&self) -> BTreeSet<SegmentId> {
        self.0.lock().keys().copied().collect()
    }
}
