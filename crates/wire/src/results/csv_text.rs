//! CSV by RFC 4180 with a header and LF: null is an empty cell, empty text is `""`; lists, structs
//! and maps are JSON in a cell.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pulsora_model::Result;

use super::cells::{Cells, Value};
use super::json_text::{
    hex, nonfinite_text, separate, time_text, unit_value, write_plain, write_value,
};
use super::options::ResultOptions;
use super::writer::{ResultWriter, Summary};

pub(super) struct CsvText {
    options: ResultOptions,
}

impl CsvText {
    pub(super) fn new(options: ResultOptions) -> CsvText {
        CsvText { options }
    }
}

impl ResultWriter for CsvText {
    fn begin(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<()> {
        for (index, field) in schema.fields().iter().enumerate() {
            separate(index, out);
            write_text(field.name(), out);
        }
        out.push(b'\n');
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            for (index, cells) in columns.iter().enumerate() {
                separate(index, out);
                write_cell(cells.value(row), &self.options, out);
            }
            out.push(b'\n');
        }
        Ok(())
    }

    fn end(&mut self, _: &Summary, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

fn write_cell(value: Value<'_, '_>, options: &ResultOptions, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::F32(value) if !value.is_finite() => {
            out.extend_from_slice(nonfinite_text(f64::from(value)).as_bytes());
        }
        Value::F64(value) if !value.is_finite() => {
            out.extend_from_slice(nonfinite_text(value).as_bytes());
        }
        Value::Time(time_ns) => match unit_value(time_ns, options.times) {
            Some(value) => write_plain(&value, out),
            None => out.extend_from_slice(time_text(time_ns).as_bytes()),
        },
        Value::Text(text) => write_text(text, out),
        Value::Shown(text) => write_text(&text, out),
        Value::Bytes(bytes) => out.extend_from_slice(hex(bytes).as_bytes()),
        nested @ (Value::List(..) | Value::Struct(..) | Value::Map(..)) => {
            let mut json = Vec::new();
            write_value(nested, options, &mut json);
            write_text(&String::from_utf8_lossy(&json), out);
        }
        plain => write_value(plain, options, out),
    }
}

/// Text, quoted where it must be: when it is empty, holds a delimiter, quote or line break, or has
/// spaces at its ends that a reader might trim.
fn write_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let special = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    let spaced = text.trim_ascii().len() != text.len();
    if !bytes.is_empty() && !spaced && !bytes.iter().any(special) {
        out.extend_from_slice(bytes);
        return;
    }
    out.push(b'"');
    for (index, part) in text.split('"').enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}
