//! What is asked of the manifest from outside of the task that owns it: a checkpoint that replaces an edit.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers of edits.
#[derive(Default)]
pub(crate) struct Checkpoints {
    /// Up to here a checkpoint is wanted.
    wanted: AtomicU64,
    /// Up to here one has replaced all edits.
    replaced: AtomicU64,
}

impl Checkpoints {
    /// Whether a checkpoint has replaced an edit and all before it; else one is wanted from now on.
    pub fn reaches(&self, edit: u64) -> bool {
        if self.replaced.load(Ordering::Acquire) >= edit {
            return true;
        }
        self.wanted.fetch_max(edit, Ordering::AcqRel);
        false
    }

    /// Whether one is wanted.
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire) > self.replaced.load(Ordering::Acquire)
    }

    /// Notes that one has replaced all edits up to this one.
    pub fn replaced(&self, through: u64) {
        self.replaced.fetch_max(through, Ordering::AcqRel);
    }
}
