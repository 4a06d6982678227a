//! Many rows of one shape at once, written value by value into typed columns.
//!
//! Not responsible for values that need a conversion, or for rows that may fail half-way: what was
//! written of a row that does not count is taken back with the room that was left over.

use super::{BatchBuilder, FieldIndex};
use crate::column::{ColumnBuilder, Lane};
use crate::types::ColumnType;

/// Room for rows, each with a value in all of the fields asked for and null in the others.
#[derive(Debug)]
pub struct Lanes<'b> {
    /// Times, nanoseconds UTC.
    pub times: &'b mut [i64],
    /// Series codes, as [`BatchBuilder::series`] gives them.
    pub codes: &'b mut [u32],
    /// The values of each field, in the order of the fields asked for.
    pub values: Vec<Lane<'b>>,
}

impl BatchBuilder {
    /// Lets `write` fill up to `rows_max` rows that have a value in each of `fields`, which are all
    /// different, and none elsewhere; it gives how many it filled: these are appended, the rest of
    /// the room is given back. `None`, and nothing written, when a column has no type yet or one
    /// that needs a conversion. Call it between rows.
    pub fn write_rows(
        &mut self,
        fields: &[FieldIndex],
        rows_max: usize,
        write: impl FnOnce(Lanes<'_>) -> usize,
    ) -> Option<usize> {
        if !fields.iter().all(|field| self.fields[field.0].values.has_lane()) {
            return None;
        }
        let before = self.times.len();
        let mut columns = self.take_columns(fields);
        let values = columns.iter_mut().filter_map(|column| column.lane(rows_max)).collect();
        self.times.resize(before + rows_max, 0);
        self.codes.resize(before + rows_max, 0);
        let (times, codes) = (&mut self.times[before..], &mut self.codes[before..]);
        let rows = write(Lanes { times, codes, values }).min(rows_max);
        self.times.truncate(before + rows);
        self.codes.truncate(before + rows);
        for (field, mut column) in fields.iter().zip(columns) {
            column.close_lane(rows);
            self.fields[field.0].values = column;
        }
        if !self.ids.is_empty() {
            self.ids.resize(self.times.len(), None);
        }
        self.settle();
        Some(rows)
    }

    /// The columns of the fields, filled up to the present rows; untyped ones stand in for them.
    fn take_columns(&mut self, fields: &[FieldIndex]) -> Vec<ColumnBuilder> {
        let rows = self.times.len();
        let take = |field: &FieldIndex| {
            let slot = &mut self.fields[field.0].values;
            let mut column = std::mem::replace(slot, ColumnBuilder::new(ColumnType::Untyped));
            column.fill_nulls(rows);
            column
        };
        fields.iter().map(take).collect()
    }
}

#[cfg(test)]
mod tests;
