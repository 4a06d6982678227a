//! The series of a segment: their tags, as sorted dictionaries and one code per series.
//!
//! Sets are interned: segments with the same series share one `Arc`, so that pointer equality means
//! the same series, and their tag columns share their dictionaries.
//!
//! Invariants: series stand in key order (by tag in the order of column ids, absent first); the
//! values of a tag are distinct and ascend.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::{Arc, Weak};

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use foldhash::quality::RandomState;
use parking_lot::Mutex;
use pulsora_codec::Codecs;
use pulsora_model::ColumnId;

use super::array;
use super::format::{Cursor, Parsed};
use crate::read::TagPredicate;

/// The code of an absent tag.
pub(crate) const ABSENT: u32 = u32::MAX;

/// Tags of the series of a segment, in key order.
pub(crate) struct SeriesSet {
    len: u32,
    tags: Vec<SeriesTag>,
}

/// One tag of every series.
pub(crate) struct SeriesTag {
    pub column: ColumnId,
    /// Its distinct values, ascending.
    pub values: StringArray,
    /// The same, to be shared by the batches that name them.
    pub dictionary: ArrayRef,
    codes: Codes,
}

/// Per series the rank of its value, from 1; 0 = absent. As narrow as the values allow: of the ten tags of
/// a host nine have few values, and a million hosts have ten codes each in every segment that is open.
enum Codes {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
}

impl Codes {
    /// Of ranks that are at most `distinct`.
    fn of(ranks: &[i64], distinct: u32) -> Codes {
        match distinct {
            0..=0xFF => Codes::U8(ranks.iter().map(|rank| *rank as u8).collect()),
            0x100..=0xFFFF => Codes::U16(ranks.iter().map(|rank| *rank as u16).collect()),
            _ => Codes::U32(ranks.iter().map(|rank| *rank as u32).collect()),
        }
    }

    #[inline]
    fn rank(&self, series: usize) -> u32 {
        match self {
            Codes::U8(ranks) => u32::from(ranks[series]),
            Codes::U16(ranks) => u32::from(ranks[series]),
            Codes::U32(ranks) => ranks[series],
        }
    }

    fn size_bytes(&self) -> usize {
        match self {
            Codes::U8(ranks) => ranks.len(),
            Codes::U16(ranks) => ranks.len() * 2,
            Codes::U32(ranks) => ranks.len() * 4,
        }
    }

    /// The first series of which `before` does not hold; it holds of all that come before that one.
    fn partition_point(&self, before: impl Fn(u32) -> bool) -> usize {
        match self {
            Codes::U8(ranks) => ranks.partition_point(|rank| before(u32::from(*rank))),
            Codes::U16(ranks) => ranks.partition_point(|rank| before(u32::from(*rank))),
            Codes::U32(ranks) => ranks.partition_point(|rank| before(*rank)),
        }
    }
}

impl SeriesSet {
    /// How many series there are.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Bytes held.
    pub fn size_bytes(&self) -> usize {
        self.tags.iter().map(SeriesTag::size_bytes).sum()
    }

    /// The tags, ascending by column id.
    pub fn tags(&self) -> &[SeriesTag] {
        &self.tags
    }

    /// One tag; `None` when no series has it.
    pub fn tag(&self, column: ColumnId) -> Option<&SeriesTag> {
        self.tags.iter().find(|tag| tag.column == column)
    }

    /// The present tags of a series, by column id.
    pub fn key(&self, series: u32) -> Vec<(ColumnId, String)> {
        let value = |tag: &SeriesTag| Some((tag.column, tag.value(series)?.to_owned()));
        self.tags.iter().filter_map(value).collect()
    }

    /// The series that match all `predicates`, as ascending ranges that do not touch.
    pub fn matching(&self, predicates: &[TagPredicate]) -> Vec<Range<u32>> {
        let mut ranges: Vec<Range<u32>> = std::iter::once(0..self.len).collect();
        for predicate in predicates {
            let Some(tag) = self.tag(predicate.column) else {
                if predicate.values.contains(&None) {
                    continue;
                }
                return Vec::new();
            };
            let accepted = tag.accepted(predicate);
            if accepted.is_empty() {
                return Vec::new();
            }
            let sorted = self.tags.first().is_some_and(|first| first.column == tag.column);
            ranges = if sorted && accepted.len() <= ranges.len() * 16 {
                intersect(&ranges, &tag.runs(&accepted))
            } else {
                tag.narrow(&ranges, &accepted)
            };
        }
        ranges
    }

    pub fn encode(tags: &[(ColumnId, Vec<&str>, &[u32])], codecs: &Codecs, out: &mut Vec<u8>) {
        out.extend_from_slice(&(tags.len() as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        for (column, values, codes) in tags {
            out.extend_from_slice(&column.0.to_le_bytes());
            out.extend_from_slice(&(values.len() as u32).to_le_bytes());
            array::encode_text(codecs, values, out);
            let codes: Vec<i64> =
                codes.iter().map(|code| i64::from(code.wrapping_add(1))).collect();
            array::encode_integers(codecs, &codes, out);
        }
    }

    /// The set of `len` series that `encoded` holds.
    pub(super) fn decode(codecs: &Codecs, encoded: &[u8], len: u32) -> Parsed<SeriesSet> {
        let mut cursor = Cursor(encoded);
        let count = cursor.u32()?;
        cursor.take(4)?;
        let mut tags: Vec<SeriesTag> = Vec::new();
        for _ in 0..count {
            let tag = SeriesTag::decode(codecs, &mut cursor, len)?;
            if tags.last().is_some_and(|last| last.column >= tag.column) {
                return Err("tags out of order".into());
            }
            tags.push(tag);
        }
        if !cursor.0.is_empty() {
            return Err("more than its series".into());
        }
        let set = SeriesSet { len, tags };
        if set.is_sorted() { Ok(set) } else { Err("series out of order".into()) }
    }

    fn is_sorted(&self) -> bool {
        let key = |series: usize| self.tags.iter().map(move |tag| tag.codes.rank(series));
        (1..self.len as usize).all(|series| key(series - 1).lt(key(series)))
    }
}

impl SeriesTag {
    /// The index of the value of a series, or [`ABSENT`].
    #[inline]
    pub fn code(&self, series: u32) -> u32 {
        self.codes.rank(series as usize).wrapping_sub(1)
    }

    /// Bytes held.
    fn size_bytes(&self) -> usize {
        self.codes.size_bytes() + self.values.get_array_memory_size()
    }

    /// The value of one series.
    pub fn value(&self, series: u32) -> Option<&str> {
        let code = self.code(series);
        (code != ABSENT).then(|| self.values.value(code as usize))
    }

    /// The code of a value.
    pub fn code_of(&self, value: &str) -> Option<u32> {
        let (mut low, mut high) = (0, self.values.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.values.value(middle).cmp(value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle as u32),
            }
        }
        None
    }

    /// The codes that match, in key order (absent first), each once.
    fn accepted(&self, predicate: &TagPredicate) -> Vec<u32> {
        let codes = predicate.values.iter().filter_map(|value| match value {
            None => Some(ABSENT),
            Some(value) => self.code_of(value),
        });
        let mut codes: Vec<u32> = codes.collect();
        codes.sort_unstable_by_key(|code| code.wrapping_add(1));
        codes.dedup();
        codes
    }

    /// The series with one of the codes; this tag's codes ascend.
    fn runs(&self, accepted: &[u32]) -> Vec<Range<u32>> {
        let mut runs = Vec::new();
        for code in accepted {
            let rank = code.wrapping_add(1);
            let start = self.codes.partition_point(|other| other < rank);
            let end = self.codes.partition_point(|other| other <= rank);
            extend(&mut runs, start as u32..end as u32);
        }
        runs
    }

    /// The series of `ranges` with one of the codes.
    fn narrow(&self, ranges: &[Range<u32>], accepted: &[u32]) -> Vec<Range<u32>> {
        let mut kept = Vec::new();
        // By rank: absent is 0.
        let mut wanted = vec![false; self.values.len() + 1];
        for code in accepted {
            wanted[code.wrapping_add(1) as usize] = true;
        }
        for range in ranges {
            for series in range.clone() {
                if wanted[self.codes.rank(series as usize) as usize] {
                    extend(&mut kept, series..series + 1);
                }
            }
        }
        kept
    }

    fn decode(codecs: &Codecs, cursor: &mut Cursor<'_>, len: u32) -> Parsed<SeriesTag> {
        let column = ColumnId(cursor.u32()?);
        let distinct = cursor.u32()?;
        if distinct > len {
            return Err(format!("{distinct} values of a tag for {len} series").into());
        }
        let (mut offsets, mut bytes) = (vec![0u32], Vec::new());
        array::decode_text(codecs, cursor, distinct as usize, &mut offsets, &mut bytes)?;
        let values = strings(offsets, bytes)?;
        if (1..values.len()).any(|i| values.value(i - 1) >= values.value(i)) {
            return Err("values of a tag out of order".into());
        }
        let mut ranks = Vec::new();
        array::decode_integers(codecs, cursor, len as usize, &mut ranks)?;
        if ranks.len() != len as usize
            || ranks.iter().any(|rank| !(0..=i64::from(distinct)).contains(rank))
        {
            return Err("a series without its tag".into());
        }
        let codes = Codes::of(&ranks, distinct);
        let dictionary = Arc::new(values.clone());
        Ok(SeriesTag { column, values, dictionary, codes })
    }
}

/// Strings end to end as an Arrow array.
pub(super) fn strings(offsets: Vec<u32>, bytes: Vec<u8>) -> Parsed<StringArray> {
    let rises = offsets.first() == Some(&0) && offsets.is_sorted();
    if !rises || offsets.last().is_some_and(|end| i32::try_from(*end).is_err()) {
        return Err("text that is out of order or too long".into());
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::<i32>::from(Buffer::from_vec(offsets)));
    StringArray::try_new(offsets, Buffer::from_vec(bytes), None)
        .map_err(|error| error.to_string().into())
}

/// Adds a range behind the last one, joined with it where they touch.
pub(super) fn extend(ranges: &mut Vec<Range<u32>>, next: Range<u32>) {
    if next.is_empty() {
        return;
    }
    match ranges.last_mut() {
        Some(last) if last.end == next.start => last.end = next.end,
        _ => ranges.push(next),
    }
}

/// What lies in both of two ascending lists.
pub(super) fn intersect(a: &[Range<u32>], b: &[Range<u32>]) -> Vec<Range<u32>> {
    let (mut i, mut j, mut both) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (start, end) = (x.start.max(y.start), x.end.min(y.end));
        if start < end {
            extend(&mut both, start..end);
        }
        if x.end <= y.end {
            i += 1;
        } else {
            j += 1;
        }
    }
    both
}

/// The sets in use, by two hashes of their bytes.
#[derive(Default)]
pub(crate) struct SeriesPool {
    /// Seeded anew by each process: together they tell any bytes apart, and nobody can choose bytes that
    /// they do not.
    hashers: [RandomState; 2],
    /// Guards the table, not the sets.
    sets: Mutex<HashMap<[u64; 2], Weak<SeriesSet>>>,
}

impl SeriesPool {
    /// The set that `encoded` holds, shared with all who use it.
    pub(super) fn set(&self, codecs: &Codecs, encoded: &[u8], len: u32) -> Parsed<Arc<SeriesSet>> {
        let hashes = [0, 1].map(|number: usize| self.hashers[number].hash_one((len, encoded)));
        let known = |sets: &HashMap<[u64; 2], Weak<SeriesSet>>| sets.get(&hashes)?.upgrade();
        if let Some(set) = known(&self.sets.lock()) {
            return Ok(set);
        }
        let set = Arc::new(SeriesSet::decode(codecs, encoded, len)?);
        let mut sets = self.sets.lock();
        // Another reader may have been faster.
        if let Some(set) = known(&sets) {
            return Ok(set);
        }
        if sets.len() == sets.capacity() {
            // Sets that are gone leave before the table would grow.
            sets.retain(|_, set| set.strong_count() > 0);
        }
        sets.insert(hashes, Arc::downgrade(&set));
        Ok(set)
    }
}
