//! Templates by key, as many as fit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::key::Key;
use super::template::Template;
use crate::kept::Kept;
use crate::options::{PLANS_BYTES_MAX, PLANS_MAX};

/// The templates of a query engine.
#[derive(Debug)]
pub(crate) struct Plans {
    /// Guards the templates.
    kept: Mutex<Kept<Template>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// One moment's figures of the plans that are used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanStats {
    /// Statements that used a plan again.
    pub hits: u64,
    /// SELECTs that were planned.
    pub misses: u64,
    /// Plans kept.
    pub entries: usize,
    /// What they take, bytes, about.
    pub size_bytes: usize,
}

impl Plans {
    /// None yet.
    pub(crate) fn new() -> Plans {
        let kept = Mutex::new(Kept::new(PLANS_MAX, PLANS_BYTES_MAX));
        Plans { kept, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// The template of a key.
    pub(crate) fn find(&self, key: &Key) -> Option<Arc<Template>> {
        self.kept.lock().find(&key.text)
    }

    /// Counts a statement that used a plan again, or did not.
    pub(crate) fn count(&self, reused: bool) {
        let counter = if reused { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps a template, in the place of an earlier one of the same key.
    pub(crate) fn keep(&self, key: Key, template: Template) {
        let size_bytes = template.size_bytes;
        self.kept.lock().keep(key.text, Arc::new(template), size_bytes);
    }

    /// Figures.
    pub(crate) fn stats(&self) -> PlanStats {
        let kept = self.kept.lock();
        PlanStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: kept.len(),
            size_bytes: kept.size_bytes(),
        }
    }
}
