//! Folds the rows of a memtable chunk where they lie, without making batches of them.
//!
//! Rows of all series are walked in arrival order, so that columns are read from front to back; the
//! rows of a few series are found through the key order.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use pulsora_model::series::SeriesView;
use pulsora_model::{Column, ColumnKind, Mode, Result};

use super::ask::Bucket;
use super::batches::slices;
use super::part::FoldPart;
use super::states::Rows;
use super::summary::{Slices, Values};
use crate::read::chunk_rows::ChunkSource;
use crate::read::scan::{ScanCounters, TimeRange};
use crate::read::source::Ask;

/// Rows whose cells are found before their values are folded: they and their values stay in the cache.
const STEP_ROWS: usize = 4_096;

/// Groups of the series of a memtable, found when a series is first met.
#[derive(Default)]
pub(super) struct ChunkGroups {
    /// By series number.
    groups: Vec<u32>,
    /// Whose numbers they are.
    view: Option<SeriesView>,
}

const UNKNOWN: u32 = u32::MAX;
const REJECTED: u32 = u32::MAX - 1;

impl ChunkGroups {
    /// Makes ready for the series of a chunk.
    pub fn of(&mut self, series: &SeriesView) {
        if !self.view.as_ref().is_some_and(|known| known.same_registry(series)) {
            self.groups.clear();
        }
        // Numbers do not change, so what is known of fewer series holds.
        if self.groups.len() < series.len() {
            self.groups.resize(series.len(), UNKNOWN);
            self.view = Some(series.clone());
        }
    }

    /// The group of a series, `None` if it does not match.
    #[inline]
    pub fn group(
        &mut self,
        series: u32,
        part: &mut FoldPart,
        source: &ChunkSource,
        ask: &Ask,
    ) -> Option<u32> {
        let known = self.groups[series as usize];
        let group = match known {
            UNKNOWN => {
                let group = match source.accepts(series, ask) {
                    false => REJECTED,
                    true => {
                        let tags = source.series.tags(series);
                        let shape = Arc::clone(&part.shape);
                        let key: Vec<Option<&str>> =
                            shape.by.iter().map(|tag| tags.tag(tag.id)).collect();
                        part.groups.number(&key)
                    }
                };
                self.groups[series as usize] = group;
                group
            }
            known => known,
        };
        (group != REJECTED).then_some(group)
    }
}

/// The bucket that a time was last found in.
pub(super) struct RecentBucket {
    bucket: Option<Bucket>,
    number: i64,
    range: TimeRange,
}

impl RecentBucket {
    /// None yet.
    pub fn new(bucket: Option<Bucket>) -> RecentBucket {
        let range = match bucket {
            None => TimeRange::ALL,
            Some(_) => TimeRange { start_ns: i64::MAX, end_ns: i64::MIN },
        };
        RecentBucket { bucket, number: 0, range }
    }

    /// The number of the bucket of a time.
    #[inline]
    pub fn number(&mut self, time_ns: i64) -> i64 {
        if let Some(bucket) = self.bucket.filter(|_| !self.range.contains(time_ns)) {
            self.number = bucket.number(time_ns);
            self.range = bucket.range(self.number);
        }
        self.number
    }
}

/// The columns of a chunk that a fold reads.
struct Columns {
    folded: Vec<Option<ArrayRef>>,
    /// Which rows pass the field predicates.
    passed: Option<BooleanBuffer>,
}

impl FoldPart {
    /// Whether the rows of a chunk can be folded where they lie.
    pub(super) fn can_feed_chunk(&self, source: &ChunkSource, ask: &Ask) -> bool {
        let is_tag = |column: &Column| column.kind == ColumnKind::Tag;
        let reads_tags = self.shape.folded.iter().any(|folded| is_tag(&folded.column))
            || ask
                .fields
                .iter()
                .any(|predicate| ask.schema.column_by_id(predicate.column).is_none_or(is_tag));
        !reads_tags
            && match ask.schema.mode {
                Mode::Append => true,
                // Rows of one key have to become one first.
                Mode::Upsert => source.gone.is_none() && source.sorted().unique,
            }
    }

    /// Adds the matching rows of a chunk.
    ///
    /// # Errors
    /// `internal` from Arrow; `memory_limit`.
    pub(super) fn feed_chunk(
        &mut self,
        source: &ChunkSource,
        ask: &Ask,
        groups: &mut ChunkGroups,
    ) -> Result<()> {
        groups.of(&source.series);
        let columns = self.chunk_columns(source, ask)?;
        let time = &source.chunk.time;
        let folded = self.shape.folded.iter().zip(&columns.folded).map(|(folded, array)| {
            match (folded.column.kind, array) {
                (ColumnKind::Time, _) => Ok(Slices { values: Values::I64(time), valid: None }),
                (_, None) => Ok(Slices { values: Values::Null, valid: None }),
                (_, Some(array)) => slices(array),
            }
        });
        let folded = folded.collect::<Result<Vec<_>>>()?;
        ScanCounters::add(&ask.counters.blocks_read, 1);
        let passes = |row: u32| {
            !source.is_gone(row)
                && columns.passed.as_ref().is_none_or(|passed| passed.value(row as usize))
        };
        if ask.tags.is_empty() {
            self.feed_arrivals(source, ask, groups, &folded, passes)?;
        } else {
            self.feed_runs(source, ask, groups, &folded, passes)?;
        }
        let shape = Arc::clone(&self.shape);
        for picks in self.first.iter_mut().chain(&mut self.last) {
            picks.end_batch(|rows| source.rows(rows, &shape.picked))?;
        }
        self.settle()
    }

    fn chunk_columns(&self, source: &ChunkSource, ask: &Ask) -> Result<Columns> {
        let folded = self.shape.folded.iter().map(|folded| source.values(&folded.column));
        let mut passed: Option<BooleanBuffer> = None;
        for predicate in ask.fields.iter() {
            let values = source.all_values(predicate.column, &ask.schema)?;
            let matches = predicate.matches(&values)?;
            passed = Some(passed.map_or_else(|| matches.clone(), |passed| &passed & &matches));
        }
        Ok(Columns { folded: folded.collect::<Result<_>>()?, passed })
    }

    /// Feeds rows in arrival order.
    fn feed_arrivals(
        &mut self,
        source: &ChunkSource,
        ask: &Ask,
        groups: &mut ChunkGroups,
        folded: &[Slices<'_>],
        passes: impl Fn(u32) -> bool,
    ) -> Result<()> {
        let chunk = &source.chunk;
        let mut bucket = RecentBucket::new(self.shape.bucket);
        let (mut rows, mut cells) = (Vec::new(), Vec::new());
        for start in (0..chunk.rows).step_by(STEP_ROWS) {
            let end = chunk.rows.min(start + STEP_ROWS);
            for row in start..end {
                let time = chunk.time[row];
                if !ask.time.contains(time) || !passes(row as u32) {
                    continue;
                }
                let Some(group) = groups.group(chunk.series[row], self, source, ask) else {
                    continue;
                };
                rows.push(row as u32);
                cells.push(self.cell(group, bucket.number(time)) as u32);
            }
            self.scatter(folded, &Rows { rows: &rows, cells: &cells, times: Some(&chunk.time) });
            self.settle()?;
            rows.clear();
            cells.clear();
        }
        ScanCounters::add(&ask.counters.rows_read, chunk.rows);
        Ok(())
    }

    /// Feeds the rows of the series that match, series by series.
    fn feed_runs(
        &mut self,
        source: &ChunkSource,
        ask: &Ask,
        groups: &mut ChunkGroups,
        folded: &[Slices<'_>],
        passes: impl Fn(u32) -> bool,
    ) -> Result<()> {
        let chunk = &source.chunk;
        let sorted = source.sorted();
        let mut bucket = RecentBucket::new(self.shape.bucket);
        let (mut rows, mut cells) = (Vec::new(), Vec::new());
        let mut read = 0;
        for run in source.runs(&sorted, ask) {
            let Some(group) = groups.group(run.series, self, source, ask) else { continue };
            read += run.rows.len();
            for row in sorted.order[run.rows].iter().filter(|row| passes(**row)) {
                let time = chunk.time[*row as usize];
                rows.push(*row);
                cells.push(self.cell(group, bucket.number(time)) as u32);
            }
            if rows.len() >= STEP_ROWS {
                let times = Some(&chunk.time[..]);
                self.scatter(folded, &Rows { rows: &rows, cells: &cells, times });
                self.settle()?;
                rows.clear();
                cells.clear();
            }
        }
        self.scatter(folded, &Rows { rows: &rows, cells: &cells, times: Some(&chunk.time) });
        ScanCounters::add(&ask.counters.rows_read, read);
        Ok(())
    }
}
