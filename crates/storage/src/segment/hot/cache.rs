//! What was decoded and may be asked for again: byte-bounded, sharded, shared by all segments of an
//! engine.
//!
//! Kept are vectors of slow codecs (a fast one decodes 1,024 values in less time than a look-up takes
//! here), arrays of hours, chunks of stores that cannot map, and what others put in (last rows). An
//! entry is any value with the bytes that it takes.
//!
//! Each shard evicts in the order of arrival, passing over entries that were used since it last came
//! by; once above its share of the bound it goes down to nine tenths of it, so that a full cache does
//! not evict with every insertion.
//!
//! Invariant: the bytes of all entries stay within the bound.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::FixedState;
use parking_lot::Mutex;
use pulsora_model::{ColumnId, SegmentId};

use super::hours::HourPart;

/// Enough that two of some dozen threads seldom meet.
const SHARDS: usize = 16;

/// What an entry costs beside its value: key, table slot, queue slot, reference counts.
const ENTRY_BYTES: usize = 160;

/// What an entry is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    pub segment: SegmentId,
    pub part: CachePart,
}

/// A part of a segment that can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CachePart {
    /// Encoded bytes of a chunk, as `Vec<u8>`.
    Chunk { column: ColumnId, block: u32 },
    /// A decoded vector, as `Vec` of its values.
    Vector { column: ColumnId, vector: u32 },
    /// An array of hours, as `Vec` of its values; `None`: a key array.
    Hours { column: Option<ColumnId>, part: HourPart },
    /// Earliest and latest times of the series.
    SeriesTimes,
    /// Last rows, as others keep them; the number says of which kind.
    LastRows(u64),
}

/// Figures of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheFigures {
    /// Look-ups that found an entry.
    pub hits: u64,
    /// Look-ups that found none.
    pub misses: u64,
    /// Entries that made room for others.
    pub evictions: u64,
    /// Bytes that the entries take.
    pub bytes: u64,
    /// Most bytes that they may take.
    pub bytes_max: u64,
}

/// The cache.
pub(crate) struct BlockCache {
    shards: Vec<Mutex<Shard>>,
    shard_bytes_max: usize,
    bytes_max: u64,
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<CacheKey, Entry, FixedState>,
    /// The keys in the order in which they are looked at for eviction.
    queue: VecDeque<CacheKey>,
    bytes: usize,
}

struct Entry {
    value: Arc<dyn Any + Send + Sync>,
    bytes: usize,
    used: bool,
}

impl BlockCache {
    /// A cache of at most `bytes_max` bytes; 0 keeps nothing.
    pub fn new(bytes_max: u64) -> BlockCache {
        BlockCache {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_bytes_max: usize::try_from(bytes_max / SHARDS as u64).unwrap_or(usize::MAX),
            bytes_max,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
        }
    }

    /// The value of `key`, if it is there and of this type.
    pub fn find<T: Any + Send + Sync>(&self, key: &CacheKey) -> Option<Arc<T>> {
        let value = self.shard(key).lock().entries.get_mut(key).map(|entry| {
            entry.used = true;
            Arc::clone(&entry.value)
        });
        let value = value.and_then(|value| value.downcast::<T>().ok());
        let figure = if value.is_some() { &self.hits } else { &self.misses };
        figure.fetch_add(1, Ordering::Relaxed);
        value
    }

    /// Keeps a value that takes `bytes`, unless it is larger than the share of a shard.
    pub fn insert<T: Any + Send + Sync>(&self, key: CacheKey, value: Arc<T>, bytes: usize) {
        let bytes = bytes + ENTRY_BYTES;
        if bytes > self.shard_bytes_max {
            return;
        }
        let mut shard = self.shard(&key).lock();
        let entry = Entry { value, bytes, used: false };
        match shard.entries.insert(key, entry) {
            Some(before) => shard.bytes -= before.bytes,
            None => shard.queue.push_back(key),
        }
        shard.bytes += bytes;
        if shard.bytes > self.shard_bytes_max {
            let evicted = shard.evict(self.shard_bytes_max / 10 * 9);
            self.evictions.fetch_add(evicted, Ordering::Relaxed);
        }
    }

    /// The value of `key`, or what `make` gives with its bytes, which is then kept.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn find_or_insert<T: Any + Send + Sync, E>(
        &self,
        key: CacheKey,
        make: impl FnOnce() -> Result<(T, usize), E>,
    ) -> Result<Arc<T>, E> {
        if let Some(value) = self.find(&key) {
            return Ok(value);
        }
        let (value, bytes) = make()?;
        let value = Arc::new(value);
        self.insert(key, Arc::clone(&value), bytes);
        Ok(value)
    }

    /// Figures since it was made.
    pub fn figures(&self) -> CacheFigures {
        CacheFigures {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            evictions: self.evictions.load(Ordering::Relaxed),
            bytes: self.shards.iter().map(|shard| shard.lock().bytes as u64).sum(),
            bytes_max: self.bytes_max,
        }
    }

    fn shard(&self, key: &CacheKey) -> &Mutex<Shard> {
        // The upper half: the lower one chooses the slot of the table.
        let hash = FixedState::default().hash_one(key) >> 32;
        &self.shards[hash as usize % SHARDS]
    }
}

impl Shard {
    /// Evicts until at most `bytes` are left, and says how many entries went.
    fn evict(&mut self, bytes: usize) -> u64 {
        let mut evicted = 0;
        while self.bytes > bytes
            && let Some(key) = self.queue.pop_front()
        {
            match self.entries.get_mut(&key) {
                Some(entry) if entry.used => {
                    entry.used = false;
                    self.queue.push_back(key);
                }
                Some(entry) => {
                    self.bytes -= entry.bytes;
                    self.entries.remove(&key);
                    evicted += 1;
                }
                None => {}
            }
        }
        evicted
    }
}
