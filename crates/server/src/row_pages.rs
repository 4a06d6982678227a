//! One page of ordered rows: what is skipped, what is given, whether there is more, and where the
//! next page begins.
//!
//! Invariant: pages that follow one another by cursor give every row once, as long as no row is added
//! in front of the cursor.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampNanosecondType;
use pulsora_model::{Code, Error, Result};
use pulsora_storage::{Order, TimeRange};

/// Where a page begins: after so many rows of this time, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Time of the last row that was given.
    pub time_ns: i64,
    /// Rows of that time that were passed.
    pub passed: u64,
    /// Whether the newest rows come first.
    pub descending: bool,
}

impl Cursor {
    /// Reads the text of [`Cursor::text`].
    ///
    /// # Errors
    /// `invalid_request` when it is something else.
    pub fn parse(text: &str) -> Result<Cursor> {
        let read = || {
            let mut parts = text.split('_');
            let descending = match parts.next()? {
                "a" => false,
                "d" => true,
                _ => return None,
            };
            let time_ns = parts.next()?.parse().ok()?;
            let passed = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(Cursor { time_ns, passed, descending })
        };
        read().ok_or_else(|| {
            Error::new(Code::InvalidRequest, "the cursor is not one of this server")
                .hint("use the value of X-Pulsora-Next as it is, with the same other parameters")
        })
    }

    /// The text for `cursor=`.
    pub fn text(&self) -> String {
        let order = if self.descending { 'd' } else { 'a' };
        format!("{order}_{}_{}", self.time_ns, self.passed)
    }

    /// The part of `time` from the cursor on.
    pub fn rest(&self, time: TimeRange) -> TimeRange {
        let from = if self.descending {
            TimeRange { end_ns: self.time_ns, ..TimeRange::ALL }
        } else {
            TimeRange { start_ns: self.time_ns, ..TimeRange::ALL }
        };
        time.intersect(&from)
    }
}

/// Cuts one page out of ordered batches.
#[derive(Debug)]
pub struct Page {
    skip: u64,
    limit: u64,
    /// Position of the time column in every batch.
    time_column: usize,
    descending: bool,
    seen: u64,
    /// Time of the last row up to the end of the page, and how many rows of that time came.
    last: Option<(i64, u64)>,
    more: bool,
}

impl Page {
    /// A page of at most `limit` rows after `skip` rows.
    pub fn new(skip: u64, limit: u64, time_column: usize, order: Order) -> Page {
        let descending = order == Order::TimeDescending;
        Page { skip, limit, time_column, descending, seen: 0, last: None, more: false }
    }

    /// Rows to ask of the scan: one more than the page, to know whether there is more.
    pub fn wanted(&self) -> usize {
        let wanted = self.skip.saturating_add(self.limit).saturating_add(1);
        usize::try_from(wanted).unwrap_or(usize::MAX)
    }

    /// The rows of the next batch that are in the page.
    ///
    /// # Errors
    /// `internal` when the time column is something else.
    pub fn cut(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        let rows = batch.num_rows() as u64;
        let first = self.skip.saturating_sub(self.seen).min(rows);
        let end = self.skip.saturating_add(self.limit).saturating_sub(self.seen).min(rows);
        self.note_times(batch, end as usize)?;
        self.seen += rows;
        self.more |= end < rows;
        if first >= end {
            return Ok(None);
        }
        Ok(Some(batch.slice(first as usize, (end - first) as usize)))
    }

    fn note_times(&mut self, batch: &RecordBatch, end: usize) -> Result<()> {
        let Some(last) = end.checked_sub(1) else {
            return Ok(());
        };
        let column = batch.column(self.time_column);
        let times = column
            .as_primitive_opt::<TimestampNanosecondType>()
            .filter(|times| times.null_count() == 0)
            .ok_or_else(|| Error::internal("the time column of a scan holds no times"))?
            .values();
        let time = times[last];
        let run = times[..end].iter().rev().take_while(|t| **t == time).count() as u64;
        let before = match self.last {
            Some((before, count)) if before == time && run == end as u64 => count,
            _ => 0,
        };
        self.last = Some((time, before + run));
        Ok(())
    }

    /// Where the next page begins; `None` when there is none.
    pub fn next(&self) -> Option<Cursor> {
        let (time_ns, passed) = self.last.filter(|_| self.more)?;
        Some(Cursor { time_ns, passed, descending: self.descending })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, TimestampNanosecondArray};

    use super::*;

    fn batches(times: &[i64], size: usize) -> Vec<RecordBatch> {
        let batch = |times: &[i64]| {
            let times = TimestampNanosecondArray::from(times.to_vec()).with_timezone("UTC");
            RecordBatch::try_from_iter([("time", Arc::new(times) as ArrayRef)]).unwrap()
        };
        times.chunks(size).map(batch).collect()
    }

    /// One page of `times`, as the server makes it.
    fn page(
        times: &[i64],
        limit: u64,
        size: usize,
        cursor: Option<Cursor>,
    ) -> (Vec<i64>, Option<Cursor>) {
        let range = cursor.map_or(TimeRange::ALL, |cursor| cursor.rest(TimeRange::ALL));
        let scanned: Vec<i64> = times.iter().copied().filter(|t| range.contains(*t)).collect();
        let skip = cursor.map_or(0, |cursor| cursor.passed);
        let mut page = Page::new(skip, limit, 0, Order::TimeAscending);
        let wanted = page.wanted().min(scanned.len());
        let mut out = Vec::new();
        for batch in batches(&scanned[..wanted], size) {
            if let Some(cut) = page.cut(&batch).unwrap() {
                out.extend(cut.column(0).as_primitive::<TimestampNanosecondType>().values());
            }
        }
        (out, page.next())
    }

    #[test]
    fn pages_give_every_row_once_however_rows_share_times() {
        for times in [vec![1, 2, 3, 4, 5], vec![7; 9], vec![1, 1, 1, 2, 2, 2, 2, 3, 3, 9], vec![]] {
            for limit in 1..=times.len() as u64 + 1 {
                for size in [1, 2, 3, 100] {
                    let (mut all, mut cursor) = page(&times, limit, size, None);
                    while let Some(from) = cursor {
                        let from = Cursor::parse(&from.text()).unwrap();
                        let (rows, next) = page(&times, limit, size, Some(from));
                        assert!(!rows.is_empty());
                        all.extend(rows);
                        cursor = next;
                    }
                    assert_eq!(all, times, "limit {limit}, batches of {size}");
                }
            }
        }
    }

    #[test]
    fn a_cursor_is_one_of_ours_or_an_error() {
        let cursor = Cursor { time_ns: -5, passed: 3, descending: true };
        assert_eq!(Cursor::parse(&cursor.text()).unwrap(), cursor);
        for text in ["", "nonsense", "a_1", "a_1_2_3", "x_1_2", "a_x_2", "a_1_-2"] {
            assert!(Cursor::parse(text).is_err(), "{text}");
        }
    }
}
