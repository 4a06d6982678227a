//! CSV by the row API.

use super::{Bench, Case, MS};

const T: &str = "/tables/t/ingest";
const NEW: &str = "/tables/new/ingest";

fn csv(name: &str, path: &str, body: impl AsRef<[u8]>) -> Case {
    Case::new(&format!("csv, {name}"), path, "text/csv", body)
}

/// A body with a good row before and after `middle`.
fn around(middle: &[u8]) -> Vec<u8> {
    let mut body = format!("time,n,x,s,ok\n{MS},3,3.5,three,true\n").into_bytes();
    body.extend_from_slice(middle);
    body.extend_from_slice(format!("\n{},5,5.5,five,true\n", MS + 2).as_bytes());
    body
}

#[test]
fn csv_that_is_not_csv() {
    Bench::new().run(vec![
        csv("truncated in a row", T, format!("time,n,x,s,ok\n{MS},3,3.5,three,true\n{MS},4"))
            .refused(400, "malformed_body")
            .says("\"line\":3"),
        csv("truncated in a quoted cell", T, format!("time,n,x,s,ok\n{MS},3,3.5,\"thr"))
            .refused(400, "malformed_body"),
        csv("a cell too many", T, around(b"1700000000001,4,4.5,four,true,extra"))
            .refused(400, "malformed_body")
            .says("\"line\":3"),
        csv("text after a quote", T, around(b"1700000000001,4,4.5,\"four\"x,true"))
            .refused(400, "malformed_body")
            .says("\"line\":3"),
        csv("empty", T, "").refused(400, "empty_body"),
        csv("empty lines", T, "\n\n\n").refused(400, "empty_body"),
        csv("header only", T, "time,n,x,s,ok\n").stored(0),
        csv("header only, new table", NEW, "time,n").stored(0),
        csv("a picture", NEW, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01")
            .refused(400, "invalid_utf8"),
        csv("zeros", NEW, [0; 1_000]).refused(400, "invalid_name"),
        csv("not UTF-8", T, around(b"1700000000001,4,4.5,f\xffur,true"))
            .refused(400, "invalid_utf8")
            .says("\"line\":3"),
        csv("header not UTF-8", NEW, b"time,n\xc3\n1,2\n").refused(400, "invalid_utf8"),
    ]);
}

#[test]
fn csv_that_does_not_fit_its_table() {
    let beyond = around(b"1700000000001,9223372036854775808,4.5,four,true");
    Bench::new().run(vec![
        csv("text among integers", T, around(b"1700000000001,four,4.5,four,true"))
            .refused(422, "type_conflict")
            .says("\"line\":3")
            .says("\"column\":\"n\"")
            .says("four"),
        csv(
            "text among integers, skipped",
            &format!("{T}?on_error=skip"),
            around(b"1700000000001,four,4.5,four,true"),
        )
        .stored(2)
        .says("\"rows_rejected\":1"),
        csv("text among booleans", T, around(b"1700000000001,4,4.5,four,maybe"))
            .refused(422, "type_conflict")
            .says("\"column\":\"ok\""),
        csv("beyond i64 among integers", T, &beyond)
            .refused(422, "type_conflict")
            .says("\"line\":3"),
        csv("beyond i64 in a new table", NEW, format!("time,n\n{MS},18446744073709551615\n"))
            .stored(1),
        csv("a column twice", T, format!("time,n,n\n{MS},1,2\n")).refused(400, "duplicate_column"),
        csv("a column twice, new table", "/tables/newer/ingest", "time,n,n\n1,2,3\n")
            .refused(400, "duplicate_column"),
        csv("no name", "/tables/newer/ingest", "time,\n1,2\n").refused(400, "invalid_name"),
        csv("a control character in a name", "/tables/newer/ingest", "time,a\tb\n1,2\n")
            .refused(400, "invalid_name"),
        csv("a long name", "/tables/newer/ingest", format!("time,{}\n1,2\n", "n".repeat(256)))
            .refused(400, "invalid_name"),
        csv("row id zero", "/tables/ids/ingest?row_id=id", format!("id,time\n1,{MS}\n0,{MS}\n"))
            .refused(422, "invalid_row_id"),
        csv("tags of an existing table", &format!("{T}?tags=s"), around(b""))
            .refused(422, "schema_conflict"),
    ]);
}

#[test]
fn csv_times() {
    Bench::new().run(vec![
        csv("no time column", T, "n,x\n1,2\n").refused(422, "missing_time"),
        csv("no time column, new table", NEW, "n,x\n1,2\n").refused(422, "missing_time"),
        csv("no time in one row", T, around(b",4,4.5,four,true"))
            .refused(400, "invalid_time")
            .says("\"line\":3"),
        csv("no time at all", T, around(b"soon,4,4.5,four,true"))
            .refused(400, "invalid_time")
            .says("soon"),
        csv("before 1677", NEW, "time,n\n2024-01-01,1\n1677-01-01,2\n")
            .refused(400, "invalid_time")
            .says("\"line\":3"),
        csv("after 2262", NEW, "time,n\n2262-04-12,1\n")
            .refused(400, "invalid_time")
            .says("\"line\":2"),
        csv("a day that is none", NEW, "time,n\n2023-02-29,1\n").refused(400, "invalid_time"),
        csv("seconds beyond 2262", &format!("{NEW}?time_format=s"), "time,n\n9223372037,1\n")
            .refused(400, "invalid_time"),
        csv("beyond every unit", NEW, "time,n\n9223372036854775808,1\n")
            .refused(400, "invalid_time"),
        csv("two units", NEW, "time,n\n1700000000,1\n1700000000000,2\n")
            .refused(422, "mixed_time_units")
            .says("1700000000000"),
        csv("text and numbers", NEW, "time,n\n1700000000,1\n2024-01-01,2\n")
            .refused(400, "invalid_time"),
        csv(
            "the first and the last time",
            NEW,
            "time,n\n1677-09-21T00:12:43.145224193Z,1\n2262-04-11T23:47:16.854775807Z,2\n",
        )
        .stored(2),
    ]);
}

#[test]
fn csv_sizes() {
    let ten = 10 << 20;
    let cell = |bytes: usize| {
        let mut body = format!("time,n,x,s,ok\n{MS},9,9.5,").into_bytes();
        body.resize(body.len() + bytes, b'z');
        body.extend_from_slice(b",true\n");
        body
    };
    Bench::new().run(vec![
        csv("one line of 10 MiB", NEW, "x".repeat(ten)).refused(400, "invalid_name"),
        csv("10 Mi columns", NEW, format!("time{}", ",".repeat(ten)))
            .refused(422, "limit_exceeded"),
        csv("10,000 columns", NEW, {
            let names: Vec<String> = (0..10_000).map(|n| format!("c{n}")).collect();
            format!("time,{}\n", names.join(","))
        })
        .refused(422, "limit_exceeded"),
        csv("a cell of 10 MiB", T, cell(ten)).stored(1),
        csv("a cell of 17 MiB", T, cell(17 << 20))
            .refused(422, "limit_exceeded")
            .says("\"line\":2"),
        csv("an open quote and 10 MiB", T, format!("time,n\n{MS},\"{}", "1\n".repeat(ten / 2)))
            .refused(400, "malformed_body"),
    ]);
}

#[test]
fn not_a_number_and_infinity_are_floats_and_null_in_json() {
    let mut bench = Bench::new();
    let client = bench.server.client();
    let body = format!("time,x\n{MS},NaN\n{},inf\n{},-Infinity\n{},0.5\n", MS + 1, MS + 2, MS + 3);
    let path = "/tables/floats/ingest";
    let answer = client.post(path, &[("content-type", "text/csv")], body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let texts = |path: &str| {
        let rows = client.get(path).unwrap().json();
        let rows = rows["data"].as_array().unwrap_or_else(|| panic!("{path}: {rows}")).clone();
        rows.iter().map(|row| row["x"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(texts("/tables/floats/query"), ["null", "null", "null", "0.5"]);
    let spelled = texts("/tables/floats/query?nonfinite=string");
    assert_eq!(spelled, ["\"NaN\"", "\"Infinity\"", "\"-Infinity\"", "0.5"]);
    bench.finish();
}
