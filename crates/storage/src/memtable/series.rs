//! Numbers the distinct tag sets of a memtable.
//!
//! Invariants: a number never changes; the published table is immutable and shares its full blocks
//! with the next one, so that publishing after new series copies one block and a list of pointers.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use hashbrown::HashTable;
use pulsora_model::ColumnId;

/// Series of one block: 1024 keep the copy of the last block under 64 KiB.
const BLOCK: usize = 1024;

/// A tag set: present tags only, ascending by column id, values never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Series {
    pub tags: Box<[(ColumnId, Box<str>)]>,
}

impl Series {
    /// The value of a tag, `None` when absent.
    pub fn tag(&self, column: ColumnId) -> Option<&str> {
        self.tags
            .binary_search_by_key(&column, |(id, _)| *id)
            .ok()
            .map(|position| &*self.tags[position].1)
    }
}

impl Ord for Series {
    /// Key order: tag by tag in column order, absent first, values by bytes.
    fn cmp(&self, other: &Series) -> Ordering {
        let mut theirs = other.tags.iter();
        for (id, value) in &self.tags {
            match theirs.next() {
                None => return Ordering::Greater,
                // The one that has the earlier tag is the greater: the other lacks it.
                Some((other_id, _)) if id < other_id => return Ordering::Greater,
                Some((other_id, _)) if id > other_id => return Ordering::Less,
                Some((_, other_value)) => match value.as_bytes().cmp(other_value.as_bytes()) {
                    Ordering::Equal => {}
                    unequal => return unequal,
                },
            }
        }
        if theirs.next().is_some() { Ordering::Less } else { Ordering::Equal }
    }
}

impl PartialOrd for Series {
    fn partial_cmp(&self, other: &Series) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The published series of a memtable, by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeriesTable {
    blocks: Vec<Arc<Vec<Series>>>,
    len: usize,
    /// Shared by all tables with the same series.
    ranks: Arc<OnceLock<Vec<u32>>>,
}

impl SeriesTable {
    /// Number of series.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The series with this number.
    ///
    /// # Panics
    /// When there is none: numbers come from this table.
    pub fn series(&self, number: u32) -> &Series {
        &self.blocks[number as usize / BLOCK][number as usize % BLOCK]
    }

    /// By number, the place of each series in key order; sorted on first use.
    pub fn ranks(&self) -> &[u32] {
        self.ranks.get_or_init(|| {
            let mut sorted: Vec<u32> = (0..self.len as u32).collect();
            sorted.sort_unstable_by(|a, b| self.series(*a).cmp(self.series(*b)));
            let mut ranks = vec![0; self.len];
            for (rank, number) in (0..).zip(sorted) {
                ranks[number as usize] = rank;
            }
            ranks
        })
    }

    fn push(&mut self, series: Series) {
        self.ranks = Arc::default();
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => Arc::make_mut(block).push(series),
            _ => self.blocks.push(Arc::new(vec![series])),
        }
        self.len += 1;
    }
}

/// The commit owner's index from tag set to number.
#[derive(Default)]
pub(crate) struct SeriesIndex {
    table: SeriesTable,
    index: HashTable<u32>,
    hasher: foldhash::fast::FixedState,
    bytes: usize,
}

impl SeriesIndex {
    /// The number of `series`, given out on first sight.
    pub fn number(&mut self, series: Series) -> u32 {
        let hash = self.hasher.hash_one(&series);
        let table = &self.table;
        if let Some(number) = self.index.find(hash, |n| *table.series(*n) == series) {
            return *number;
        }
        let number = self.table.len() as u32;
        self.bytes += 48 + series.tags.iter().map(|(_, value)| value.len() + 24).sum::<usize>();
        self.table.push(series);
        let (table, hasher) = (&self.table, &self.hasher);
        self.index.insert_unique(hash, number, |n| hasher.hash_one(table.series(*n)));
        number
    }

    /// The present state, immutable.
    pub fn published(&self) -> SeriesTable {
        self.table.clone()
    }

    /// Bytes held, about.
    pub fn size_bytes(&self) -> usize {
        self.bytes
    }
}
