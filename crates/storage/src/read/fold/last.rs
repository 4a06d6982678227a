//! The last row of each group: sources are walked from the newest back, and one is passed over when
//! all its groups have a row that is as late as its last one.
//!
//! Last rows of a whole segment, one per series (of Parquet: one or a few per group), are kept in the
//! cache of decoded blocks, so that a query for the latest rows decodes nothing.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::Schema;
use foldhash::fast::FixedState;
use pulsora_model::{Column, Error, Result};
use roaring::RoaringBitmap;

use super::batches::{run_end, tags, times as times_of};
use super::part::FoldPart;
use super::shape::Shape;
use super::task::{Work, Worker};
use crate::read::scan::{ScanCounters, TimeRange};
use crate::read::source::{Ask, Rows};
use crate::segment::{CacheKey, CachePart, ReadSpec, RowChoice, RowSelect, Segment, SegmentFormat};

/// Rows whose series are found together.
const LAST_STEP_ROWS: usize = 65_536;

/// More last rows of one Parquet segment are not kept: it is read as if all of its rows were asked for.
const PARQUET_ROWS_MAX: u64 = 131_072;

impl Worker<'_> {
    /// Folds the last rows of some work.
    pub fn last_rows(&mut self, mut work: Vec<Work>) -> Result<()> {
        work.sort_by_key(|work| std::cmp::Reverse(work.piece.time.end_ns));
        for work in work {
            if self.is_settled(&work)? {
                ScanCounters::add(&self.table.ask.counters.segments_pruned, 1);
            } else if !self.last_rows_of_hot(&work)?
                && !self.last_rows_of_parquet(&work)?
                && !self.last_rows_of_chunk(&work)?
            {
                self.fold(&work)?;
            }
        }
        Ok(())
    }

    /// Whether every group that some work may have rows of has a row as late as its last one.
    fn is_settled(&mut self, work: &Work) -> Result<bool> {
        let end_ns = work.piece.time.end_ns;
        for source in &work.piece.sources {
            let settled = match &self.table.sources[*source].rows {
                Rows::Segment { segment, .. } if segment.meta.format == SegmentFormat::Hot => {
                    let hot = segment.file.hot()?;
                    let groups = self.hots.of(hot.series(), &mut self.part, &self.table.ask);
                    let all = groups.ranges.iter().cloned().flatten();
                    let mut all = all.map(|series| groups.groups[series as usize]);
                    all.all(|group| self.part.is_settled(group, end_ns))
                }
                Rows::Chunk(chunk) => {
                    self.chunks.of(&chunk.series);
                    let sorted = chunk.sorted();
                    sorted.runs.iter().all(|run| {
                        let group =
                            self.chunks.group(run.0, &mut self.part, chunk, &self.table.ask);
                        group.is_none_or(|group| self.part.is_settled(group, end_ns))
                    })
                }
                Rows::Segment { .. } => false,
            };
            if !settled {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Offers the last row of each series of a hot segment; false if it has to be read.
    fn last_rows_of_hot(&mut self, work: &Work) -> Result<bool> {
        let Some(source) = work.piece.single().map(|source| &self.table.sources[source]) else {
            return Ok(false);
        };
        let Rows::Segment { segment, .. } = &source.rows else { return Ok(false) };
        let plain = self.table.ask.fields.is_empty() && segment.deleted.is_none();
        if segment.meta.format != SegmentFormat::Hot || !plain || source.gone()?.is_some() {
            return Ok(false);
        }
        if segment.meta.max_time_ns > work.piece.time.end_ns {
            return self.last_rows_inside(segment, work.piece.time).map(|()| true);
        }
        let hot = segment.file.hot()?;
        let groups = self.hots.of(hot.series(), &mut self.part, &self.table.ask);
        let times = hot.series_times()?;
        for series in groups.ranges.iter().cloned().flatten() {
            let time = times.last[series as usize];
            if work.piece.time.contains(time) {
                self.part.offer_last(groups.groups[series as usize], time, series);
            }
        }
        let (picked, ask) = (self.part.shape.picked.clone(), &self.table.ask);
        self.part.end_last(|series| {
            let ends = || Ok(Some(hot.row_starts()[1..].iter().map(|end| end - 1).collect()));
            let rows = last_rows(segment, &picked, &[], ask, ends)?;
            let rows = rows.as_ref().as_ref();
            take(rows.ok_or_else(|| Error::internal("last rows of series are kept"))?, series)
        })?;
        Ok(true)
    }

    /// Feeds the last row of each group of a Parquet segment; false if it has to be read.
    fn last_rows_of_parquet(&mut self, work: &Work) -> Result<bool> {
        let Some(source) = work.piece.single().map(|source| &self.table.sources[source]) else {
            return Ok(false);
        };
        let Rows::Segment { segment, .. } = &source.rows else { return Ok(false) };
        let (ask, time) = (&self.table.ask, work.piece.time);
        let plain = ask.tags.is_empty() && ask.fields.is_empty() && segment.deleted.is_none();
        let is_parquet = segment.meta.format == SegmentFormat::Parquet;
        if !is_parquet
            || !plain
            || source.gone()?.is_some()
            || segment.meta.max_time_ns > time.end_ns
        {
            return Ok(false);
        }
        let shape = Arc::clone(&self.part.shape);
        let ends = || ends_of_groups(segment, &shape, ask, self.check);
        let rows = last_rows(segment, self.columns, &shape.by, ask, ends)?;
        let Some(rows) = rows.as_ref() else { return Ok(false) };
        let place = self.columns.iter().position(|column| column.id == shape.time.id);
        let place =
            place.ok_or_else(|| Error::internal("last rows are read without their times"))?;
        let inside = times_of(rows.column(place))?.iter().map(|at| Some(*at >= time.start_ns));
        let rows = filter_record_batch(rows, &inside.collect())?;
        self.part.feed_batch(&rows, self.columns).map(|()| true)
    }

    /// Offers the last row inside a range of time of each series of a hot segment that may still lead.
    fn last_rows_inside(&mut self, segment: &Segment, time: TimeRange) -> Result<()> {
        let hot = segment.file.hot()?;
        let groups = self.hots.of(hot.series(), &mut self.part, &self.table.ask);
        let open =
            groups.ranges.iter().cloned().flatten().filter(|series| {
                !self.part.is_settled(groups.groups[*series as usize], time.end_ns)
            });
        let open: Vec<_> = open.map(|series| series..series + 1).collect();
        let mut select = RowSelect::of_series(&hot, open, time, None)?;
        let mut last: Vec<(u32, u32)> = Vec::new();
        loop {
            (self.check)()?;
            let rows = select.take(LAST_STEP_ROWS)?;
            if rows.is_empty() {
                break;
            }
            for range in rows {
                let (from, to) = (hot.series_of(range.start), hot.series_of(range.end - 1));
                for series in from..=to {
                    let row = hot.row_starts()[series as usize + 1].min(range.end) - 1;
                    match last.last_mut() {
                        Some(known) if known.0 == series => known.1 = row,
                        _ => last.push((series, row)),
                    }
                }
            }
        }
        let rows: Vec<_> = last.iter().map(|(_, row)| *row..*row + 1).collect();
        let times = hot.gather(hot.time(), &rows)?;
        for ((series, row), time) in last.iter().zip(times_of(&times)?) {
            self.part.offer_last(groups.groups[*series as usize], *time, *row);
        }
        let (picked, ask) = (self.part.shape.picked.clone(), &self.table.ask);
        self.part.end_last(|rows| {
            let sorted: RoaringBitmap = rows.iter().copied().collect();
            let places: Vec<u32> = rows.iter().map(|row| sorted.rank(*row) as u32 - 1).collect();
            take(&read_rows(segment, sorted, &picked, ask)?, &places)
        })
    }

    /// Offers the last row of each series of a chunk; false if it has to be read.
    fn last_rows_of_chunk(&mut self, work: &Work) -> Result<bool> {
        let Some(source) = work.piece.single().map(|source| &self.table.sources[source]) else {
            return Ok(false);
        };
        let Rows::Chunk(chunk) = &source.rows else { return Ok(false) };
        let ask = self.table.ask.within(work.piece.time);
        if !ask.fields.is_empty() || !self.part.can_feed_chunk(chunk, &ask) {
            return Ok(false);
        }
        let sorted = chunk.sorted();
        self.chunks.of(&chunk.series);
        for run in chunk.runs(&sorted, &ask) {
            let Some(group) = self.chunks.group(run.series, &mut self.part, chunk, &ask) else {
                continue;
            };
            let mut rows = sorted.order[run.rows].iter().rev();
            if let Some(row) = rows.find(|row| !chunk.is_gone(**row)) {
                self.part.offer_last(group, chunk.chunk.time[*row as usize], *row);
            }
        }
        ScanCounters::add(&ask.counters.rows_read, sorted.runs.len());
        let picked = self.part.shape.picked.clone();
        self.part.end_last(|rows| chunk.rows(rows, &picked))?;
        Ok(true)
    }
}

impl FoldPart {
    fn is_settled(&mut self, group: u32, end_ns: i64) -> bool {
        let cell = self.cell(group, 0);
        self.last.as_ref().is_some_and(|last| last.reaches(cell, end_ns))
    }

    fn offer_last(&mut self, group: u32, time: i64, row: u32) {
        let cell = self.cell(group, 0);
        // Nobody asks for the number, only whether there is a row.
        self.rows[cell] = 1;
        if let Some(last) = &mut self.last {
            last.offer(cell, time, row as usize);
        }
    }

    fn end_last(&mut self, take: impl FnOnce(&[u32]) -> Result<RecordBatch>) -> Result<()> {
        if let Some(last) = &mut self.last {
            last.end_batch(take)?;
        }
        self.settle()
    }
}

/// The rows of a segment that `ends` finds, in row order: its last ones, by series or by groups of some tags. `None`
/// where they are too many.
fn last_rows(
    segment: &Segment,
    columns: &[Column],
    by: &[Column],
    ask: &Ask,
    ends: impl FnOnce() -> Result<Option<RoaringBitmap>>,
) -> Result<Arc<Option<RecordBatch>>> {
    let mut kind = FixedState::default().build_hasher();
    for column in columns {
        kind.write_u32(column.id.0);
        kind.write_u8(column.ty as u8);
        kind.write(column.name.as_bytes());
    }
    by.iter().for_each(|tag| kind.write_u32(tag.id.0));
    let key = CacheKey { segment: segment.meta.id, part: CachePart::LastRows(kind.finish()) };
    segment.file.cache().find_or_insert(key, || {
        let rows = ends()?.map(|ends| read_rows(segment, ends, columns, ask)).transpose()?;
        let bytes = rows.as_ref().map_or(0, RecordBatch::get_array_memory_size);
        Ok((rows, bytes))
    })
}

/// The numbers of the last rows of each group: of every run of rows of one group inside a batch the first one
/// of its latest time. `None` where they are too many.
fn ends_of_groups(
    segment: &Segment,
    shape: &Shape,
    ask: &Ask,
    check: &dyn Fn() -> Result<()>,
) -> Result<Option<RoaringBitmap>> {
    let columns: Vec<Column> = shape.by.iter().chain([&shape.time]).cloned().collect();
    let (mut ends, mut base) = (RoaringBitmap::new(), 0);
    for batch in segment.read(all_of(columns, RowChoice::Live, ask))? {
        check()?;
        let batch = batch?;
        let (time, by) = batch.columns().split_last().expect("time is among the columns");
        let times = times_of(time)?;
        let by = by.iter().map(tags).collect::<Result<Vec<_>>>()?;
        let mut start = 0;
        while start < times.len() {
            let end = run_end(&by, start, times.len());
            let latest = (start..end).rev().max_by_key(|row| times[*row]);
            ends.extend(latest.map(|row| base + row as u32));
            start = end;
        }
        base += times.len() as u32;
        if ends.len() > PARQUET_ROWS_MAX {
            return Ok(None);
        }
    }
    Ok(Some(ends))
}

/// Rows of a segment by number, ascending.
fn read_rows(
    segment: &Segment,
    rows: RoaringBitmap,
    columns: &[Column],
    ask: &Ask,
) -> Result<RecordBatch> {
    let rows = RowChoice::Only(Arc::new(rows));
    let batches = segment.read(all_of(columns.to_vec(), rows, ask))?;
    let schema = Schema::new(columns.iter().map(Column::arrow_field).collect::<Vec<_>>());
    let batches = batches.collect::<Result<Vec<_>>>()?;
    Ok(concat_batches(&Arc::new(schema), &batches)?)
}

/// What is read of a whole segment.
fn all_of(columns: Vec<Column>, rows: RowChoice, ask: &Ask) -> ReadSpec {
    ReadSpec {
        columns,
        time_column: ask.schema.time().id,
        time: TimeRange::ALL,
        tags: Vec::new(),
        fields: Vec::new(),
        rows,
        groups: None,
        batch_rows: ask.batch_rows,
        counters: Arc::clone(&ask.counters),
    }
}

/// Rows of a batch by number; without a copy where it is all of them in order.
fn take(batch: &RecordBatch, rows: &[u32]) -> Result<RecordBatch> {
    let all = rows.len() == batch.num_rows() && rows.iter().zip(0..).all(|(row, at)| *row == at);
    match all {
        true => Ok(batch.clone()),
        false => Ok(take_record_batch(batch, &UInt32Array::from(rows.to_vec()))?),
    }
}
