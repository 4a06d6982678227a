//! Keys by number, in blocks that are shared with the views of them.
//!
//! Invariants: a block is full before the next one begins and never changes from then on; adding to
//! the last block while a view holds it copies that block, so a view never changes.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::SeriesRegistry;
use super::key::{SeriesTags, key_order};

/// Keys of one block: with TSBS tags (100 bytes) the copy of a last block takes 50 KB, and with keys
/// of 1 MiB its ends still fit in a u32.
const BLOCK: usize = 512;

/// Fewer than one in so many series are sorted without ranking all of them.
const RANKED_SHARE: usize = 4;

/// Keys that follow each other.
#[derive(Clone, Default)]
struct Block {
    bytes: Vec<u8>,
    /// Where each key ends.
    ends: Vec<u32>,
}

impl Block {
    #[inline]
    fn key(&self, position: usize) -> &[u8] {
        let start = if position == 0 { 0 } else { self.ends[position - 1] as usize };
        &self.bytes[start..self.ends[position] as usize]
    }
}

/// All keys of a registry.
#[derive(Default)]
pub(super) struct KeyStore {
    blocks: Vec<Arc<Block>>,
    len: usize,
    bytes: usize,
}

impl KeyStore {
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn key(&self, number: u32) -> &[u8] {
        self.blocks[number as usize / BLOCK].key(number as usize % BLOCK)
    }

    pub fn push(&mut self, key: &[u8]) {
        if self.len.is_multiple_of(BLOCK) {
            self.blocks.push(Arc::default());
        }
        let last = self.blocks.last_mut().map(Arc::make_mut);
        let block = last.expect("a block was added where the last one is full");
        block.bytes.extend_from_slice(key);
        block.ends.push(block.bytes.len() as u32);
        self.len += 1;
        if self.len.is_multiple_of(BLOCK) {
            block.bytes.shrink_to_fit();
            block.ends.shrink_to_fit();
        }
        self.bytes += key.len() + size_of::<u32>();
    }

    /// The present keys for views.
    pub fn published(&self) -> Keys {
        Keys { blocks: self.blocks.clone(), len: self.len, ranks: OnceLock::new() }
    }

    /// Bytes of the keys and their ends.
    pub fn size_bytes(&self) -> usize {
        self.bytes + self.blocks.len() * (size_of::<Block>() + size_of::<usize>() * 3)
    }
}

/// The series of a registry at one moment: immutable, cheap to clone, read without a lock.
#[derive(Clone)]
pub struct SeriesView {
    registry: Arc<SeriesRegistry>,
    keys: Arc<Keys>,
}

/// What all views of one moment share.
#[derive(Default)]
pub(super) struct Keys {
    blocks: Vec<Arc<Block>>,
    len: usize,
    ranks: OnceLock<Vec<u32>>,
}

impl Keys {
    pub fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Debug for SeriesView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a view of {} series", self.len())
    }
}

impl SeriesView {
    pub(super) fn new(registry: &Arc<SeriesRegistry>, keys: Arc<Keys>) -> SeriesView {
        SeriesView { registry: Arc::clone(registry), keys }
    }

    /// Whose series they are.
    pub fn registry(&self) -> &Arc<SeriesRegistry> {
        &self.registry
    }

    /// Whether the numbers of both mean the same series.
    pub fn same_registry(&self, other: &SeriesView) -> bool {
        Arc::ptr_eq(&self.registry, &other.registry)
    }

    /// Number of series.
    pub fn len(&self) -> usize {
        self.keys.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The canonical key of a series.
    ///
    /// # Panics
    /// When the view has no such number.
    #[inline]
    pub fn key(&self, number: u32) -> &[u8] {
        assert!((number as usize) < self.keys.len, "numbers are of this view");
        self.keys.blocks[number as usize / BLOCK].key(number as usize % BLOCK)
    }

    /// The tags of a series.
    ///
    /// # Panics
    /// As [`SeriesView::key`].
    pub fn tags(&self, number: u32) -> SeriesTags<'_> {
        SeriesTags::of(self.key(number))
    }

    /// Sorts numbers of series by their keys.
    pub fn sort(&self, numbers: &mut [u32]) {
        // Comparing a few costs less than ranking all.
        if self.keys.ranks.get().is_none() && numbers.len() < self.len() / RANKED_SHARE {
            numbers.sort_unstable_by(|a, b| key_order(self.key(*a), self.key(*b)));
        } else {
            let ranks = self.ranks();
            numbers.sort_unstable_by_key(|number| ranks[*number as usize]);
        }
    }

    /// By number, the place of each series in key order; sorted on first use.
    pub fn ranks(&self) -> &[u32] {
        self.keys.ranks.get_or_init(|| {
            let mut sorted: Vec<u32> = (0..self.len() as u32).collect();
            sorted.sort_unstable_by(|a, b| key_order(self.key(*a), self.key(*b)));
            let mut ranks = vec![0; self.len()];
            for (rank, number) in (0..).zip(sorted) {
                ranks[number as usize] = rank;
            }
            ranks
        })
    }
}
