//! The rows of a sealed memtable in key order: one counting sort over all of its chunks.
//!
//! A row is known by its *place* ([`row_place`]): places ascend in arrival order.
//!
//! Invariants: runs ascend by key, and the times of a run do, too; equal keys stand in arrival order in
//! append tables, and in upsert tables a key stands once, with the older rows of it aside.

use pulsora_model::series::SeriesView;

use crate::segment::{PAGE_ROWS, page_and_row, row_place};

#[cfg(test)]
mod tests;

/// With fewer rows than one in this many series they are sorted by comparing: counting would look at
/// each series.
const SERIES_PER_ROW: usize = 4;

/// Series numbers and times of the rows, page by page.
#[derive(Default)]
pub(super) struct KeyPages<'a> {
    pub series: Vec<&'a [u32]>,
    pub times: Vec<&'a [i64]>,
}

/// Which rows are asked for.
pub(crate) enum Wanted {
    All,
    /// Ascending places.
    Places(Vec<u32>),
}

/// Rows in key order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KeyOrder {
    pub places: Vec<u32>,
    pub times: Vec<i64>,
    /// Series number, position of its first row.
    pub runs: Vec<(u32, u32)>,
    /// Position, older rows of the same key in arrival order.
    pub older: Vec<(u32, Vec<u32>)>,
}

impl<'a> KeyPages<'a> {
    /// Adds the pages of a chunk.
    pub fn push(&mut self, series: &'a [u32], times: &'a [i64]) {
        self.series.extend(series.chunks(PAGE_ROWS));
        self.times.extend(times.chunks(PAGE_ROWS));
    }

    pub fn time(&self, place: u32) -> i64 {
        let (page, row) = page_and_row(place);
        self.times[page][row]
    }

    fn code(&self, place: u32) -> u32 {
        let (page, row) = page_and_row(place);
        self.series[page][row]
    }

    /// All rows in arrival order, with their series.
    fn rows(&self) -> impl Iterator<Item = (u32, u32)> {
        self.series.iter().enumerate().flat_map(|(page, codes)| {
            codes.iter().enumerate().map(move |(row, code)| (row_place(page, row), *code))
        })
    }

    /// Brings rows into key order; `fold` keeps one row of each key.
    pub fn sort(&self, wanted: &Wanted, series: &SeriesView, fold: bool) -> KeyOrder {
        let mut order = KeyOrder::default();
        match wanted {
            Wanted::Places(places) if places.len() < series.len() / SERIES_PER_ROW => {
                self.sort_few(places, series, &mut order);
            }
            Wanted::All => self.sort_counting(|| self.rows(), series, &mut order),
            Wanted::Places(places) => {
                let rows = || places.iter().map(|place| (*place, self.code(*place)));
                self.sort_counting(rows, series, &mut order);
            }
        }
        order.times = order.places.iter().map(|place| self.time(*place)).collect();
        order.sort_times();
        if fold {
            order.fold();
        }
        order
    }

    fn sort_counting<I: Iterator<Item = (u32, u32)>>(
        &self,
        rows: impl Fn() -> I,
        series: &SeriesView,
        order: &mut KeyOrder,
    ) {
        // By series: its number of rows, then the position of its next row.
        let mut slots = vec![0u32; series.len()];
        rows().for_each(|(_, code)| slots[code as usize] += 1);
        let mut by_rank = vec![0u32; series.len()];
        for (code, rank) in (0..).zip(series.ranks()) {
            by_rank[*rank as usize] = code;
        }
        let mut next = 0;
        for code in by_rank {
            let count = std::mem::replace(&mut slots[code as usize], next);
            if count > 0 {
                order.runs.push((code, next));
                next += count;
            }
        }
        order.places = vec![0; next as usize];
        rows().for_each(|(place, code)| {
            let slot = &mut slots[code as usize];
            order.places[*slot as usize] = place;
            *slot += 1;
        });
    }

    fn sort_few(&self, places: &[u32], series: &SeriesView, order: &mut KeyOrder) {
        let ranks = series.ranks();
        let ranked = places.iter().map(|place| (ranks[self.code(*place) as usize], *place));
        let mut ranked: Vec<(u32, u32)> = ranked.collect();
        ranked.sort_unstable();
        let mut previous = None;
        for (position, (rank, place)) in (0..).zip(&ranked) {
            if previous.replace(*rank) != Some(*rank) {
                order.runs.push((self.code(*place), position));
            }
        }
        order.places = ranked.into_iter().map(|(_, place)| place).collect();
    }
}

impl KeyOrder {
    /// The rows of each run.
    fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let ends = self.runs.iter().skip(1).map(|run| run.1 as usize).chain([self.places.len()]);
        self.runs.iter().zip(ends).map(|(run, end)| run.1 as usize..end)
    }

    /// Sorts those runs whose times do not ascend.
    fn sort_times(&mut self) {
        let ranges: Vec<_> =
            self.ranges().filter(|range| !self.times[range.clone()].is_sorted()).collect();
        for range in ranges {
            let (times, places) = (&mut self.times[range.clone()], &mut self.places[range]);
            let mut rows: Vec<(i64, u32)> =
                times.iter().copied().zip(places.iter().copied()).collect();
            // Places ascend in arrival order, which is so kept.
            rows.sort_unstable();
            for ((row, time), place) in rows.into_iter().zip(times).zip(places) {
                (*time, *place) = row;
            }
        }
    }

    /// Keeps the newest row of each key.
    fn fold(&mut self) {
        let repeats =
            |range: std::ops::Range<usize>| self.times[range].array_windows().any(|[a, b]| a == b);
        if !self.ranges().any(repeats) {
            return;
        }
        let ranges: Vec<_> = self.ranges().collect();
        let (mut places, mut times) = (Vec::with_capacity(self.places.len()), Vec::new());
        for (run, range) in self.runs.iter_mut().zip(ranges) {
            run.1 = places.len() as u32;
            let rows = self.times[range.clone()].iter().zip(&self.places[range]);
            let mut newest: Option<i64> = None;
            for (time, place) in rows {
                if newest.replace(*time) != Some(*time) {
                    places.push(*place);
                    times.push(*time);
                    continue;
                }
                let position = places.len() as u32 - 1;
                let before = std::mem::replace(&mut places[position as usize], *place);
                match self.older.last_mut().filter(|older| older.0 == position) {
                    Some((_, older)) => older.push(before),
                    None => self.older.push((position, vec![before])),
                }
            }
        }
        (self.places, self.times) = (places, times);
    }
}
