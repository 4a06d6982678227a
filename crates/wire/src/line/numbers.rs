//! The codes of series by their tags as they stand in the body.
//!
//! A registry remembers the raw tags of so many series as its cache holds. Those of the others are
//! read with the names that the last entry had, which gives the key of the series in the registry;
//! often that of the next number.
//!
//! Not responsible for series that have no number yet.

use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use memchr::memchr3;
use pulsora_model::series::{SeriesKeyBuf, SeriesReader, SeriesRegistry};
use pulsora_model::{BatchBuilder, ColumnId};

use super::scan::unescaped;
use super::words::Expected;
use crate::items::TagSet;

/// Of 2 to the power of this many series that a run finds by their keys one is remembered by its raw
/// tags, whichever: soon all, where the cache holds them, and a small part of the work, where it does
/// not.
const REMEMBERED_BITS: u32 = 3;

/// The tags of a table's lines.
#[derive(Default)]
pub(super) struct LineTags<'a> {
    /// Series by their raw tags, each after its comma: those without a number in a registry.
    pub(super) local: HashMap<&'a [u8], u32, RandomState>,
    /// Each name between its comma and its `=`, and its column; columns ascend. Empty when they do
    /// not, or are not all columns of the table.
    names: Vec<(Expected, ColumnId)>,
}

impl LineTags<'_> {
    /// Learns from an entry whose series was not known by its raw `tags`, which stand before a space.
    pub(super) fn learn(&mut self, tags: &[u8], set: &TagSet<'_>, batch: &BatchBuilder) {
        self.names.clear();
        let mut before = None;
        let mut at = 0;
        for tag in set.tags() {
            let name_end = unescaped(tags, at + 1, b"=").map(|end| end + 1);
            let (Some(name_end), Some(column)) = (name_end, batch.known_tag(tag)) else {
                return self.names.clear();
            };
            if before.replace(column).is_some_and(|before| before >= column) {
                return self.names.clear();
            }
            self.names.push((Expected::new(&tags[at..name_end]), column));
            at = unescaped(tags, name_end, b",").unwrap_or(tags.len());
        }
    }

    /// Makes the key of the tags in `range`, if they have the names of the last entry and no escapes.
    fn key(&self, text: &str, range: &Range<usize>, key: &mut SeriesKeyBuf) -> Option<()> {
        let bytes = text.as_bytes();
        let mut at = range.start;
        key.clear();
        for (name, column) in &self.names {
            let value = name.after(bytes, at).filter(|value| *value < range.end)?;
            let len = memchr3(b',', b'=', b'\\', &bytes[value..range.end]);
            at = len.map_or(range.end, |len| value + len);
            if at == value || (at < range.end && bytes[at] != b',') {
                return None;
            }
            key.push(*column, &text[value..at]);
        }
        (at == range.end).then_some(())
    }
}

/// What a run finds series in.
pub(super) struct Numbers<'r, 'a> {
    /// What numbers the series of the table, if it exists.
    pub(super) registry: Option<SeriesReader<'r>>,
    pub(super) tags: &'r LineTags<'a>,
    pub(super) found: &'r mut FoundByKey,
}

impl Numbers<'_, '_> {
    /// The code of the series whose tags stand in `range` of the body.
    #[inline]
    pub(super) fn find(&mut self, text: &str, range: Range<usize>) -> Option<u32> {
        if let Some(next) = self.found.next.take()
            && self.is_number(next, text, &range)
        {
            self.found.by_key(next, range);
            return Some(next);
        }
        let raw = &text.as_bytes()[range.clone()];
        if let Some(registry) = &self.registry
            && let Some(number) = registry.by_raw(raw)
        {
            return Some(number);
        }
        self.find_unremembered(text, range)
    }

    /// Whether the series has this number.
    fn is_number(&mut self, number: u32, text: &str, range: &Range<usize>) -> bool {
        let Some(registry) = &self.registry else { return false };
        (number as usize) < registry.len()
            && self.tags.key(text, range, &mut self.found.key).is_some()
            && registry.key(number) == self.found.key.as_bytes()
    }

    fn find_unremembered(&mut self, text: &str, range: Range<usize>) -> Option<u32> {
        if let Some(code) = self.tags.local.get(&text.as_bytes()[range.clone()]) {
            return Some(*code);
        }
        let registry = self.registry.as_ref()?;
        self.tags.key(text, &range, &mut self.found.key)?;
        let number = registry.by_key(self.found.key.as_bytes())?;
        self.found.by_key(number, range);
        Some(number)
    }
}

/// Series that runs found by their keys.
pub(super) struct FoundByKey {
    key: SeriesKeyBuf,
    /// State of a linear congruential generator, so that bodies in step with the sample still have all
    /// their series in it.
    random: u64,
    /// The number behind that of the line before, if that was found by its key: series come back in
    /// the order in which they got their numbers.
    next: Option<u32>,
    /// Where the tags stand, and the number, of those to be remembered after the run.
    sample: Vec<(Range<usize>, u32)>,
}

impl FoundByKey {
    /// None yet; `seed` decides which ones are remembered, so that it is not always the same.
    pub(super) fn new(seed: u64) -> FoundByKey {
        FoundByKey { key: SeriesKeyBuf::default(), random: seed, next: None, sample: Vec::new() }
    }

    /// A series was found by its key. After one of the sample its neighbour is looked for by its raw
    /// tags again.
    fn by_key(&mut self, number: u32, tags: Range<usize>) {
        // The multiplier and the increment are those of Knuth's MMIX; its high bits are good.
        let (multiplier, increment) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.random = self.random.wrapping_mul(multiplier).wrapping_add(increment);
        if self.random >> (64 - REMEMBERED_BITS) == 0 {
            self.sample.push((tags, number));
            self.next = None;
        } else {
            self.next = Some(number + 1);
        }
    }

    /// Lets the registry remember the sample. The run that read it has ended.
    pub(super) fn remember(&mut self, body: &[u8], registry: &SeriesRegistry) {
        for (range, number) in self.sample.drain(..) {
            registry.remember(&body[range], number);
        }
    }
}

#[cfg(test)]
mod tests;
