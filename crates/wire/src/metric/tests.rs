//! JSON points at their boundary: a body in, rows and rejections out as text.

use pulsora_model::time::Precision;
use pulsora_model::{Code, ColumnKind, ColumnType, Mode};

use super::{MetricOptions, parse};
use crate::mutate::for_each_mutation;
use crate::render::{no_tables, render, table};

const MS: MetricOptions = MetricOptions { precision: Precision::Millisecond, now_ns: 77 };

fn read(body: &str) -> String {
    match parse(body.as_bytes(), &MS, &no_tables) {
        Ok(parsed) => render(&parsed),
        Err(error) => format!("{}: {error}", error.code().name()),
    }
}

#[test]
fn one_point_or_many() {
    let one = r#"{"metric":"cpu","timestamp":1700000000000,"value":0.5,"tags":{"host":"a"}}"#;
    let row = "cpu/upsert[host=a] value=0.5 1700000000000000000\n";
    assert_eq!(read(one), row);
    assert_eq!(read(&format!(" [{one} , {one}]\n")), format!("{row}{row}"));
    assert_eq!(read("[]"), "");
}

#[test]
fn points_of_every_shape() {
    for (point, expected) in [
        (r#"{"metric":"m","value":1}"#, "m/upsert[] value=1i 77"),
        (
            r#"{"value":18446744073709551615,"metric":"m"}"#,
            "m/upsert[] value=18446744073709551615u 77",
        ),
        (r#"{"metric":"m","timestamp":null,"value":-1e3}"#, "m/upsert[] value=-1000.0 77"),
        (r#"{"metric":"m","timestamp":5.0,"value":1}"#, "m/upsert[] value=1i 5000000"),
        (
            r#"{"metric":"m","timestamp":"1970-01-01T00:00:01Z","value":1}"#,
            "m/upsert[] value=1i 1000000000",
        ),
        (
            r#"{"metric":"m","fields":{"a":1,"b":0.5,"c":true,"d":"x\ny","e":null,"a":2},"timestamp":-1}"#,
            "m/upsert[] a=2i,b=0.5,c=true,d=\"x\\ny\" -1000000",
        ),
        (r#"{"metric":"m","value":1,"fields":{"a":2}}"#, "m/upsert[] value=1i,a=2i 77"),
        (
            r#"{"metric":"m","value":1,"tags":{"s":"\u00e4","n":1.50,"b":true,"z":null,"e":""}}"#,
            "m/upsert[s=ä,n=1.50,b=true] value=1i 77",
        ),
        (
            r#"{"metric":"m","value":1,"tags":null,"fields":null,"other":{"x":[1]}}"#,
            "m/upsert[] value=1i 77",
        ),
        (r#"{"metric":"\u006d \"1\"","value":1}"#, "m \"1\"/upsert[] value=1i 77"),
    ] {
        assert_eq!(read(point), format!("{expected}\n"), "{point}");
    }
}

#[test]
fn bad_points_are_listed_and_lose_no_good_ones() {
    let ok = r#"{"metric":"ok","value":1,"tags":{"t":"a"}}"#;
    for (point, expected) in [
        ("1", "expected an object"),
        ("null", "expected an object"),
        (r#"{"value":1}"#, "missing or invalid metric"),
        (r#"{"metric":"","value":1}"#, "missing or invalid metric"),
        (r#"{"metric":5,"value":1}"#, "missing or invalid metric"),
        (r#"{"metric":"m"}"#, "missing or invalid value"),
        (r#"{"metric":"m","value":null}"#, "missing or invalid value"),
        (r#"{"metric":"m","fields":{}}"#, "missing or invalid value"),
        (r#"{"metric":"m","value":"1"}"#, "missing or invalid value: \"1\" is not a number"),
        (r#"{"metric":"m","value":[1]}"#, "missing or invalid value: [1] is not a number"),
        (
            r#"{"metric":"m","value":1,"timestamp":1.5}"#,
            "missing or invalid timestamp: 1.5 is neither",
        ),
        (
            r#"{"metric":"m","value":1,"timestamp":true}"#,
            "missing or invalid timestamp: true is neither",
        ),
        (
            r#"{"metric":"m","value":1,"timestamp":"soon"}"#,
            "missing or invalid timestamp: \"soon\" is not a time",
        ),
        (r#"{"metric":"m","value":1,"timestamp":9223372036854775807}"#, "is out of range"),
        (r#"{"metric":"m","value":1,"tags":["a"]}"#, "tags are not an object"),
        (r#"{"metric":"m","value":1,"tags":{"a":{}}}"#, "tag \"a\" is an object, not text"),
        (r#"{"metric":"m","value":1,"tags":{"a":"1","a":"2"}}"#, "tag \"a\" comes twice"),
        (r#"{"metric":"m","fields":[1]}"#, "fields are not an object"),
        (r#"{"metric":"m","fields":{"a":[1]}}"#, "field \"a\" is an array"),
        (r#"{"metric":"m","fields":{"":1}}"#, "a name is empty"),
        (r#"{"metric":"m","fields":{"time":1}}"#, "column \"time\" is the time column"),
        (r#"{"metric":"m","value":1,"tags":{"value":"x"}}"#, "column \"value\" cannot be both"),
        (
            r#"{"metric":"ok","fields":{"value":"x"}}"#,
            "column \"value\", value \"x\": the column holds integer",
        ),
    ] {
        let rows = read(&format!("[{ok},{point},{ok}]"));
        let mut lines = rows.lines();
        assert_eq!(lines.next(), Some("ok/upsert[t=a] value=1i 77"), "{point} gave {rows}");
        assert_eq!(lines.next(), Some("ok/upsert[t=a] value=1i 77"), "{point} gave {rows}");
        let fault = lines.next().unwrap();
        assert!(fault.starts_with("! index 1") && fault.contains(": point 1: "), "{fault}");
        assert!(fault.contains(expected), "{point} gave {fault}");
        assert_eq!(lines.next(), None, "{point} gave {rows}");
    }
}

#[test]
fn what_is_not_json_stores_nothing() {
    for (body, expected) in [
        ("", "empty_body"),
        (" \n", "empty_body"),
        ("5", "malformed_body: expected object or array"),
        ("\"x\"", "malformed_body: expected object or array"),
        ("cpu f=1", "malformed_body: the JSON is not valid at line 1, column 1"),
        ("[{\"metric\":\"m\",\"value\":1},\n{\"metric\"]", "at line 2, column 10: expected ':'"),
        ("[{\"metric\":\"m\",\"value\":1}", "expected ',' or ']', found the end"),
        ("{\"metric\":\"m\",\"value\":NaN}", "column 23: expected a value"),
        ("{\"metric\":\"m\",\"value\":1} x", "expected the end"),
        ("{\"metric\":\"m\",\"value\":1,\"tags\":{\"a\":tru}}", "malformed_body"),
    ] {
        assert!(read(body).contains(expected), "{body:?} gave {}", read(body));
    }
    let error = parse(b"{\"metric\":\"\xff\"}", &MS, &no_tables).unwrap_err();
    assert_eq!(error.code(), Code::InvalidUtf8);
}

#[test]
fn existing_append_tables_take_tags_into_text_fields() {
    let schema = table(
        "m",
        Mode::Append,
        &[
            ("city", ColumnKind::Field, ColumnType::Utf8),
            ("value", ColumnKind::Field, ColumnType::F64),
        ],
    );
    let body = r#"[{"metric":"m","value":1,"tags":{"city":"x"}},{"metric":"m","value":1,"tags":{"city":"y"}},
        {"metric":"m","fields":{"city":"z"},"tags":{"city":"y"}}]"#;
    let rows = render(&parse(body.as_bytes(), &MS, &schema).unwrap());
    let expected = "m/upsert[] city=\"x\",value=1.0 77\nm/upsert[] city=\"y\",value=1.0 77\n\
                    ! index 2 [city]: point 2: column \"city\" is both a tag and a field here\n";
    assert_eq!(rows, expected);
}

#[test]
fn the_unit_of_timestamps_is_guessed_for_the_whole_request() {
    let auto = MetricOptions { precision: Precision::Auto, now_ns: 77 };
    let body = |first: &str, second: &str| {
        format!(
            r#"[{{"metric":"m","value":1,"timestamp":{first}}},{{"metric":"n","value":1,"timestamp":{second}}}]"#
        )
    };
    let rows = |body: String| parse(body.as_bytes(), &auto, &no_tables);
    assert_eq!(
        render(&rows(body("1700000000", "\"2024-01-01\"")).unwrap()),
        "m/upsert[] value=1i 1700000000000000000\nn/upsert[] value=1i 1704067200000000000\n"
    );
    let error = rows(body("1700000000", "1700000000000")).unwrap_err();
    assert_eq!((error.code(), error.detail_list()[0].index), (Code::MixedTimeUnits, Some(1)));
}

#[test]
fn mutated_bodies_never_panic() {
    let valid = r#"[{"metric":"cpu","timestamp":1700000000000,"value":0.5,"tags":{"host":"a","n":1}},
        {"metric":"m\u00e4","fields":{"a":1,"b":"x\n","c":null,"d":true},"timestamp":"2024-01-01"}]"#;
    for_each_mutation(valid.as_bytes(), 3, |body| {
        if let Ok(parsed) = parse(body, &MS, &no_tables) {
            render(&parsed);
        }
    });
}
