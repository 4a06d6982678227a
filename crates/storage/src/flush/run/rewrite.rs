//! Rewrites of the compaction tasks → the manifest.

use std::sync::atomic::Ordering;

use pulsora_model::SegmentId;

use super::Flusher;
use crate::compaction::carry::{Standing, standing};
use crate::compaction::handover::{Answer, Finished};
use crate::flush::output::discard;
use crate::manifest::Edit;

impl Flusher {
    /// Commits a finished rewrite, if its outputs show what its inputs do by now. Nothing of the table can
    /// have come between them in sequence meanwhile: what is flushed is newer than all segments, and
    /// another rewrite puts its outputs where its own inputs were.
    pub(super) fn commit_rewrite(&mut self, finished: Finished) -> Answer {
        let published = self.shared.published.load_full();
        let erasures = self.shared.counters.erasures.load(Ordering::Acquire);
        let bitmaps = match standing(&self.shared, &published, &finished, erasures) {
            Ok(Standing::Ready(bitmaps)) => bitmaps,
            // At the end nobody is there any more to let it catch up.
            Ok(Standing::Behind) if !self.shared.closing.load(Ordering::Acquire) => {
                return Answer::Behind(Box::new(finished));
            }
            Ok(Standing::Behind | Standing::Overtaken) => {
                discard(&*self.shared.store, &finished.added, &[]);
                return Answer::Overtaken;
            }
            Err(error) => {
                discard(&*self.shared.store, &finished.added, &[]);
                return Answer::Failed(error);
            }
        };
        let segments = published.version.table(finished.table);
        let ids = finished.reading.inputs().map(|input| input.meta.id);
        let is_there = |id: &SegmentId| segments.iter().any(|segment| segment.meta.id == *id);
        let edit = Edit {
            last: published.visible,
            removed: ids.filter(is_there).collect(),
            added: finished.added,
            bitmaps,
            ..Edit::default()
        };
        match self.commit(&edit, &[]) {
            Ok(()) => Answer::Committed,
            Err(error) => Answer::Failed(error),
        }
    }
}
