//! A JSON value into its column, by the column's role and type.

use pulsora_model::builder::{BatchBuilder, FieldIndex};
use pulsora_model::column::Clash;
use pulsora_model::limits::EXCERPT_BYTES;
use pulsora_model::name::prefix;
use pulsora_model::time::is_time_text;
use pulsora_model::{Code, ColumnType};

use super::source::syntax;
use crate::json_reader::{JsonReader, Kind, Number, Scalar};
use crate::rows::RowError;
use crate::rows::infer::Scanned;
use crate::rows::sink::{RowSink, Slot, check_field_text};

/// Reads the value that comes next and says what it is; `None` for null.
pub(super) fn scan(
    reader: &mut JsonReader<'_>,
    scratch: &mut String,
) -> Result<Option<Scanned>, RowError> {
    Ok(Some(match reader.scalar(scratch).map_err(syntax)? {
        Scalar::Null => return Ok(None),
        Scalar::Bool(value) => Scanned::Bool(value),
        Scalar::Number(Number::I64(value)) => Scanned::Int(value),
        Scalar::Number(Number::U64(value)) => Scanned::Uint(value),
        Scalar::Number(Number::F64(_)) => Scanned::Float,
        Scalar::Text(text) if is_time_text(text) => Scanned::Time,
        Scalar::Text(_) => Scanned::Text,
        Scalar::Nested(kind) => return Err(nested(kind)),
    }))
}

fn nested(kind: Kind) -> RowError {
    RowError::new(
        Code::TypeConflict,
        format!("the value is {}; a column holds plain values", kind.noun()),
    )
    .hint("send its members as columns of their own, or the whole as text")
}

/// How numbers and booleans enter a text column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mixed {
    /// As they were written: the column became text in this body because it mixes types.
    AsText,
    /// Not at all.
    Refused,
}

/// Reads the value that comes next into a column of the open row.
pub(super) fn store(
    sink: &mut RowSink<'_>,
    column: usize,
    mixed: Mixed,
    reader: &mut JsonReader<'_>,
    scratch: &mut String,
) -> Result<(), RowError> {
    let start = reader.clone();
    let scalar = match reader.scalar(scratch).map_err(syntax)? {
        Scalar::Null => return Ok(()),
        Scalar::Nested(kind) => return Err(nested(kind).column(sink.name(column))),
        scalar => scalar,
    };
    // The value as it was written, for numbers and booleans.
    let raw = || start.text()[start.offset()..reader.offset()].trim_ascii();
    let slot = sink.slot(column);
    if let (Slot::Field(field), Scalar::Text(text)) = (slot, scalar) {
        check_field_text(sink.builder(), field, text)?;
    }
    match (slot, scalar) {
        (Slot::Field(field), _) => {
            let builder = sink.builder();
            let as_text = mixed == Mixed::AsText && builder.field_type(field) == ColumnType::Utf8;
            let result = match scalar {
                Scalar::Bool(_) | Scalar::Number(_) if as_text => builder.push_str(field, raw()),
                Scalar::Number(Number::F64(_)) if beyond_integers(builder, field, raw()) => {
                    let column = builder.field_type(field);
                    let reason = Some("no integer type holds it");
                    Err(Clash { value: ColumnType::U64, column, reason })
                }
                scalar => store_field(builder, field, scalar),
            };
            result.map_err(|clash| {
                let text = match scalar {
                    Scalar::Text(text) => text,
                    _ => raw(),
                };
                RowError::in_field(builder, field, &clash, text)
            })
        }
        (Slot::Tag(tag), Scalar::Text(text)) => sink.tag(tag, text),
        (Slot::Tag(tag), _) => sink.tag(tag, raw()),
        (Slot::Time, Scalar::Text("")) => Ok(()),
        (Slot::Time, Scalar::Text(text)) => sink.time(text),
        (Slot::Time, _) => sink.time(raw()),
        (Slot::Id, Scalar::Number(Number::I64(id))) => {
            sink.id(column, u64::try_from(id).ok(), raw())
        }
        (Slot::Id, Scalar::Number(Number::U64(id))) => sink.id(column, Some(id), raw()),
        (Slot::Id, _) => sink.id(column, None, prefix(raw(), EXCERPT_BYTES)),
    }
}

/// Whether `raw` is an integer too large for any integer type, in a column of integers: it must not
/// turn them all into floats.
fn beyond_integers(builder: &BatchBuilder, field: FieldIndex, raw: &str) -> bool {
    let integers = matches!(builder.field_type(field), ColumnType::I64 | ColumnType::U64);
    integers && !raw.contains(['.', 'e', 'E'])
}

fn store_field(
    builder: &mut BatchBuilder,
    field: FieldIndex,
    scalar: Scalar<'_>,
) -> Result<(), Clash> {
    match scalar {
        Scalar::Null | Scalar::Nested(_) => Ok(()),
        Scalar::Bool(value) => builder.push_bool(field, value),
        Scalar::Number(Number::I64(value)) => builder.push_i64(field, value),
        Scalar::Number(Number::U64(value)) => builder.push_u64(field, value),
        Scalar::Number(Number::F64(value)) => builder.push_f64(field, value),
        Scalar::Text(text) => builder.push_str(field, text),
    }
}
