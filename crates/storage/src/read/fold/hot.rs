//! Folds the rows of a hot segment: stored sums of whole hours where they are of use, else the values
//! of the wanted rows, decoded column by column without making batches of them.
//!
//! Stored sums are used only where the source is read alone and no row of it is gone or tested by
//! value: an hour counts whole or not at all.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use pulsora_model::partition::HOUR_NS;
use pulsora_model::{ColumnKind, Result};
use roaring::RoaringBitmap;

use super::batches::{slices, times};
use super::hours::{HourSums, has_nulls};
use super::part::FoldPart;
use super::summary::{Slices, Values};
use crate::read::scan::{ScanCounters, TimeRange};
use crate::read::source::Ask;
use crate::segment::{
    ABSENT, BoundPredicate, HotColumn, HotSegment, Listed, RowSelect, Segment, SeriesSet,
};

/// Rows that are decoded together: eight vectors of each column stay in the cache.
const STEP_ROWS: usize = 8_192;

/// Which series of a set match, and their groups; found once for all segments that share the set.
pub(super) struct SetGroups {
    set: Arc<SeriesSet>,
    /// Matching series, ascending.
    pub ranges: Vec<Range<u32>>,
    /// By series; of those that do not match any.
    pub groups: Vec<u32>,
}

/// The sets that a task has met.
#[derive(Default)]
pub(super) struct HotGroups(Vec<Arc<SetGroups>>);

/// Sets that a task remembers; most tables have one or two in use.
const SETS_MAX: usize = 8;

impl HotGroups {
    /// The groups of a set.
    pub fn of(&mut self, set: &Arc<SeriesSet>, part: &mut FoldPart, ask: &Ask) -> Arc<SetGroups> {
        if let Some(known) = self.0.iter().find(|known| Arc::ptr_eq(&known.set, set)) {
            return Arc::clone(known);
        }
        let ranges = set.matching(&ask.tags);
        let groups = part.groups_of(set, &ranges);
        let found = Arc::new(SetGroups { set: Arc::clone(set), ranges, groups });
        if self.0.len() == SETS_MAX {
            self.0.remove(0);
        }
        self.0.push(Arc::clone(&found));
        found
    }
}

impl SetGroups {
    /// Of `of` shares of the series, the matching ones of the share `number`.
    fn share(&self, (number, of): (usize, usize)) -> Vec<Range<u32>> {
        let len = self.groups.len();
        let (from, to) = ((len * number / of) as u32, (len * (number + 1) / of) as u32);
        let cut = self.ranges.iter().map(|range| range.start.max(from)..range.end.min(to));
        cut.filter(|range| !range.is_empty()).collect()
    }
}

impl FoldPart {
    /// The group of each series of a set that lies in `ranges`.
    fn groups_of(&mut self, set: &SeriesSet, ranges: &[Range<u32>]) -> Vec<u32> {
        let shape = Arc::clone(&self.shape);
        let by: Vec<_> = shape.by.iter().map(|tag| set.tag(tag.id)).collect();
        let codes =
            |series: u32| by.iter().map(move |tag| tag.map_or(ABSENT, |tag| tag.code(series)));
        let mut groups = vec![0; set.len() as usize];
        let mut last: Option<(u32, u32)> = None;
        for series in ranges.iter().cloned().flatten() {
            // Neighbours often share the tags of their group.
            let same = last.filter(|(before, _)| codes(*before).eq(codes(series)));
            let group = same.map(|(_, group)| group).unwrap_or_else(|| {
                let key: Vec<Option<&str>> =
                    by.iter().map(|tag| tag.and_then(|tag| tag.value(series))).collect();
                self.groups.number(&key)
            });
            last = Some((series, group));
            groups[series as usize] = group;
        }
        groups
    }

    /// Whether the rows of a hot segment can be folded without batches.
    pub(super) fn can_feed_hot(&self) -> bool {
        let is_tag = |kind: ColumnKind| kind == ColumnKind::Tag;
        self.shape.picked.is_empty()
            && !self.shape.folded.iter().any(|folded| is_tag(folded.column.kind))
    }

    /// Adds the matching rows of a hot segment; those of `gone` are left out.
    ///
    /// # Errors
    /// `corrupt`, `io_error`; `memory_limit`.
    pub(super) fn feed_hot(
        &mut self,
        segment: &Segment,
        gone: Option<Arc<RoaringBitmap>>,
        ask: &Ask,
        share: (usize, usize),
        groups: &mut HotGroups,
        check: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let hot = segment.file.hot()?;
        ScanCounters::add(&ask.counters.segments_read, 1);
        let groups = groups.of(hot.series(), self, ask);
        let series = groups.share(share);
        if series.is_empty() {
            return Ok(());
        }
        let groups = &groups.groups;
        let mut listed = gone.map(Listed::Gone);
        if listed.is_none() && ask.fields.is_empty() {
            match self.feed_hours(&hot, ask, &series, groups)? {
                Hours::All => return self.settle(),
                Hours::Some(used) => listed = Some(Listed::Gone(Arc::new(used))),
                Hours::None => {}
            }
        }
        self.feed_rows(&hot, series, listed, ask, groups, check)
    }

    /// Adds rows by their values.
    fn feed_rows(
        &mut self,
        hot: &Arc<HotSegment>,
        series: Vec<Range<u32>>,
        listed: Option<Listed>,
        ask: &Ask,
        groups: &[u32],
        check: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let mut select = RowSelect::of_series(hot, series, ask.time, listed)?;
        let predicates = ask.field_columns();
        let predicates: Vec<BoundPredicate> =
            predicates.map(|(column, test)| BoundPredicate::new(hot, column, test)).collect();
        let columns: Vec<Option<&HotColumn>> =
            self.shape.folded.iter().map(|folded| hot.column(folded.column.id)).collect();
        // Without its times a bucket is known if it is the same for the whole segment.
        let bounds = bounds(hot).intersect(&ask.time);
        let constant = match self.shape.bucket {
            None => Some(0),
            Some(bucket) => Some(bucket.number(bounds.start_ns))
                .filter(|number| *number == bucket.number(bounds.end_ns)),
        };
        let wants_times = constant.is_none() || self.shape.folds_times();
        loop {
            check()?;
            let mut rows = select.take(STEP_ROWS)?;
            if rows.is_empty() {
                break;
            }
            ScanCounters::add(&ask.counters.blocks_read, 1);
            ScanCounters::add(&ask.counters.rows_read, rows.iter().map(|r| r.len()).sum());
            for predicate in &predicates {
                rows = predicate.narrow(hot, rows)?;
            }
            let arrays = self.gathered(hot, &columns, &rows)?;
            let of_columns = self.shape.folded.iter().zip(&columns).zip(&arrays);
            let folded = of_columns.map(|((_, column), array)| match (column, array) {
                (_, Some(array)) => slices(array),
                // Only counted, and all rows have a value.
                (Some(_), None) => Ok(Slices { values: Values::Counted, valid: None }),
                (None, None) => Ok(Slices { values: Values::Null, valid: None }),
            });
            let folded = folded.collect::<Result<Vec<_>>>()?;
            let time = match wants_times {
                true => Some(hot.gather(hot.time(), &rows)?),
                false => None,
            };
            let times = time.as_ref().map(times).transpose()?;
            let mut start = 0;
            for (series, length) in runs(hot, &rows) {
                let (group, run) = (groups[series as usize], start..start + length);
                start = run.end;
                match constant {
                    Some(bucket) => {
                        let cell = self.cell(group, bucket);
                        self.feed(cell, &folded, run, times);
                    }
                    None => self.feed_sorted(group, &folded, run, times.unwrap_or_default()),
                }
            }
            self.settle()?;
        }
        Ok(())
    }

    /// The values of the folded columns at `rows`; none of a column that the segment lacks or whose
    /// values are not looked at.
    fn gathered(
        &self,
        hot: &HotSegment,
        columns: &[Option<&HotColumn>],
        rows: &[Range<u32>],
    ) -> Result<Vec<Option<ArrayRef>>> {
        let arrays = self.shape.folded.iter().zip(columns).map(|(folded, column)| {
            // Of most counts the values are not looked at.
            let column = column.filter(|column| folded.wants.values() || has_nulls(hot, column));
            let Some(column) = column else { return Ok(None) };
            let (array, ty) = (hot.gather(column, rows)?, folded.column.arrow_type());
            Ok(Some(if *array.data_type() == ty { array } else { cast(&array, &ty)? }))
        });
        arrays.collect()
    }
}

/// What stored sums gave.
enum Hours {
    None,
    /// These rows.
    Some(RoaringBitmap),
    All,
}

impl FoldPart {
    /// Adds the stored sums of the hours that lie inside the asked time and in one bucket.
    fn feed_hours(
        &mut self,
        hot: &Arc<HotSegment>,
        ask: &Ask,
        series: &[Range<u32>],
        groups: &[u32],
    ) -> Result<Hours> {
        let Some(hours) = hot.hours()? else { return Ok(Hours::None) };
        let Some(sums) = HourSums::new(hot, &self.shape)? else { return Ok(Hours::None) };
        let bounds = bounds(hot);
        let mut recent: (i64, Option<i64>) = (i64::MAX, None);
        let mut used = Vec::new();
        let (mut wanted_rows, mut used_rows) = (0, 0);
        for range in series {
            let starts = hot.row_starts();
            wanted_rows += starts[range.end as usize] - starts[range.start as usize];
            let entries = hours.of_series(range.start).start..hours.of_series(range.end - 1).end;
            for index in entries {
                let entry = hours.entry(index);
                if recent.0 != entry.start_ns {
                    recent = (entry.start_ns, self.bucket_of_hour(entry.start_ns, bounds, ask));
                }
                let Some(bucket) = recent.1.filter(|_| sums.is_exact(index, &entry)) else {
                    continue;
                };
                let cell = self.cell(groups[entry.series as usize], bucket);
                self.rows[cell] += entry.rows.len() as u64;
                used_rows += entry.rows.len() as u32;
                used.push((index, cell, entry.rows));
            }
        }
        if used.is_empty() {
            return Ok(Hours::None);
        }
        sums.put(hot, &mut self.states, &used)?;
        if used_rows == wanted_rows {
            return Ok(Hours::All);
        }
        let mut rows = RoaringBitmap::new();
        for (_, _, range) in used {
            rows.insert_range(range);
        }
        Ok(Hours::Some(rows))
    }

    /// The bucket of all rows of an hour of a segment with these bounds, if they are in one and all
    /// inside the asked time.
    fn bucket_of_hour(&self, start_ns: i64, bounds: TimeRange, ask: &Ask) -> Option<i64> {
        let hour = TimeRange { start_ns, end_ns: start_ns.saturating_add(HOUR_NS - 1) };
        let hour = hour.intersect(&bounds);
        if hour.is_empty() || hour != hour.intersect(&ask.time) {
            return None;
        }
        let Some(bucket) = self.shape.bucket else { return Some(0) };
        let number = bucket.number(hour.start_ns);
        (number == bucket.number(hour.end_ns)).then_some(number)
    }
}

fn bounds(hot: &HotSegment) -> TimeRange {
    let header = hot.header();
    TimeRange { start_ns: header.min_time_ns, end_ns: header.max_time_ns }
}

/// The series of ascending rows, each with the number of rows that follow each other.
fn runs<'a>(
    hot: &'a HotSegment,
    rows: &'a [Range<u32>],
) -> impl Iterator<Item = (u32, usize)> + 'a {
    let mut series = rows.first().map_or(0, |first| hot.series_of(first.start));
    rows.iter().flat_map(move |range| {
        let mut start = range.start;
        let mut runs = Vec::new();
        while start < range.end {
            if hot.row_starts()[series as usize + 1] <= start {
                series = hot.series_of(start);
            }
            let end = range.end.min(hot.row_starts()[series as usize + 1]);
            runs.push((series, (end - start) as usize));
            start = end;
        }
        runs
    })
}
