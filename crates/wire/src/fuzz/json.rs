//! JSON points, JSON rows and NDJSON.

use pulsora_model::{Name, Result};

use super::choice::{Choice, NOW_NS};
use super::targets::of_rows;
use crate::metric::{self, MetricOptions};
use crate::{Parsed, json};

pub(super) const VALID_POINTS: &[&[u8]] = &[
    br#"2[{"metric":"m","timestamp":1700000000000,"tags":{"host":"a"},"value":1.5},
        {"metric":"n","timestamp":1700000000001,"tags":{},"value":-3}]"#,
    br#":{"metric":"m","timestamp":"2024-01-01T00:00:00Z","tags":{"host":"\u00e4"},"fields":{"f":1e3,"b":true,"s":"x\n"}}"#,
];

pub(super) const VALID_ROWS: &[&[u8]] = &[
    br#" [{"time":"2024-01-01","host":"a","f":1.5,"n":3,"b":true,"s":"x"},{"time":"2024-01-02","host":"b","n":null}]"#,
    br#"({"time":1700000000,"host":"a","f":-1e-3,"s":"\ud83d\ude00 \"q\"","new":18446744073709551615}"#,
];

pub(super) const VALID_LINES: &[&[u8]] = &[
    b" {\"time\":\"2024-01-01\",\"host\":\"a\",\"f\":1.5}\n{\"time\":\"2024-01-02\",\"n\":3,\"b\":false}\n",
    b"(\n{\"time\":1,\"s\":\"x\",\"f\":2}\r\n\n{\"time\":2,\"s\":null,\"u\":3,\"more\":\"\\u00e4\"}",
];

pub(super) fn points(input: &[u8]) -> Result<Parsed> {
    let (choice, body) = Choice::split(input);
    let options = MetricOptions { precision: choice.precision(), now_ns: NOW_NS };
    metric::parse(body, &options, &|table: &str| choice.table().filter(|_| table == "m"))
}

pub(super) fn rows(input: &[u8]) -> Result<Parsed> {
    let (choice, body) = Choice::split(input);
    json::parse_rows(
        &Name::literal("m"),
        body,
        &choice.row_options(),
        choice.table().map(Into::into),
    )
    .map(of_rows)
}

pub(super) fn lines(input: &[u8]) -> Result<Parsed> {
    let (choice, body) = Choice::split(input);
    json::parse_ndjson(
        &Name::literal("m"),
        body,
        &choice.row_options(),
        choice.table().map(Into::into),
    )
    .map(of_rows)
}
