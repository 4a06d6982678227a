//! The tags of one row on their way to a series.
//!
//! In an append table a tag may have the name of a text field; its value then goes into that field.
//!
//! Invariants: a tag stands at most once in a row; empty values are absent.

use std::borrow::Cow;

use pulsora_model::builder::{BatchBuilder, FieldIndex, TagIndex, TagTarget};
use pulsora_model::{Code, Error};

use super::{Fault, Row};
use crate::numbers::series_of;

/// The tags of one row; reused from row to row.
#[derive(Default)]
pub(crate) struct TagSet<'a> {
    tags: Vec<(TagIndex, Cow<'a, str>)>,
    fields: Vec<(FieldIndex, Cow<'a, str>)>,
}

impl<'a> TagSet<'a> {
    /// Begins a row without tags.
    pub(crate) fn begin(&mut self) {
        self.tags.clear();
        self.fields.clear();
    }

    /// Adds a tag.
    ///
    /// # Errors
    /// When it comes twice, or cannot be a tag of this table.
    pub(crate) fn add(
        &mut self,
        batch: &mut BatchBuilder,
        name: &str,
        value: Cow<'a, str>,
    ) -> Result<(), Fault> {
        batch.limits().check_text(&value).map_err(|error| Fault::of_column(error, name))?;
        let fresh = match batch.tag(name).map_err(|error| Fault::of_column(error, name))? {
            TagTarget::Tag(tag) => add(&mut self.tags, tag, value),
            TagTarget::Field(field) => add(&mut self.fields, field, value),
        };
        if fresh {
            return Ok(());
        }
        let error = Error::new(Code::DuplicateColumn, format!("tag {name:?} comes twice"));
        Err(Fault::of_column(error, name))
    }

    /// Whether the tags are the series and nothing else.
    pub(crate) fn is_series(&self) -> bool {
        self.fields.is_empty()
    }

    /// The tags of the series, in the order they were added.
    pub(crate) fn tags(&self) -> impl Iterator<Item = TagIndex> {
        self.tags.iter().map(|(tag, _)| *tag)
    }

    /// The series of the tags.
    ///
    /// # Errors
    /// As [`BatchBuilder::series`].
    pub(crate) fn series(&self, batch: &mut BatchBuilder) -> Result<u32, Fault> {
        Ok(series_of(batch, self.tags.iter().map(|(tag, value)| (*tag, value.as_ref())))?)
    }

    /// Puts the tags that are fields of this table into the row, after its fields.
    ///
    /// # Errors
    /// When one of them is also a field of the row.
    pub(crate) fn put_fields(&self, row: &mut Row<'a>, batch: &BatchBuilder) -> Result<(), Fault> {
        for (field, value) in self.fields.iter().filter(|(_, value)| !value.is_empty()) {
            if row.has(*field) {
                let name = batch.field_name(*field);
                let message = format!("column {name:?} is both a tag and a field here");
                return Err(Fault::of_column(Error::new(Code::DuplicateColumn, message), name));
            }
            row.put_text(*field, value);
        }
        Ok(())
    }
}

fn add<I: PartialEq, V>(all: &mut Vec<(I, V)>, index: I, value: V) -> bool {
    let fresh = all.iter().all(|(other, _)| *other != index);
    if fresh {
        all.push((index, value));
    }
    fresh
}
