//! Why an item is not stored.

use pulsora_model::column::Clash;
use pulsora_model::limits::EXCERPT_BYTES;
use pulsora_model::name::prefix;
use pulsora_model::time::time_text;
use pulsora_model::{Code, Detail, Error, Scalar};

use crate::json_reader::JsonError;

/// Why an item is not stored.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The error that the item would be on its own.
    pub(crate) error: Error,
    /// Column, tag or field, where it is one of these.
    pub(crate) column: Option<String>,
}

impl Fault {
    /// A value that does not fit its column.
    pub(crate) fn clash(column: &str, value: Option<Scalar<'_>>, clash: &Clash) -> Fault {
        let value = value.map_or(String::new(), |value| format!(", value {}", excerpt(value)));
        let message = format!("column {column:?}{value}: {}", clash.message());
        Fault::of_column(Error::new(clash.code(), message), column)
    }

    /// An error that concerns one column.
    pub(crate) fn of_column(error: Error, column: &str) -> Fault {
        Fault { error, column: Some(column.to_owned()) }
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

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Fault {
        Fault { error: error.into(), column: None }
    }
}

fn excerpt(value: Scalar<'_>) -> String {
    match value {
        Scalar::I64(value) => value.to_string(),
        Scalar::U64(value) => value.to_string(),
        Scalar::F64(value) => value.to_string(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Text(value) => format!("{:?}", prefix(value, EXCERPT_BYTES)),
        Scalar::Timestamp(value) => time_text(value),
    }
}
