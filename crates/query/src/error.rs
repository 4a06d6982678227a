//! What the planner and the operators report, in the words of the contract: one lower-case sentence,
//! a code, and a hint. No names of the libraries' types get out.

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use pulsora_model::name::nearest;
use pulsora_model::{Code, Error};

/// An error of ours on its way through the planner's streams.
pub(crate) fn into_datafusion(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The contract's error for one of the planner's.
pub(crate) fn from_datafusion(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            from_datafusion(inner)
        }
        DataFusionError::Shared(inner) => from_datafusion(inner),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => from_datafusion(first),
            None => Error::internal("the query failed without a reason"),
        },
        DataFusionError::External(inner) => from_source(inner.as_ref()),
        DataFusionError::ArrowError(inner, _) => from_arrow(inner),
        DataFusionError::SchemaError(inner, _) => from_schema(inner),
        DataFusionError::ResourcesExhausted(text) => {
            tracing::debug!(%text, "a query reached the memory limit");
            memory_limit()
        }
        DataFusionError::IoError(inner) => Error::io(
            "spilling a query to disk",
            std::io::Error::new(inner.kind(), inner.to_string()),
        ),
        DataFusionError::NotImplemented(text) => {
            Error::new(Code::SqlInvalid, format!("not supported: {}", sentence(text)))
        }
        DataFusionError::SQL(inner, _) => {
            Error::new(Code::SqlInvalid, sentence(&inner.to_string()))
        }
        DataFusionError::Plan(text)
        | DataFusionError::Execution(text)
        | DataFusionError::Configuration(text) => from_text(text),
        DataFusionError::ExecutionJoin(inner) if inner.is_cancelled() => {
            Error::new(Code::Cancelled, "the query was cancelled")
        }
        other => {
            tracing::error!(error = %other, "a query failed inside the planner or an operator");
            Error::internal(format!("the query failed: {}", sentence(&other.to_string())))
        }
    }
}

/// `memory_limit` of a query.
pub(crate) fn memory_limit() -> Error {
    Error::new(Code::MemoryLimit, "the query needs more memory than queries may use together")
        .hint("narrow the time range, select fewer columns or group by less, or try again later")
}

/// `sql_invalid` for a column that is not there.
pub(crate) fn unknown_column<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Error {
    let names: Vec<&str> = names.into_iter().collect();
    let error = Error::new(Code::SqlInvalid, format!("column {wanted:?} does not exist"));
    let near = nearest(wanted, names.iter().copied());
    if !near.is_empty() {
        return error.hint(format!("did you mean {}?", near.join(", ")));
    }
    match names.len() {
        0 => error,
        1..=20 => error.hint(format!("there are {}", names.join(", "))),
        n => error.hint(format!("DESCRIBE lists the {n} columns")),
    }
}

fn from_source(error: &(dyn std::error::Error + 'static)) -> Error {
    if let Some(ours) = error.downcast_ref::<Error>() {
        return ours.duplicate();
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return from_datafusion(inner);
    }
    if let Some(inner) = error.downcast_ref::<ArrowError>() {
        return from_arrow(inner);
    }
    Error::internal(format!("the query failed: {}", sentence(&error.to_string())))
}

fn from_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(inner) => from_source(inner.as_ref()),
        ArrowError::DivideByZero => Error::new(Code::SqlInvalid, "division by zero")
            .hint("NULLIF(divisor, 0) gives null instead"),
        ArrowError::MemoryError(_) => memory_limit(),
        ArrowError::IoError(text, inner) => {
            Error::io(sentence(text), std::io::Error::new(inner.kind(), inner.to_string()))
        }
        ArrowError::ArithmeticOverflow(text)
        | ArrowError::CastError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::ParseError(text)
        | ArrowError::InvalidArgumentError(text)
        | ArrowError::NotYetImplemented(text) => from_text(text),
        other => Error::internal(format!("the query failed: {}", sentence(&other.to_string()))),
    }
}

fn from_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            unknown_column(field.name(), valid_fields.iter().map(|column| column.name()))
        }
        SchemaError::AmbiguousReference { field } => Error::new(
            Code::SqlInvalid,
            format!("column {:?} is in more than one table of the query", field.name()),
        )
        .hint("write table.column"),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::new(Code::SqlInvalid, format!("the query gives two columns the name {name:?}"))
                .hint("name one of them with AS")
        }
    }
}

/// A message for the user; a second line that says "Did you mean" is its hint.
fn from_text(text: &str) -> Error {
    let error = Error::new(Code::SqlInvalid, sentence(text));
    match text.lines().skip(1).find(|line| line.trim_start().starts_with("Did you mean")) {
        Some(line) => error.hint(lower_first(line.trim())),
        None => error,
    }
}

/// What the libraries put before their messages.
const PREFIXES: &[&str] = &[
    "DataFusion error: ",
    "Error during planning: ",
    "Execution error: ",
    "External error: ",
    "Arrow error: ",
    "SQL error: ",
    "sql parser error: ",
    "Schema error: ",
    "Internal error: ",
    "Invalid argument error: ",
    "Cast error: ",
    "Parser error: ",
    "Compute error: ",
    "Arithmetic overflow: ",
    "Optimizer rule ",
    "Invalid or Unsupported Configuration: ",
    "This feature is not implemented: ",
    "Not yet implemented: ",
    "type_coercion",
    "caused by",
];

/// One lower-case sentence: the first line without prefixes, without a last full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut rest = text.trim();
    if let Some((_, reason)) = rest.split_once("coercion failed with: ") {
        rest = reason;
    }
    while let Some(stripped) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = stripped.trim_start();
    }
    let line = rest.lines().next().unwrap_or("").trim();
    let line = [". You might need", ". No function matches", ", errors: "]
        .iter()
        .fold(line, |line, end| line.split(end).next().unwrap_or(line));
    lower_first(line.trim_end_matches('.'))
}

/// The first letter in lower case, unless the word is an acronym or a quoted name.
fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}
