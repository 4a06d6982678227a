//! The rows of segments that a correction hits: as numbers inside their segment, and as they are read.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use pulsora_model::{Column, ColumnId, Result, TableSchema};
use roaring::RoaringBitmap;

use super::merge::{Merge, merge};
use super::scan::{ScanCounters, ScanStream, TagPredicate, TimeRange};
use super::source::{Ask, BATCH_ROWS, Source};
use crate::segment::{ExactFilter, Listed, ReadSpec, RowChoice, RowSelect, Segment, SegmentFormat};

/// Rows of hot segments that are chosen at a time.
const CHOSEN_ROWS: usize = 1 << 16;

/// Says which rows of a batch are hit.
pub(crate) type RowFilter<'a> = dyn FnMut(&RecordBatch) -> Result<BooleanArray> + 'a;

/// A range of time and tag values in one table.
pub(crate) struct KeyPick<'a> {
    pub schema: &'a Arc<TableSchema>,
    pub time: TimeRange,
    pub tags: &'a [TagPredicate],
}

impl KeyPick<'_> {
    /// The live rows of segments (oldest first) that it picks, in key order and merged as a scan merges
    /// them, with `columns` and whatever of the key they lack behind them.
    ///
    /// # Errors
    /// `corrupt`, `io_error`; so does every batch.
    pub fn rows(&self, segments: &[Segment], columns: &[Column]) -> Result<ScanStream> {
        let ask =
            Ask { time: self.time, tags: self.tags.into(), ..Ask::all(Arc::clone(self.schema)) };
        let keys: Vec<ColumnId> = self.schema.key().map(|column| column.id).collect();
        let mut columns = columns.to_vec();
        for key in self.schema.key() {
            if !columns.iter().any(|column| column.id == key.id) {
                columns.push(key.clone());
            }
        }
        let sources = segments.iter().map(|segment| Source::segment(segment, None));
        let sources = sources.map(|source| source.open(&ask, &columns, None));
        let mut sources = sources.collect::<Result<Vec<_>>>()?;
        if sources.len() == 1 {
            return Ok(sources.remove(0));
        }
        let (give, mode) = (columns.clone(), self.schema.mode);
        merge(Merge { sources, columns, give, keys, mode })
    }

    /// The numbers of the live rows of a segment that it picks, and of which `filter` says so over
    /// `columns`.
    ///
    /// # Errors
    /// `corrupt`, `io_error`, and those of `filter`.
    pub fn numbers(
        &self,
        segment: &Segment,
        columns: &[Column],
        filter: Option<&mut RowFilter<'_>>,
    ) -> Result<RoaringBitmap> {
        match filter {
            None if segment.meta.format == SegmentFormat::Hot => self.chosen(segment),
            filter => self.looked_at(segment, columns, filter),
        }
    }

    /// By the index of series and times of a hot segment.
    fn chosen(&self, segment: &Segment) -> Result<RoaringBitmap> {
        let hot = segment.file.hot()?;
        let listed = segment.deleted.clone().map(Listed::Gone);
        let mut select = RowSelect::new(&hot, 0..hot.blocks(), self.time, self.tags, listed)?;
        let mut numbers = RoaringBitmap::new();
        loop {
            let ranges = select.take(CHOSEN_ROWS)?;
            if ranges.is_empty() {
                return Ok(numbers);
            }
            for range in ranges {
                numbers.insert_range(range);
            }
        }
    }

    /// By reading the columns that decide. All live rows come in row order, which gives their numbers.
    fn looked_at(
        &self,
        segment: &Segment,
        columns: &[Column],
        mut filter: Option<&mut RowFilter<'_>>,
    ) -> Result<RoaringBitmap> {
        let mut read = columns.to_vec();
        let mut position = |id: ColumnId| {
            let found = read.iter().position(|column| column.id == id);
            found.or_else(|| {
                read.push(self.schema.column_by_id(id)?.clone());
                Some(read.len() - 1)
            })
        };
        let time = position(self.schema.time().id).map(|time| (time, self.time));
        let tags = self.tags.iter();
        let tags = tags.filter_map(|tag| Some((position(tag.column)?, tag.clone()))).collect();
        let keys = ExactFilter { time, tags };
        let positions: Vec<usize> = (0..read.len()).collect();
        let mut numbers = RoaringBitmap::new();
        for numbered in numbered_rows(segment, read, self.schema)? {
            let (batch, rows) = numbered?;
            let mut hit = keys.matches(&batch, &positions)?;
            if let Some(filter) = &mut filter {
                let asked = batch.project(&positions[..columns.len()])?;
                hit = arrow::compute::and_kleene(&hit, &filter(&asked)?)?;
            }
            let rows = rows.into_iter().zip(hit.iter());
            numbers.extend(rows.filter(|(_, hit)| *hit == Some(true)).map(|(row, _)| row));
        }
        Ok(numbers)
    }
}

/// All live rows of a segment in their order, each batch with the numbers of its rows.
///
/// # Errors
/// `corrupt`, `io_error`; so does every batch.
pub(super) fn numbered_rows(
    segment: &Segment,
    columns: Vec<Column>,
    schema: &TableSchema,
) -> Result<impl Iterator<Item = Result<(RecordBatch, Vec<u32>)>> + Send + use<>> {
    let batches = segment.read(ReadSpec {
        columns,
        time_column: schema.time().id,
        time: TimeRange::ALL,
        tags: Vec::new(),
        fields: Vec::new(),
        rows: RowChoice::Live,
        groups: None,
        batch_rows: BATCH_ROWS,
        counters: Arc::new(ScanCounters::default()),
    })?;
    let deleted = segment.deleted.clone().unwrap_or_default();
    let mut live = (0..segment.meta.rows as u32).filter(move |row| !deleted.contains(*row));
    Ok(batches.map(move |batch| {
        let batch = batch?;
        let numbers = live.by_ref().take(batch.num_rows()).collect();
        Ok((batch, numbers))
    }))
}
