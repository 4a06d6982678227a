//! Labels and attributes whose names are taken.

use std::borrow::Cow;

use pulsora_model::BatchBuilder;

/// Put before a label that bears the name of a column that it cannot be.
const PREFIX: &str = "label_";

/// The tag of a label: its own name, unless that is the time column, the row id or one of the fields
/// that rows of this kind have.
pub(crate) fn tag_name<'n>(batch: &BatchBuilder, name: &'n str, fields: &[&str]) -> Cow<'n, str> {
    let taken = match batch.schema() {
        Some(schema) => {
            &*schema.time().name == name || schema.row_id().is_some_and(|id| &*id.name == name)
        }
        None => name == "time",
    };
    if taken || fields.contains(&name) {
        Cow::Owned(format!("{PREFIX}{name}"))
    } else {
        Cow::Borrowed(name)
    }
}
