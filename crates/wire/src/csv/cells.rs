//! A CSV cell into its column, by the column's type.

use pulsora_model::ColumnType;
use pulsora_model::builder::{BatchBuilder, FieldIndex};
use pulsora_model::column::Clash;

use super::records::Cell;
use crate::rows::RowError;
use crate::rows::infer::{Scanned, parse_bool, parse_int, parse_uint, scan};
use crate::rows::sink::{RowSink, Slot, check_field_text};

/// Longest integer text that is exact as f64 without a look: 15 digits are below 2^53.
const EXACT_DIGITS: usize = 15;

/// Stores a cell that is not null in the open row.
pub(super) fn store(sink: &mut RowSink<'_>, column: usize, cell: Cell<'_>) -> Result<(), RowError> {
    match sink.slot(column) {
        Slot::Time if cell.text.is_empty() => Ok(()),
        Slot::Time => sink.time(cell.text),
        Slot::Id => sink.id(column, parse_uint(cell.text.trim_ascii().as_bytes()), cell.text),
        Slot::Tag(tag) => sink.tag(tag, cell.text),
        Slot::Field(field) => {
            let builder = sink.builder();
            check_field_text(builder, field, cell.text)?;
            store_field(builder, field, cell.text)
                .map_err(|clash| RowError::in_field(builder, field, &clash, cell.text))
        }
    }
}

fn store_field(builder: &mut BatchBuilder, field: FieldIndex, text: &str) -> Result<(), Clash> {
    let ty = builder.field_type(field);
    if text.is_empty() && ty != ColumnType::Utf8 && ty != ColumnType::Untyped {
        return Ok(());
    }
    match ty {
        ColumnType::Utf8 | ColumnType::Timestamp => builder.push_str(field, text),
        ColumnType::I64 | ColumnType::U64 => {
            let bytes = text.trim_ascii().as_bytes();
            match parse_int(bytes) {
                Some(value) => builder.push_i64(field, value),
                None => store_scanned(builder, field, text),
            }
        }
        ColumnType::F64 => store_float(builder, field, text),
        ColumnType::Bool => match parse_bool(text) {
            Some(value) => builder.push_bool(field, value),
            None => store_scanned(builder, field, text),
        },
        ColumnType::Untyped => store_scanned(builder, field, text),
    }
}

fn store_float(builder: &mut BatchBuilder, field: FieldIndex, text: &str) -> Result<(), Clash> {
    let bytes = text.trim_ascii().as_bytes();
    if bytes.len() > EXACT_DIGITS
        && let Some(value) = parse_int(bytes)
    {
        return builder.push_i64(field, value);
    }
    match parse_float(bytes) {
        Some(value) if bytes.len() <= EXACT_DIGITS => builder.push_f64(field, value),
        Some(value) => match parse_uint(bytes) {
            Some(uint) => builder.push_u64(field, uint),
            None => builder.push_f64(field, value),
        },
        None => store_scanned(builder, field, text),
    }
}

/// Stores what the text reads as, or clashes with that type.
fn store_scanned(builder: &mut BatchBuilder, field: FieldIndex, text: &str) -> Result<(), Clash> {
    match scan(text) {
        Scanned::Bool(value) => builder.push_bool(field, value),
        Scanned::Int(value) => builder.push_i64(field, value),
        Scanned::Uint(value) => builder.push_u64(field, value),
        Scanned::Float => match parse_float(text.trim_ascii().as_bytes()) {
            Some(value) => builder.push_f64(field, value),
            None => builder.push_str(field, text),
        },
        Scanned::Time | Scanned::Text | Scanned::EmptyText => builder.push_str(field, text),
    }
}

/// A float; `None` when the text is none or would overflow to an infinity it does not spell.
pub(super) fn parse_float(bytes: &[u8]) -> Option<f64> {
    let value = fast_float2::parse::<f64, _>(bytes).ok()?;
    let spelled = || bytes.iter().any(|b| matches!(b, b'n' | b'N'));
    (value.is_finite() || spelled()).then_some(value)
}
