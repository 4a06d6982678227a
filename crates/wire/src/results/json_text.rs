//! Values as JSON text.

use pulsora_model::time::format_time;
use serde::Serialize;

use super::cells::Value;
use super::options::{Nonfinite, ResultOptions, TimeStyle};

/// Appends a value of a plain type: numbers shortest, text escaped.
pub(super) fn write_plain(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok(), "plain values always have a JSON text");
}

/// Appends a value.
pub(super) fn write_value(value: Value<'_, '_>, options: &ResultOptions, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(value) => write_plain(&value, out),
        Value::Int(value) => write_plain(&value, out),
        Value::Uint(value) => write_plain(&value, out),
        Value::F32(value) if value.is_finite() => write_plain(&value, out),
        Value::F32(value) => write_nonfinite(f64::from(value), options, out),
        Value::F64(value) if value.is_finite() => write_plain(&value, out),
        Value::F64(value) => write_nonfinite(value, options, out),
        Value::Time(time_ns) => write_time(time_ns, options.times, out),
        Value::Text(text) => write_plain(text, out),
        Value::Bytes(bytes) => write_plain(&hex(bytes), out),
        Value::Number(text) => out.extend_from_slice(text.as_bytes()),
        Value::Shown(text) => write_plain(&text, out),
        Value::List(items, range) => {
            out.push(b'[');
            for (i, row) in range.enumerate() {
                separate(i, out);
                write_value(items.value(row), options, out);
            }
            out.push(b']');
        }
        Value::Struct(fields, row) => {
            out.push(b'{');
            for (i, (name, cells)) in fields.iter().enumerate() {
                separate(i, out);
                write_plain(name, out);
                out.push(b':');
                write_value(cells.value(row), options, out);
            }
            out.push(b'}');
        }
        Value::Map(keys, values, range) => {
            out.push(b'{');
            for (i, row) in range.enumerate() {
                separate(i, out);
                write_key(keys.value(row), options, out);
                out.push(b':');
                write_value(values.value(row), options, out);
            }
            out.push(b'}');
        }
    }
}

pub(super) fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

/// A key of a map: JSON wants text.
fn write_key(key: Value<'_, '_>, options: &ResultOptions, out: &mut Vec<u8>) {
    let mut text = Vec::new();
    write_value(key, options, &mut text);
    if text.first() == Some(&b'"') {
        out.extend_from_slice(&text);
    } else {
        write_plain(&String::from_utf8_lossy(&text), out);
    }
}

fn write_nonfinite(value: f64, options: &ResultOptions, out: &mut Vec<u8>) {
    match options.nonfinite {
        Nonfinite::Null => out.extend_from_slice(b"null"),
        Nonfinite::String => write_plain(nonfinite_text(value), out),
    }
}

/// `NaN`, `Infinity` or `-Infinity`.
pub(super) fn nonfinite_text(value: f64) -> &'static str {
    match value {
        value if value.is_nan() => "NaN",
        value if value > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}

fn write_time(time_ns: i128, style: TimeStyle, out: &mut Vec<u8>) {
    match unit_value(time_ns, style) {
        Some(value) => write_plain(&value, out),
        None => write_plain(&time_text(time_ns), out),
    }
}

/// The number of a time in the style's unit; `None` when the style is text.
pub(super) fn unit_value(time_ns: i128, style: TimeStyle) -> Option<i128> {
    match style {
        TimeStyle::Rfc3339 => None,
        TimeStyle::Unit(unit) => Some(time_ns.div_euclid(i128::from(unit.unit_ns().unwrap_or(1)))),
    }
}

/// RFC 3339; also for times that only coarser units than ours reach.
pub(super) fn time_text(time_ns: i128) -> String {
    let mut text = String::new();
    if let Ok(time_ns) = i64::try_from(time_ns) {
        format_time(time_ns, &mut text);
        return text;
    }
    let seconds = i64::try_from(time_ns.div_euclid(1_000_000_000)).ok();
    let nanos = time_ns.rem_euclid(1_000_000_000) as u32;
    match seconds.and_then(|seconds| chrono::DateTime::from_timestamp(seconds, nanos)) {
        Some(time) => time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        None => format!("{time_ns} ns"),
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The keys of row objects: `"name":`, with the comma before all but the first.
pub(super) fn keys(schema: &arrow::datatypes::Schema) -> Vec<Vec<u8>> {
    let key = |(index, field): (usize, &arrow::datatypes::FieldRef)| {
        let mut key = Vec::new();
        separate(index, &mut key);
        write_plain(field.name(), &mut key);
        key.push(b':');
        key
    };
    schema.fields().iter().enumerate().map(key).collect()
}
