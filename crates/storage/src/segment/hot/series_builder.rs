//! The series of a segment while it is being written: found from runs of equal tags in the batches.
//!
//! Invariant: neighbouring series differ; whether they ascend is checked once, at the end.

use std::collections::HashMap;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::UInt32Type;
use foldhash::fast::FixedState;
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
    values: Vec<String>,
    known: HashMap<String, u32, FixedState>,
    /// Provisional codes, one per series.
    codes: Vec<u32>,
}

/// The series with their final codes.
pub(super) struct SortedSeries {
    tags: Vec<(ColumnId, Vec<String>, Vec<u32>)>,
    starts: Vec<u32>,
    first_times: Vec<i64>,
    last_times: Vec<i64>,
}

/// No code has been looked up yet.
const UNKNOWN: u32 = u32::MAX - 1;

impl SeriesBuilder {
    pub fn new(tags: impl Iterator<Item = ColumnId>) -> SeriesBuilder {
        let tags = tags.map(|column| TagBuilder {
            column,
            values: Vec::new(),
            known: HashMap::default(),
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
                            *slot = tag.code(&arrays[number], key);
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
            (code != ABSENT).then(|| (tag.column, tag.values[code as usize].clone()))
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
    /// The provisional code of a dictionary value.
    fn code(&mut self, array: &ArrayRef, key: u32) -> u32 {
        let value = array.as_dictionary::<UInt32Type>().values().as_string::<i32>();
        let value = value.value(key as usize);
        if let Some(code) = self.known.get(value) {
            return *code;
        }
        let code = self.values.len() as u32;
        self.values.push(value.to_owned());
        self.known.insert(value.to_owned(), code);
        code
    }

    fn sorted(self) -> (ColumnId, Vec<String>, Vec<u32>) {
        let mut order: Vec<u32> = (0..self.values.len() as u32).collect();
        order.sort_unstable_by(|a, b| self.values[*a as usize].cmp(&self.values[*b as usize]));
        let mut rank = vec![0; order.len()];
        for (position, code) in order.iter().enumerate() {
            rank[*code as usize] = position as u32;
        }
        let codes =
            self.codes.iter().map(|code| rank.get(*code as usize).copied().unwrap_or(ABSENT));
        let codes = codes.collect();
        let mut values = self.values;
        values.sort_unstable();
        (self.column, values, codes)
    }
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
                (*column, values.iter().map(String::as_str).collect(), codes.clone())
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
