//! What comes of a body of rows: a write, and the rows that could not be part of it.
//!
//! Invariant: with `on_error=abort` the first bad row is an error of the whole body and nothing is
//! written; with `skip` bad rows are counted, and the first hundred are listed.

use pulsora_model::builder::BatchBuilder;
use pulsora_model::column::Clash;
use pulsora_model::limits::{DETAILS_MAX, EXCERPT_BYTES};
use pulsora_model::name::prefix;
use pulsora_model::{Code, Detail, Error, Result, TableWrite};

use super::options::OnError;

/// A parsed body of rows.
#[derive(Debug)]
pub struct RowsParsed {
    /// The good rows; `None` when there are none.
    pub write: Option<TableWrite>,
    /// Number of good rows.
    pub rows: u64,
    /// Number of bad rows (`on_error=skip`).
    pub rejected: u64,
    /// The first hundred bad rows.
    pub details: Vec<Detail>,
}

/// Where a row stands in its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Line of a text body, from 1.
    Line(u64),
    /// Row of a binary body or item of a JSON array, from 0.
    Row(u64),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Line(line) => write!(f, "line {line}"),
            Place::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// Why one row cannot be stored.
#[derive(Debug)]
pub(crate) struct RowError {
    code: Code,
    message: String,
    column: Option<String>,
    text: Option<String>,
    hint: Option<String>,
}

impl RowError {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> RowError {
        RowError { code, message: message.into(), column: None, text: None, hint: None }
    }

    /// A value that does not fit the type of its column.
    pub(crate) fn clash(clash: &Clash) -> RowError {
        RowError::new(clash.code(), clash.message())
    }

    /// A value that does not fit the field that `builder` holds under `field`.
    pub(crate) fn in_field(
        builder: &BatchBuilder,
        field: pulsora_model::builder::FieldIndex,
        clash: &Clash,
        text: &str,
    ) -> RowError {
        RowError::clash(clash).column(builder.field_name(field)).text(text)
    }

    #[must_use]
    pub(crate) fn column(mut self, name: &str) -> RowError {
        self.column = Some(name.to_owned());
        self
    }

    /// The offending text; cut to what an answer can bear.
    #[must_use]
    pub(crate) fn text(mut self, text: &str) -> RowError {
        self.text = Some(prefix(text, EXCERPT_BYTES).to_owned());
        self
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> RowError {
        self.hint = Some(hint.into());
        self
    }

    fn detail(&self, place: Place) -> Detail {
        let (line, index) = match place {
            Place::Line(line) => (Some(line), None),
            Place::Row(row) => (None, Some(row)),
        };
        let (column, text) = (self.column.clone(), self.text.clone());
        Detail { line, index, column, text, message: self.message.clone() }
    }

    /// The error of a whole body that this row makes.
    pub(crate) fn at(self, place: Place) -> Error {
        let detail = self.detail(place);
        let column = self.column.map(|column| format!(", column {column:?}")).unwrap_or_default();
        let text = self.text.map(|text| format!(", value {text:?}")).unwrap_or_default();
        let message = format!("{place}{column}{text}: {}", self.message);
        let error = Error::new(self.code, message).details([detail]);
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<Error> for RowError {
    fn from(error: Error) -> RowError {
        let row = RowError::new(error.code(), error.message());
        match error.hint_text() {
            Some(hint) => row.hint(hint),
            None => row,
        }
    }
}

/// The bad rows of one body.
#[derive(Debug)]
pub(crate) struct Rejects {
    on_error: OnError,
    rejected: u64,
    details: Vec<Detail>,
}

impl Rejects {
    pub(crate) fn new(on_error: OnError) -> Rejects {
        Rejects { on_error, rejected: 0, details: Vec::new() }
    }

    /// Counts a bad row.
    ///
    /// # Errors
    /// The row's error, with `on_error=abort`.
    pub(crate) fn reject(&mut self, place: Place, error: RowError) -> Result<()> {
        if self.on_error == OnError::Abort {
            return Err(error.at(place));
        }
        self.rejected += 1;
        if self.details.len() < DETAILS_MAX {
            // A list has no place for hints of its own.
            let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            let detail = error.detail(place);
            self.details.push(Detail { message: detail.message + &hint, ..detail });
        }
        Ok(())
    }

    /// Counts bad rows beyond those that are listed.
    pub(crate) fn add_unlisted(&mut self, rows: u64) {
        self.rejected += rows;
    }

    pub(crate) fn finish(self, write: Option<TableWrite>) -> RowsParsed {
        let write = write.filter(|write| write.batch.rows > 0);
        let rows = write.as_ref().map_or(0, |write| write.batch.rows as u64);
        RowsParsed { write, rows, rejected: self.rejected, details: self.details }
    }
}
