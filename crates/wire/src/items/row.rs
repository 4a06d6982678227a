//! The values of one row before they enter a batch.
//!
//! All of them are checked before the first is pushed, so that bad rows never touch the columns:
//! a long run of them costs no more than good ones.
//!
//! Invariants: a field stands at most once in a row; of several values the last counts.

use std::ops::Range;

use pulsora_model::Scalar;
use pulsora_model::builder::{BatchBuilder, FieldIndex};
use pulsora_model::column::Clash;

use super::Fault;

#[derive(Clone, Debug)]
enum Value<'a> {
    Plain(Scalar<'a>),
    /// Text in `texts`.
    Owned(Range<usize>),
}

/// The values of one row under construction; reused from row to row.
#[derive(Default)]
pub(crate) struct Row<'a> {
    values: Vec<(FieldIndex, Value<'a>)>,
    texts: String,
    /// Number of the row, from 1.
    number: u64,
    /// By field: the last row that had a value for it, and where the value stands.
    places: Vec<(u64, usize)>,
}

impl<'a> Row<'a> {
    /// Begins a row without values.
    pub(crate) fn begin(&mut self) {
        self.values.clear();
        self.texts.clear();
        self.number += 1;
    }

    /// Whether the row has no values.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Number of fields that have a value.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether the row has a value for this field.
    pub(crate) fn has(&self, field: FieldIndex) -> bool {
        self.places.get(field.0).is_some_and(|(number, _)| *number == self.number)
    }

    /// Sets a value that is part of the body.
    pub(crate) fn put(&mut self, field: FieldIndex, value: Scalar<'a>) {
        self.place(field, Value::Plain(value));
    }

    /// Sets a text that is not part of the body (it had escapes).
    pub(crate) fn put_text(&mut self, field: FieldIndex, text: &str) {
        let start = self.texts.len();
        self.texts.push_str(text);
        self.place(field, Value::Owned(start..self.texts.len()));
    }

    fn place(&mut self, field: FieldIndex, value: Value<'a>) {
        if self.places.len() <= field.0 {
            self.places.resize(field.0 + 1, (0, 0));
        }
        let (number, place) = &mut self.places[field.0];
        if *number == self.number {
            self.values[*place] = (field, value);
        } else {
            (*number, *place) = (self.number, self.values.len());
            self.values.push((field, value));
        }
    }

    /// Checks every value against its column.
    ///
    /// # Errors
    /// The value that does not fit.
    pub(crate) fn check(&self, batch: &mut BatchBuilder) -> Result<(), Fault> {
        for (field, value) in &self.values {
            let value = self.scalar(value);
            if let Scalar::Text(text) = value {
                let checked = batch.limits().check_text(text);
                checked.map_err(|error| Fault::of_column(error, batch.field_name(*field)))?;
            }
            batch.check(*field, value).map_err(|clash| fault(batch, *field, value, &clash))?;
        }
        Ok(())
    }

    /// Moves the values of a checked row into the batch and ends the row there.
    ///
    /// # Errors
    /// Only when the texts of a column exceed 2 GiB; the caller then aborts the row.
    pub(crate) fn store(
        &self,
        batch: &mut BatchBuilder,
        series: u32,
        time_ns: i64,
    ) -> Result<(), Fault> {
        for (field, value) in &self.values {
            let value = self.scalar(value);
            batch
                .push_scalar(*field, value)
                .map_err(|clash| fault(batch, *field, value, &clash))?;
        }
        batch.end_row(series, time_ns);
        Ok(())
    }

    fn scalar<'s>(&'s self, value: &Value<'s>) -> Scalar<'s> {
        match value {
            Value::Plain(value) => *value,
            Value::Owned(range) => Scalar::Text(&self.texts[range.clone()]),
        }
    }
}

fn fault(batch: &BatchBuilder, field: FieldIndex, value: Scalar<'_>, clash: &Clash) -> Fault {
    Fault::clash(batch.field_name(field), Some(value), clash)
}
