//! The growing memtable of the commit owner, and the immutable view that it publishes.
//!
//! A large request becomes a chunk as it is, without a copy; small ones of a group become one, and
//! chunks of small requests are merged later (`tiers.rs`).
//!
//! Invariants: chunks are ordered by sequence and disjoint in it; a published chunk does not change; what
//! a chunk keeps in memory is at most about twice its values, and is counted.

use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, MutableArrayData, make_array, new_null_array};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{cast, concat};
use pulsora_model::series::SeriesView;
use pulsora_model::{ColumnId, Error, Result, Sequence, SeriesRegistry, TableId};

use super::chunk::Chunk;
use super::tiers::merged_from;
use crate::catalog::ResolvedRows;

/// From this many rows on a request becomes a chunk as it is: its columns are as large as a page of memory
/// or larger, so that a chunk of its own costs reads less than a copy costs the write.
const ADOPTED_ROWS: usize = 4_096;

/// An array is copied where its memory is this many times its values: the rest of a request's body would
/// live as long as the memtable, and be counted once for each column.
const WASTE_MAX: usize = 2;

/// A memtable as queries and flushes see it: nothing in it changes.
pub(crate) struct MemtableView {
    pub table: TableId,
    /// Number of the memtable, rising over all tables; tells views of one memtable from the next one.
    pub number: u64,
    /// The series of the table, those of these rows among them.
    pub series: SeriesView,
    /// By sequence, ascending.
    pub chunks: Vec<Arc<Chunk>>,
    pub rows: usize,
    pub bytes: usize,
    /// Sequence of the first record with rows here.
    pub first: Sequence,
    /// Sequence of the last record with rows here.
    pub last: Sequence,
    /// Monotonic clock at the first row, nanoseconds.
    pub opened_ns: u64,
    /// No more rows will come; waits for its flush.
    pub sealed: bool,
}

/// The open memtable of one table.
pub(crate) struct Memtable {
    table: TableId,
    number: u64,
    registry: Arc<SeriesRegistry>,
    /// The series so far, those of all rows among them.
    series: SeriesView,
    /// Bytes of the registry when the memtable began.
    registry_bytes: usize,
    chunks: Vec<Arc<Chunk>>,
    opened_ns: u64,
}

impl Memtable {
    /// An empty memtable.
    pub fn new(
        table: TableId,
        number: u64,
        opened_ns: u64,
        registry: &Arc<SeriesRegistry>,
    ) -> Memtable {
        Memtable {
            table,
            number,
            registry: Arc::clone(registry),
            series: registry.view(),
            registry_bytes: registry.size_bytes(),
            chunks: Vec::new(),
            opened_ns,
        }
    }

    /// Appends the rows of one group, in log order.
    ///
    /// # Errors
    /// `internal` when columns do not fit together, or series are those of another registry.
    pub fn append(&mut self, group: Vec<(Sequence, ResolvedRows)>) -> Result<()> {
        let mut together: Vec<(Sequence, ResolvedRows)> = Vec::new();
        for part in group {
            let begins = |last: &(Sequence, ResolvedRows)| {
                last.0 != part.0 && last.1.rows.max(part.1.rows) >= ADOPTED_ROWS
            };
            if together.last().is_some_and(begins) {
                self.push(std::mem::take(&mut together))?;
            }
            together.push(part);
        }
        self.push(together)
    }

    /// Appends requests as one chunk.
    fn push(&mut self, mut requests: Vec<(Sequence, ResolvedRows)>) -> Result<()> {
        requests.retain(|(_, rows)| rows.rows > 0);
        if requests.is_empty() {
            return Ok(());
        }
        let chunk = self.chunk_of(requests)?;
        self.chunks.push(Arc::new(chunk));
        while let Some(first) = merged_from(self.chunks.iter().map(|chunk| chunk.rows)) {
            let merged = merge(&self.chunks[first..])?;
            self.chunks.truncate(first);
            self.chunks.push(Arc::new(merged));
        }
        if self.series.len() < self.registry.len() {
            self.series = self.registry.view();
        }
        Ok(())
    }

    fn chunk_of(&self, group: Vec<(Sequence, ResolvedRows)>) -> Result<Chunk> {
        let rows = group.iter().map(|(_, rows)| rows.rows).sum();
        if !group.iter().all(|(_, part)| Arc::ptr_eq(&part.registry, &self.registry)) {
            return Err(Error::internal("rows with series of another registry"));
        }
        let (codes, time) = match &group[..] {
            [(_, only)] => (only.codes.clone(), only.time.clone()),
            parts => {
                let codes: Vec<&[u32]> = parts.iter().map(|(_, part)| &part.codes[..]).collect();
                let times: Vec<&[i64]> = parts.iter().map(|(_, part)| &part.time[..]).collect();
                (codes.concat().into(), times.concat().into())
            }
        };
        let ids = group.iter().all(|(_, part)| part.ids.is_some()).then(|| {
            group
                .iter()
                .flat_map(|(_, part)| part.ids.as_ref().map(|ids| ids.all(part.rows)))
                .flat_map(|ids| ids.to_vec())
                .collect::<ScalarBuffer<u64>>()
        });
        let user_ids = group.iter().any(|(_, part)| {
            part.ids
                .as_ref()
                .is_some_and(|ids| ids.given.as_ref().is_some_and(|g| g.null_count() < g.len()))
        });
        let parts: Vec<Part> = group
            .iter()
            .map(|(_, part)| Part {
                rows: part.rows,
                columns: part.fields.iter().map(|(id, _, values)| (*id, values)).collect(),
            })
            .collect();
        Ok(Chunk {
            rows,
            first: group.first().map_or(Sequence(0), |(sequence, _)| *sequence),
            last: group.last().map_or(Sequence(0), |(sequence, _)| *sequence),
            min_time_ns: time.iter().copied().min().unwrap_or(i64::MAX),
            max_time_ns: time.iter().copied().max().unwrap_or(i64::MIN),
            series: codes,
            time,
            columns: concat_columns(&parts)?,
            ids,
            user_ids,
            bytes: 0,
            sorted: OnceLock::new(),
            id_span: OnceLock::new(),
            spans: OnceLock::new(),
        }
        .measured())
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.rows).sum()
    }

    /// Bytes held, about; of series those that came with these rows.
    pub fn size_bytes(&self) -> usize {
        let series = self.registry.size_bytes().saturating_sub(self.registry_bytes);
        self.chunks.iter().map(|chunk| chunk.bytes).sum::<usize>() + series
    }

    /// Monotonic clock at the first row, nanoseconds.
    pub fn opened_ns(&self) -> u64 {
        self.opened_ns
    }

    /// Sequence of the first record with rows here; 0 = none.
    pub fn first(&self) -> Sequence {
        self.chunks.first().map_or(Sequence(0), |chunk| chunk.first)
    }

    /// The present state, immutable.
    pub fn view(&self, sealed: bool) -> MemtableView {
        MemtableView {
            table: self.table,
            number: self.number,
            series: self.series.clone(),
            chunks: self.chunks.clone(),
            rows: self.rows(),
            bytes: self.size_bytes(),
            first: self.first(),
            last: self.chunks.last().map_or(Sequence(0), |chunk| chunk.last),
            opened_ns: self.opened_ns,
            sealed,
        }
    }
}

impl Chunk {
    /// Sets `bytes` to what the columns hold, and as much again as the cached order takes.
    fn measured(mut self) -> Chunk {
        let columns: usize =
            self.columns.iter().map(|(_, values)| values.get_array_memory_size()).sum();
        let ids = self.ids.as_ref().map_or(0, |ids| ids.len() * 8);
        self.bytes = columns + ids + self.rows * (12 + 4);
        self
    }
}

/// Columns of some rows, ascending by id.
struct Part<'a> {
    rows: usize,
    columns: Vec<(ColumnId, &'a ArrayRef)>,
}

/// One chunk of chunks that follow each other; there is at least one.
fn merge(chunks: &[Arc<Chunk>]) -> Result<Chunk> {
    let parts: Vec<Part> = chunks
        .iter()
        .map(|chunk| Part {
            rows: chunk.rows,
            columns: chunk.columns.iter().map(|(id, values)| (*id, values)).collect(),
        })
        .collect();
    let ids: Option<Vec<&[u64]>> = chunks.iter().map(|chunk| chunk.ids.as_deref()).collect();
    let series: Vec<&[u32]> = chunks.iter().map(|chunk| &chunk.series[..]).collect();
    let times: Vec<&[i64]> = chunks.iter().map(|chunk| &chunk.time[..]).collect();
    Ok(Chunk {
        rows: chunks.iter().map(|chunk| chunk.rows).sum(),
        first: chunks.first().map_or(Sequence(0), |chunk| chunk.first),
        last: chunks.last().map_or(Sequence(0), |chunk| chunk.last),
        min_time_ns: chunks.iter().map(|chunk| chunk.min_time_ns).min().unwrap_or(i64::MAX),
        max_time_ns: chunks.iter().map(|chunk| chunk.max_time_ns).max().unwrap_or(i64::MIN),
        series: series.concat().into(),
        time: times.concat().into(),
        columns: concat_columns(&parts)?,
        ids: ids.map(|ids| ids.concat().into()),
        user_ids: chunks.iter().any(|chunk| chunk.user_ids),
        bytes: 0,
        sorted: OnceLock::new(),
        id_span: OnceLock::new(),
        spans: OnceLock::new(),
    }
    .measured())
}

/// Every column of any part, with nulls where a part lacks it; integers become floats where a later
/// part has floats (the column was widened in between).
fn concat_columns(parts: &[Part]) -> Result<Vec<(ColumnId, ArrayRef)>> {
    let mut all: Vec<ColumnId> =
        parts.iter().flat_map(|part| part.columns.iter().map(|(id, _)| *id)).collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(|id| Ok((id, concat_column(id, parts)?))).collect()
}

fn concat_column(id: ColumnId, parts: &[Part]) -> Result<ArrayRef> {
    let of = |part: &Part| {
        part.columns
            .binary_search_by_key(&id, |(column, _)| *column)
            .ok()
            .map(|i| part.columns[i].1.clone())
    };
    let found: Vec<Option<ArrayRef>> = parts.iter().map(of).collect();
    let newest = found.iter().flatten().last().expect("the column is in one of the parts");
    let ty = newest.data_type().clone();
    if let [Some(only)] = &found[..] {
        return owned(only);
    }
    let arrays: Vec<ArrayRef> = found
        .into_iter()
        .zip(parts)
        .map(|(values, part)| match values {
            None => Ok(new_null_array(&ty, part.rows)),
            Some(values) if values.data_type() == &ty => Ok(values),
            // Integers of before a widening, which was only allowed while they are exact.
            Some(values) => Ok(cast(&values, &ty)?),
        })
        .collect::<Result<_>>()?;
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    Ok(concat(&arrays)?)
}

/// The array itself, or a copy where it would keep much more in memory than its values.
///
/// # Errors
/// `internal` when text is too long for one array, which it was in already.
pub(super) fn owned(values: &ArrayRef) -> Result<ArrayRef> {
    let data = values.to_data();
    let own_bytes = data.get_slice_memory_size().unwrap_or(usize::MAX);
    if data.get_buffer_memory_size() <= own_bytes.saturating_mul(WASTE_MAX).max(64) {
        return Ok(Arc::clone(values));
    }
    let mut copy = MutableArrayData::new(vec![&data], false, data.len());
    copy.try_extend(0, 0, data.len())?;
    Ok(make_array(copy.freeze()))
}
