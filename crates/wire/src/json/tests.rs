//! JSON rows at their boundary: bodies in, columns or errors as text out.

use pulsora_model::Mode;

use super::{parse_ndjson, parse_rows};
use crate::mutate::for_each_mutation;
use crate::rows::tests::{options, schema, show, skip, table, tags};
use crate::rows::{OnError, RowOptions};

fn rows(body: impl AsRef<[u8]>, options: &RowOptions) -> String {
    show(parse_rows(&table(), body.as_ref(), options, None))
}

fn lines(body: impl AsRef<[u8]>, options: &RowOptions) -> String {
    show(parse_ndjson(&table(), body.as_ref(), options, None))
}

#[test]
fn objects_are_rows() {
    let expected = "3 rows\n\
        append [id time host v s b late]\n\
        time: time 2024-01-01T00:00:00Z 2024-01-02T00:00:00Z 2024-01-03T00:00:00Z\n\
        host: tag a null 7\n\
        v: Float 1.0 0.5 null\n\
        s: String x null \n\
        b: Boolean true null false\n\
        late: Timestamp null null 2024-01-01T00:00:00Z";
    let expected = expected.replace("x null \n", "x null ''\n");
    let body = r#"[
        {"time":"2024-01-01","host":"a","v":1,"s":"x","b":true},
        {"v":0.5,"time":"2024-01-02","host":null},
        {"time":"2024-01-03","host":7,"s":"","b":false,"late":"2024-01-01"}
    ]"#;
    assert_eq!(rows(body, &tags(&["host"])), expected);
    let body = body.trim_start_matches('[').trim_end_matches(']').replace("},", "}\n\n");
    assert_eq!(lines(body, &tags(&["host"])), expected);
}

#[test]
fn one_object_is_one_row_and_an_empty_array_none() {
    assert_eq!(
        rows(r#"{"ts":1700000000.5,"n":null}"#, &options()),
        "1 rows\nappend [id ts n]\nts: time 2023-11-14T22:13:20.500Z\nn: Null null"
    );
    assert_eq!(rows(" [] ", &options()), "0 rows");
}

#[test]
fn mixed_columns_are_text_as_it_was_written() {
    assert_eq!(
        rows(r#"[{"ts":1,"m":1.50},{"ts":2,"m":true},{"ts":3,"m":"x"}]"#, &options()),
        "3 rows\nappend [id ts m]\n\
         ts: time 1970-01-01T00:00:01Z 1970-01-01T00:00:02Z 1970-01-01T00:00:03Z\n\
         m: String 1.50 true x"
    );
}

#[test]
fn a_line_that_is_not_utf8_takes_no_columns_of_others_back() {
    let body = b"{\"ts\":1,\"a\":2,\"b\":3}\n\xff\n{\"ts\":2,\"a\":4,\"b\":5}\n";
    let found = lines(body, &skip());
    assert!(found.starts_with("2 rows, 1 rejected\n"), "{found}");
    assert!(found.contains("\nb: Integer 3 5") || found.contains("\nb: Int 3 5"), "{found}");
}

#[test]
fn integers_keep_every_digit() {
    assert!(
        rows(r#"[{"ts":1,"u":18446744073709551615},{"ts":2,"u":0}]"#, &options())
            .ends_with("u: UnsignedInteger 18446744073709551615 0")
    );
    assert!(
        rows(r#"[{"ts":1,"u":-9223372036854775808}]"#, &options())
            .ends_with("u: Integer -9223372036854775808")
    );
    assert_eq!(
        rows(r#"[{"ts":1,"u":18446744073709551615},{"ts":2,"u":-1}]"#, &options()),
        "type_conflict: column \"u\" holds -1 (row 1) and 18446744073709551615 (row 0), which no integer type holds together"
    );
    assert_eq!(
        rows(r#"[{"ts":1,"u":0.5},{"ts":2,"u":9007199254740993}]"#, &options()),
        "type_conflict: row 1, column \"u\": the column holds floats, and the integer 9007199254740993 is not exact as a float (beyond ±9007199254740992)"
    );
}

#[test]
fn an_integer_that_no_type_holds_does_not_turn_a_column_into_floats() {
    let table_schema = schema(Mode::Append, &[("v", "Integer")]);
    let body = r#"[{"ts":1,"v":18446744073709551616}]"#;
    let shown = show(parse_rows(&table(), body.as_bytes(), &options(), Some(table_schema.into())));
    assert!(shown.starts_with("type_conflict") && shown.contains("no integer type"), "{shown}");
}

#[test]
fn ids_are_row_ids_only_if_they_can_be() {
    assert!(
        rows(r#"[{"id":3,"ts":1},{"ts":2},{"id":5,"ts":3}]"#, &options())
            .ends_with("id: id 3 null 5")
    );
    assert!(rows(r#"[{"id":"x","ts":1}]"#, &options()).ends_with("id: String x"));
    let named = RowOptions { row_id: Some("k".into()), ..options() };
    assert_eq!(
        rows(r#"[{"k":0.5,"ts":1}]"#, &named),
        "invalid_row_id: row 0, column \"k\", value \"0.5\": a row id is a positive integer"
    );
}

#[test]
fn bad_bodies_are_told_with_their_place() {
    for (body, expected) in [
        ("", "empty_body: the body is empty"),
        (
            "[{\"ts\":1},",
            "malformed_body: the JSON is not valid at line 1, column 11: expected a value, found the end of the text",
        ),
        ("5", "malformed_body: the body is a number, not rows"),
        ("[1]", "malformed_body: row 0: at column 2: expected an object, found '1'"),
        (
            "[{\"ts\":1,\"a\":1,\"a\":2}]",
            "duplicate_column: row 0, column \"a\": the key stands in the object twice",
        ),
        (
            "[{\"ts\":1,\"a\":{\"b\":1}}]",
            "type_conflict: row 0, column \"a\": the value is an object; a column holds plain values",
        ),
        ("[{\"ts\":1},{\"a\":1}]", "invalid_time: row 1, column \"ts\": missing time"),
        (
            "[{\"ts\":true}]",
            "invalid_time: row 0, column \"ts\", value \"true\": \"true\" is not a time",
        ),
        (
            "[{\"ts\":\"2263-01-01\"}]",
            "invalid_time: row 0, column \"ts\", value \"2263-01-01\": time 2263-01-01 is out of range: it lies outside 1677-09-21 to 2262-04-11",
        ),
        ("[{\"a\":1}]", "missing_time: no column can be the time column; the body has \"a\""),
        ("[{\"ts\":1,\"\":1}]", "invalid_name: row 0: a name is empty"),
        (
            "[{\"ts\":1}] x",
            "malformed_body: the JSON is not valid at line 1, column 12: expected the end, found 'x'",
        ),
        (
            "[{\"ts\":1,\"a\":NaN}]",
            "malformed_body: the JSON is not valid at line 1, column 14: expected a value, found 'N'",
        ),
    ] {
        assert_eq!(rows(body, &options()), expected);
    }
    assert_eq!(
        rows(b"[{\"ts\":1,\n\"a\":\"\xff\"}]", &options()),
        "invalid_utf8: line 2: the text holds bytes that are not UTF-8"
    );
}

#[test]
fn an_existing_table_decides() {
    let columns = [("host", "tag"), ("i", "Integer"), ("s", "String"), ("t", "Timestamp")];
    let run = |body: &str| {
        show(parse_rows(
            &table(),
            body.as_bytes(),
            &options(),
            Some(schema(Mode::Upsert, &columns).into()),
        ))
    };
    assert_eq!(
        run(r#"[{"host":"a","i":1,"ts":5,"t":"2024-01-01","new":"x"}]"#),
        "1 rows\nupsert []\nts: time 1970-01-01T00:00:05Z\nhost: tag a\ni: Integer 1\nt: Timestamp 2024-01-01T00:00:00Z\nnew: String x"
    );
    assert_eq!(
        run(r#"[{"s":1,"ts":5}]"#),
        "type_conflict: row 0, column \"s\", value \"1\": the column holds text, this value is integer; send text, or use another column name"
    );
    assert_eq!(
        run(r#"[{"t":"soon","ts":5}]"#),
        "type_conflict: row 0, column \"t\", value \"soon\": this text does not fit the timestamp column: it does not read as a time"
    );
}

#[test]
fn skipping_keeps_the_good_rows() {
    let body = b"{\"ts\":1,\"a\":1}\n\
        {\"ts\":2,\"only_bad\":[1]}\n\
        {\"ts\":3,\"a\":\n\
        {\"ts\":4,\"a\":\"\xff\"}\n\
        {\"a\":5}\n\
        {\"ts\":6,\"a\":6} x\n\
        {\"ts\":7,\"a\":7}";
    assert_eq!(
        lines(body, &skip()),
        "2 rows, 5 rejected\n\
         ! Some(2) Some(\"only_bad\") the value is an array; a column holds plain values (send its members as columns of their own, or the whole as text)\n\
         ! Some(3) None at column 13: expected a value, found the end of the text\n\
         ! Some(4) None the text holds bytes that are not UTF-8 (send the body as UTF-8)\n\
         ! Some(5) Some(\"ts\") missing time (every row needs a time)\n\
         ! Some(6) None at column 16: expected the end, found 'x'\n\
         append [id ts a]\n\
         ts: time 1970-01-01T00:00:01Z 1970-01-01T00:00:07Z\n\
         a: Integer 1 7"
    );
    assert_eq!(
        rows(r#"[{"ts":1},5,{"ts":2,"b":[1,{"x":2}]},{"ts":3}]"#, &skip()),
        "2 rows, 2 rejected\n\
         ! Some(1) None at column 11: expected an object, found '5'\n\
         ! Some(2) Some(\"b\") the value is an array; a column holds plain values (send its members as columns of their own, or the whole as text)\n\
         append [id ts]\n\
         ts: time 1970-01-01T00:00:01Z 1970-01-01T00:00:03Z"
    );
    assert_eq!(lines("x\n", &skip()).lines().next(), Some("0 rows, 1 rejected"));
}

#[test]
fn sparse_rows_cannot_fill_the_memory() {
    let mut body = String::new();
    for i in 0..60_000 {
        body += &format!("{{\"ts\":{i},\"k{}\":1}}\n", i % 4_000);
    }
    let shown = lines(&body, &options());
    assert!(shown.starts_with("limit_exceeded: 60000 rows with 4001 different keys"), "{shown}");
}

#[test]
fn no_bytes_make_it_panic() {
    let body = r#"[{"ts":1,"id":2,"host":"a","v":1.5,"s":"\u00e9"},{"ts":2,"b":true,"v":null}]"#;
    let table_schema = schema(Mode::Append, &[("id", "id"), ("v", "Integer"), ("host", "tag")]);
    for_each_mutation(body.as_bytes(), 12, |body| {
        for on_error in [OnError::Abort, OnError::Skip] {
            let options = RowOptions { on_error, ..options() };
            rows(body, &options);
            lines(body, &options);
            show(parse_rows(&table(), body, &options, Some(table_schema.clone().into())));
        }
    });
}
