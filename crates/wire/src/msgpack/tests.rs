//! MessagePack at its boundary: a body in, rows and rejections out as text.

use serde_json::{Value, json};

use pulsora_model::time::Precision;
use pulsora_model::{ColumnKind, ColumnType, Mode};

use super::{MsgpackOptions, MsgpackReader, Token, parse};
use crate::mutate::for_each_mutation;
use crate::render::{no_tables, render, table};

const AUTO: MsgpackOptions = MsgpackOptions { precision: Precision::Auto, now_ns: 77 };
const NS: MsgpackOptions = MsgpackOptions { precision: Precision::Nanosecond, now_ns: 77 };

/// MessagePack of a JSON value; `{"$": "hex"}` stands for these bytes.
fn pack(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    pack_into(value, &mut out);
    out
}

fn pack_into(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(value) => out.push(0xc2 + u8::from(*value)),
        Value::Number(number) => pack_number(number, out),
        Value::String(text) => {
            out.push(0xdb);
            out.extend((text.len() as u32).to_be_bytes());
            out.extend(text.as_bytes());
        }
        Value::Array(values) => {
            out.push(0xdd);
            out.extend((values.len() as u32).to_be_bytes());
            values.iter().for_each(|value| pack_into(value, out));
        }
        Value::Object(map) => match map.get("$").and_then(Value::as_str) {
            Some(hex) => out.extend(
                (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()),
            ),
            None => {
                out.push(0xdf);
                out.extend((map.len() as u32).to_be_bytes());
                for (key, value) in map {
                    pack_into(&json!(key), out);
                    pack_into(value, out);
                }
            }
        },
    }
}

fn pack_number(number: &serde_json::Number, out: &mut Vec<u8>) {
    if let Some(value) = number.as_i64() {
        match value {
            0..128 => out.push(value as u8),
            _ => {
                out.push(0xd3);
                out.extend(value.to_be_bytes());
            }
        }
    } else if let Some(value) = number.as_u64() {
        out.push(0xcf);
        out.extend(value.to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend(number.as_f64().unwrap().to_be_bytes());
    }
}

fn read_bytes(body: &[u8], options: &MsgpackOptions) -> String {
    match parse(body, options, &no_tables) {
        Ok(parsed) => render(&parsed),
        Err(error) => format!("{}: {error}", error.code().name()),
    }
}

fn read(value: Value) -> String {
    read_bytes(&pack(&value), &NS)
}

#[test]
fn tokens_of_every_kind() {
    for (bytes, expected) in [
        (&[0x7f][..], Token::I64(127)),
        (&[0xe0], Token::I64(-32)),
        (&[0xcc, 0xff], Token::I64(255)),
        (&[0xcd, 1, 0], Token::I64(256)),
        (&[0xce, 1, 0, 0, 0], Token::I64(1 << 24)),
        (&[0xcf, 0, 0, 0, 0, 0, 0, 0, 9], Token::I64(9)),
        (&[0xcf, 0xff, 0, 0, 0, 0, 0, 0, 0], Token::U64(0xff << 56)),
        (&[0xd0, 0x80], Token::I64(-128)),
        (&[0xd1, 0x80, 0], Token::I64(-32_768)),
        (&[0xd2, 0x80, 0, 0, 0], Token::I64(i64::from(i32::MIN))),
        (&[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], Token::I64(i64::MIN)),
        (&[0xca, 0x3f, 0, 0, 0], Token::F64(0.5)),
        (&[0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0], Token::F64(0.5)),
        (&[0xc0], Token::Nil),
        (&[0xc2], Token::Bool(false)),
        (&[0xc3], Token::Bool(true)),
        (&[0xa2, 0xc3, 0xa4], Token::Text("ä")),
        (&[0xd9, 1, b'x'], Token::Text("x")),
        (&[0xda, 0, 1, b'x'], Token::Text("x")),
        (&[0xdb, 0, 0, 0, 1, b'x'], Token::Text("x")),
        (&[0xa1, 0xff], Token::NotUtf8(&[0xff])),
        (&[0xc4, 1, 7], Token::Binary(&[7])),
        (&[0xc5, 0, 1, 7], Token::Binary(&[7])),
        (&[0xc6, 0, 0, 0, 1, 7], Token::Binary(&[7])),
        (&[0x92], Token::Array(2)),
        (&[0xdc, 1, 0], Token::Array(256)),
        (&[0xdd, 0, 1, 0, 0], Token::Array(65_536)),
        (&[0x82], Token::Map(2)),
        (&[0xde, 1, 0], Token::Map(256)),
        (&[0xdf, 0, 1, 0, 0], Token::Map(65_536)),
        (&[0xd6, 0xff, 0, 0, 0, 5], Token::Timestamp { seconds: 5, nanos: 0 }),
        (&[0xd7, 0xff, 0, 0, 0, 8, 0, 0, 0, 5], Token::Timestamp { seconds: 5, nanos: 2 }),
        (
            &[0xc7, 12, 0xff, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            Token::Timestamp { seconds: -1, nanos: 2 },
        ),
        (&[0xd4, 5, 9], Token::Extension(5, &[9])),
        (&[0xd5, 0xff, 1, 2], Token::Extension(-1, &[1, 2])),
        (&[0xc8, 0, 1, 5, 9], Token::Extension(5, &[9])),
        (&[0xc9, 0, 0, 0, 1, 5, 9], Token::Extension(5, &[9])),
    ] {
        let mut reader = MsgpackReader::new(bytes);
        assert_eq!(reader.token(), Ok(expected), "{bytes:x?}");
        assert!(reader.at_end(), "{bytes:x?}");
        for cut in 0..bytes.len() {
            assert!(MsgpackReader::new(&bytes[..cut]).token().is_err(), "{bytes:x?} cut to {cut}");
        }
    }
    assert!(MsgpackReader::new(&[0xc1]).token().is_err());
}

#[test]
fn columns_become_rows() {
    assert_eq!(
        read(
            json!({"m": "cpu", "columns": {"time": [1, 2, 3], "a": [1, null, 3], "b": [0.5, 2, null],
            "c": [true, false, null], "d": [null, "x", ""], "e": [null, null, null]}})
        ),
        "cpu/append[] a=1i,b=0.5,c=true 1\ncpu/append[] b=2.0,c=false,d=\"x\" 2\ncpu/append[] a=3i,d=\"\" 3\n"
    );
    assert_eq!(
        read(json!({"columns": {"a": [1, 2]}, "m": 5})),
        "measurement_5/append[] a=1i 77\nmeasurement_5/append[] a=2i 77\n"
    );
    assert_eq!(
        read(
            json!({"m": "m", "tags": ["h", "r"], "columns": {"h": ["a", "a", null, ""], "r": [1, 1, true, 0.5], "v": [1, 2, 3, 4]}})
        ),
        "m/upsert[h=a,r=1] v=1i 77\nm/upsert[h=a,r=1] v=2i 77\nm/upsert[r=true] v=3i 77\nm/upsert[r=0.5] v=4i 77\n"
    );
    assert_eq!(read(json!({"m": "m", "columns": {"v": []}})), "");
    let widening = json!({"m": "m", "columns": {"v": [1, 0.5], "u": [1, u64::MAX], "w": [0.5, 1]}});
    assert_eq!(
        read(widening),
        "m/append[] u=1u,v=1.0,w=0.5 77\nm/append[] u=18446744073709551615u,v=0.5,w=1.0 77\n"
    );
}

#[test]
fn the_name_may_come_before_the_columns() {
    let body = b"\x82\xa1m\xa1x\xa7columns\x82\xa4time\x91\x05\xa1v\x91\xc3";
    assert_eq!(read_bytes(body, &NS), "x/append[] v=true 5\n");
}

#[test]
fn rows_of_every_shape() {
    for (item, expected) in [
        (
            json!({"m": "cpu", "t": 5, "fields": {"a": 1, "b": 0.5, "c": "x", "d": true, "e": null}}),
            "cpu/append[] a=1i,b=0.5,c=\"x\",d=true 5",
        ),
        (json!({"m": "cpu", "fields": {"a": 1}, "tags": {}}), "cpu/append[] a=1i 77"),
        (
            json!({"m": "cpu", "h": "x", "fields": {"a": 1}, "t": null}),
            "cpu/upsert[host=x] a=1i 77",
        ),
        (
            json!({"m": 7, "h": 8, "f": [1, null, 0.5], "t": 3}),
            "measurement_7/upsert[host=host_8] field_0=1i,field_2=0.5 3",
        ),
        (
            json!({"m": "m", "tags": {"a": "x", "b": 1, "c": true, "d": null}, "fields": {"v": 1}}),
            "m/upsert[a=x,b=1,c=true] v=1i 77",
        ),
        (
            json!({"m": "m", "fields": {"at": {"$": "d6ff00000005"}}}),
            "m/append[] at=@5000000000 77",
        ),
    ] {
        assert_eq!(read(item.clone()), format!("{expected}\n"), "{item}");
        assert_eq!(read(json!([item])), format!("{expected}\n"), "{item}");
        assert_eq!(read(json!({"batch": [item]})), format!("{expected}\n"), "{item}");
    }
}

#[test]
fn one_table_from_items_of_both_forms() {
    let rows = read(json!([
        {"m": "m", "t": 1, "fields": {"a": 1}},
        {"m": "m", "columns": {"time": [2, 3], "a": [0.5, 4], "b": ["x", null]}},
        {"m": "m", "t": 4, "fields": {"a": 5}, "tags": {"h": "x"}},
        {"m": "m", "columns": {"time": [5], "h": ["x"], "a": [1]}, "tags": ["h"]},
    ]));
    assert_eq!(
        rows,
        "m/upsert[] a=1.0 1\nm/upsert[] a=0.5,b=\"x\" 2\nm/upsert[] a=4.0 3\nm/upsert[h=x] a=5.0 4\nm/upsert[h=x] a=1.0 5\n"
    );
}

#[test]
fn times_of_every_kind() {
    let time = |time: Value| read_bytes(&pack(&json!({"m": "m", "t": time, "f": [1]})), &AUTO);
    for (value, expected) in [
        (json!(1_700_000_000), "1700000000000000000"),
        (json!(1_700_000_000_000i64), "1700000000000000000"),
        (json!(1_700_000_000_000_000i64), "1700000000000000000"),
        (json!(1_700_000_000_000_000_000i64), "1700000000000000000"),
        (json!(1_700_000_000.0), "1700000000000000000"),
        (json!("2023-11-14T22:13:20Z"), "1700000000000000000"),
        (json!({"$": "d6ff6553f100"}), "1700000000000000000"),
        (json!({"$": "d7ff000000086553f100"}), "1700000000000000002"),
    ] {
        assert_eq!(time(value.clone()), format!("m/append[] field_0=1i {expected}\n"), "{value}");
        let column = json!({"m": "m", "columns": {"time": [value], "field_0": [1]}});
        assert_eq!(
            read_bytes(&pack(&column), &AUTO),
            format!("m/append[] field_0=1i {expected}\n")
        );
    }
    let column = |times: Value| {
        let rows: Vec<u8> = vec![1; times.as_array().unwrap().len()];
        read_bytes(&pack(&json!({"m": "m", "columns": {"time": times, "v": rows}})), &AUTO)
    };
    assert!(column(json!([0, 1_700_000_000])).ends_with("v=1i 1700000000000000000\n"));
    assert!(
        column(json!([1_700_000_000, 1_700_000_000_000i64]))
            .starts_with("mixed_time_units: row 1: ")
    );
    for (bad, message) in [
        (json!([1, null]), "row 1: the time is nil"),
        (json!([0.5]), "row 0: 0.5 is not a time"),
        (json!([true]), "row 0: a boolean is not a time"),
        (json!(["soon"]), "row 0: \"soon\" is not a time"),
        (json!([9_999_999_999i64]), "row 0: time 9999999999 is out of range"),
        (
            json!([{"$": "c70cff000000007fffffffffffffff"}]),
            "row 0: timestamp 9223372036854775807 s is out of",
        ),
    ] {
        let got = column(bad);
        assert!(got.starts_with(&format!("! index 0 [time]: {message}")), "{got}");
    }
    let mixed = json!([
        {"m": "m", "t": 1_700_000_000_000i64, "f": []},
        {"m": "m", "t": 1_700_000_000, "f": [1]},
        {"m": "n", "columns": {"time": [1_700_000_001], "v": [1]}},
    ]);
    let rows = read_bytes(&pack(&mixed), &AUTO);
    assert!(
        rows.starts_with("m/append[] field_0=1i 1700000000000000000\nn/"),
        "bad items do not count: {rows}"
    );
}

#[test]
fn bad_items_are_listed_and_lose_no_good_ones() {
    let ok = json!({"m": "ok", "t": 1, "fields": {"f": 1}, "tags": {"t": "a"}});
    for (item, expected) in [
        (json!(1), ": the item is not a map"),
        (json!({}), ": the item has no m"),
        (json!({"m": null, "f": [1]}), ": the item has no m"),
        (json!({"m": true, "f": [1]}), ": m, the name of the table, is a boolean"),
        (json!({"m": "", "f": [1]}), ": a name is empty"),
        (json!({"m": {"$": "a1ff"}, "f": [1]}), "is text that is not UTF-8"),
        (json!({"m": "m"}), ": the item has no fields"),
        (json!({"m": "m", "fields": {"a": null}}), ": the item has no fields"),
        (json!({"m": "m", "fields": [1]}), ": fields are a map, not an array"),
        (json!({"m": "m", "f": {"a": 1}}), ": f is an array, not a map"),
        (json!({"m": "m", "f": [1], "tags": ["a"]}), ": tags of a row are a map"),
        (json!({"m": "m", "f": [1], "tags": {"a": [1]}}), " [a]: tag \"a\" is an array"),
        (
            json!({"m": "m", "f": [1], "tags": {"field_0": "x"}}),
            " [field_0]: column \"field_0\" cannot be both",
        ),
        (
            json!({"m": "m", "f": [1], "tags": {"host": "x"}, "h": "y"}),
            " [host]: tag \"host\" comes twice",
        ),
        (json!({"m": "m", "fields": {"time": 1}}), " [time]: column \"time\" is the time column"),
        (json!({"m": "m", "fields": {"a": [1]}}), " [a]: column \"a\" holds an array"),
        (
            json!({"m": "m", "fields": {"a": {"$": "c40100"}}}),
            " [a]: column \"a\" holds binary data",
        ),
        (json!({"m": "m", "fields": {"a": {"$": "a1ff"}}}), "text that is not UTF-8"),
        (json!({"m": "m", "fields": {"a": {"$": "d40500"}}}), "an unknown extension"),
        (json!({"m": "m", "t": "x", "f": [1]}), " [t]: \"x\" is not a time"),
        (
            json!({"m": "ok", "fields": {"f": "x"}}),
            " [f]: column \"f\", value \"x\": the column holds integer",
        ),
        (json!({"m": "m", "columns": 1}), ": columns are a map, not an integer"),
        (json!({"m": "m", "columns": {}}), ": the item has no columns besides"),
        (json!({"m": "m", "columns": {"time": [1]}}), ": the item has no columns besides"),
        (json!({"m": "m", "columns": {"a": 1}}), " [a]: column \"a\" is an integer, not an array"),
        (
            json!({"m": "m", "columns": {"a": [1, 2], "b": [1]}}),
            " [b]: column \"b\" has 1 values, column \"a\" has 2",
        ),
        (
            json!({"m": "m", "columns": {"a": [1, true]}}),
            " [a]: row 1: column \"a\", value true: the column holds integer",
        ),
        (json!({"m": "m", "columns": {"a": [1, [2]]}}), " [a]: row 1: column \"a\" holds an array"),
        (
            json!({"m": "m", "columns": {"a": [-1, u64::MAX]}}),
            " [a]: row 0: column \"a\", value -1: this integer does not fit",
        ),
        (json!({"m": "m", "columns": {"a": [1]}, "tags": ["x"]}), " [x]: tag \"x\" is no column"),
        (
            json!({"m": "m", "columns": {"a": [1]}, "tags": {"x": "y"}}),
            ": tags of columns are an array",
        ),
        (
            json!({"m": "m", "columns": {"a": [1], "x": [[1]]}, "tags": ["x"]}),
            " [x]: row 0: tag \"x\" is an array",
        ),
        (
            json!({"m": "ok", "columns": {"f": ["x"], "new": [1]}}),
            " [f]: row 0: column \"f\", value \"x\"",
        ),
        (
            json!({"m": "ok", "columns": {"f": [0.5, (1i64 << 53) + 1], "new": [1, 2]}}),
            " [f]: row 1: column \"f\", value 9007199254740993",
        ),
        (json!({"m": "ok", "columns": {"t": [1]}}), " [t]: column \"t\" cannot be both"),
    ] {
        let rows = read(json!([ok, item, ok]));
        let mut lines = rows.lines();
        assert_eq!(lines.next(), Some("ok/upsert[t=a] f=1i 1"), "{item} gave {rows}");
        assert_eq!(lines.next(), Some("ok/upsert[t=a] f=1i 1"), "{item} gave {rows}");
        let fault = lines.next().unwrap();
        assert!(fault.starts_with("! index 1") && fault.contains(expected), "{item} gave {fault}");
        assert_eq!(lines.next(), None, "{item} gave {rows}");
    }
    let twice = b"\x82\xa1m\xa1x\xa7columns\x82\xa1a\x91\x05\xa1a\x91\x06";
    assert!(read_bytes(twice, &NS).contains("column \"a\" comes twice"));
}

#[test]
fn items_may_follow_each_other_as_telegraf_sends_them() {
    let metric = |host: &str, time: [u8; 10]| {
        let name = [&b"\x84\xa4name"[..], &pack(&json!("cpu"))].concat();
        let tags = [&b"\xa4tags"[..], &pack(&json!({"host": host}))].concat();
        let fields = [&b"\xa6fields"[..], &pack(&json!({"f": 0.5, "n": 1}))].concat();
        [&name[..], b"\xa4time", &time, &tags, &fields].concat()
    };
    let first = metric("a", [0xd7, 0xff, 0, 0, 0, 8, 0, 0, 0, 5]);
    let second = metric("b", [0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 6]);
    let rows =
        "cpu/upsert[host=a] f=0.5,n=1i 5000000002\ncpu/upsert[host=b] f=0.5,n=1i 6000000000\n";
    assert_eq!(read_bytes(&[&first[..], &second].concat(), &NS), rows);
    let bad = pack(&json!({"name": "cpu"}));
    let got = read_bytes(&[&first[..], &bad, &second].concat(), &NS);
    assert!(got.starts_with(rows) && got.contains("! index 1"), "{got}");
    for end in [&[0xc0][..], &[0x91, 0xc0], &first[..first.len() - 1]] {
        let got = read_bytes(&[&first[..], end].concat(), &NS);
        assert!(got.starts_with("malformed_body: "), "{end:x?} gave {got}");
    }
    assert_eq!(
        read(json!({"m": "m", "name": "other", "t": 7, "time": 8, "f": [1]})),
        read(json!({"m": "m", "t": 7, "f": [1]}))
    );
}

#[test]
fn what_is_not_messagepack_stores_nothing() {
    let whole = pack(&json!([{"m": "m", "f": [1]}]));
    for cut in 1..whole.len() {
        let got = read_bytes(&whole[..cut], &NS);
        assert!(got.starts_with("malformed_body: "), "cut to {cut}: {got}");
    }
    let trailing = [&whole[..], &[0xc0]].concat();
    for (body, expected) in [
        (&b""[..], "empty_body"),
        (&trailing, "malformed_body: the MessagePack is not valid at byte 34: more follows"),
        (
            b"\xc1",
            "malformed_body: the MessagePack is not valid at byte 0: this byte has no meaning",
        ),
        (b"\x05", "malformed_body: expected a map or an array, found an integer"),
        (b"cpu f=1", "malformed_body: expected a map or an array, found an integer"),
        (
            b"\x81\xa5batch\x05",
            "malformed_body: the MessagePack is not valid at byte 8: batch is not an array",
        ),
        (b"\xdd\xff\xff\xff\xff", "malformed_body"),
        (b"\x82\xa1m\xa1x\xa7columns\x81\xa1a\xdd\xff\xff\xff\xff\x01", "malformed_body"),
        (b"\x82\xa1m\xa1x\xa1f\xdb\xff\xff\xff\xffx", "malformed_body"),
        (&[0x91; 100], "nesting is deeper than 32"),
    ] {
        let got = read_bytes(body, &NS);
        assert!(got.contains(expected), "{body:x?} gave {got}");
    }
    let deep = read_bytes(&vec![0x91; 10_000_000], &NS);
    assert!(deep.contains("nesting is deeper"), "{deep}");
}

#[test]
fn existing_tables_keep_their_schema() {
    let schema = table(
        "m",
        Mode::Append,
        &[
            ("host", ColumnKind::Tag, ColumnType::Utf8),
            ("city", ColumnKind::Field, ColumnType::Utf8),
            ("f", ColumnKind::Field, ColumnType::F64),
            ("seen", ColumnKind::Field, ColumnType::Timestamp),
        ],
    );
    let body = json!([
        {"m": "m", "columns": {"at": [1, 2], "f": [1, 2], "city": ["x", null], "seen": ["2024-01-01", null]}, "tags": ["city"]},
        {"m": "m", "columns": {"time": [3], "f": [0.5], "host": ["a"]}, "tags": ["host"]},
        {"m": "m", "t": 4, "fields": {"f": 7}, "tags": {"city": "y", "host": "b"}},
        {"m": "m", "columns": {"time": [3], "at": [3], "f": [0.5]}},
        {"m": "m", "columns": {"host": ["a"], "f": [0.5]}},
        {"m": "m", "columns": {"f": ["x"]}},
    ]);
    let rows = render(&parse(&pack(&body), &NS, &schema).unwrap());
    for (line, expected) in rows.lines().zip([
        "m/upsert[] city=\"x\",f=1.0,seen=@1704067200000000000 1",
        "m/upsert[] f=2.0 2",
        "m/upsert[host=a] f=0.5 3",
        "m/upsert[host=b] city=\"y\",f=7.0 4",
        "! index 3 [at]: column \"at\" is the time column",
        "! index 4 [host]: column \"host\" cannot be both a tag and a field",
        "! index 5 [f]: row 0: column \"f\", value \"x\": the column holds float",
    ]) {
        assert!(line.starts_with(expected), "{line}");
    }
    assert_eq!(rows.lines().count(), 7, "{rows}");
}

#[test]
fn mutated_bodies_never_panic() {
    let valid = pack(&json!({"batch": [
        {"m": "cpu", "columns": {"time": [1_700_000_000, 1_700_000_001], "h": ["a", null], "v": [1, 0.5],
            "b": [true, null], "s": ["x", "y"], "u": [u64::MAX, 1]}, "tags": ["h"]},
        {"m": 5, "t": {"$": "d6ff6553f100"}, "h": 7, "f": [1, 2], "fields": {"a": {"$": "c40100"}}, "tags": {"x": "y"}},
    ]}));
    for options in [AUTO, NS] {
        for_each_mutation(&valid, 4, |body| {
            if let Ok(parsed) = parse(body, &options, &no_tables) {
                render(&parsed);
            }
            let _ = MsgpackReader::new(body).skip();
        });
    }
}
