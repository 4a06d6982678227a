//! The first or last row of each cell: the wanted columns of the rows that lead so far.
//!
//! Rows that lead are copied out of their batch once per batch. Rows that were overtaken stay until
//! they are more than those that lead, then all are copied together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, NullArray, RecordBatch, RecordBatchOptions};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, SchemaRef};
use pulsora_model::{Error, Result};

/// Overtaken rows are let go of from this many on.
const OVERTAKEN_MIN: usize = 65_536;

/// Where the row of a cell is.
#[derive(Clone, Copy)]
struct Lead {
    time: i64,
    /// Batch and row; `NONE` = no row yet, `OPEN` = the batch that is being fed.
    batch: u32,
    row: u32,
}

const NONE: u32 = u32::MAX;
const OPEN: u32 = u32::MAX - 1;

/// First (or last) rows by cell.
pub(super) struct Picks {
    schema: SchemaRef,
    /// Later rows lead.
    latest: bool,
    leads: Vec<Lead>,
    batches: Vec<RecordBatch>,
    /// Rows in `batches`.
    rows: usize,
    /// Cells that have a row.
    taken: usize,
    /// Cells whose row is in the batch that is being fed; some may be there twice.
    open: Vec<u32>,
}

impl Picks {
    /// No rows yet; rows will have these columns.
    pub fn new(schema: SchemaRef, latest: bool) -> Picks {
        Picks {
            schema,
            latest,
            leads: Vec::new(),
            batches: Vec::new(),
            rows: 0,
            taken: 0,
            open: Vec::new(),
        }
    }

    /// Makes room for this many cells.
    pub fn grow(&mut self, cells: usize) {
        self.leads.resize(cells, Lead { time: 0, batch: NONE, row: 0 });
    }

    /// Whether a row of this time would lead a cell.
    pub fn leads(&self, cell: usize, time: i64) -> bool {
        let lead = &self.leads[cell];
        lead.batch == NONE || if self.latest { time > lead.time } else { time < lead.time }
    }

    /// Whether the row of a cell is at or after a time (for last rows).
    pub fn reaches(&self, cell: usize, time: i64) -> bool {
        self.leads[cell].batch != NONE && self.leads[cell].time >= time
    }

    /// Offers a row of the batch that is being fed.
    pub fn offer(&mut self, cell: usize, time: i64, row: usize) {
        if !self.leads(cell, time) {
            return;
        }
        let lead = &mut self.leads[cell];
        self.taken += usize::from(lead.batch == NONE);
        if lead.batch != OPEN {
            self.open.push(cell as u32);
        }
        *lead = Lead { time, batch: OPEN, row: row as u32 };
    }

    /// Ends a batch: keeps its rows that lead. `take` gives rows of it by number, with the columns of
    /// the schema.
    ///
    /// # Errors
    /// Those of `take`; `internal` from Arrow.
    pub fn end_batch(&mut self, take: impl FnOnce(&[u32]) -> Result<RecordBatch>) -> Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let open = std::mem::take(&mut self.open);
        let rows: Vec<u32> = open.iter().map(|cell| self.leads[*cell as usize].row).collect();
        let batch = take(&rows)?;
        let number = self.batches.len() as u32;
        for (position, cell) in (0..).zip(open) {
            let lead = &mut self.leads[cell as usize];
            (lead.batch, lead.row) = (number, position);
        }
        self.rows += batch.num_rows();
        self.batches.push(batch);
        if self.rows - self.taken > OVERTAKEN_MIN.max(self.taken) {
            self.compact()?;
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        let cells: Vec<usize> =
            (0..self.leads.len()).filter(|cell| self.leads[*cell].batch != NONE).collect();
        let columns = self.columns(&cells)?;
        let options = RecordBatchOptions::new().with_row_count(Some(cells.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        for (row, cell) in (0..).zip(cells) {
            let lead = &mut self.leads[cell];
            (lead.batch, lead.row) = (0, row);
        }
        self.rows = batch.num_rows();
        self.batches = vec![batch];
        Ok(())
    }

    /// Adds the rows of other cells, as pairs (its cell, cell here).
    pub fn merge(&mut self, other: &Picks, cells: &[(usize, usize)]) {
        let first = self.batches.len() as u32;
        self.batches.extend(other.batches.iter().cloned());
        self.rows += other.rows;
        for (from, to) in cells {
            let lead = other.leads[*from];
            if lead.batch != NONE && self.leads(*to, lead.time) {
                self.taken += usize::from(self.leads[*to].batch == NONE);
                self.leads[*to] = Lead { batch: first + lead.batch, ..lead };
            }
        }
    }

    /// The columns of the rows of these cells, each of which has one.
    ///
    /// # Errors
    /// `internal` when a cell has no row, or from Arrow.
    pub fn columns(&self, cells: &[usize]) -> Result<Vec<ArrayRef>> {
        let rows: Vec<(usize, usize)> = cells
            .iter()
            .map(|cell| {
                let lead = &self.leads[*cell];
                (lead.batch as usize, lead.row as usize)
            })
            .collect();
        if rows.iter().any(|(batch, _)| *batch >= self.batches.len()) {
            return Err(Error::internal("a cell with rows has no first or last row"));
        }
        let columns = self.schema.fields().iter().enumerate().map(|(column, field)| {
            if *field.data_type() == DataType::Null || rows.is_empty() {
                return Ok(match field.data_type() {
                    DataType::Null => Arc::new(NullArray::new(rows.len())) as ArrayRef,
                    ty => arrow::array::new_empty_array(ty),
                });
            }
            let values: Vec<&dyn Array> =
                self.batches.iter().map(|batch| batch.column(column).as_ref()).collect();
            Ok(interleave(&values, &rows)?)
        });
        columns.collect()
    }

    /// Bytes held, about.
    pub fn size_bytes(&self) -> usize {
        let row = 16 * self.schema.fields().len();
        self.leads.len() * size_of::<Lead>() + self.rows * row
    }
}
