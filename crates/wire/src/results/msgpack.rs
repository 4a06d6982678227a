//! MessagePack, columnar: one map `{success, columns, types, data, row_count, execution_time_ms,
//! timestamp}` whose `data` is one array per column.
//!
//! Lengths come first in MessagePack, so the encoded columns are kept until the end.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pulsora_model::Result;
use pulsora_model::time::time_text;

use super::cells::{Cells, Value};
use super::json_text;
use super::options::ResultOptions;
use super::types::type_name;
use super::writer::{ResultWriter, Summary};

pub(super) struct Msgpack {
    options: ResultOptions,
    columns: Vec<Column>,
    rows: usize,
}

struct Column {
    name: String,
    ty: String,
    values: Vec<u8>,
}

impl Msgpack {
    pub(super) fn new(options: ResultOptions) -> Msgpack {
        Msgpack { options, columns: Vec::new(), rows: 0 }
    }
}

impl ResultWriter for Msgpack {
    fn begin(&mut self, schema: &SchemaRef, _: &mut Vec<u8>) -> Result<()> {
        let column = |field: &arrow::datatypes::FieldRef| Column {
            name: field.name().clone(),
            ty: type_name(field.data_type()),
            values: Vec::new(),
        };
        self.columns = schema.fields().iter().map(column).collect();
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, _: &mut Vec<u8>) -> Result<()> {
        for (column, array) in self.columns.iter_mut().zip(batch.columns()) {
            let cells = Cells::new(array)?;
            for row in 0..batch.num_rows() {
                write_value(cells.value(row), &self.options, &mut column.values);
            }
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    fn end(&mut self, summary: &Summary, out: &mut Vec<u8>) -> Result<()> {
        write_len(Shape::Map, 7, out);
        write_text("success", out);
        out.push(0xc3);
        write_text("columns", out);
        write_len(Shape::Array, self.columns.len(), out);
        self.columns.iter().for_each(|column| write_text(&column.name, out));
        write_text("types", out);
        write_len(Shape::Array, self.columns.len(), out);
        self.columns.iter().for_each(|column| write_text(&column.ty, out));
        write_text("data", out);
        write_len(Shape::Array, self.columns.len(), out);
        for column in self.columns.drain(..) {
            write_len(Shape::Array, self.rows, out);
            out.extend_from_slice(&column.values);
        }
        write_text("row_count", out);
        write_uint(summary.row_count, out);
        write_text("execution_time_ms", out);
        write_f64(summary.execution_time_ms, out);
        write_text("timestamp", out);
        write_text(&time_text(summary.timestamp_ns), out);
        Ok(())
    }
}

fn write_value(value: Value<'_, '_>, options: &ResultOptions, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(value) => out.push(0xc2 + u8::from(value)),
        Value::Int(value) => write_int(value, out),
        Value::Uint(value) => write_uint(value, out),
        Value::F32(value) => {
            out.push(0xca);
            out.extend_from_slice(&value.to_be_bytes());
        }
        Value::F64(value) => write_f64(value, out),
        Value::Time(time_ns) => match json_text::unit_value(time_ns, options.times) {
            None => write_timestamp(time_ns, out),
            Some(value) => match i64::try_from(value) {
                Ok(value) => write_int(value, out),
                Err(_) => write_text(&value.to_string(), out),
            },
        },
        Value::Text(text) => write_text(text, out),
        Value::Number(text) | Value::Shown(text) => write_text(&text, out),
        Value::Bytes(bytes) => write_bytes(bytes, out),
        Value::List(items, range) => {
            write_len(Shape::Array, range.len(), out);
            range.for_each(|row| write_value(items.value(row), options, out));
        }
        Value::Struct(fields, row) => {
            write_len(Shape::Map, fields.len(), out);
            for (name, cells) in fields {
                write_text(name, out);
                write_value(cells.value(row), options, out);
            }
        }
        Value::Map(keys, values, range) => {
            write_len(Shape::Map, range.len(), out);
            for row in range {
                write_value(keys.value(row), options, out);
                write_value(values.value(row), options, out);
            }
        }
    }
}

fn write_int(value: i64, out: &mut Vec<u8>) {
    match value {
        0.. => write_uint(value as u64, out),
        -32..0 => out.push(value as u8),
        -128..-32 => out.extend_from_slice(&[0xd0, value as u8]),
        -32_768..-128 => write_tagged(0xd1, &(value as i16).to_be_bytes(), out),
        -2_147_483_648..-32_768 => write_tagged(0xd2, &(value as i32).to_be_bytes(), out),
        _ => write_tagged(0xd3, &value.to_be_bytes(), out),
    }
}

fn write_uint(value: u64, out: &mut Vec<u8>) {
    match value {
        0..0x80 => out.push(value as u8),
        0x80..0x100 => out.extend_from_slice(&[0xcc, value as u8]),
        0x100..0x1_0000 => write_tagged(0xcd, &(value as u16).to_be_bytes(), out),
        0x1_0000..0x1_0000_0000 => write_tagged(0xce, &(value as u32).to_be_bytes(), out),
        _ => write_tagged(0xcf, &value.to_be_bytes(), out),
    }
}

fn write_f64(value: f64, out: &mut Vec<u8>) {
    write_tagged(0xcb, &value.to_be_bytes(), out);
}

fn write_tagged(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    match text.len() {
        len @ 0..32 => out.push(0xa0 | len as u8),
        len @ 32..0x100 => out.extend_from_slice(&[0xd9, len as u8]),
        len @ 0x100..0x1_0000 => write_tagged(0xda, &(len as u16).to_be_bytes(), out),
        len => write_tagged(0xdb, &(len as u32).to_be_bytes(), out),
    }
    out.extend_from_slice(text.as_bytes());
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    match bytes.len() {
        len @ 0..0x100 => out.extend_from_slice(&[0xc4, len as u8]),
        len @ 0x100..0x1_0000 => write_tagged(0xc5, &(len as u16).to_be_bytes(), out),
        len => write_tagged(0xc6, &(len as u32).to_be_bytes(), out),
    }
    out.extend_from_slice(bytes);
}

#[derive(Clone, Copy)]
enum Shape {
    Array,
    Map,
}

/// The head of an array or a map. Arrow arrays have fewer than 2^32 rows here: results are limited.
fn write_len(shape: Shape, len: usize, out: &mut Vec<u8>) {
    let (fix, tag) = match shape {
        Shape::Array => (0x90, 0xdc),
        Shape::Map => (0x80, 0xde),
    };
    match len {
        0..16 => out.push(fix | len as u8),
        16..0x1_0000 => write_tagged(tag, &(len as u16).to_be_bytes(), out),
        _ => write_tagged(tag + 1, &(len as u32).to_be_bytes(), out),
    }
}

/// The timestamp extension (type -1) in the shortest of its three forms.
fn write_timestamp(time_ns: i128, out: &mut Vec<u8>) {
    let Ok(seconds) = i64::try_from(time_ns.div_euclid(1_000_000_000)) else {
        return write_text(&json_text::time_text(time_ns), out);
    };
    let nanos = time_ns.rem_euclid(1_000_000_000) as u32;
    const TYPE: u8 = 0xff;
    match u64::try_from(seconds) {
        Ok(seconds) if nanos == 0 && seconds < 1 << 32 => {
            out.extend_from_slice(&[0xd6, TYPE]);
            out.extend_from_slice(&(seconds as u32).to_be_bytes());
        }
        Ok(seconds) if seconds < 1 << 34 => {
            out.extend_from_slice(&[0xd7, TYPE]);
            out.extend_from_slice(&(u64::from(nanos) << 34 | seconds).to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[0xc7, 12, TYPE]);
            out.extend_from_slice(&nanos.to_be_bytes());
            out.extend_from_slice(&seconds.to_be_bytes());
        }
    }
}
