//! Statements, completion, tables: text in, text out.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::UInt32Type;
use pulsora::SqlParam;

use super::complete::{Names, candidates, quoted};
use super::prompt::{Asked, asked, is_whole};
use super::session::read_param;
use super::statements::{is_blank, next_statement};
use super::table::Table;

fn split(text: &str) -> Vec<&str> {
    let (mut rest, mut parts) = (text, Vec::new());
    while let Some((statement, after)) = next_statement(rest) {
        parts.push(statement);
        rest = after;
    }
    parts.push(rest);
    parts
}

#[test]
fn statements_end_outside_of_quotes_and_comments() {
    assert_eq!(split("a; b;c"), ["a", " b", "c"]);
    assert_eq!(split("SELECT ';' ; x"), ["SELECT ';' ", " x"]);
    assert_eq!(split("SELECT 'it''s;' ; x"), ["SELECT 'it''s;' ", " x"]);
    assert_eq!(split("SELECT \"a;b\"; x"), ["SELECT \"a;b\"", " x"]);
    assert_eq!(split("a -- no; end\n; x"), ["a -- no; end\n", " x"]);
    assert_eq!(split("a /* no; /* nested; */ ; */ ; x"), ["a /* no; /* nested; */ ; */ ", " x"]);
    assert_eq!(split("SELECT 'open ; x"), ["SELECT 'open ; x"]);
    assert_eq!(split("5 - 3 / 2; ü;"), ["5 - 3 / 2", " ü", ""]);
    assert_eq!(split("a /* never; closed"), ["a /* never; closed"]);
    assert_eq!(split("a -- at the end;"), ["a -- at the end;"]);
}

#[test]
fn blanks_and_comments_are_no_statements() {
    for blank in ["", " \n;; ", "-- x", "/* x */ ; -- y\n", "/* open"] {
        assert!(is_blank(blank), "{blank:?}");
    }
    for text in ["a", "-- x\na", "/* x */ a", "- -", "/"] {
        assert!(!is_blank(text), "{text:?}");
    }
}

#[test]
fn a_line_is_whole_at_its_semicolon() {
    for whole in ["SELECT 1;", "\\d", "\\d cpu", "quit", "SELECT 1; -- done", "a; b;"] {
        assert!(is_whole(whole), "{whole:?}");
    }
    for open in ["SELECT 1", "SELECT ';", "a; b", "SELECT 1 -- ;"] {
        assert!(!is_whole(open), "{open:?}");
    }
}

#[test]
fn commands_of_the_prompt() {
    assert_eq!(asked("\\q"), Asked::Quit);
    assert_eq!(asked(" exit; "), Asked::Quit);
    assert_eq!(asked("\\?"), Asked::Help);
    assert_eq!(asked("\\timing"), Asked::Timing);
    assert_eq!(asked("\\l"), Asked::Run("SHOW DATABASES".into()));
    assert_eq!(asked("\\d"), Asked::Run("SHOW TABLES".into()));
    assert_eq!(asked("\\d cpu;"), Asked::Run("DESCRIBE cpu".into()));
    assert_eq!(asked("\\d my table"), Asked::Run("DESCRIBE \"my table\"".into()));
    assert_eq!(asked("\\d db.cpu"), Asked::Run("DESCRIBE db.cpu".into()));
    assert_eq!(asked("\\c other"), Asked::Use("other".into()));
    assert_eq!(asked("\\c"), Asked::Unknown("\\c".into()));
    assert_eq!(asked("\\x y"), Asked::Unknown("\\x".into()));
    assert_eq!(asked("SELECT 1;"), Asked::Run("SELECT 1;".into()));
}

fn names() -> Names {
    let mut names = Names::default();
    names.add(true, "default", "cpu", "host");
    names.add(true, "default", "cpu", "usage");
    names.add(true, "default", "stock prices", "High");
    names.add(false, "other", "mem", "used");
    names.add(false, "information_schema", "tables", "table_name");
    names
}

/// Candidates at the end of `line`, with the part before the completed word.
fn complete(line: &str) -> String {
    let (start, found) = candidates(&names(), line, line.len());
    format!("{}[{}]", &line[..start], found.join(","))
}

#[test]
fn completion_knows_tables_columns_keywords_and_commands() {
    assert_eq!(complete("SELECT * FROM "), "SELECT * FROM [cpu,\"stock prices\",other.mem]");
    assert_eq!(complete("SELECT * FROM c"), "SELECT * FROM [cpu]");
    assert_eq!(complete("select * from STO"), "select * from [\"stock prices\"]");
    assert_eq!(complete("SELECT cpu.u"), "SELECT cpu.[usage]");
    assert_eq!(complete("SEL"), "[SELECT]");
    assert_eq!(complete("sel"), "[select]");
    assert_eq!(complete("SELECT usa"), "SELECT [usage]");
    assert_eq!(complete("SELECT h"), "SELECT [host,High,having]");
    assert_eq!(complete("SELECT time_b"), "SELECT [time_bucket(]");
    assert_eq!(complete("\\ti"), "[\\timing]");
    assert_eq!(complete("\\d c"), "\\d [cpu]");
    assert_eq!(complete("SELECT ü"), "SELECT []");
    assert_eq!(complete("SELECT "), "SELECT []");
}

#[test]
fn names_are_quoted_where_sql_needs_it() {
    assert_eq!(
        ["cpu", "Adj Close", "a\"b", "1x", ""].map(quoted).join(" "),
        "cpu \"Adj Close\" \"a\"\"b\" \"1x\" \"\""
    );
}

#[test]
fn params_are_json_values_or_text() {
    assert_eq!(read_param("5"), SqlParam::I64(5));
    assert_eq!(read_param("-0.5"), SqlParam::F64(-0.5));
    assert_eq!(read_param("18446744073709551615"), SqlParam::U64(u64::MAX));
    assert_eq!(read_param("true"), SqlParam::Bool(true));
    assert_eq!(read_param("null"), SqlParam::Null);
    assert_eq!(read_param("\"5\""), SqlParam::Text("5".into()));
    assert_eq!(read_param("2024-01-01"), SqlParam::Text("2024-01-01".into()));
}

fn table(batches: &[RecordBatch]) -> String {
    let mut table = Table::new(&batches[0].schema());
    let mut text = String::new();
    for batch in batches {
        table.push(batch, &mut text).unwrap();
    }
    table.finish(&mut text);
    text
}

#[test]
fn tables_align_and_nulls_are_empty() {
    let times = TimestampNanosecondArray::from(vec![0, 1_500_000_000, 1]).with_timezone("UTC");
    let hosts: DictionaryArray<UInt32Type> =
        vec![Some("a"), None, Some("long\nname")].into_iter().collect();
    let batch = RecordBatch::try_from_iter([
        ("time", Arc::new(times) as ArrayRef),
        ("host", Arc::new(hosts)),
        ("usage", Arc::new(Float64Array::from(vec![Some(0.5), None, Some(f64::NAN)]))),
        ("n", Arc::new(Int64Array::from(vec![1, -20, 300]))),
    ])
    .unwrap();
    assert_eq!(
        table(&[batch]),
        "time                           | host      | usage |   n\n\
         -------------------------------+-----------+-------+----\n\
         1970-01-01T00:00:00Z           | a         |   0.5 |   1\n\
         1970-01-01T00:00:01.500Z       |           |       | -20\n\
         1970-01-01T00:00:00.000000001Z | long⏎name |   NaN | 300\n"
    );
}

#[test]
fn long_answers_are_printed_as_they_come() {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5_000));
    let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
    let mut table = Table::new(&batch.schema());
    let mut text = String::new();
    table.push(&batch, &mut text).unwrap();
    assert_eq!(text.lines().count(), 5_002);
    assert!(text.ends_with("4999\n"));
    let empty = RecordBatch::try_from_iter([("s", Arc::new(StringArray::new_null(0)) as ArrayRef)]);
    assert_eq!(self::table(&[empty.unwrap()]), "s\n-\n");
}
