//! Which rows of a segment are asked for: those of the matching series, inside the time range, not
//! deleted or listed. Found series by series while the read goes on, so that an early stop costs
//! nothing.
//!
//! Inside a series rows are in time order: the ends of a time range are searched in decoded vectors,
//! starting where they would be if the times were evenly spaced.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use pulsora_codec::VECTOR_VALUES;
use pulsora_model::Result;
use roaring::RoaringBitmap;

use super::reader::{HotSegment, SeriesTimes};
use super::series_set::extend;
use crate::read::{TagPredicate, TimeRange};
use crate::segment::read::Listed;

/// Rows that pass the bitmaps at a time: what waits stays small.
const STEP_ROWS: u32 = 65_536;

/// Tries by even spacing before the search halves.
const EVEN_TRIES: usize = 3;

/// Gives the wanted rows as ascending ranges.
pub(crate) struct RowSelect {
    segment: Arc<HotSegment>,
    /// Wanted series that are still to come, ascending.
    series: VecDeque<Range<u32>>,
    /// The blocks that are read, as rows.
    rows: Range<u32>,
    time: TimeRange,
    /// `None`: every row is inside the time range.
    times: Option<Arc<SeriesTimes>>,
    listed: Option<Listed>,
    /// Rows of the series under way that have not passed the bitmaps yet.
    pending: Range<u32>,
    ready: VecDeque<Range<u32>>,
    /// The vector of times that was decoded last.
    decoded: Option<(usize, Vec<i64>)>,
}

impl RowSelect {
    /// The rows of `blocks` that match.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn new(
        segment: &Arc<HotSegment>,
        blocks: Range<usize>,
        time: TimeRange,
        tags: &[TagPredicate],
        listed: Option<Listed>,
    ) -> Result<RowSelect> {
        let row = |block: usize| (block as u64 * u64::from(segment.block_rows())) as u32;
        let end = if blocks.end >= segment.blocks() { segment.rows() } else { row(blocks.end) };
        let rows = if blocks.is_empty() { 0..0 } else { row(blocks.start)..end };
        let header = segment.header();
        let bounds = TimeRange { start_ns: header.min_time_ns, end_ns: header.max_time_ns };
        let mut series = VecDeque::new();
        if !rows.is_empty() && bounds.overlaps(&time) {
            let inside = segment.series_of(rows.start)..segment.series_of(rows.end - 1) + 1;
            let wanted = segment.series().matching(tags).into_iter();
            let wanted =
                wanted.map(|range| range.start.max(inside.start)..range.end.min(inside.end));
            series.extend(wanted.filter(|range| range.start < range.end));
        }
        let whole = time.contains(bounds.start_ns) && time.contains(bounds.end_ns);
        let times = if whole || series.is_empty() { None } else { Some(segment.series_times()?) };
        Ok(RowSelect {
            segment: Arc::clone(segment),
            series,
            rows,
            time,
            times,
            listed,
            pending: 0..0,
            ready: VecDeque::new(),
            decoded: None,
        })
    }

    /// The rows of these series (ascending ranges) inside a range of time.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn of_series(
        segment: &Arc<HotSegment>,
        series: Vec<Range<u32>>,
        time: TimeRange,
        listed: Option<Listed>,
    ) -> Result<RowSelect> {
        let mut select = RowSelect::new(segment, 0..0, time, &[], listed)?;
        let header = segment.header();
        let bounds = TimeRange { start_ns: header.min_time_ns, end_ns: header.max_time_ns };
        if !series.is_empty() && bounds.overlaps(&time) {
            let whole = time.contains(bounds.start_ns) && time.contains(bounds.end_ns);
            select.times = if whole { None } else { Some(segment.series_times()?) };
            select.series = series.into();
            select.rows = 0..segment.rows();
        }
        Ok(select)
    }

    /// The next rows, at most `rows_max`; none at the end.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn take(&mut self, rows_max: usize) -> Result<Vec<Range<u32>>> {
        let (mut taken, mut left) = (Vec::new(), rows_max as u32);
        while left > 0 {
            let Some(range) = self.ready.front_mut() else {
                if self.prepare()? {
                    continue;
                }
                break;
            };
            let end = range.end.min(range.start + left);
            left -= end - range.start;
            extend(&mut taken, range.start..end);
            range.start = end;
            if range.start == range.end {
                self.ready.pop_front();
            }
        }
        Ok(taken)
    }

    /// Finds more rows; false when there are none. What was found may be all deleted.
    fn prepare(&mut self) -> Result<bool> {
        if self.pending.start == self.pending.end {
            let Some(range) = self.next_series()? else { return Ok(false) };
            self.pending = range;
        }
        let end = self.pending.end.min(self.pending.start.saturating_add(STEP_ROWS));
        let step = self.pending.start..end;
        self.pending.start = end;
        match &self.listed {
            None => self.ready.push_back(step),
            Some(Listed::Gone(gone)) => except(gone, step, &mut self.ready),
            Some(Listed::Wanted(wanted)) => only(wanted, step, &mut self.ready),
        }
        Ok(true)
    }

    /// The rows of the next series, or of several where all their rows are inside the time range.
    fn next_series(&mut self) -> Result<Option<Range<u32>>> {
        let starts = |series: u32| self.segment.row_starts()[series as usize];
        let Some(next) = self.series.front_mut() else { return Ok(None) };
        let Some(times) = self.times.clone() else {
            let range = starts(next.start)..starts(next.end);
            self.series.pop_front();
            return Ok(Some(self.clip(range)));
        };
        let series = next.start;
        let range = starts(series)..starts(series + 1);
        next.start += 1;
        if next.start == next.end {
            self.series.pop_front();
        }
        let (first, last) = (times.first[series as usize], times.last[series as usize]);
        if last < self.time.start_ns || first > self.time.end_ns {
            return Ok(Some(0..0));
        }
        let from = match first < self.time.start_ns {
            true => self.search(&range, (first, last), self.time.start_ns)?,
            false => range.start,
        };
        let to = match last > self.time.end_ns {
            // Some time is later, so this cannot overflow.
            true => self.search(&range, (first, last), self.time.end_ns + 1)?,
            false => range.end,
        };
        Ok(Some(self.clip(from..to.max(from))))
    }

    fn clip(&self, range: Range<u32>) -> Range<u32> {
        let start = range.start.max(self.rows.start);
        start..range.end.min(self.rows.end).max(start)
    }

    /// The first of the rows of a series, from `first` to `last` in time, that is not before `time`;
    /// the first row is before it, the last is not.
    fn search(&mut self, rows: &Range<u32>, (first, last): (i64, i64), time: i64) -> Result<u32> {
        let (mut low, mut high) = (rows.start + 1, rows.end - 1);
        let share = (time as f64 - first as f64) / (last as f64 - first as f64);
        let even = rows.start.saturating_add((share * f64::from(high - rows.start)) as u32);
        let mut tries = 0;
        while low < high {
            // Below `high`, so that each look brings the two closer.
            let guess =
                if tries < EVEN_TRIES { even.clamp(low, high - 1) } else { low + (high - low) / 2 };
            tries += 1;
            let vector = guess as usize / VECTOR_VALUES;
            let base = (vector * VECTOR_VALUES) as u32;
            let times = self.times_of(vector)?;
            let start = low.max(base);
            let end = (high + 1).min(base + times.len() as u32).max(start);
            let part = &times[(start - base) as usize..(end - base) as usize];
            match part.partition_point(|other| *other < time) {
                0 => high = start,
                inside if inside == part.len() => low = end,
                inside => return Ok(start + inside as u32),
            }
        }
        Ok(low)
    }

    fn times_of(&mut self, vector: usize) -> Result<&[i64]> {
        let (at, mut times) = self.decoded.take().unwrap_or_else(|| (usize::MAX, Vec::new()));
        if at != vector {
            times.clear();
            self.segment.times(vector, &mut times)?;
        }
        Ok(&self.decoded.insert((vector, times)).1)
    }
}

fn except(gone: &RoaringBitmap, rows: Range<u32>, kept: &mut VecDeque<Range<u32>>) {
    let mut next = rows.start;
    for row in gone.range(rows.clone()) {
        if next < row {
            kept.push_back(next..row);
        }
        next = row + 1;
    }
    if next < rows.end {
        kept.push_back(next..rows.end);
    }
}

fn only(wanted: &RoaringBitmap, rows: Range<u32>, kept: &mut VecDeque<Range<u32>>) {
    for row in wanted.range(rows) {
        match kept.back_mut() {
            Some(last) if last.end == row => last.end = row + 1,
            _ => kept.push_back(row..row + 1),
        }
    }
}
