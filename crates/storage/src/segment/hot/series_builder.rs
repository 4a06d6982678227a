//! The series of a segment while it is being written: told one by one, or found from runs of equal tags
//! in batches.
//!
//! Invariant: neighbouring series differ; whether they ascend is checked once, at the end.

use std::hash::BuildHasher;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::UInt32Type;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use pulsora_codec::Codecs;
use pulsora_model::ColumnId;

use super::array;
use super::series_set::{ABSENT, SeriesSet};
use super::writer::SeriesKey;

/// The series so far.
pub(super) struct SeriesBuilder {
    tags: Vec<TagBuilder>,
    starts: Vec<u32>,
    first_times: Vec<i64>,
    last_times: Vec<i64>,
}

struct TagBuilder {
    column: ColumnId,
    /// Values by their provisional code, in order of first appearance.
    values: Vec<Box<str>>,
    /// Provisional codes by value.
    known: HashTable<u32>,
    hasher: FixedState,
    /// Provisional codes, one per series.
    codes: Vec<u32>,
}

/// The series with their final codes.
pub(super) struct SortedSeries {
    tags: Vec<SortedTag>,
    starts: Vec<u32>,
    first_times: Vec<i64>,
    last_times: Vec<i64>,
}

/// Column, values in order, and per series the position of its value or [`ABSENT`].
type SortedTag = (ColumnId, Vec<Box<str>>, Vec<u32>);

/// No code has been looked up yet.
const UNKNOWN: u32 = u32::MAX - 1;

impl SeriesBuilder {
    pub fn new(tags: impl Iterator<Item = ColumnId>) -> SeriesBuilder {
        let tags = tags.map(|column| TagBuilder {
            column,
            values: Vec::new(),
            known: HashTable::new(),
            hasher: FixedState::default(),
            codes: Vec::new(),
        });
        SeriesBuilder {
            tags: tags.collect(),
            starts: Vec::new(),
            first_times: Vec::new(),
            last_times: Vec::new(),
        }
    }

    /// Bytes in memory, about.
    pub fn size_bytes(&self) -> usize {
        self.starts.len() * (20 + self.tags.len() * 4)
    }

    /// The next series, which differs from the one before, begins at row `row`.
    pub fn begin<'a>(&mut self, row: u32, value: impl Fn(ColumnId) -> Option<&'a str>) {
        for tag in &mut self.tags {
            let code = value(tag.column).map_or(ABSENT, |value| tag.code(value));
            tag.codes.push(code);
        }
        self.starts.push(row);
        self.first_times.push(i64::MAX);
        self.last_times.push(i64::MIN);
    }

    /// Takes the tags of `count` rows, the first of which is row `row`.
    pub fn add(&mut self, row: u32, count: usize, arrays: &[ArrayRef]) {
        let keys: Vec<Vec<u32>> = arrays.iter().map(keys_of).collect();
        let mut codes: Vec<Vec<u32>> = arrays
            .iter()
            .map(|array| vec![UNKNOWN; array.as_dictionary::<UInt32Type>().values().len()])
            .collect();
        let mut changes = vec![false; count];
        if let Some(first) = changes.first_mut() {
            *first = true;
        }
        for keys in &keys {
            for (change, pair) in changes[1..].iter_mut().zip(keys.windows(2)) {
                *change |= pair[0] != pair[1];
            }
        }
        for position in (0..count).filter(|position| changes[*position]) {
            let mut differs = self.starts.is_empty();
            for (number, tag) in self.tags.iter_mut().enumerate() {
                let key = keys[number][position];
                let code = match key {
                    ABSENT => ABSENT,
                    key => {
                        let slot = &mut codes[number][key as usize];
                        if *slot == UNKNOWN {
                            *slot = tag.code(value_of(&arrays[number], key));
                        }
                        *slot
                    }
                };
                differs |= tag.codes.last() != Some(&code);
                tag.codes.push(code);
            }
            if differs {
                self.starts.push(row + position as u32);
                self.first_times.push(i64::MAX);
                self.last_times.push(i64::MIN);
            } else {
                self.tags.iter_mut().for_each(|tag| {
                    tag.codes.pop();
                });
            }
        }
    }

    /// The series with rows from `start` to `end` (which is at most the last row), with those rows.
    pub fn rows_between(&self, start: u32, end: u32) -> Vec<(u32, Range<u32>)> {
        let first = self.starts.partition_point(|row| *row <= start).saturating_sub(1);
        let mut found = Vec::new();
        for series in first..self.starts.len() {
            let from = self.starts[series].max(start);
            if from >= end {
                break;
            }
            let to = self.starts.get(series + 1).map_or(end, |next| (*next).min(end));
            found.push((series as u32, from..to));
        }
        found
    }

    /// Notes the next times of a series, which ascend; false when they do not follow those before.
    pub fn note_times(&mut self, series: u32, times: &[i64]) -> bool {
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return true };
        let series = series as usize;
        let follows = *first >= self.last_times[series];
        self.first_times[series] = self.first_times[series].min(*first);
        self.last_times[series] = *last;
        follows
    }

    /// Smallest and largest series.
    pub fn key_range(&self) -> (SeriesKey, SeriesKey) {
        (self.key(0), self.key(self.starts.len().saturating_sub(1)))
    }

    /// Earliest and latest time.
    pub fn time_range(&self) -> (i64, i64) {
        let min = self.first_times.iter().copied().min();
        let max = self.last_times.iter().copied().max();
        (min.unwrap_or(i64::MAX), max.unwrap_or(i64::MIN))
    }

    fn key(&self, series: usize) -> SeriesKey {
        let tags = self.tags.iter().filter_map(|tag| {
            let code = *tag.codes.get(series)?;
            (code != ABSENT).then(|| (tag.column, tag.values[code as usize].to_string()))
        });
        tags.collect()
    }

    /// Gives the codes the order of their values; `None` when series do not ascend. Leaves nothing.
    pub fn finish(&mut self) -> Option<SortedSeries> {
        let tags: Vec<_> = self.tags.drain(..).map(TagBuilder::sorted).collect();
        let key =
            |series: usize| tags.iter().map(move |(_, _, codes)| codes[series].wrapping_add(1));
        let ascends = (1..self.starts.len()).all(|series| key(series - 1).lt(key(series)));
        ascends.then(|| SortedSeries {
            starts: std::mem::take(&mut self.starts),
            first_times: std::mem::take(&mut self.first_times),
            last_times: std::mem::take(&mut self.last_times),
            tags,
        })
    }
}

impl TagBuilder {
    /// The provisional code of a value.
    fn code(&mut self, value: &str) -> u32 {
        let same = |code: &u32| self.values.get(*code as usize).is_some_and(|v| **v == *value);
        if let Some(code) = self.codes.last().filter(|code| same(code)) {
            return *code;
        }
        let hash = self.hasher.hash_one(value);
        if let Some(code) = self.known.find(hash, same) {
            return *code;
        }
        let code = self.values.len() as u32;
        self.values.push(value.into());
        let (values, hasher) = (&self.values, &self.hasher);
        self.known.insert_unique(hash, code, |code| hasher.hash_one(&*values[*code as usize]));
        code
    }

    fn sorted(mut self) -> SortedTag {
        // The first tag of series in key order has its values in order.
        if self.values.is_sorted() {
            return (self.column, self.values, self.codes);
        }
        let mut order: Vec<u32> = (0..self.values.len() as u32).collect();
        order.sort_unstable_by(|a, b| self.values[*a as usize].cmp(&self.values[*b as usize]));
        let mut rank = vec![0; order.len()];
        for (position, code) in order.iter().enumerate() {
            rank[*code as usize] = position as u32;
        }
        for code in &mut self.codes {
            *code = rank.get(*code as usize).copied().unwrap_or(ABSENT);
        }
        let values = order.iter().map(|code| std::mem::take(&mut self.values[*code as usize]));
        (self.column, values.collect(), self.codes)
    }
}

/// A value of a dictionary.
fn value_of(array: &ArrayRef, key: u32) -> &str {
    array.as_dictionary::<UInt32Type>().values().as_string::<i32>().value(key as usize)
}

/// The keys of a tag column, [`ABSENT`] where there is no value.
fn keys_of(array: &ArrayRef) -> Vec<u32> {
    let tags = array.as_dictionary::<UInt32Type>();
    let keys = tags.keys().values();
    match array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
        None => keys.to_vec(),
        Some(nulls) => {
            let key = |(key, valid): (&u32, bool)| if valid { *key } else { ABSENT };
            keys.iter().zip(nulls.iter()).map(key).collect()
        }
    }
}

impl SortedSeries {
    pub fn len(&self) -> u32 {
        self.starts.len() as u32
    }

    pub fn encode_set(&self, codecs: &Codecs, out: &mut Vec<u8>) {
        let tags: Vec<_> = self
            .tags
            .iter()
            .map(|(column, values, codes)| {
                (*column, values.iter().map(AsRef::as_ref).collect(), &codes[..])
            })
            .collect();
        SeriesSet::encode(&tags, codecs, out);
    }

    pub fn encode_directory(&self, codecs: &Codecs, out: &mut Vec<u8>) {
        let starts: Vec<i64> = self.starts.iter().map(|start| i64::from(*start)).collect();
        for values in [&starts, &self.first_times, &self.last_times] {
            array::encode_integers(codecs, values, out);
        }
    }
}
