//! Series numbers of rows: those whose tags stand in columns, and single ones.
//!
//! Responsible for putting a row's tags together as the canonical key of its series, and for finding
//! the key's number. Not responsible for where the tags come from, nor for tables without a registry.
//!
//! Most rows belong to the series of the row before, or to the one with the next number: numbers count
//! series in order of arrival, and the rows of the next moment mostly arrive in the same order. So the
//! key is compared with theirs before it is hashed. A key that the registry has is text; the others are
//! checked to be, and get their numbers only when the whole body has turned out to be good.
//!
//! Invariants: a key is compared byte by byte, a guess never decides alone; no lock is held while
//! numbers are given out.

use pulsora_model::builder::{BatchBuilder, TagIndex};
use pulsora_model::series::{SeriesReader, SeriesRegistry};
use pulsora_model::{ColumnId, Result};

/// Tags of a row that need no allocation.
const FEW: usize = 16;

/// The code that a batch gives the series with these tags.
///
/// # Errors
/// As [`BatchBuilder::series`].
pub(crate) fn series_of<'t>(
    batch: &mut BatchBuilder,
    tags: impl ExactSizeIterator<Item = (TagIndex, &'t str)>,
) -> Result<u32> {
    let count = tags.len();
    if count > FEW {
        return batch.series(&mut tags.collect::<Vec<_>>());
    }
    let mut few = [(TagIndex(0), ""); FEW];
    few.iter_mut().zip(tags).for_each(|(place, tag)| *place = tag);
    batch.series(&mut few[..count])
}

/// Bytes that are copied at once, whatever the length of the text: one or two vector registers.
pub(crate) const COPY: usize = 32;

/// The canonical key of one row; reused from row to row.
pub(crate) struct RowKey {
    /// Longer than the key, so that a copy may write behind it.
    bytes: Vec<u8>,
    len: usize,
}

impl RowKey {
    pub(crate) fn new() -> RowKey {
        RowKey { bytes: vec![0; 256], len: 0 }
    }

    /// Begins a row without tags.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.len = 0;
    }

    /// Adds the tag whose value is `text[..len]`; columns ascend from call to call. An empty value is
    /// absent. What follows the value in `text` makes it faster to copy.
    #[inline]
    pub(crate) fn push(&mut self, tag: KeyTag, text: &[u8], len: usize) {
        if len == 0 {
            return;
        }
        let at = self.len;
        if len <= COPY
            && let Some(copy) = text.first_chunk::<COPY>()
            && let Some(room) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut)
        {
            let room: &mut [u8; COPY + 3] = room;
            room[..2].copy_from_slice(&tag.head);
            room[2] = len as u8;
            room[3..].copy_from_slice(copy);
            self.len = at + 3 + len;
        } else {
            self.push_slowly(tag, &text[..len]);
        }
    }

    #[cold]
    fn push_slowly(&mut self, tag: KeyTag, value: &[u8]) {
        self.bytes.truncate(self.len);
        self.bytes.extend_from_slice(&tag.head);
        let mut len = value.len();
        while len >= 0x80 {
            self.bytes.push(len as u8 | 0x80);
            len >>= 7;
        }
        self.bytes.push(len as u8);
        self.bytes.extend_from_slice(value);
        self.len = self.bytes.len();
        self.bytes.resize(self.len + 256, 0);
    }

    /// The key of the tags so far.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Whether every value is UTF-8.
    fn is_text(&self) -> bool {
        let mut rest = self.as_bytes();
        while let [_, _, tail @ ..] = rest {
            let head = tail.iter().take_while(|byte| **byte >= 0x80).count() + 1;
            let len =
                tail[..head].iter().rev().fold(0, |len, byte| len << 7 | usize::from(byte & 0x7f));
            let (value, next) = tail[head..].split_at(len);
            if simdutf8::basic::from_utf8(value).is_err() {
                return false;
            }
            rest = next;
        }
        true
    }
}

/// A tag column as it stands in keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyTag {
    head: [u8; 2],
}

impl KeyTag {
    /// `None` for an id that no table has.
    pub(crate) fn new(column: ColumnId) -> Option<KeyTag> {
        Some(KeyTag { head: u16::try_from(column.0).ok()?.to_le_bytes() })
    }
}

/// A row's key is not text.
#[derive(Debug)]
pub(crate) struct NotText;

/// Finds the numbers of rows one after the other.
pub(crate) struct Numbers<'r> {
    reader: SeriesReader<'r>,
    last: u32,
    /// Whether the number after the last one was the right guess last time.
    counts: bool,
    /// Rows since a guess was right, up to [`WRONG_MAX`].
    wrong: u32,
    codes: Vec<u32>,
    new: NewSeries,
}

/// Rows whose series the registry did not have.
#[derive(Default)]
struct NewSeries {
    /// Row and end of its key in `keys`.
    rows: Vec<(usize, usize)>,
    keys: Vec<u8>,
}

/// Wrong guesses after which there are no more, until one would have been right.
const WRONG_MAX: u32 = 4;

/// Rows after which a waiting writer may go first.
const TURN: usize = 1_024;

impl<'r> Numbers<'r> {
    pub(crate) fn new(registry: &'r SeriesRegistry, rows: usize) -> Numbers<'r> {
        Numbers {
            reader: registry.read(),
            last: 0,
            counts: false,
            wrong: 0,
            codes: Vec::with_capacity(rows),
            new: NewSeries::default(),
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the key is not text.
    #[inline]
    pub(crate) fn push(&mut self, key: &RowKey) -> Result<(), NotText> {
        if self.codes.len() % TURN == TURN - 1 {
            self.reader.give_way();
        }
        if let Some(number) = self.find(key.as_bytes()) {
            self.last = number;
            self.codes.push(number);
            return Ok(());
        }
        self.push_new(key)
    }

    /// Adds a row that will be taken out again; its code means nothing.
    pub(crate) fn push_nothing(&mut self) {
        self.codes.push(0);
    }

    #[inline]
    fn find(&mut self, key: &[u8]) -> Option<u32> {
        if self.wrong < WRONG_MAX {
            let is = |number: u32| {
                (number as usize) < self.reader.len() && self.reader.key(number) == key
            };
            let guesses = [self.last, self.last.wrapping_add(1)];
            let first = usize::from(self.counts);
            if is(guesses[first]) {
                self.wrong = 0;
                return Some(guesses[first]);
            }
            if is(guesses[1 - first]) {
                (self.wrong, self.counts) = (0, !self.counts);
                return Some(guesses[1 - first]);
            }
            self.wrong += 1;
        }
        let found = self.reader.by_key(key);
        if found.is_some_and(|number| number.wrapping_sub(self.last) <= 1) {
            self.wrong = 0;
        }
        found
    }

    #[cold]
    fn push_new(&mut self, key: &RowKey) -> Result<(), NotText> {
        if !key.is_text() {
            return Err(NotText);
        }
        self.new.keys.extend_from_slice(key.as_bytes());
        self.new.rows.push((self.codes.len(), self.new.keys.len()));
        self.codes.push(0);
        Ok(())
    }

    /// The rows, of which [`Found::codes`] gives the numbers.
    pub(crate) fn finish(self) -> Found {
        Found { codes: self.codes, new: self.new }
    }
}

/// The numbers of rows, those of new series still to be given out.
pub(crate) struct Found {
    codes: Vec<u32>,
    new: NewSeries,
}

impl Found {
    /// The number of each row.
    ///
    /// # Errors
    /// `limit_exceeded` past the table's limit of series.
    pub(crate) fn codes(self, registry: &SeriesRegistry) -> Result<Vec<u32>> {
        let Found { mut codes, new } = self;
        let mut start = 0;
        for (row, end) in new.rows {
            codes[row] = registry.number_of_key(&new.keys[start..end])?;
            start = end;
        }
        Ok(codes)
    }
}
