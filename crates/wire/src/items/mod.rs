//! What the formats of independent lines, points and items share.
//!
//! Such a body may mix any number of tables, and a bad item must not lose the good ones:
//! [`Tables`] holds the batch of each table under construction, [`Row`] gathers the values of one row
//! before any of them enters a batch, [`Clock`] gives times their unit.

mod clock;
mod row;
mod tables;

pub(crate) use clock::Clock;
pub(crate) use row::Row;
pub(crate) use tables::{TableIndex, Tables};

use pulsora_model::column::Clash;
use pulsora_model::{Code, Detail, Error};

/// Why an item is not stored.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The error that the item would be on its own.
    pub(crate) error: Error,
    /// Column, tag or field, where it is one of these.
    pub(crate) column: Option<String>,
}

impl Fault {
    /// A value that does not fit its column. `value` is the value as the user wrote it.
    pub(crate) fn clash(column: &str, value: &str, clash: &Clash) -> Fault {
        let message = format!("column {column:?}, value {value}: {}", clash.message());
        Fault { error: Error::new(Code::TypeConflict, message), column: Some(column.to_owned()) }
    }

    /// The same with the name of its column.
    pub(crate) fn of_column(error: impl Into<Fault>, column: &str) -> Fault {
        Fault { column: Some(column.to_owned()), ..error.into() }
    }

    /// Whether it concerns the whole request, not one item.
    pub(crate) fn is_fatal(&self) -> bool {
        self.error.code() == Code::MixedTimeUnits
    }

    /// The entry in the list of bad items, without its place.
    pub(crate) fn detail(&self) -> Detail {
        let message = match self.error.hint_text() {
            Some(hint) => format!("{} ({hint})", self.error.message()),
            None => self.error.message().to_owned(),
        };
        Detail { column: self.column.clone(), message, ..Detail::default() }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault { error, column: None }
    }
}
