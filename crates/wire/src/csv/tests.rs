//! CSV at its boundary: bodies in, columns or errors as text out.

use std::sync::Arc;

use pulsora_model::time::Precision;
use pulsora_model::{Mode, TableSchema};

use super::parse;
use crate::mutate::for_each_mutation;
use crate::rows::tests::{options, schema, show, skip, table, tags};
use crate::rows::{OnError, RowOptions, TimeFormat};

const STOCKS: &str = "\
Ticker,Date,Open,High,Low,Close,Volume,Adj Close
AAPL,2000-03-01,118.56,132.06,118.5,130.31,9616100,4.186662803811
AAPL,2000-03-02,127.0,127.94,120.69,122.0,2779100,3.9196750983419
AAPL,2000-03-03,124.87,128.23,120.0,128.0,2887200,4.1124460048178
MSFT,2000-03-01,126.0,129.13,125.0,125.69,1880000,4.0382292058246
";

fn run(body: impl AsRef<[u8]>, options: &RowOptions) -> String {
    show(parse(&table(), body.as_ref(), options, None))
}

fn run_into(body: &str, options: &RowOptions, schema: Arc<TableSchema>) -> String {
    show(parse(&table(), body.as_bytes(), options, Some(schema.into())))
}

#[track_caller]
fn check(body: impl AsRef<[u8]>, expected: &str) {
    assert_eq!(run(body, &options()), expected);
}

#[test]
fn market_data_is_read_as_it_is() {
    assert_eq!(
        run(STOCKS, &tags(&["Ticker"])),
        "4 rows\n\
         append [id Ticker Date Open High Low Close Volume Adj Close]\n\
         Date: time 2000-03-01T00:00:00Z 2000-03-02T00:00:00Z 2000-03-03T00:00:00Z 2000-03-01T00:00:00Z\n\
         Ticker: tag AAPL AAPL AAPL MSFT\n\
         Open: Float 118.56 127.0 124.87 126.0\n\
         High: Float 132.06 127.94 128.23 129.13\n\
         Low: Float 118.5 120.69 120.0 125.0\n\
         Close: Float 130.31 122.0 128.0 125.69\n\
         Volume: Integer 9616100 2779100 2887200 1880000\n\
         Adj Close: Float 4.186662803811 3.9196750983419 4.1124460048178 4.0382292058246"
    );
    assert!(run(STOCKS, &options()).contains("Ticker: String AAPL AAPL AAPL MSFT"));
}

#[test]
fn types_come_from_all_values_of_the_body() {
    check(
        "time,i,f,b,t,s,e,u,m,n,x\n\
         2024-01-01,1,1,true,2024-01-01,1,,1,true,1,nan\n\
         2024-01-02,,0.5,false,2024-01-02 10:00:00,a,,18446744073709551615,1,007,-inf\n",
        "2 rows\n\
         append [id time i f b t s e u m n x]\n\
         time: time 2024-01-01T00:00:00Z 2024-01-02T00:00:00Z\n\
         i: Integer 1 null\n\
         f: Float 1.0 0.5\n\
         b: Boolean true false\n\
         t: Timestamp 2024-01-01T00:00:00Z 2024-01-02T10:00:00Z\n\
         s: String 1 a\n\
         e: Null null null\n\
         u: UnsignedInteger 1 18446744073709551615\n\
         m: String true 1\n\
         n: String 1 007\n\
         x: Float NaN -inf",
    );
}

#[test]
fn integers_that_no_type_holds_are_told() {
    check(
        "time,v\n2024-01-01,9007199254740993\n2024-01-02,0.5\n",
        "type_conflict: line 2, column \"v\": the column holds floats, and the integer 9007199254740993 is not exact as a float (beyond ±9007199254740992)",
    );
    check(
        "time,v\n2024-01-01,-1\n2024-01-02,9223372036854775808\n",
        "type_conflict: column \"v\" holds -1 (line 2) and 9223372036854775808 (line 3), which no integer type holds together",
    );
}

#[test]
fn quotes_follow_the_rfc() {
    check(
        "\u{feff}\"time\", name ,note\r\n\
         2024-01-01,\"a,b\",\"say \"\"hi\"\"\"\r\n\
         \r\n\
         \"2024-01-02\",\"line\nbreak\",\"\"\r\n\
         2024-01-03,,5\" pipe",
        "3 rows\n\
         append [id time name note]\n\
         time: time 2024-01-01T00:00:00Z 2024-01-02T00:00:00Z 2024-01-03T00:00:00Z\n\
         name: String a,b line\nbreak null\n\
         note: String say \"hi\" '' 5\" pipe",
    );
    check(
        "time,a,b\n\"2024-01-01\",\"1\",\"\"\"\"\n\"2024-01-02\",\"\",\"x\"\n",
        "2 rows\nappend [id time a b]\ntime: time 2024-01-01T00:00:00Z 2024-01-02T00:00:00Z\na: Integer 1 null\nb: String \" x",
    );
}

#[test]
fn delimiters_and_null_texts_are_the_users() {
    let options = RowOptions { delimiter: b';', null_texts: vec!["NA".into()], ..options() };
    assert_eq!(
        run("time;v\n2024-01-01;NA\n2024-01-02;\"NA\"\n2024-01-03;\n", &options),
        "3 rows\nappend [id time v]\n\
         time: time 2024-01-01T00:00:00Z 2024-01-02T00:00:00Z 2024-01-03T00:00:00Z\n\
         v: String null NA null"
    );
    let options = RowOptions { delimiter: 0xc3, ..options };
    assert!(run("time;v\n", &options).starts_with("invalid_request"));
}

#[test]
fn the_time_column_is_found_by_name_then_by_content() {
    let time_of = |body: &str| {
        let shown = run(body, &options());
        shown.lines().find(|line| line.contains(": time ")).unwrap_or(&shown).to_owned()
    };
    assert_eq!(time_of("day,Timestamp\n2024-01-01,5\n"), "Timestamp: time 1970-01-01T00:00:05Z");
    assert_eq!(time_of("date,ts\n2024-01-01,1700000000000\n"), "ts: time 2023-11-14T22:13:20Z");
    assert_eq!(time_of("v,when\n1700000000,2024-01-01\n"), "when: time 2024-01-01T00:00:00Z");
    assert_eq!(
        time_of("v,a\n1700000000,1\n"),
        "missing_time: no column can be the time column; the body has \"v\", \"a\""
    );
    let named = RowOptions { time_column: Some("v".into()), ..options() };
    assert!(run("v,a\n1700000000,1\n", &named).contains("v: time 2023-11-14T22:13:20Z"));
    let named = RowOptions { time_column: Some("vv".into()), ..options() };
    assert_eq!(
        run("v,a\n1,1\n", &named),
        "missing_time: time_column=vv: the body has no column \"vv\""
    );
}

#[test]
fn numeric_times_have_one_unit_per_body() {
    check(
        "ts,v\n1700000000.25,1\n1700000001,2\n0,3\n",
        "3 rows\nappend [id ts v]\n\
         ts: time 2023-11-14T22:13:20.250Z 2023-11-14T22:13:21Z 1970-01-01T00:00:00Z\n\
         v: Integer 1 2 3",
    );
    assert!(
        run("ts,v\n1700000000,1\n1700000000000,2\n", &options())
            .starts_with("mixed_time_units: column \"ts\"")
    );
    check(
        "ts,v\n1,1\n9999999999,2\n",
        "invalid_time: line 3, column \"ts\": time 9999999999 is out of range: it lies outside 1677-09-21 to 2262-04-11",
    );
    let unit =
        RowOptions { time_format: Some(TimeFormat::Unit(Precision::Millisecond)), ..options() };
    assert!(run("ts,v\n1500,1\n", &unit).contains("ts: time 1970-01-01T00:00:01.500Z"));
    let pattern =
        RowOptions { time_format: Some(TimeFormat::Pattern("%d.%m.%Y".into())), ..options() };
    assert!(run("ts,v\n31.01.2024,1\n", &pattern).contains("ts: time 2024-01-31T00:00:00Z"));
    assert_eq!(
        run("ts,v\n2024,1\n", &pattern),
        "invalid_time: line 2, column \"ts\", value \"2024\": \"2024\" does not match the time format \"%d.%m.%Y\""
    );
}

#[test]
fn ids_are_row_ids_only_if_they_can_be() {
    check(
        "id,time,v\n7,2024-01-01,1\n,2024-01-02,2\n9,2024-01-03,3\n",
        "3 rows\nappend [id time v]\n\
         time: time 2024-01-01T00:00:00Z 2024-01-02T00:00:00Z 2024-01-03T00:00:00Z\n\
         id: id 7 null 9\nv: Integer 1 2 3",
    );
    for (ids, shown) in
        [("7,7", "id: Integer 7 7"), ("0,1", "id: Integer 0 1"), ("a,1", "id: String a 1")]
    {
        let (one, two) = ids.split_once(',').unwrap();
        let shown_all = run(format!("time,id\n2024-01-01,{one}\n2024-01-02,{two}\n"), &options());
        assert!(shown_all.contains("append [time id]"), "{shown_all}");
        assert!(shown_all.ends_with(shown), "{shown_all}");
    }
    let named = RowOptions { row_id: Some("key".into()), ..options() };
    let shown = run("time,key\n2024-01-01,5\n", &named);
    assert!(shown.contains("append [key time]") && shown.ends_with("key: id 5"), "{shown}");
    assert_eq!(
        run("time,key\n2024-01-01,0\n", &named),
        "invalid_row_id: line 2, column \"key\", value \"0\": a row id is a positive integer"
    );
    let upsert = RowOptions { mode: Some(Mode::Upsert), ..options() };
    let shown = run("time,id\n2024-01-01,5\n", &upsert);
    assert!(shown.contains("upsert [time id]") && shown.ends_with("id: Integer 5"), "{shown}");
}

#[test]
fn an_existing_table_decides() {
    let columns = [
        ("id", "id"),
        ("host", "tag"),
        ("i", "Integer"),
        ("f", "Float"),
        ("s", "String"),
        ("n", "Null"),
    ];
    let table = || schema(Mode::Append, &columns);
    assert_eq!(
        run_into(
            "host,i,f,s,n,new,ts,id\na,1,2,3,4,true,1700000000,5\n,007,-1e3,\"\",,false,1700000001,\n",
            &options(),
            table()
        ),
        "2 rows\nappend []\n\
         ts: time 2023-11-14T22:13:20Z 2023-11-14T22:13:21Z\n\
         id: id 5 null\n\
         host: tag a null\n\
         i: Integer 1 7\nf: Float 2.0 -1000.0\ns: String 3 ''\nn: Integer 4 null\nnew: Boolean true false"
    );
    for (body, expected) in [
        (
            "ts,i\n5,x\n",
            "type_conflict: line 2, column \"i\", value \"x\": the column holds integer, this value is text; send integer, or use another column name",
        ),
        (
            "ts,f\n5,9007199254740993\n",
            "type_conflict: line 2, column \"f\", value \"9007199254740993\": this integer does not fit the float column: an integer beyond 2^53 is not exact as a float",
        ),
        (
            "ts,id\n5,-1\n",
            "invalid_row_id: line 2, column \"id\", value \"-1\": a row id is a positive integer",
        ),
        ("i\n5\n", "missing_time: the body has no column \"ts\", the time column of table \"t\""),
    ] {
        assert_eq!(run_into(body, &options(), table()), expected);
    }
    assert!(run_into("ts,i\n5,1\n", &tags(&["i"]), table()).starts_with("schema_conflict: tags=i"));
    assert!(run_into("ts,host\n5,1\n", &tags(&["host"]), table()).starts_with("1 rows"));
    let upsert = RowOptions { mode: Some(Mode::Upsert), ..options() };
    assert!(run_into("ts,i\n5,1\n", &upsert, table()).starts_with("schema_conflict"));
}

#[test]
fn floats_widen_an_integer_column() {
    let shown =
        run_into("ts,i\n5,1\n6,1.5\n", &options(), schema(Mode::Append, &[("i", "Integer")]));
    assert!(shown.ends_with("i: Float 1.0 1.5"), "{shown}");
}

#[test]
fn bad_bodies_are_told_with_their_line() {
    for (body, expected) in [
        (&b""[..], "empty_body: the body is empty"),
        (b"\n \r\n", "empty_body: the body is empty"),
        (b"time,v\n", "0 rows"),
        (b"a,b", "0 rows"),
        (
            b"time,a,a\n1,2,3\n",
            "duplicate_column: line 1, the header: column \"a\" stands in the body twice",
        ),
        (b"time,\n1,2\n", "invalid_name: line 1, the header: column 2: a name is empty"),
        (
            b"time,v\n2024-01-01,1\n2024-01-02\n",
            "malformed_body: line 3: the line has 1 cells, the header has 2 columns",
        ),
        (
            b"time,v\n2024-01-01,1,2\n",
            "malformed_body: line 2: the line has 3 cells, the header has 2 columns",
        ),
        (
            b"time,v\n2024-01-01,\"a\nb\"\n2024-01-02,\"x\n2024-01-03,y\n",
            "malformed_body: line 4, value \"\\\"x\\n2024-01-03,y\\n\": the quote that opens here is never closed",
        ),
        (
            b"time,v\n2024-01-01,\"a\"b\n",
            "malformed_body: line 2, value \"\\\"b\\n\": text follows a closing quote",
        ),
        (
            b"time,v\n2024-01-01,a\n2024-01-02,\xff\n",
            "invalid_utf8: line 3: the text holds bytes that are not UTF-8",
        ),
        (b"\xff\xfet\0", "invalid_utf8: line 1: the text holds UTF-16"),
        (b"time,v\n,1\n", "invalid_time: line 2, column \"time\": missing time"),
        (
            b"time,v\n2300-01-01,1\n",
            "invalid_time: line 2, column \"time\", value \"2300-01-01\": time 2300-01-01 is out of range: it lies outside 1677-09-21 to 2262-04-11",
        ),
        (
            b"time,v\n1600-01-01,1\n",
            "invalid_time: line 2, column \"time\", value \"1600-01-01\": time 1600-01-01 is out of range: it lies outside 1677-09-21 to 2262-04-11",
        ),
        (
            b"time,v\n2024-01-01,1\n5,1\n",
            "invalid_time: line 3, column \"time\", value \"5\": this time is a number, those before it are text",
        ),
    ] {
        check(body, expected);
    }
}

#[test]
fn names_are_names_not_paths() {
    let shown = run("time,../../etc,\"a \"\"b\"\" c\"\n2024-01-01,1,2\n", &options());
    assert!(shown.contains("../../etc: Integer 1\na \"b\" c: Integer 2"), "{shown}");
}

#[test]
fn skipping_keeps_the_good_rows() {
    let body = b"ts,host,v\n\
        x,a,1\n\
        10,b,2\n\
        11,c\n\
        12,d,\"open\n\
        13,e,5\n\
        14,\xfff,6\n\
        15,g,7\n";
    let skip = RowOptions { tags: vec!["host".into()], ..skip() };
    assert_eq!(
        run(body, &skip),
        "3 rows, 4 rejected\n\
         ! Some(2) Some(\"ts\") \"x\" is not a time (use RFC 3339 (2024-01-31T12:00:00Z), 2024-01-31 12:00:00, 2024-01-31, or a number with a precision)\n\
         ! Some(4) None the line has 2 cells, the header has 3 columns (write each row with one cell for each column, also where it is empty)\n\
         ! Some(5) None the quote that opens here is never closed (close it, and write a quote inside a quoted cell as two)\n\
         ! Some(7) None the text holds bytes that are not UTF-8 (send the body as UTF-8)\n\
         append [id ts host v]\n\
         ts: time 1970-01-01T00:00:10Z 1970-01-01T00:00:13Z 1970-01-01T00:00:15Z\n\
         host: tag b e g\n\
         v: Integer 2 5 7"
    );
    assert_eq!(
        run("ts,v\n1\n2\n", &skip_only()),
        "0 rows, 2 rejected\n\
         ! Some(2) None the line has 1 cells, the header has 2 columns (write each row with one cell for each column, also where it is empty)\n\
         ! Some(3) None the line has 1 cells, the header has 2 columns (write each row with one cell for each column, also where it is empty)"
    );
}

fn skip_only() -> RowOptions {
    RowOptions { on_error: OnError::Skip, ..options() }
}

#[test]
fn a_skipped_first_row_changes_no_type() {
    let columns = [("i", "Integer"), ("n", "Null")];
    let shown = run_into(
        "ts,i,n\n5,0.5,x,y\n6,1.5,1\nz,2,2\n7,3,3\n",
        &skip_only(),
        schema(Mode::Append, &columns),
    );
    assert!(shown.ends_with("i: Float 1.5 3.0\nn: Integer 1 3"), "{shown}");
}

#[test]
fn one_long_line_is_one_row() {
    let mut body = b"time,v\n2024-01-01,".to_vec();
    body.resize(body.len() + 10_000_000, b'x');
    let parsed = parse(&table(), &body, &options(), None).unwrap();
    assert_eq!((parsed.rows, parsed.rejected), (1, 0));
    let mut commas = b"time,v\n2024-01-01,".to_vec();
    commas.resize(commas.len() + 10_000_000, b',');
    assert_eq!(
        run(&commas, &options()),
        "malformed_body: line 2: the line has 10000002 cells, the header has 2 columns"
    );
    let mut large = b"time,v\n2024-01-01,".to_vec();
    large.resize(large.len() + (17 << 20), b'x');
    assert!(run(&large, &options()).contains("limits.text_bytes is 16777216"));
}

#[test]
fn many_bad_quotes_take_linear_time() {
    let body = format!("time,v\n{}", "1,\"a\n".repeat(200_000));
    let shown = run(&body, &skip_only());
    assert!(shown.starts_with("0 rows"), "{}", &shown[..80]);
}

#[test]
fn no_bytes_make_it_panic() {
    let valid = format!("{STOCKS}\"GOOG\",\"2000-03-02\",,\"\"\"\",1e5,nan,,\"x\ny\"\r\n");
    let table_schema =
        schema(Mode::Append, &[("id", "id"), ("Open", "Integer"), ("Ticker", "tag")]);
    for_each_mutation(valid.as_bytes(), 11, |body| {
        for on_error in [OnError::Abort, OnError::Skip] {
            let options = RowOptions { on_error, ..options() };
            show(parse(&table(), body, &options, None));
            let named = RowOptions { time_column: Some("Date".into()), ..options };
            show(parse(&table(), body, &named, Some(table_schema.clone().into())));
        }
    });
}
