//! What parsers saw of a series, byte for byte: a cache with a bound.
//!
//! Two halves: new entries go into the young one; when that is full it becomes the old one, and what
//! was old is forgotten. What is still in use is remembered again when it is missed.

use std::hash::BuildHasher;

use hashbrown::HashTable;

/// Bytes of an entry beside its raw bytes: length, number, place and its slot in the table.
const ENTRY_BYTES: usize = 24;

#[derive(Default)]
pub(super) struct RawCache {
    young: Half,
    old: Half,
}

#[derive(Default)]
struct Half {
    index: HashTable<Entry>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    len: u32,
    number: u32,
}

impl Half {
    fn raw(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.start as usize..][..entry.len as usize]
    }

    #[inline]
    fn get(&self, raw: &[u8], hash: u64) -> Option<u32> {
        let same = |entry: &Entry| self.raw(entry) == raw;
        self.index.find(hash, same).map(|entry| entry.number)
    }

    fn size_bytes(&self) -> usize {
        self.bytes.capacity() + self.index.allocation_size()
    }
}

impl RawCache {
    #[inline]
    pub fn get(&self, raw: &[u8], hash: u64) -> Option<u32> {
        self.young.get(raw, hash).or_else(|| self.old.get(raw, hash))
    }

    /// Adds an entry; `hash` is that of `raw` by `hasher`.
    pub fn put(
        &mut self,
        raw: &[u8],
        number: u32,
        hash: u64,
        hasher: &foldhash::fast::RandomState,
        bytes_max: usize,
    ) {
        let half_max = (bytes_max / 2).min(u32::MAX as usize);
        let needed = raw.len() + ENTRY_BYTES;
        // A raw key that fills a good part of the cache would push out everything else.
        if needed > half_max / 8 || self.young.get(raw, hash).is_some() {
            return;
        }
        if self.young.bytes.len() + self.young.index.len() * ENTRY_BYTES + needed > half_max {
            self.old = std::mem::take(&mut self.young);
        }
        let half = &mut self.young;
        if half.bytes.capacity() - half.bytes.len() < raw.len() {
            // By half, so that the slack stays small.
            half.bytes.reserve_exact(raw.len().max(half.bytes.len() / 2).max(1 << 10));
        }
        let entry = Entry { start: half.bytes.len() as u32, len: raw.len() as u32, number };
        half.bytes.extend_from_slice(raw);
        let bytes = &half.bytes;
        let rehash =
            |entry: &Entry| hasher.hash_one(&bytes[entry.start as usize..][..entry.len as usize]);
        half.index.insert_unique(hash, entry, rehash);
    }

    pub fn size_bytes(&self) -> usize {
        self.young.size_bytes() + self.old.size_bytes()
    }
}
