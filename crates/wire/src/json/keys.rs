//! Keys of objects to columns of the body.
//!
//! Rows mostly have the same keys in the same order, so the column after the last one is tried
//! first.

use hashbrown::HashMap;
use pulsora_model::limits::{COLUMNS_MAX, too_many_columns};
use pulsora_model::{Code, Name};

use crate::rows::RowError;

/// The columns of a body in order of first appearance.
#[derive(Default)]
pub(super) struct Keys {
    names: Vec<Name>,
    index: HashMap<Name, usize, foldhash::fast::RandomState>,
    /// Number of the last row that had the key.
    last_row: Vec<u64>,
    row: u64,
    expected: usize,
    columns_before_row: usize,
}

impl Keys {
    pub(super) fn names(&self) -> &[Name] {
        &self.names
    }

    /// Starts a row.
    pub(super) fn begin_row(&mut self) {
        self.row += 1;
        self.expected = 0;
        self.columns_before_row = self.names.len();
    }

    /// Forgets the columns that the open row brought.
    pub(super) fn abort_row(&mut self) {
        for name in self.names.drain(self.columns_before_row..) {
            self.index.remove(&name);
        }
        self.last_row.truncate(self.columns_before_row);
    }

    /// The column of a key of the open row.
    pub(super) fn column(&mut self, key: &str) -> Result<usize, RowError> {
        let column = match self.names.get(self.expected) {
            Some(name) if &**name == key => self.expected,
            _ => match self.index.get(key) {
                Some(column) => *column,
                None => self.add(key)?,
            },
        };
        self.expected = column + 1;
        if self.last_row[column] == self.row {
            return Err(RowError::new(Code::DuplicateColumn, "the key stands in the object twice")
                .column(key));
        }
        self.last_row[column] = self.row;
        Ok(column)
    }

    fn add(&mut self, key: &str) -> Result<usize, RowError> {
        if self.names.len() >= COLUMNS_MAX {
            return Err(RowError::from(too_many_columns("the body")).column(key));
        }
        let name = Name::new(key)?;
        let column = self.names.len();
        self.index.insert(name.clone(), column);
        self.names.push(name);
        self.last_row.push(0);
        Ok(column)
    }
}
