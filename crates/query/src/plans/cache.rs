//! Templates by key, as many as fit; the one used longest ago leaves first.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::key::Key;
use super::template::Template;
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
            entries: kept.entries.len(),
            size_bytes: kept.size_bytes,
        }
    }
}

/// Things by text, within bounds of number and size.
#[derive(Debug)]
pub(super) struct Kept<T> {
    entries: HashMap<Box<str>, Entry<T>>,
    size_bytes: usize,
    entries_max: usize,
    bytes_max: usize,
    /// Counts uses.
    now: u64,
}

#[derive(Debug)]
struct Entry<T> {
    kept: Arc<T>,
    size_bytes: usize,
    used: u64,
}

impl<T> Kept<T> {
    pub(super) fn new(entries_max: usize, bytes_max: usize) -> Kept<T> {
        Kept { entries: HashMap::new(), size_bytes: 0, entries_max, bytes_max, now: 0 }
    }

    pub(super) fn find(&mut self, key: &str) -> Option<Arc<T>> {
        self.now += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.now;
        Some(Arc::clone(&entry.kept))
    }

    pub(super) fn keep(&mut self, key: String, kept: Arc<T>, size_bytes: usize) {
        self.now += 1;
        self.size_bytes += size_bytes;
        let entry = Entry { kept, size_bytes, used: self.now };
        if let Some(old) = self.entries.insert(key.into(), entry) {
            self.size_bytes -= old.size_bytes;
        }
        while self.entries.len() > self.entries_max || self.size_bytes > self.bytes_max {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
        let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
        if let Some(entry) = self.entries.remove(&oldest) {
            self.size_bytes -= entry.size_bytes;
        }
    }
}
