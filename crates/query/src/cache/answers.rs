//! Answers by key, each with the stamps of its tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;
use pulsora_storage::{Snapshot, TableStamp};

use crate::kept::Kept;
use crate::options::{ANSWER_SHARE, ANSWERS_MAX};

/// What is kept of an answer beside its rows and its key, bytes, about: stamps, schema, places in the indexes.
const ANSWER_BYTES: usize = 1 << 10;

/// An answer as it was given.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
    /// Bytes of the batches.
    pub(crate) rows_bytes: usize,
    /// The tables that it was read from, as they were.
    pub(crate) stamps: Vec<TableStamp>,
}

/// The answers of a query engine.
pub(crate) struct Answers {
    bytes_max: usize,
    /// Guards the answers.
    kept: Mutex<Kept<Answer>>,
    hits: AtomicU64,
    misses: AtomicU64,
    outdated: AtomicU64,
}

/// One moment's figures of the result cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Statements whose answer was there.
    pub hits: u64,
    /// Statements whose answer could have been there and was not.
    pub misses: u64,
    /// Misses where it was there, and a table has changed since.
    pub outdated: u64,
    /// Answers that made room for others.
    pub evictions: u64,
    /// Answers.
    pub entries: usize,
    /// What they take, bytes.
    pub size_bytes: usize,
    /// What they may take; 0 = there is no cache.
    pub size_bytes_max: usize,
    /// What one may take.
    pub answer_bytes_max: usize,
}

impl Answers {
    /// A cache of so many bytes; 0 = none.
    pub(crate) fn new(bytes_max: usize) -> Answers {
        Answers {
            bytes_max,
            kept: Mutex::new(Kept::new(ANSWERS_MAX, bytes_max)),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            outdated: AtomicU64::new(0),
        }
    }

    /// Whether anything is ever kept.
    pub(crate) fn is_on(&self) -> bool {
        self.bytes_max > 0
    }

    /// What one answer may take, bytes.
    pub(crate) fn answer_bytes_max(&self) -> usize {
        self.bytes_max / ANSWER_SHARE
    }

    /// The answer of a key, if its tables are at this moment as they were.
    pub(crate) fn find(&self, key: &str, snapshot: &Snapshot) -> Option<Arc<Answer>> {
        let mut kept = self.kept.lock();
        let answer = kept.find(key)?;
        if answer.stamps.iter().all(|stamp| snapshot.is_as_stamped(stamp)) {
            drop(kept);
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Some(answer);
        }
        kept.remove(key);
        drop(kept);
        self.outdated.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Counts a statement that has to be answered anew and may be kept.
    pub(crate) fn missed(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps an answer, unless it is too large.
    pub(crate) fn keep(&self, key: String, answer: Answer) {
        let size_bytes = answer.rows_bytes + 2 * key.len() + ANSWER_BYTES;
        if size_bytes <= self.answer_bytes_max() {
            self.kept.lock().keep(key, Arc::new(answer), size_bytes);
        }
    }

    /// Throws out what is not given again anyway, because a table has changed.
    pub(crate) fn drop_outdated(&self, snapshot: &Snapshot) {
        let is_present =
            |answer: &Answer| answer.stamps.iter().all(|stamp| snapshot.is_as_stamped(stamp));
        let dropped = self.kept.lock().retain(is_present);
        self.outdated.fetch_add(dropped as u64, Ordering::Relaxed);
    }

    /// Throws everything out; gives the number of answers.
    pub(crate) fn clear(&self) -> usize {
        self.kept.lock().clear()
    }

    /// Figures.
    pub(crate) fn stats(&self) -> CacheStats {
        let kept = self.kept.lock();
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            outdated: self.outdated.load(Ordering::Relaxed),
            evictions: kept.evictions(),
            entries: kept.len(),
            size_bytes: kept.size_bytes(),
            size_bytes_max: self.bytes_max,
            answer_bytes_max: self.answer_bytes_max(),
        }
    }
}
