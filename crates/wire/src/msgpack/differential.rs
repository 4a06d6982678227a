//! Runs against single values: the same columns in encodings that come in runs and in others, with and
//! without a registry, must read alike, errors and all.

use std::sync::Arc;

use pulsora_model::time::Precision;
use pulsora_model::{ColumnKind, ColumnType, Mode};

use super::{MsgpackOptions, parse};
use crate::mutate::Random;
use crate::render::{Numbered, registry, render, table};
use pulsora_model::schema::SchemaLookup;

#[derive(Clone, Debug)]
enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Large(u64),
    Float(f64),
    Text(String),
    NotText,
    Binary,
}

/// How values are written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// As clients write them: such values come in runs.
    Usual,
    /// In other ways that mean the same.
    Other,
}

fn text(text: &[u8], form: Form, out: &mut Vec<u8>) {
    match (form, text.len()) {
        (Form::Usual, len @ ..32) => out.push(0xa0 | len as u8),
        (Form::Usual, len @ ..256) => out.extend([0xd9, len as u8]),
        (_, len) => {
            out.push(0xdb);
            out.extend((len as u32).to_be_bytes());
        }
    }
    out.extend(text);
}

fn array(len: usize, out: &mut Vec<u8>) {
    out.push(0xdd);
    out.extend((len as u32).to_be_bytes());
}

fn int(value: i64, form: Form, out: &mut Vec<u8>) {
    match (form, value) {
        (Form::Usual, 0..128) => out.push(value as u8),
        (Form::Usual, 128..) => {
            out.push(0xcf);
            out.extend((value as u64).to_be_bytes());
        }
        (Form::Usual, _) => {
            out.push(0xd3);
            out.extend(value.to_be_bytes());
        }
        (Form::Other, -128..128) => out.extend([0xd0, value as u8]),
        (Form::Other, -0x8000..0x8000) => {
            out.push(0xd1);
            out.extend((value as i16).to_be_bytes());
        }
        (Form::Other, 0x8000..0x1_0000_0000) => {
            out.push(0xce);
            out.extend((value as u32).to_be_bytes());
        }
        (Form::Other, _) => {
            out.push(0xd3);
            out.extend(value.to_be_bytes());
        }
    }
}

fn write(value: &Value, form: Form, out: &mut Vec<u8>) {
    match value {
        Value::Nil => out.push(0xc0),
        Value::Bool(value) => out.push(0xc2 + u8::from(*value)),
        Value::Int(value) => int(*value, form, out),
        Value::Large(value) => {
            out.push(0xcf);
            out.extend(value.to_be_bytes());
        }
        Value::Float(value) if form == Form::Other && f64::from(*value as f32) == *value => {
            out.push(0xca);
            out.extend((*value as f32).to_be_bytes());
        }
        Value::Float(value) => {
            out.push(0xcb);
            out.extend(value.to_be_bytes());
        }
        Value::Text(value) => text(value.as_bytes(), form, out),
        Value::NotText => text(&[0xff, b'x'], form, out),
        Value::Binary => out.extend([0xc4, 1, 7]),
    }
}

fn body(columns: &[(&str, Vec<Value>)], tags: &[&str], form: Form) -> Vec<u8> {
    let mut out = vec![0x83];
    text(b"m", Form::Usual, &mut out);
    text(b"t", Form::Usual, &mut out);
    text(b"columns", Form::Usual, &mut out);
    out.push(0x80 | columns.len() as u8);
    for (name, values) in columns {
        text(name.as_bytes(), Form::Usual, &mut out);
        array(values.len(), &mut out);
        values.iter().for_each(|value| write(value, form, &mut out));
    }
    text(b"tags", Form::Usual, &mut out);
    array(tags.len(), &mut out);
    tags.iter().for_each(|tag| text(tag.as_bytes(), Form::Usual, &mut out));
    out
}

/// One of the values that columns of one kind have; `rare` sometimes gives another kind.
fn value(kind: usize, random: &mut Random, rare: bool) -> Value {
    if rare && random.below(200) == 0 {
        return [
            Value::Nil,
            Value::Bool(true),
            Value::Int((1 << 53) + 1),
            Value::Large(u64::MAX),
            Value::Float(-0.0),
            Value::Text("2024-01-01".to_owned()),
            Value::NotText,
            Value::Binary,
        ][random.below(8)]
        .clone();
    }
    match kind {
        0 => Value::Int(random.below(128) as i64),
        1 => Value::Int(random.next() as i64 >> random.below(64)),
        2 => Value::Float((random.next() as i32) as f64 / 64.0),
        3 => Value::Int(random.below(300) as i64 - 150),
        4 => Value::Text("x".repeat(random.below(40))),
        5 => Value::Float(f64::from_bits(random.next())),
        6 => Value::Large(u64::MAX - random.next() / 4),
        _ => match random.below(3) {
            0 => Value::Nil,
            1 => Value::Int(5),
            _ => Value::Float(0.5),
        },
    }
}

fn tag(random: &mut Random, rare: bool) -> Value {
    match random.below(if rare { 300 } else { 12 }) {
        0 => Value::Nil,
        1 => Value::Int(random.below(20) as i64),
        2 => Value::Text(String::new()),
        3 => Value::Text("long ".repeat(20 + random.below(40))),
        4 => Value::Bool(true),
        299 => Value::NotText,
        298 => Value::Binary,
        _ => Value::Text(format!("host_{}", random.below(30))),
    }
}

fn time(kind: usize, row: usize, random: &mut Random, rare: bool) -> Value {
    if rare && random.below(300) == 0 {
        return [
            Value::Nil,
            Value::Float(3.0),
            Value::Int(i64::MAX),
            Value::Int(0),
            Value::Int(-1),
        ][random.below(5)]
        .clone();
    }
    match kind {
        0 => Value::Int(1_700_000_000_000 + row as i64),
        1 => Value::Int(1_700_000_000_000_000_000 + row as i64),
        _ => Value::Int(random.below(100) as i64),
    }
}

fn read(body: &[u8], precision: Precision, schemas: &dyn SchemaLookup) -> String {
    match parse(body, &MsgpackOptions { precision, now_ns: 77 }, schemas) {
        Ok(parsed) => render(&parsed),
        Err(error) => format!("{}: {error}", error.code().name()),
    }
}

/// Tags by column id, as [`render`] shows those of a registry, by name and in the order of names.
fn named(text: &str) -> String {
    let text = text.replace("#2=", "a=").replace("#3=", "b=");
    let lines = text.lines().map(|line| match (line.find('['), line.find(']')) {
        (Some(open), Some(close)) if !line.starts_with('!') => {
            let mut tags: Vec<&str> = line[open + 1..close].split(',').collect();
            tags.sort_unstable();
            format!("{}{}{}\n", &line[..=open], tags.join(","), &line[close..])
        }
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn runs_and_single_values_read_alike() {
    let schema = table(
        "t",
        Mode::Append,
        &[
            ("a", ColumnKind::Tag, ColumnType::Utf8),
            ("b", ColumnKind::Tag, ColumnType::Utf8),
            ("i", ColumnKind::Field, ColumnType::I64),
            ("u", ColumnKind::Field, ColumnType::U64),
            ("f", ColumnKind::Field, ColumnType::F64),
        ],
    );
    let numbers = registry();
    let numbered = Numbered(|name: &str| schema(name), Arc::clone(&numbers));
    let nothing = |_: &str| None;
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let rows = [1, 7, 64, 255, 256, 257, 700][random.below(7)];
        let rare = random.below(2) == 0;
        let time_kind = random.below(4);
        let mut columns =
            vec![("time", (0..rows).map(|row| time(time_kind, row, &mut random, rare)).collect())];
        for name in ["b", "a"] {
            columns.push((name, (0..rows).map(|_| tag(&mut random, rare)).collect()));
        }
        for name in ["i", "u", "f", "new"] {
            let kind = match name {
                "i" => [0, 1, 3][random.below(3)],
                "u" => [0, 6][random.below(2)],
                "f" => [0, 2, 3, 5, 7][random.below(5)],
                _ => random.below(8),
            };
            columns.push((name, (0..rows).map(|_| value(kind, &mut random, rare)).collect()));
        }
        let precision =
            [Precision::Auto, Precision::Nanosecond, Precision::Millisecond][random.below(3)];
        let tags = &["a", "b"][random.below(2)..];
        let (usual, other) = (body(&columns, tags, Form::Usual), body(&columns, tags, Form::Other));
        let schemas: [&dyn SchemaLookup; 3] = [&schema, &numbered, &nothing];
        for schemas in schemas {
            let runs = read(&usual, precision, schemas);
            assert_eq!(runs, read(&other, precision, schemas), "seed {seed}");
        }
        assert_eq!(
            named(&read(&usual, precision, &numbered)),
            named(&read(&usual, precision, &schema)),
            "seed {seed}"
        );
    }
    assert!(numbers.len() > 100);
}
