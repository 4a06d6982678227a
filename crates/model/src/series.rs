//! The series of one table that this process has seen, each with a number.
//!
//! Parsers turn the tags of a row into a number once; from there on the number stands for the series,
//! in batches, in memtables and in the log. `key.rs` the bytes of a tag set · `store.rs` those bytes
//! by number, and the immutable view of them · `raw.rs` what parsers remember.
//!
//! Invariants: numbers count from 0 in order of arrival; a number never changes and is never reused
//! within one registry; what a reader finds is compared byte by byte, never by hash alone.

mod key;
mod raw;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashTable;
use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockUpgradableReadGuard};

use crate::error::{Code, Error, Result};
use crate::ids::{ColumnId, TableId};
use crate::limits::{SERIES_KEY_BYTES_MAX, SERIES_NUMBERS_MAX, no_room_for_series};

pub use key::{SeriesKeyBuf, SeriesTags, key_order, tag_order};
use raw::RawCache;
pub use store::SeriesView;
use store::{KeyStore, Keys};

/// How much one registry may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesLimits {
    /// Series of one table; [`SERIES_NUMBERS_MAX`] at most.
    pub series_max: usize,
    /// Bytes that parsers may keep with [`SeriesRegistry::remember`].
    pub raw_bytes_max: usize,
}

impl Default for SeriesLimits {
    /// 10 million series (a gigabyte of keys as TSBS has them) and 32 MiB.
    fn default() -> SeriesLimits {
        SeriesLimits { series_max: 10_000_000, raw_bytes_max: 32 << 20 }
    }
}

/// The series of one table. Shared by parsers and engine as `Arc<SeriesRegistry>`.
pub struct SeriesRegistry {
    table: TableId,
    limits: SeriesLimits,
    hasher: foldhash::fast::RandomState,
    /// Guards keys and index together.
    state: RwLock<State>,
    /// Series in `state`; read without its lock.
    len: AtomicUsize,
    /// Bytes of `state`; read without its lock.
    bytes: AtomicUsize,
    /// Guards the keys of the last view: while no series comes, all views share them and their ranks.
    viewed: Mutex<Arc<Keys>>,
}

impl fmt::Debug for SeriesRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a registry of {} series", self.len())
    }
}

#[derive(Default)]
struct State {
    keys: KeyStore,
    /// Numbers by key.
    index: HashTable<u32>,
    raw: RawCache,
}

impl State {
    fn size_bytes(&self) -> usize {
        self.keys.size_bytes() + self.index.allocation_size() + self.raw.size_bytes()
    }
}

impl SeriesRegistry {
    /// A registry without series.
    pub fn new(limits: SeriesLimits) -> SeriesRegistry {
        SeriesRegistry {
            table: TableId(0),
            limits,
            hasher: foldhash::fast::RandomState::default(),
            state: RwLock::default(),
            len: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            viewed: Mutex::default(),
        }
    }

    /// The registry as that of a table; without this it is of none (0).
    #[must_use]
    pub fn of_table(self, table: TableId) -> SeriesRegistry {
        SeriesRegistry { table, ..self }
    }

    /// The table whose columns its tags are.
    pub fn table(&self) -> TableId {
        self.table
    }

    /// A shared lock for many look-ups. The thread drops it before it asks for another one or calls
    /// [`SeriesRegistry::number`], [`SeriesRegistry::remember`] or [`SeriesRegistry::view`], else it
    /// waits for itself; in long loops it calls [`SeriesReader::give_way`] now and then.
    pub fn read(&self) -> SeriesReader<'_> {
        SeriesReader { hasher: &self.hasher, state: self.state.read() }
    }

    /// The number of the series with these tags (ascending by id, none empty), given out on first
    /// sight.
    ///
    /// # Errors
    /// `limit_exceeded` past the limit of series, or for tags over 1 MiB.
    pub fn number(&self, tags: &[(ColumnId, &str)]) -> Result<u32> {
        let mut key = SeriesKeyBuf::default();
        tags.iter().for_each(|(id, value)| key.push(*id, value));
        self.number_of_key(key.as_bytes())
    }

    /// [`SeriesRegistry::number`] for the canonical key of a tag set ([`SeriesKeyBuf`]).
    ///
    /// # Errors
    /// As [`SeriesRegistry::number`].
    pub fn number_of_key(&self, key: &[u8]) -> Result<u32> {
        self.insert(key, self.limits.series_max)
    }

    /// [`SeriesRegistry::number_of_key`] for rows that were accepted before: the limit does not count.
    ///
    /// # Errors
    /// `limit_exceeded` for tags over 1 MiB.
    pub fn number_of_accepted(&self, key: &[u8]) -> Result<u32> {
        self.insert(key, SERIES_NUMBERS_MAX)
    }

    fn insert(&self, key: &[u8], series_max: usize) -> Result<u32> {
        let hash = self.hasher.hash_one(key);
        let state = self.state.upgradable_read();
        if let Some(number) = find(&state, hash, key) {
            return Ok(number);
        }
        let number = state.keys.len();
        if number >= series_max.min(SERIES_NUMBERS_MAX) {
            return Err(no_room_for_series(series_max));
        }
        if key.len() > SERIES_KEY_BYTES_MAX {
            return Err(Error::new(
                Code::LimitExceeded,
                format!("the tags of a row take {} bytes, more than 1 MiB", key.len()),
            )
            .hint("keep long text in fields"));
        }
        let mut state = RwLockUpgradableReadGuard::upgrade(state);
        let State { keys, index, .. } = &mut *state;
        keys.push(key);
        let rehash = |number: &u32| self.hasher.hash_one(keys.key(*number));
        index.insert_unique(hash, number as u32, rehash);
        self.bytes.store(state.size_bytes(), Ordering::Relaxed);
        self.len.store(number + 1, Ordering::Release);
        Ok(number as u32)
    }

    /// Keeps what a parser saw of a series, for [`SeriesReader::by_raw`]. The cache has a bound and
    /// forgets freely. Keys of line protocol begin with `,` or are empty; others begin otherwise.
    pub fn remember(&self, raw: &[u8], number: u32) {
        let mut state = self.state.write();
        debug_assert!((number as usize) < state.keys.len(), "the number is of this registry");
        let hash = self.hasher.hash_one(raw);
        state.raw.put(raw, number, hash, &self.hasher, self.limits.raw_bytes_max);
        self.bytes.store(state.size_bytes(), Ordering::Relaxed);
    }

    /// Series so far.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held.
    pub fn size_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed) + size_of::<SeriesRegistry>()
    }

    /// The series so far, immutable and read without a lock.
    pub fn view(self: &Arc<Self>) -> SeriesView {
        let mut viewed = self.viewed.lock();
        if viewed.len() < self.len() {
            *viewed = Arc::new(self.state.read().keys.published());
        }
        SeriesView::new(self, Arc::clone(&viewed))
    }
}

fn find(state: &State, hash: u64, key: &[u8]) -> Option<u32> {
    state.index.find(hash, |number| state.keys.key(*number) == key).copied()
}

/// Look-ups under one shared lock.
pub struct SeriesReader<'a> {
    hasher: &'a foldhash::fast::RandomState,
    state: RwLockReadGuard<'a, State>,
}

impl SeriesReader<'_> {
    /// The series that a parser remembered under exactly these bytes.
    #[inline]
    pub fn by_raw(&self, raw: &[u8]) -> Option<u32> {
        self.state.raw.get(raw, self.hasher.hash_one(raw))
    }

    /// The series with this canonical key.
    #[inline]
    pub fn by_key(&self, key: &[u8]) -> Option<u32> {
        find(&self.state, self.hasher.hash_one(key), key)
    }

    /// The canonical key of a series.
    ///
    /// # Panics
    /// When there is no such number: numbers come from this registry.
    #[inline]
    pub fn key(&self, number: u32) -> &[u8] {
        self.state.keys.key(number)
    }

    /// Series so far.
    pub fn len(&self) -> usize {
        self.state.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets a waiting writer go first, if there is one.
    pub fn give_way(&mut self) {
        RwLockReadGuard::bump(&mut self.state);
    }
}
