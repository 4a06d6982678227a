//! OTLP in both encodings.

use pulsora_model::Result;

use super::choice::{Choice, NOW_NS};
use crate::Parsed;
use crate::otlp::{Encoding, OtlpOptions, parse};

/// Every kind of metric and of attribute; for a table that exists and for none.
pub(super) const VALID_PROTOBUF: &[&[u8]] = &[
    b"\x00\x0a\x95\x03\x0a\x18\x0a\x16\x0a\x0cservice.name\x12\x06\x0a\x04shop\x12\xf8\x02\x0a\
      \x11\x0a\x03lib\x12\x011\x1a\x07\x0a\x01k\x12\x02\x10\x01\x12y\x0a\x01m:t\x0a(:\x0b\x0a\
      \x04host\x12\x03\x0a\x01a\x19\x00\x00*6\xfe\x9c\x97\x171\x07\x00\x00\x00\x00\x00\x00\x00\
      \x11\x05\x00\x00\x00\x00\x00\x00\x00\x0aD:0\x0a\x04host\x12(*&\x0a\x0b\x18\xff\xff\xff\
      \xff\xff\xff\xff\xff\xff\x01\x0a\x122\x10\x0a\x0e\x0a\x01x\x12\x09!\x00\x00\x00\x00\x00\
      \x00\xe0?\x0a\x03:\x01\xff\x19\x00\x00*6\xfe\x9c\x97\x17!\x00\x00\x00\x00\x00\x00\xe0\
      ?\x10\x02\x18\x01\x12]\x0a\x01hJX\x0aT\x19\x09\x00\x00\x00\x00\x00\x00\x00!\x06\x00\x00\
      \x00\x00\x00\x00\x00)\x00\x00\x00\x00\x00\x00\x0c@2\x10\x01\x00\x00\x00\x00\x00\x00\x00\
      \x05\x00\x00\x00\x00\x00\x00\x00:\x08\x00\x00\x00\x00\x00\x00\xe0?J\x09\x0a\x02le\x12\
      \x03\x0a\x01xY\x9a\x99\x99\x99\x99\x99\xb9?a\x00\x00\x00\x00\x00\x00\x10@\x10\x02\x12\
      =\x0a\x01eR8\x0a4\x19\x09\x00\x00\x00\x00\x00\x00\x00!\x06\x00\x00\x00\x00\x00\x00\x00\
      )\x00\x00\x00\x00\x00\x00\x0c@0\x069\x01\x00\x00\x00\x00\x00\x00\x00B\x07\x08\x03\x12\
      \x03\x01\x00\x03J\x03\x12\x01\x01\x10\x01\x126\x0a\x01sZ1\x0a/\x19\x09\x00\x00\x00\x00\
      \x00\x00\x00!\x06\x00\x00\x00\x00\x00\x00\x00)\x00\x00\x00\x00\x00\x00\x0c@2\x12\x09\x00\
      \x00\x00\x00\x00\x00\xe0?\x11\x00\x00\x00\x00\x00\x00\x00@\x12\x12\x0a\x01g*\x0d\x0a\x0b\
      \x19\x09\x00\x00\x00\x00\x00\x00\x00@\x01",
    b"\x18\x0a\x14\x12\x12\x12\x10\x0a\x01m*\x0b\x0a\x091\x07\x00\x00\x00\x00\x00\x00\x00",
];

/// The same as JSON, in both spellings of names.
pub(super) const VALID_JSON: &[&[u8]] = &[
    br#" {"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeMetrics":[
        {"scope":{"name":"lib"},"metrics":[
        {"name":"m","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
            {"timeUnixNano":"9","asInt":"7","attributes":[{"key":"host","value":{"arrayValue":{"values":[{"intValue":"-1"},{"doubleValue":"NaN"}]}}}]}]}},
        {"name":"h","histogram":{"dataPoints":[{"timeUnixNano":9,"count":"6","sum":3.5,"bucketCounts":["1","5"],"explicitBounds":[0.5]}]}},
        {"name":"e","exponential_histogram":{"aggregation_temporality":"AGGREGATION_TEMPORALITY_DELTA","data_points":[{"count":4,"scale":-1,"positive":{"offset":-2,"bucketCounts":["1","0","3"]}}]}},
        {"name":"s","summary":{"dataPoints":[{"count":"1","sum":1,"quantileValues":[{"quantile":0.5,"value":"Infinity"}]}]}}]}]}]}"#,
    br#"8{"resourceMetrics":[{"resource":null,"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asDouble":1e3,"attributes":[{"key":"host","value":{"kvlistValue":{"values":[{"key":"x","value":{"bytesValue":"/w=="}}]}}}]}]}}]}]}]}"#,
];

pub(super) fn protobuf(input: &[u8]) -> Result<Parsed> {
    read(input, Encoding::Protobuf)
}

pub(super) fn json(input: &[u8]) -> Result<Parsed> {
    read(input, Encoding::Json)
}

fn read(input: &[u8], encoding: Encoding) -> Result<Parsed> {
    let (choice, body) = Choice::split(input);
    let options = OtlpOptions { encoding, now_ns: NOW_NS };
    parse(body, &options, &|table: &str| choice.table().filter(|_| table == "m"))
}
