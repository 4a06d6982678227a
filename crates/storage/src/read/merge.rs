//! Brings overlapping sorted sources together into one sorted stream.
//!
//! Sources are given oldest first. Append: every row is kept, equal keys in the order of their
//! sources. Upsert: of the rows with one key the newest gives every column, except that a field that
//! is null in it takes the newest value that is not ("null means not sent").
//!
//! Invariants: memory is one batch of each source and one of output; in upsert mode each source has
//! each key once.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, NullArray, RecordBatch, RecordBatchOptions};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::row::{Row, RowConverter, Rows, SortField};
use pulsora_model::{Column, ColumnId, ColumnKind, Error, Mode, Result, TableSchema};

use super::scan::ScanStream;
use super::source::BATCH_ROWS;

/// What is merged, and into what.
pub(crate) struct Merge {
    /// Sorted by `keys`, oldest source first; all with the columns `columns`.
    pub sources: Vec<ScanStream>,
    /// Columns of the sources; every key is among them.
    pub columns: Vec<Column>,
    /// Columns to give: a part of `columns`, in any order.
    pub give: Vec<Column>,
    /// The order: tags, then time. Columns that have one value in all sources may be left out.
    pub keys: Vec<ColumnId>,
    pub mode: Mode,
}

/// Whole rows of a table as one stream: a single source as it is. All have the columns of `schema` in
/// its order.
///
/// # Errors
/// As [`merge`].
pub(super) fn merge_rows(mut sources: Vec<ScanStream>, schema: &TableSchema) -> Result<ScanStream> {
    if sources.len() == 1 {
        return Ok(sources.remove(0));
    }
    merge(Merge {
        sources,
        columns: schema.columns.clone(),
        give: schema.columns.clone(),
        keys: schema.tags().map(|tag| tag.id).chain([schema.time().id]).collect(),
        mode: schema.mode,
    })
}

/// The merged stream.
///
/// # Errors
/// `internal` when a key or a given column is not among the columns.
pub(crate) fn merge(merge: Merge) -> Result<ScanStream> {
    let position = |id: ColumnId| {
        let found = merge.columns.iter().position(|column| column.id == id);
        found.ok_or_else(|| Error::internal(format!("merge: column {id} is not read")))
    };
    let keys = merge.keys.iter().map(|id| position(*id)).collect::<Result<Vec<_>>>()?;
    let give = merge.give.iter().map(|column| position(column.id)).collect::<Result<Vec<_>>>()?;
    let fields = keys.iter().map(|key| SortField::new(merge.columns[*key].arrow_type()));
    let output: Vec<_> = merge.give.iter().map(Column::arrow_field).collect();
    Ok(Box::new(Merged {
        waiting: merge.sources.into_iter().enumerate().collect(),
        converter: RowConverter::new(fields.collect())?,
        keys,
        folds: merge.give.iter().map(|column| column.kind == ColumnKind::Field).collect(),
        give,
        schema: Arc::new(Schema::new(output)),
        mode: merge.mode,
        heap: BinaryHeap::new(),
        held: Vec::new(),
        failed: false,
    }))
}

/// A position in a source. The greatest of a heap is the one that comes first.
struct Cursor {
    /// Higher is newer.
    rank: usize,
    keys: Rows,
    row: usize,
    /// Its batch among the held ones.
    batch: usize,
    source: ScanStream,
}

impl Cursor {
    fn key(&self) -> Row<'_> {
        self.keys.row(self.row)
    }

    fn is_done(&self) -> bool {
        self.row == self.keys.num_rows()
    }
}

impl Ord for Cursor {
    fn cmp(&self, other: &Cursor) -> Ordering {
        other.key().cmp(&self.key()).then_with(|| other.rank.cmp(&self.rank))
    }
}

impl PartialOrd for Cursor {
    fn partial_cmp(&self, other: &Cursor) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cursor {
    fn eq(&self, other: &Cursor) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Cursor {}

struct Merged {
    /// Sources whose next batch is not read yet, with their rank.
    waiting: Vec<(usize, ScanStream)>,
    converter: RowConverter,
    /// Positions of the keys in the sources.
    keys: Vec<usize>,
    /// Positions of the given columns in the sources.
    give: Vec<usize>,
    /// Which given columns are fields.
    folds: Vec<bool>,
    schema: SchemaRef,
    mode: Mode,
    heap: BinaryHeap<Box<Cursor>>,
    /// Batches that cursors or chosen rows stand in.
    held: Vec<RecordBatch>,
    failed: bool,
}

/// Rows of one batch of output: (held batch, row).
#[derive(Default)]
struct Chosen {
    rows: Vec<(usize, usize)>,
    /// Position in `rows` and the older rows of the same key, oldest first.
    folded: Vec<(usize, Vec<(usize, usize)>)>,
}

impl Merged {
    /// Reads the next batch of every waiting source.
    fn refill(&mut self) -> Result<()> {
        while let Some((rank, mut source)) = self.waiting.pop() {
            let Some(batch) = source.next().transpose()? else { continue };
            if batch.num_rows() == 0 {
                self.waiting.push((rank, source));
                continue;
            }
            let keys: Vec<ArrayRef> =
                self.keys.iter().map(|key| Arc::clone(batch.column(*key))).collect();
            let keys = self.converter.convert_columns(&keys)?;
            self.held.push(batch);
            let batch = self.held.len() - 1;
            self.heap.push(Box::new(Cursor { rank, keys, row: 0, batch, source }));
        }
        Ok(())
    }

    /// Puts a cursor back, or its source among those to be read.
    fn put_back(&mut self, cursor: Box<Cursor>) {
        if cursor.is_done() {
            self.waiting.push((cursor.rank, cursor.source));
        } else {
            self.heap.push(cursor);
        }
    }

    fn choose(&mut self) -> Result<Chosen> {
        let mut chosen = Chosen::default();
        while chosen.rows.len() < BATCH_ROWS {
            self.refill()?;
            let Some(mut cursor) = self.heap.pop() else { break };
            match self.mode {
                Mode::Append => self.run(&mut cursor, &mut chosen),
                Mode::Upsert => self.group(&mut cursor, &mut chosen),
            }
            self.put_back(cursor);
        }
        Ok(chosen)
    }

    /// Chooses the rows of `cursor` that come before the next source.
    fn run(&self, cursor: &mut Cursor, chosen: &mut Chosen) {
        let next = self.heap.peek();
        while chosen.rows.len() < BATCH_ROWS && !cursor.is_done() {
            if next.is_some_and(|next| (*cursor).cmp(next) == Ordering::Less) {
                break;
            }
            chosen.rows.push((cursor.batch, cursor.row));
            cursor.row += 1;
        }
    }

    /// Chooses the newest row of the first key if other sources have that key too, else the rows of
    /// `cursor` that come before the next source.
    fn group(&mut self, cursor: &mut Cursor, chosen: &mut Chosen) {
        if self.heap.peek().is_some_and(|next| next.key() == cursor.key()) {
            self.fold(cursor, chosen);
            return;
        }
        while chosen.rows.len() < BATCH_ROWS && !cursor.is_done() {
            // At an equal key the heap decides who is older.
            if self.heap.peek().is_some_and(|next| next.key() <= cursor.key()) {
                break;
            }
            chosen.rows.push((cursor.batch, cursor.row));
            cursor.row += 1;
        }
    }

    /// Chooses the newest row of a key; `cursor` stands at the oldest.
    fn fold(&mut self, cursor: &mut Cursor, chosen: &mut Chosen) {
        let mut older = vec![(cursor.batch, cursor.row)];
        // Equal keys leave the heap oldest first.
        while self.heap.peek().is_some_and(|next| next.key() == cursor.key()) {
            let Some(mut next) = self.heap.pop() else { break };
            older.push((next.batch, next.row));
            next.row += 1;
            self.put_back(next);
        }
        if let Some(newest) = older.pop() {
            chosen.folded.push((chosen.rows.len(), older));
            chosen.rows.push(newest);
        }
        cursor.row += 1;
    }

    fn batch(&self, chosen: &Chosen) -> Result<RecordBatch> {
        let rows = chosen.rows.len();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let run = consecutive(chosen);
        let columns = self.give.iter().zip(&self.folds).map(|(column, folds)| {
            if let Some((batch, start)) = run {
                return Ok(self.held[batch].column(*column).slice(start, rows));
            }
            let values: Vec<&dyn Array> =
                self.held.iter().map(|batch| batch.column(*column).as_ref()).collect();
            if values.iter().all(|values| *values.data_type() == DataType::Null) {
                return Ok(Arc::new(NullArray::new(rows)) as ArrayRef);
            }
            match folds.then(|| folded_rows(&values, chosen)).flatten() {
                Some(rows) => Ok(interleave(&values, &rows)?),
                None => Ok(interleave(&values, &chosen.rows)?),
            }
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(Error::from)
    }

    /// Lets go of batches that no cursor stands in.
    fn release(&mut self) {
        let mut cursors = std::mem::take(&mut self.heap).into_vec();
        let mut held = Vec::with_capacity(cursors.len());
        for cursor in &mut cursors {
            held.push(self.held[cursor.batch].clone());
            cursor.batch = held.len() - 1;
        }
        self.held = held;
        self.heap = cursors.into();
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let chosen = self.choose()?;
        if chosen.rows.is_empty() {
            return Ok(None);
        }
        let batch = self.batch(&chosen)?;
        self.release();
        Ok(Some(batch))
    }
}

/// The batch and first row, where the chosen rows are one piece of one batch.
fn consecutive(chosen: &Chosen) -> Option<(usize, usize)> {
    let follows = |pair: &[(usize, usize)]| pair[0].0 == pair[1].0 && pair[0].1 + 1 == pair[1].1;
    let first = chosen.rows.first().copied()?;
    (chosen.folded.is_empty() && chosen.rows.windows(2).all(follows)).then_some(first)
}

/// The rows that give a field its values; `None` when it is the chosen rows.
fn folded_rows(values: &[&dyn Array], chosen: &Chosen) -> Option<Vec<(usize, usize)>> {
    let mut rows: Option<Vec<(usize, usize)>> = None;
    for (position, older) in &chosen.folded {
        let is_null = |(batch, row): (usize, usize)| {
            let values = values[batch];
            *values.data_type() == DataType::Null || values.is_null(row)
        };
        if is_null(chosen.rows[*position])
            && let Some(row) = older.iter().rev().find(|row| !is_null(**row))
        {
            rows.get_or_insert_with(|| chosen.rows.clone())[*position] = *row;
        }
    }
    rows
}

impl Iterator for Merged {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_batch().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}
