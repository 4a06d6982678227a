//! The bytes of one simulated file: what a reader sees, and what the disk has.
//!
//! Invariants
//! - A page without an entry in `unsynced` is on the disk as readers see it.
//! - Pages are whole zeros where absent; bytes past the length are zeros, so an extended file never
//!   shows old bytes.
//! - A page whose sync failed stays unsynced until it is written again and synced (as the page cache
//!   of Linux behaves).

use std::collections::BTreeMap;

use fastrand::Rng;

/// What survives or is lost as one: the page of the memory and the block of the file system.
pub const PAGE_BYTES: usize = 4096;

type Page = Box<[u8; PAGE_BYTES]>;

/// How many lengths since the last sync are remembered; enough for any test to meet all cases.
const LENGTHS_MAX: usize = 64;

/// A file's bytes and length.
#[derive(Default)]
pub(super) struct Content {
    /// What readers see.
    pages: BTreeMap<u64, Page>,
    len: u64,
    /// The pages changed since the last sync.
    unsynced: BTreeMap<u64, Unsynced>,
    durable_len: u64,
    /// Lengths the file had since the last sync, oldest first.
    lengths: Vec<u64>,
}

/// A page that differs, or may differ, from what the disk has.
struct Unsynced {
    /// What the disk has; `None` is zeros.
    durable: Option<Page>,
    /// A sync of it failed: later ones do not write it.
    abandoned: bool,
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Space taken on the disk: whole pages.
    pub(super) fn space_bytes(&self) -> u64 {
        self.len.next_multiple_of(PAGE_BYTES as u64)
    }

    /// Reads what there is, at most `buf.len()` bytes, and returns how many.
    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let count = self.len.saturating_sub(offset).min(buf.len() as u64) as usize;
        for piece in pieces(offset, count) {
            let to = &mut buf[piece.start..piece.start + piece.len];
            match self.pages.get(&piece.page) {
                Some(page) => to.copy_from_slice(&page[piece.at..piece.at + piece.len]),
                None => to.fill(0),
            }
        }
        count
    }

    /// Writes those pages of `bytes` at `offset` for which `keep` says so.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64, mut keep: impl FnMut() -> bool) {
        for piece in pieces(offset, bytes.len()) {
            if !keep() {
                continue;
            }
            self.touch(piece.page);
            let page = self.pages.entry(piece.page).or_insert_with(|| Box::new([0; PAGE_BYTES]));
            page[piece.at..piece.at + piece.len]
                .copy_from_slice(&bytes[piece.start..piece.start + piece.len]);
            let end = offset + (piece.start + piece.len) as u64;
            if end > self.len {
                self.become_long(end);
            }
        }
    }

    /// Extends the file to at least `len`.
    pub(super) fn extend(&mut self, len: u64) {
        if len > self.len {
            self.become_long(len);
        }
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.cut(len);
        }
        if len != self.len {
            self.become_long(len);
        }
    }

    /// Zeros everything from `len` on.
    fn cut(&mut self, len: u64) {
        let (page, at) = (len / PAGE_BYTES as u64, (len % PAGE_BYTES as u64) as usize);
        let whole_from = if at > 0 { page + 1 } else { page };
        let dropped: Vec<u64> = self.pages.range(whole_from..).map(|(page, _)| *page).collect();
        for page in dropped {
            self.touch(page);
            self.pages.remove(&page);
        }
        if at > 0 && self.pages.contains_key(&page) {
            self.touch(page);
            if let Some(page) = self.pages.get_mut(&page) {
                page[at..].fill(0);
            }
        }
    }

    fn become_long(&mut self, len: u64) {
        self.len = len;
        if self.lengths.len() < LENGTHS_MAX {
            self.lengths.push(len);
        }
    }

    /// Remembers what the disk has of `page` before it changes.
    fn touch(&mut self, page: u64) {
        let durable = || Unsynced { durable: self.pages.get(&page).cloned(), abandoned: false };
        self.unsynced.entry(page).or_insert_with(durable).abandoned = false;
    }

    /// Brings everything to the disk, except what an earlier sync failed to bring.
    pub(super) fn sync(&mut self) {
        self.unsynced.retain(|_, page| page.abandoned);
        self.durable_len = self.len;
        self.lengths.clear();
    }

    /// A sync that failed: nobody knows what has reached the disk.
    pub(super) fn fail_sync(&mut self) {
        for page in self.unsynced.values_mut() {
            page.abandoned = true;
        }
    }

    /// Leaves only what the disk has: of each unsynced page the old or the new bytes, and one of the
    /// lengths since the last sync.
    pub(super) fn lose_power(&mut self, rng: &mut Rng) {
        let len = self.surviving_len(rng);
        let chance = survival_chance(rng);
        for (page, unsynced) in std::mem::take(&mut self.unsynced) {
            // A page that was cut off comes back with the length that had it.
            let cut_off = !self.pages.contains_key(&page) && len != self.len;
            if !cut_off && rng.f64() < chance {
                continue;
            }
            match unsynced.durable {
                Some(durable) => self.pages.insert(page, durable),
                None => self.pages.remove(&page),
            };
        }
        self.cut(len);
        self.unsynced.clear();
        self.lengths.clear();
        self.len = len;
        self.durable_len = len;
    }

    fn surviving_len(&self, rng: &mut Rng) -> u64 {
        match rng.u8(0..3) {
            0 => self.durable_len,
            1 => self.len,
            _ => rng.choice(&self.lengths).copied().unwrap_or(self.len),
        }
    }
}

/// How likely each unsynced thing survives in one crash. Nothing and everything are drawn often:
/// independent halves alone would hardly ever give them.
pub(super) fn survival_chance(rng: &mut Rng) -> f64 {
    match rng.u8(0..4) {
        0 => 0.0,
        1 => 1.0,
        _ => rng.f64(),
    }
}

/// The part of a range that lies in one page.
struct Piece {
    page: u64,
    /// Where it starts in the page.
    at: usize,
    /// Where it starts in the range.
    start: usize,
    len: usize,
}

/// Splits `count` bytes at `offset` at page boundaries.
fn pieces(offset: u64, count: usize) -> impl Iterator<Item = Piece> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let at = ((offset + start as u64) % PAGE_BYTES as u64) as usize;
        let piece = Piece {
            page: (offset + start as u64) / PAGE_BYTES as u64,
            at,
            start,
            len: (PAGE_BYTES - at).min(count - start),
        };
        start += piece.len;
        (piece.len > 0).then_some(piece)
    })
}
