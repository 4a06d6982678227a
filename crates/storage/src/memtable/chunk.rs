//! An immutable run of rows of one memtable in arrival order, with its key order cached.
//!
//! Invariants: all columns have `rows` values; a column that is absent is null in every row; a column
//! has the type it had when the rows came and is cast on read; sequences of one table's chunks are
//! disjoint and rise.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use arrow::array::ArrayRef;
use arrow::buffer::ScalarBuffer;
use foldhash::fast::FixedState;
use pulsora_model::series::SeriesView;
use pulsora_model::{ColumnId, Sequence};

use crate::read::TimeRange;

/// Rows of one table in arrival order.
pub(crate) struct Chunk {
    pub rows: usize,
    /// Sequence of the first record with rows here.
    pub first: Sequence,
    /// Sequence of the last record with rows here.
    pub last: Sequence,
    pub min_time_ns: i64,
    pub max_time_ns: i64,
    /// Series number of each row, by the registry of the memtable.
    pub series: ScalarBuffer<u32>,
    pub time: ScalarBuffer<i64>,
    /// Fields by column id, ascending.
    pub columns: Vec<(ColumnId, ArrayRef)>,
    /// Row ids, in tables that have them.
    pub ids: Option<ScalarBuffer<u64>>,
    /// Whether any of the ids was given by the user and so may replace an older row.
    pub user_ids: bool,
    pub bytes: usize,
    pub(super) sorted: OnceLock<Arc<SortedRows>>,
    pub(super) id_span: OnceLock<Option<IdSpan>>,
    pub(super) spans: OnceLock<Vec<TimeRange>>,
}

/// Smallest and largest row id of a chunk, and whether the ids rise from row to row.
#[derive(Clone, Copy)]
pub(crate) struct IdSpan {
    pub min: u64,
    pub max: u64,
    pub rises: bool,
}

impl IdSpan {
    fn of(ids: &[u64]) -> Option<IdSpan> {
        let first = *ids.first()?;
        let mut span = IdSpan { min: first, max: first, rises: true };
        let mut previous = first;
        for id in &ids[1..] {
            span.rises &= previous < *id;
            span.min = span.min.min(*id);
            span.max = span.max.max(*id);
            previous = *id;
        }
        Some(span)
    }

    /// Whether the two share an id, or may.
    pub fn overlaps(&self, other: &IdSpan) -> bool {
        self.min <= other.max && other.min <= self.max
    }
}

/// The rows of a chunk in key order: by (tags, time), equal keys in arrival order.
pub(crate) struct SortedRows {
    /// Row numbers of the chunk in key order.
    pub order: Vec<u32>,
    /// One run per series in key order: (series number, start, end) into `order`.
    pub runs: Vec<(u32, u32, u32)>,
    /// Whether no two rows have the same key.
    pub unique: bool,
}

impl Chunk {
    /// The values of a field, if any row may have one.
    pub fn column(&self, id: ColumnId) -> Option<&ArrayRef> {
        self.columns
            .binary_search_by_key(&id, |(column, _)| *column)
            .ok()
            .map(|i| &self.columns[i].1)
    }

    /// The span of the row ids, computed on first use; `None` in tables without row ids.
    pub fn id_span(&self) -> Option<IdSpan> {
        *self.id_span.get_or_init(|| IdSpan::of(self.ids.as_deref()?))
    }

    /// Ranges that hold the times of all rows, ascending and disjoint, computed on first use: where a
    /// few rows are late, they do not stretch over all the time between.
    pub fn spans(&self) -> &[TimeRange] {
        self.spans.get_or_init(|| spans(&self.time, self.min_time_ns, self.max_time_ns))
    }

    /// Whether a row inside a range of time has the same series and time as one of another chunk of the
    /// memtable; `None` where that takes looking at more than `keys_max` keys.
    pub fn shares_key(&self, other: &Chunk, range: TimeRange, keys_max: usize) -> Option<bool> {
        let (few, many) = if self.rows < other.rows { (self, other) } else { (other, self) };
        // Writers that follow each other in time mostly share no series in the moment they share.
        let mut series: Vec<u64> = Vec::new();
        for (code, _) in few.inside(range) {
            let word = code as usize / 64;
            if series.len() <= word {
                series.resize(word + 1, 0);
            }
            series[word] |= 1 << (code % 64);
        }
        let in_few = |code: u32| {
            series.get(code as usize / 64).is_some_and(|word| word >> (code % 64) & 1 > 0)
        };
        let mut keys: HashSet<(u32, i64), FixedState> = HashSet::default();
        for key in many.inside(range).filter(|key| in_few(key.0)) {
            keys.insert(key);
            if keys.len() > keys_max {
                return None;
            }
        }
        Some(!keys.is_empty() && few.inside(range).any(|key| keys.contains(&key)))
    }

    /// Series numbers and times of the rows inside a range of time.
    fn inside(&self, range: TimeRange) -> impl Iterator<Item = (u32, i64)> {
        let rows = self.series.iter().copied().zip(self.time.iter().copied());
        rows.filter(move |row| range.contains(row.1))
    }

    /// The key order, computed on first use: one counting sort by series, then each run by time.
    pub fn sorted(&self, series: &SeriesView) -> Arc<SortedRows> {
        self.sorted.get_or_init(|| Arc::new(sort(&self.series, &self.time, series))).clone()
    }
}

/// Slots of equal width into which times are sorted for their spans.
const SPAN_SLOTS: u32 = 64;

fn spans(times: &[i64], min_ns: i64, max_ns: i64) -> Vec<TimeRange> {
    let width = max_ns.abs_diff(min_ns);
    // The slot of the greatest distance is below SPAN_SLOTS.
    let shift = (u64::BITS - width.leading_zeros()).saturating_sub(SPAN_SLOTS.ilog2());
    let mut slots = [TimeRange { start_ns: i64::MAX, end_ns: i64::MIN }; SPAN_SLOTS as usize];
    for time in times {
        let slot = &mut slots[(time.abs_diff(min_ns) >> shift) as usize % SPAN_SLOTS as usize];
        slot.start_ns = slot.start_ns.min(*time);
        slot.end_ns = slot.end_ns.max(*time);
    }
    let mut spans: Vec<TimeRange> = Vec::new();
    let mut previous_is_empty = true;
    for slot in slots {
        match spans.last_mut() {
            _ if slot.is_empty() => {}
            Some(last) if !previous_is_empty => last.end_ns = slot.end_ns,
            _ => spans.push(slot),
        }
        previous_is_empty = slot.is_empty();
    }
    spans
}

fn sort(codes: &[u32], time: &[i64], series: &SeriesView) -> SortedRows {
    let mut counts = vec![0u32; series.len()];
    for code in codes {
        counts[*code as usize] += 1;
    }
    let mut present: Vec<u32> =
        (0..series.len() as u32).filter(|code| counts[*code as usize] > 0).collect();
    series.sort(&mut present);
    let mut runs = Vec::with_capacity(present.len());
    let mut next = 0;
    for code in present {
        let count = std::mem::replace(&mut counts[code as usize], next);
        runs.push((code, next, next + count));
        next += count;
    }
    let mut order = vec![0u32; codes.len()];
    for (row, code) in codes.iter().enumerate() {
        let slot = &mut counts[*code as usize];
        order[*slot as usize] = row as u32;
        *slot += 1;
    }
    let mut unique = true;
    for (_, start, end) in &runs {
        let run = &mut order[*start as usize..*end as usize];
        let at = |row: &u32| time[*row as usize];
        if run.is_sorted_by(|a, b| at(a) < at(b)) {
            continue;
        }
        if !run.is_sorted_by_key(at) {
            run.sort_by_key(at);
        }
        unique &= run.is_sorted_by(|a, b| at(a) < at(b));
    }
    SortedRows { order, runs, unique }
}
