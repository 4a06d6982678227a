//! The rows of a memtable chunk in key order: predicates per series, folded for upsert tables, in the
//! types of the schema.
//!
//! Tag predicates are decided once per series, the time range by binary search in its run; only the
//! rows that match are touched. The dictionaries of a batch hold the tag values of its series only.
//!
//! Folding: of the rows with one key the newest gives every column, except that a field that is null
//! in it takes the newest value that is not.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, DictionaryArray, NullArray, RecordBatch, RecordBatchOptions, StringArray,
    TimestampNanosecondArray, UInt32Array, UInt64Array, new_null_array,
};
use arrow::compute::{cast, take};
use arrow::datatypes::{Schema, SchemaRef, UInt32Type};
use pulsora_model::series::{SeriesTags, SeriesView};
use pulsora_model::types::UTC;
use pulsora_model::{Column, ColumnId, ColumnKind, ColumnType, Error, Mode, Result, TableSchema};
use roaring::RoaringBitmap;

use super::scan::{ScanCounters, TimeRange};
use super::source::Ask;
use crate::memtable::{Chunk, SortedRows};

/// A chunk with what is needed to read it.
#[derive(Clone)]
pub(crate) struct ChunkSource {
    pub chunk: Arc<Chunk>,
    /// The series of its memtable.
    pub series: SeriesView,
    /// Rows whose ids newer rows replace.
    pub gone: Option<Arc<RoaringBitmap>>,
}

/// Matching rows of one series: a range of the key order.
pub(super) struct Run {
    pub series: u32,
    pub rows: Range<usize>,
}

impl ChunkSource {
    /// The key order of the chunk.
    pub fn sorted(&self) -> Arc<SortedRows> {
        self.chunk.sorted(&self.series)
    }

    /// Smallest and largest series.
    pub fn key_range(&self) -> (SeriesTags<'_>, SeriesTags<'_>) {
        let sorted = self.sorted();
        let series = |run: Option<&(u32, u32, u32)>| {
            // A chunk has at least one row.
            self.series.tags(run.map_or(0, |run| run.0))
        };
        (series(sorted.runs.first()), series(sorted.runs.last()))
    }

    /// Number of rows that match, one per key if `mode` is upsert, and the bounds of their times.
    pub fn measure(&self, ask: &Ask, mode: Mode) -> (u64, Option<TimeRange>) {
        let sorted = self.sorted();
        let (mut rows, mut start_ns, mut end_ns) = (0, i64::MAX, i64::MIN);
        for run in self.runs(&sorted, ask) {
            let mut previous = None;
            for row in &sorted.order[run.rows] {
                if self.is_gone(*row) {
                    continue;
                }
                let time = self.chunk.time[*row as usize];
                if mode == Mode::Append || previous != Some(time) {
                    rows += 1;
                }
                previous = Some(time);
                (start_ns, end_ns) = (start_ns.min(time), end_ns.max(time));
            }
        }
        (rows, (rows > 0).then_some(TimeRange { start_ns, end_ns }))
    }

    /// Rows by their numbers, gone or not, each as it was sent.
    pub fn rows(&self, rows: &[u32], columns: &[Column]) -> Result<RecordBatch> {
        let picked = Picked {
            rows: rows.to_vec(),
            pieces: rows.iter().map(|row| (self.chunk.series[*row as usize], 1)).collect(),
            folded: Vec::new(),
        };
        let fields: Vec<_> = columns.iter().map(Column::arrow_field).collect();
        self.batch(columns, &Arc::new(Schema::new(fields)), &picked)
    }

    /// Whether a newer row replaces a row.
    pub fn is_gone(&self, row: u32) -> bool {
        self.gone.as_ref().is_some_and(|gone| gone.contains(row))
    }

    /// What matches of each series, in key order.
    pub fn runs(&self, sorted: &SortedRows, ask: &Ask) -> Vec<Run> {
        let chunk = &self.chunk;
        let inside = ask.time.contains(chunk.min_time_ns) && ask.time.contains(chunk.max_time_ns);
        let parts = self.candidates(sorted, ask);
        let runs = parts.iter().flat_map(|part| &sorted.runs[part.clone()]);
        let runs = runs.filter(|run| self.accepts(run.0, ask));
        let runs = runs.map(|(series, start, end)| {
            let mut rows = *start as usize..*end as usize;
            if !inside {
                let order = &sorted.order[rows.clone()];
                let time = |row: &u32| chunk.time[*row as usize];
                let from = order.partition_point(|row| time(row) < ask.time.start_ns);
                let to = order.partition_point(|row| time(row) <= ask.time.end_ns);
                rows = rows.start + from..rows.start + to.max(from);
            }
            Run { series: *series, rows }
        });
        runs.filter(|run| !run.rows.is_empty()).collect()
    }

    /// The runs, as ascending ranges, that a predicate on the first tag leaves: runs are sorted by it.
    fn candidates(&self, sorted: &SortedRows, ask: &Ask) -> Vec<Range<usize>> {
        let runs = &sorted.runs;
        let first = ask.schema.tags().next().map(|tag| tag.id);
        let predicate = ask.tags.iter().find(|predicate| Some(predicate.column) == first);
        let Some(predicate) = predicate.filter(|p| p.values.len() < runs.len() / 16) else {
            let all = 0..runs.len();
            return vec![all];
        };
        let mut values: Vec<Option<&str>> = predicate.values.iter().map(Option::as_deref).collect();
        values.sort_unstable();
        values.dedup();
        let tag = |run: &(u32, u32, u32)| self.series.tags(run.0).tag(predicate.column);
        let found = values.into_iter().map(|value| {
            let start = runs.partition_point(|run| tag(run) < value);
            start..start + runs[start..].partition_point(|run| tag(run) == value)
        });
        found.collect()
    }

    /// Whether a series matches.
    pub fn accepts(&self, series: u32, ask: &Ask) -> bool {
        ask.tags.is_empty() || {
            let series = self.series.tags(series);
            ask.tags.iter().all(|predicate| {
                let value = series.tag(predicate.column);
                predicate.values.iter().any(|wanted| wanted.as_deref() == value)
            })
        }
    }
}

/// The batches of one read of a chunk.
pub(super) struct ChunkRows {
    source: ChunkSource,
    sorted: Arc<SortedRows>,
    columns: Vec<Column>,
    schema: SchemaRef,
    fold: bool,
    batch_rows: usize,
    counters: Arc<ScanCounters>,
    runs: std::vec::IntoIter<Run>,
    open: Option<Run>,
}

/// Rows of one batch.
#[derive(Default)]
struct Picked {
    rows: Vec<u32>,
    /// Series and number of rows, in order.
    pieces: Vec<(u32, usize)>,
    /// Folded rows: position in `rows` and the older rows of the key, in arrival order.
    folded: Vec<(usize, Vec<u32>)>,
}

impl ChunkRows {
    /// The rows of `source` that match, with `columns`.
    pub fn open(source: &ChunkSource, ask: &Ask, columns: &[Column]) -> ChunkRows {
        let sorted = source.sorted();
        let runs = source.runs(&sorted, ask);
        if !runs.is_empty() {
            ScanCounters::add(&ask.counters.blocks_read, 1);
        }
        ChunkRows {
            sorted,
            schema: Arc::new(Schema::new(
                columns.iter().map(Column::arrow_field).collect::<Vec<_>>(),
            )),
            columns: columns.to_vec(),
            fold: ask.schema.mode == Mode::Upsert,
            batch_rows: ask.batch_rows,
            counters: Arc::clone(&ask.counters),
            runs: runs.into_iter(),
            open: None,
            source: source.clone(),
        }
    }

    fn pick(&mut self) -> Picked {
        let mut picked = Picked::default();
        let mut looked_at = 0;
        while picked.rows.len() < self.batch_rows {
            let Some(run) = self.open.take().or_else(|| self.runs.next()) else { break };
            let before = (picked.rows.len(), run.rows.start);
            let rest = if self.fold || self.source.gone.is_some() {
                self.pick_slowly(run.rows.clone(), &mut picked)
            } else {
                let end = run.rows.end.min(run.rows.start + self.batch_rows - picked.rows.len());
                picked.rows.extend_from_slice(&self.sorted.order[run.rows.start..end]);
                end..run.rows.end
            };
            looked_at += rest.start - before.1;
            if picked.rows.len() > before.0 {
                picked.pieces.push((run.series, picked.rows.len() - before.0));
            }
            self.open = (!rest.is_empty()).then_some(Run { series: run.series, rows: rest });
        }
        ScanCounters::add(&self.counters.rows_read, looked_at);
        picked
    }

    /// Picks rows of a run that are not gone, one per time if folding; gives what is left of the run.
    fn pick_slowly(&self, run: Range<usize>, picked: &mut Picked) -> Range<usize> {
        let (order, time) = (&self.sorted.order, &self.source.chunk.time);
        let mut at = run.start;
        while at < run.end && picked.rows.len() < self.batch_rows {
            let key = time[order[at] as usize];
            let mut end = at + 1;
            while self.fold && end < run.end && time[order[end] as usize] == key {
                end += 1;
            }
            let live = order[at..end].iter().copied().filter(|row| !self.source.is_gone(*row));
            let mut live: Vec<u32> = live.collect();
            if let Some(newest) = live.pop() {
                if !live.is_empty() {
                    picked.folded.push((picked.rows.len(), live));
                }
                picked.rows.push(newest);
            }
            at = end;
        }
        at..run.end
    }
}

impl ChunkSource {
    fn batch(
        &self,
        columns: &[Column],
        schema: &SchemaRef,
        picked: &Picked,
    ) -> Result<RecordBatch> {
        let columns = columns.iter().map(|column| self.column(column, picked));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(picked.rows.len()));
        RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
            .map_err(Error::from)
    }

    fn column(&self, column: &Column, picked: &Picked) -> Result<ArrayRef> {
        let rows = picked.rows.iter().map(|row| *row as usize);
        let chunk = &self.chunk;
        Ok(match column.kind {
            ColumnKind::Time => {
                let times = rows.map(|row| chunk.time[row]);
                Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone(UTC))
            }
            ColumnKind::Id => match &chunk.ids {
                Some(ids) => Arc::new(UInt64Array::from_iter_values(rows.map(|row| ids[row]))),
                None => return Err(Error::internal("a chunk of a table with row ids has none")),
            },
            ColumnKind::Tag => self.tag(column.id, picked),
            ColumnKind::Field => self.field(column, picked)?,
        })
    }

    fn tag(&self, column: ColumnId, picked: &Picked) -> ArrayRef {
        let mut codes: HashMap<&str, u32> = HashMap::new();
        let mut values: Vec<&str> = Vec::new();
        let mut keys: Vec<Option<u32>> = Vec::with_capacity(picked.rows.len());
        let mut last: Option<(&str, u32)> = None;
        for (series, rows) in &picked.pieces {
            let key = self.series.tags(*series).tag(column).map(|value| match last {
                Some((same, code)) if same == value => code,
                _ => {
                    let code = *codes.entry(value).or_insert_with(|| {
                        values.push(value);
                        values.len() as u32 - 1
                    });
                    last = Some((value, code));
                    code
                }
            });
            keys.resize(keys.len() + rows, key);
        }
        let values: ArrayRef = Arc::new(StringArray::from(values));
        Arc::new(DictionaryArray::<UInt32Type>::new(UInt32Array::from(keys), values))
    }

    /// All values of a field or the row id, in arrival order; `None` when all are null.
    pub fn values(&self, column: &Column) -> Result<Option<ArrayRef>> {
        chunk_values(&self.chunk, column)
    }

    /// All values of any column but a tag, in arrival order.
    pub fn all_values(&self, column: ColumnId, schema: &TableSchema) -> Result<ArrayRef> {
        let column = schema.column_by_id(column);
        let column = column.ok_or_else(|| Error::internal("a column of a predicate is gone"))?;
        if column.kind == ColumnKind::Time {
            let times = TimestampNanosecondArray::new(self.chunk.time.clone(), None);
            return Ok(Arc::new(times.with_timezone(UTC)));
        }
        let values = self.values(column)?;
        Ok(values.unwrap_or_else(|| new_null_array(&column.arrow_type(), self.chunk.rows)))
    }

    fn field(&self, column: &Column, picked: &Picked) -> Result<ArrayRef> {
        let rows = picked.rows.len();
        if column.ty == ColumnType::Untyped {
            return Ok(Arc::new(NullArray::new(rows)));
        }
        let ty = column.arrow_type();
        let Some(values) = self.chunk.column(column.id) else {
            return Ok(new_null_array(&ty, rows));
        };
        let found = match folded_rows(values, picked) {
            Some(rows) => take(values, &UInt32Array::from(rows), None)?,
            None => take_rows(values, &picked.rows)?,
        };
        if *found.data_type() == ty { Ok(found) } else { Ok(cast(&found, &ty)?) }
    }
}

/// All values of a field or the row id of a chunk, in arrival order and in the type of the schema; `None`
/// when all are null.
///
/// # Errors
/// `internal` when the values do not fit the type.
pub(crate) fn chunk_values(chunk: &Chunk, column: &Column) -> Result<Option<ArrayRef>> {
    let ty = column.arrow_type();
    Ok(match (column.kind, chunk.column(column.id)) {
        (ColumnKind::Id, _) => {
            let ids = chunk.ids.clone();
            ids.map(|ids| Arc::new(UInt64Array::new(ids, None)) as ArrayRef)
        }
        (_, None) => None,
        (_, Some(values)) if *values.data_type() == ty => Some(Arc::clone(values)),
        (_, Some(_)) if column.ty == ColumnType::Untyped => None,
        (_, Some(values)) => Some(cast(values, &ty)?),
    })
}

/// The rows that give a field its values; `None` when it is the picked rows.
fn folded_rows(values: &ArrayRef, picked: &Picked) -> Option<Vec<u32>> {
    if picked.folded.is_empty() || values.logical_null_count() == 0 {
        return None;
    }
    let nulls = values.logical_nulls()?;
    let mut rows = picked.rows.clone();
    for (position, older) in &picked.folded {
        if nulls.is_null(rows[*position] as usize)
            && let Some(row) = older.iter().rev().find(|row| nulls.is_valid(**row as usize))
        {
            rows[*position] = *row;
        }
    }
    Some(rows)
}

/// Rows by number; without a copy where they follow each other.
fn take_rows(values: &ArrayRef, rows: &[u32]) -> Result<ArrayRef> {
    let consecutive = rows.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    match rows.first() {
        Some(first) if consecutive => Ok(values.slice(*first as usize, rows.len())),
        _ => Ok(take(values, &UInt32Array::from(rows.to_vec()), None)?),
    }
}

impl Iterator for ChunkRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(stopped) = self.counters.check() {
            self.runs = Vec::new().into_iter();
            return Some(Err(stopped));
        }
        let picked = self.pick();
        (!picked.rows.is_empty()).then(|| self.source.batch(&self.columns, &self.schema, &picked))
    }
}
