//! What the tests of all row formats share, and the cuts of text bodies.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampNanosecondType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use pulsora_model::batch::SeriesKeys;
use pulsora_model::{
    Column, ColumnId, ColumnKind, ColumnType, DatabaseId, Error, Mode, Name, Result, TableId,
    TableSchema, TableWrite,
};

use super::infer::{Scanned, scan};
use super::times::decimal;
use super::{Boundary, RowOptions, RowsParsed, TimeFormat, record_boundary};
use crate::mutate::Random;

pub(crate) fn table() -> Name {
    Name::literal("t")
}

/// A schema with `ts` as time column and these columns; kinds `tag`, `id` or a field's type.
pub(crate) fn schema(mode: Mode, columns: &[(&str, &str)]) -> Arc<TableSchema> {
    let column = |(index, (name, what)): (usize, &(&str, &str))| {
        let (kind, ty) = match *what {
            "tag" => (ColumnKind::Tag, ColumnType::Utf8),
            "id" => (ColumnKind::Id, ColumnType::U64),
            "Null" => (ColumnKind::Field, ColumnType::Untyped),
            ty => (ColumnKind::Field, ColumnType::from_api_name(ty).unwrap()),
        };
        Column { id: ColumnId(index as u32 + 2), name: Name::new(name).unwrap(), kind, ty }
    };
    let time = Column {
        id: ColumnId(1),
        name: Name::literal("ts"),
        kind: ColumnKind::Time,
        ty: ColumnType::Timestamp,
    };
    Arc::new(TableSchema {
        id: TableId(1),
        database: DatabaseId(1),
        name: table(),
        version: 7,
        columns: std::iter::once(time).chain(columns.iter().enumerate().map(column)).collect(),
        next_column: ColumnId(columns.len() as u32 + 2),
        mode,
        partition: Default::default(),
        dropped: Vec::new(),
        created_at_ns: 0,
        codec: None,
        retention_ns: None,
    })
}

/// The outcome as text: counts, options of the table, then one line per column.
pub(crate) fn show(outcome: Result<RowsParsed>) -> String {
    match outcome {
        Ok(parsed) => show_parsed(&parsed),
        Err(error) => show_error(&error),
    }
}

pub(crate) fn show_error(error: &Error) -> String {
    format!("{}: {}", error.code().name(), error.message())
}

fn show_parsed(parsed: &RowsParsed) -> String {
    let mut out = format!("{} rows", parsed.rows);
    if parsed.rejected > 0 {
        out += &format!(", {} rejected", parsed.rejected);
    }
    for detail in &parsed.details {
        out += &format!(
            "\n! {:?} {:?} {}",
            detail.line.or(detail.index),
            detail.column,
            detail.message
        );
    }
    if let Some(write) = &parsed.write {
        out += &show_write(write);
    }
    out
}

fn show_write(write: &TableWrite) -> String {
    let options = &write.options;
    let order: Vec<&str> = options.column_order.iter().map(Name::as_str).collect();
    let mut out = format!("\n{} [{}]", options.mode.name(), order.join(" "));
    let batch = &write.batch;
    let times: Vec<String> =
        batch.time.iter().map(|time| pulsora_model::time::time_text(*time)).collect();
    out += &format!("\n{}: time {}", options.time_column, times.join(" "));
    if let Some(ids) = &batch.ids {
        out += &format!("\n{}: id {}", options.id_column, cells(ids));
    }
    for tag in batch.series.tags() {
        let keys = arrow::array::UInt32Array::new(batch.series.codes.clone(), None);
        let values = arrow::compute::take(&tag.values, &keys, None).unwrap();
        out += &format!("\n{}: tag {}", tag.name, cells(&values));
    }
    for field in &batch.fields {
        assert_eq!(field.values.data_type(), &field.ty.arrow());
        assert_eq!(field.values.len(), batch.rows);
        out += &format!("\n{}: {} {}", field.name, field.ty.api_name(), cells(&field.values));
    }
    assert_eq!(batch.series.codes.len(), batch.rows);
    let series = match &batch.series.keys {
        SeriesKeys::Sets { sets, .. } => *sets,
        SeriesKeys::Known(registry) => registry.len(),
    };
    assert!(batch.series.codes.iter().all(|code| (*code as usize) < series));
    out
}

fn cells(values: &dyn Array) -> String {
    if let Some(times) = values.as_primitive_opt::<TimestampNanosecondType>() {
        let cell = |time: Option<i64>| time.map_or("null".into(), pulsora_model::time::time_text);
        return times.iter().map(cell).collect::<Vec<_>>().join(" ");
    }
    let options = FormatOptions::new().with_null("null");
    let format = ArrayFormatter::try_new(values, &options).unwrap();
    let cell = |row| match values.is_null(row) {
        true => "null".to_owned(),
        false => match format.value(row).to_string() {
            text if text.is_empty() => "''".to_owned(),
            text => text,
        },
    };
    (0..values.len()).map(cell).collect::<Vec<_>>().join(" ")
}

pub(crate) fn tags(names: &[&str]) -> RowOptions {
    RowOptions { tags: names.iter().map(|name| (*name).to_owned()).collect(), ..options() }
}

pub(crate) fn options() -> RowOptions {
    RowOptions::default()
}

pub(crate) fn skip() -> RowOptions {
    RowOptions { on_error: super::OnError::Skip, ..options() }
}

#[test]
fn only_texts_that_lose_nothing_are_numbers() {
    for (text, expected) in [
        ("0", Scanned::Int(0)),
        ("-5", Scanned::Int(-5)),
        (" 12 ", Scanned::Int(12)),
        ("9223372036854775807", Scanned::Int(i64::MAX)),
        ("-9223372036854775808", Scanned::Int(i64::MIN)),
        ("9223372036854775808", Scanned::Uint(1 << 63)),
        ("18446744073709551615", Scanned::Uint(u64::MAX)),
        ("18446744073709551616", Scanned::Text),
        ("-9223372036854775809", Scanned::Text),
        ("007", Scanned::Text),
        ("+5", Scanned::Text),
        ("1.5", Scanned::Float),
        (".5", Scanned::Float),
        ("5.", Scanned::Float),
        ("-1.5e-3", Scanned::Float),
        ("1e5", Scanned::Float),
        ("12e3456", Scanned::Text),
        ("1e", Scanned::Text),
        ("1.2.3", Scanned::Text),
        ("-", Scanned::Text),
        (".", Scanned::Text),
        ("NaN", Scanned::Float),
        ("inf", Scanned::Float),
        ("-Infinity", Scanned::Float),
        ("info", Scanned::Text),
        ("TRUE", Scanned::Bool(true)),
        ("false", Scanned::Bool(false)),
        ("t", Scanned::Text),
        ("2024-01-31", Scanned::Time),
        ("2024-01-31T10:00:00Z", Scanned::Time),
        ("2300-01-01", Scanned::Text),
        ("2024-1-31", Scanned::Text),
    ] {
        assert_eq!(scan(text), expected, "{text}");
    }
}

#[test]
fn decimal_times_are_floored() {
    for (text, expected) in [
        ("1700000000", Some((1_700_000_000, 0))),
        ("1.5", Some((1, 500_000_000))),
        ("-1.5", Some((-2, 500_000_000))),
        ("1.0000000019", Some((1, 1))),
        ("1.5e3", Some((1_500, 0))),
        ("1e400", None),
        ("1.x", None),
        ("-", None),
        ("", None),
        ("99999999999999999999", None),
    ] {
        assert_eq!(decimal(text), expected, "{text}");
    }
}

#[test]
fn time_formats_are_named() {
    assert_eq!(TimeFormat::parse("RFC3339").unwrap(), TimeFormat::Rfc3339);
    assert_eq!(TimeFormat::parse("%d.%m.%Y").unwrap(), TimeFormat::Pattern("%d.%m.%Y".into()));
    assert!(matches!(TimeFormat::parse("ms").unwrap(), TimeFormat::Unit(_)));
    assert!(TimeFormat::parse("parsec").is_err());
}

/// The end of the last whole line of line protocol, byte by byte.
fn lines_end(bytes: &[u8]) -> usize {
    let (mut end, mut at) = (0, 0);
    let (mut blank, mut comment, mut fields, mut text) = (true, false, false, false);
    while let Some(byte) = bytes.get(at) {
        comment |= blank && *byte == b'#';
        match byte {
            b'\n' if !text => {
                end = at + 1;
                (blank, comment, fields) = (true, false, false);
                at += 1;
                continue;
            }
            b' ' | b'\t' | b'\r' if blank => {
                at += 1;
                continue;
            }
            b'\\' if !comment && (text || bytes.get(at + 1) != Some(&b'\n')) => at += 1,
            b'"' if fields => text = !text,
            b' ' if !comment && !text => fields = true,
            _ => {}
        }
        blank = false;
        at += 1;
    }
    end
}

#[test]
fn lines_are_cut_as_byte_by_byte() {
    let mut random = Random::new(5);
    let mut cut = 0;
    for _ in 0..20_000 {
        let alphabet = b"ab,= \n\n\\\"#\t\r";
        let body: Vec<u8> =
            (0..random.below(40)).map(|_| alphabet[random.below(alphabet.len())]).collect();
        let expected = lines_end(&body);
        let found = record_boundary(Boundary::LineProtocol, &body);
        assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(&body));
        cut += usize::from(found > 0);
    }
    assert!(cut > 5_000, "{cut}");
}

#[test]
fn bodies_are_cut_after_whole_records() {
    let csv = Boundary::Csv { delimiter: b',' };
    for (format, body, expected) in [
        (Boundary::Lines, "a\nb\nc", "a\nb\n"),
        (Boundary::Lines, "abc", ""),
        (csv, "a,b\n1,2\n3,", "a,b\n1,2\n"),
        (csv, "a,\"x\ny\"\nb,\"z\nw", "a,\"x\ny\"\n"),
        (csv, "\"a\"\"\nb\"\nc", "\"a\"\"\nb\"\n"),
        (csv, "5\" pipe\n6\" pipe\n7", "5\" pipe\n6\" pipe\n"),
        (csv, "\"open\n1\n2\n", ""),
        (csv, "\"\"\n\"\"\n", "\"\"\n\"\"\n"),
        (Boundary::LineProtocol, "m f=1\nm f=", "m f=1\n"),
        (Boundary::LineProtocol, "m f=\"a\nb\"\nm f=\"c\n", "m f=\"a\nb\"\n"),
        (Boundary::LineProtocol, "m f=\"a\\\"\nb\"\nx", "m f=\"a\\\"\nb\"\n"),
        (Boundary::LineProtocol, "m,t=\" f=1\nm f=2\n", "m,t=\" f=1\nm f=2\n"),
        (Boundary::LineProtocol, "# it's \"odd\n\nm f=1\nx", "# it's \"odd\n\nm f=1\n"),
    ] {
        let cut = record_boundary(format, body.as_bytes());
        assert_eq!(&body[..cut], expected, "{format:?} {body:?}");
    }
}
