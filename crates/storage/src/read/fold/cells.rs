//! Numbers for groups of tag values, and for the cells (group × bucket) of a fold.
//!
//! Cells come in pages: the buckets of one group that follow each other. So the buckets of a run of
//! rows in time order cost one look-up per page, whether groups are many or few and buckets dense or
//! sparse, and no more than a page per group is held for nothing.
//!
//! Invariant: a number never changes.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Values of the tags of a group; `None` = absent.
pub(super) type Group = Box<[Option<Box<str>>]>;

/// Groups by number.
#[derive(Default)]
pub(super) struct Groups {
    list: Vec<Group>,
    index: HashTable<u32>,
    hasher: FixedState,
    bytes: usize,
}

impl Groups {
    /// The number of a group, given out on first sight.
    pub fn number(&mut self, tags: &[Option<&str>]) -> u32 {
        let hash = self.hasher.hash_one(tags);
        let list = &self.list;
        let same = |known: &Group| {
            known.len() == tags.len()
                && known.iter().zip(tags).all(|(known, tag)| known.as_deref() == *tag)
        };
        if let Some(number) = self.index.find(hash, |number| same(&list[*number as usize])) {
            return *number;
        }
        let number = self.list.len() as u32;
        let texts: usize = tags.iter().flatten().map(|tag| tag.len()).sum();
        self.bytes += 32 + tags.len() * 16 + texts;
        self.list.push(tags.iter().map(|tag| tag.map(Into::into)).collect());
        let (list, hasher) = (&self.list, &self.hasher);
        self.index.insert_unique(hash, number, |number| {
            let known: Vec<Option<&str>> =
                list[*number as usize].iter().map(Option::as_deref).collect();
            hasher.hash_one(known.as_slice())
        });
        number
    }

    /// All groups by number.
    pub fn list(&self) -> &[Group] {
        &self.list
    }

    /// Bytes held, about.
    pub fn size_bytes(&self) -> usize {
        self.bytes
    }
}

/// Buckets of a page, where there are many: two to the power of this.
const PAGE_BITS: u32 = 4;

/// Up to this many pages per group, a plain list finds them.
const DENSE_PAGES: i64 = 64;

const NO_PAGE: u32 = u32::MAX;

/// How buckets are laid out in pages; the same in all parts of a fold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pages {
    /// First bucket of page 0.
    base: i64,
    /// Buckets of a page are two to the power of this.
    bits: u32,
    /// Pages of a group, if there are few.
    dense: Option<i64>,
}

impl Pages {
    /// For buckets from `first` to `last`, both included; others have no cell.
    pub fn new(first: i64, last: i64) -> Pages {
        let count = i128::from(last) - i128::from(first) + 1;
        let count = i64::try_from(count).unwrap_or(i64::MAX).max(1);
        // A few wide buckets: segment by segment all groups of one bucket are met, and cells that
        // are met together shall lie together.
        let bits = if count <= DENSE_PAGES { 0 } else { PAGE_BITS };
        let pages = ((count - 1) >> bits) + 1;
        Pages { base: first, bits, dense: (pages <= DENSE_PAGES).then_some(pages) }
    }

    fn buckets(&self) -> i64 {
        1 << self.bits
    }
}

/// Cells by number.
pub(super) struct Cells {
    pages: Pages,
    dense: Vec<u32>,
    sparse: HashMap<(u32, i64), u32, FixedState>,
    /// Group and first bucket of each page.
    list: Vec<(u32, i64)>,
    /// The page that was asked for last: group, page, its number.
    recent: (u32, i64, u32),
}

impl Cells {
    /// None yet.
    pub fn new(pages: Pages) -> Cells {
        Cells {
            pages,
            dense: Vec::new(),
            sparse: HashMap::default(),
            list: Vec::new(),
            recent: (0, 0, NO_PAGE),
        }
    }

    /// The number of a cell. `bucket` is one of those that the pages are made for.
    #[inline]
    pub fn cell(&mut self, group: u32, bucket: i64) -> usize {
        let Pages { base, bits, .. } = self.pages;
        let distance = bucket.wrapping_sub(base) as u64;
        let page = (distance >> bits) as i64;
        let within = distance as usize & ((1 << bits) - 1);
        let number = match self.recent {
            (g, p, number) if (g, p) == (group, page) && number != NO_PAGE => number,
            _ => self.page(group, page),
        };
        (number as usize) << bits | within
    }

    fn page(&mut self, group: u32, page: i64) -> u32 {
        let slot = match self.pages.dense {
            Some(pages) => {
                let slot = group as usize * pages as usize + page as usize;
                if self.dense.len() <= slot {
                    self.dense.resize((group as usize + 1) * pages as usize, NO_PAGE);
                }
                &mut self.dense[slot]
            }
            None => self.sparse.entry((group, page)).or_insert(NO_PAGE),
        };
        if *slot == NO_PAGE {
            *slot = self.list.len() as u32;
            self.list.push((group, self.pages.base.wrapping_add(page << self.pages.bits)));
        }
        self.recent = (group, page, *slot);
        *slot
    }

    /// Number of cells so far.
    pub fn len(&self) -> usize {
        self.list.len() << self.pages.bits
    }

    /// All cells so far by number: group and bucket.
    pub fn all(&self) -> impl Iterator<Item = (u32, i64)> + '_ {
        let buckets = self.pages.buckets();
        self.list.iter().flat_map(move |(group, first)| {
            (0..buckets).map(move |bucket| (*group, first.wrapping_add(bucket)))
        })
    }

    /// Bytes held, about.
    pub fn size_bytes(&self) -> usize {
        self.dense.len() * 4 + self.sparse.len() * 24 + self.list.len() * 16
    }
}
