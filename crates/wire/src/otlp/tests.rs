//! OTLP at its boundary: messages of another writer and JSON in, rows and rejections out as text.

use prost::Message;
use serde_json::{Value, json};

use pulsora_model::{ColumnKind, ColumnType, Mode};

use super::{Encoding, OtlpOptions, accepted, parse, refused};
use crate::mutate::for_each_mutation;
use crate::render::{no_tables, render, table};

/// The messages, each with its JSON name beside its number: `encode` makes protobuf from JSON by it.
const REQUEST: Fields = &[("resourceMetrics", 1, Many(RESOURCE_METRICS))];
const RESOURCE_METRICS: Fields =
    &[("resource", 1, One(ATTRIBUTES)), ("scopeMetrics", 2, Many(SCOPE_METRICS))];
const ATTRIBUTES: Fields = &[("attributes", 1, Many(KEY_VALUE))];
const SCOPE_METRICS: Fields = &[("scope", 1, One(SCOPE)), ("metrics", 2, Many(METRIC))];
const SCOPE: Fields =
    &[("name", 1, Text), ("version", 2, Text), ("attributes", 3, Many(KEY_VALUE))];
const METRIC: Fields = &[
    ("name", 1, Text),
    ("unit", 3, Text),
    ("gauge", 5, One(&[("dataPoints", 1, Many(NUMBER))])),
    ("sum", 7, One(&[("dataPoints", 1, Many(NUMBER)), TEMPORALITY, ("isMonotonic", 3, Varint)])),
    ("histogram", 9, One(&[("dataPoints", 1, Many(HISTOGRAM)), TEMPORALITY])),
    ("exponentialHistogram", 10, One(&[("dataPoints", 1, Many(EXPONENTIAL)), TEMPORALITY])),
    ("summary", 11, One(&[("dataPoints", 1, Many(SUMMARY))])),
];
const TEMPORALITY: (&str, u32, Type) = ("aggregationTemporality", 2, Varint);
const START: (&str, u32, Type) = ("startTimeUnixNano", 2, Fixed);
const TIME: (&str, u32, Type) = ("timeUnixNano", 3, Fixed);
const NUMBER: Fields = &[
    ("attributes", 7, Many(KEY_VALUE)),
    START,
    TIME,
    ("asDouble", 4, Double),
    ("asInt", 6, Fixed),
    ("flags", 8, Varint),
];
const HISTOGRAM: Fields = &[
    ("attributes", 9, Many(KEY_VALUE)),
    START,
    TIME,
    ("count", 4, Fixed),
    ("sum", 5, Double),
    ("bucketCounts", 6, Fixed),
    ("explicitBounds", 7, Double),
    ("flags", 10, Varint),
    ("min", 11, Double),
    ("max", 12, Double),
];
const EXPONENTIAL: Fields = &[
    ("attributes", 1, Many(KEY_VALUE)),
    START,
    TIME,
    ("count", 4, Fixed),
    ("sum", 5, Double),
    ("scale", 6, Zigzag),
    ("zeroCount", 7, Fixed),
    ("positive", 8, One(SIDE)),
    ("negative", 9, One(SIDE)),
    ("min", 12, Double),
    ("max", 13, Double),
    ("zeroThreshold", 14, Double),
];
const SIDE: Fields = &[("offset", 1, Zigzag), ("bucketCounts", 2, Varint)];
const SUMMARY: Fields = &[
    ("attributes", 7, Many(KEY_VALUE)),
    START,
    TIME,
    ("count", 4, Fixed),
    ("sum", 5, Double),
    ("quantileValues", 6, Many(&[("quantile", 1, Double), ("value", 2, Double)])),
];
const KEY_VALUE: Fields = &[("key", 1, Text), ("value", 2, Any)];
const LIST: Fields = &[("values", 1, Any)];
const MAP: Fields = &[("values", 1, Many(KEY_VALUE))];
const ANY: Fields = &[
    ("stringValue", 1, Text),
    ("boolValue", 2, Varint),
    ("intValue", 3, Varint),
    ("doubleValue", 4, Double),
    ("arrayValue", 5, One(LIST)),
    ("kvlistValue", 6, One(MAP)),
    ("bytesValue", 7, Text),
];

type Fields = &'static [(&'static str, u32, Type)];

#[derive(Clone, Copy)]
enum Type {
    Text,
    Varint,
    Zigzag,
    Fixed,
    Double,
    One(Fields),
    Many(Fields),
    /// A value of an attribute, or several.
    Any,
}
use Type::{Any, Double, Fixed, Many, One, Text, Varint, Zigzag};

/// A JSON message as protobuf.
fn encode(value: &Value, fields: Fields) -> Vec<u8> {
    use prost::encoding::{WireType, encode_key, encode_varint};
    let mut out = Vec::new();
    for (name, value) in value.as_object().unwrap() {
        let Some((_, number, ty)) = fields.iter().find(|(field, ..)| field == name) else {
            panic!("{name}");
        };
        for value in value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice) {
            let int = || match value {
                Value::String(text) => text.parse::<i128>().unwrap() as u64,
                Value::Bool(value) => u64::from(*value),
                number => number.as_i64().map_or_else(|| number.as_u64().unwrap(), |n| n as u64),
            };
            let nested = |fields| Some(encode(value, fields));
            let bytes = match ty {
                Text => Some(value.as_str().unwrap().as_bytes().to_vec()),
                One(fields) | Many(fields) => nested(fields),
                Any => nested(ANY),
                Varint | Zigzag | Fixed | Double => None,
            };
            match (bytes, ty) {
                (Some(bytes), _) => {
                    encode_key(*number, WireType::LengthDelimited, &mut out);
                    encode_varint(bytes.len() as u64, &mut out);
                    out.extend(bytes);
                }
                (None, Varint) => {
                    encode_key(*number, WireType::Varint, &mut out);
                    encode_varint(int(), &mut out);
                }
                (None, Zigzag) => {
                    let int = int() as i64;
                    encode_key(*number, WireType::Varint, &mut out);
                    encode_varint(((int << 1) ^ (int >> 63)) as u64, &mut out);
                }
                (None, ty) => {
                    let double = || match value {
                        Value::String(text) => text.parse::<f64>().unwrap(),
                        number => number.as_f64().unwrap(),
                    };
                    let bits = if matches!(ty, Fixed) { int() } else { double().to_bits() };
                    encode_key(*number, WireType::SixtyFourBit, &mut out);
                    out.extend(bits.to_le_bytes());
                }
            }
        }
    }
    out
}

const PROTOBUF: OtlpOptions = OtlpOptions { encoding: Encoding::Protobuf, now_ns: 77 };
const JSON: OtlpOptions = OtlpOptions { encoding: Encoding::Json, now_ns: 77 };

fn text(body: &[u8], options: &OtlpOptions) -> String {
    match parse(body, options, &no_tables) {
        Ok(parsed) => render(&parsed),
        Err(error) => format!("{}: {error}", error.code().name()),
    }
}

/// What both encodings of a request come to; they must agree.
fn read(request: &Value) -> String {
    let json = text(request.to_string().as_bytes(), &JSON);
    assert_eq!(text(&encode(request, REQUEST), &PROTOBUF), json);
    json
}

/// A request with these metrics of one resource and scope.
fn request(metrics: &[Value]) -> Value {
    let resource = json!({"attributes": [attribute("service.name", "shop")]});
    json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]})
}

fn attribute(key: &str, text: &str) -> Value {
    json!({"key": key, "value": {"stringValue": text}})
}

#[test]
fn gauges_and_sums_are_values() {
    let text = read(&request(&[
        json!({"name": "queue.length", "unit": "1", "gauge": {"dataPoints": [
            {"attributes": [attribute("queue", "a")], "timeUnixNano": "1700000000000000001", "asInt": "-7", "startTimeUnixNano": "5"},
            {"timeUnixNano": 2, "asDouble": 0.5},
            {"asInt": 3},
        ]}}),
        json!({"name": "requests", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
            {"startTimeUnixNano": "10", "timeUnixNano": "20", "asInt": "41", "attributes": [attribute("code", "200")]},
            {"timeUnixNano": "20", "flags": 1, "attributes": [attribute("code", "500")]},
        ]}}),
        json!({"name": "balance", "sum": {"aggregationTemporality": 1, "dataPoints": [
            {"timeUnixNano": "20", "asDouble": "Infinity"},
            {"timeUnixNano": "21"},
        ]}}),
        json!({"name": "nothing"}),
    ]));
    assert_eq!(
        text,
        "queue.length/upsert[queue=a,service.name=shop] value=-7.0 1700000000000000001\n\
         queue.length/upsert[service.name=shop] value=0.5 2\n\
         queue.length/upsert[service.name=shop] value=3.0 77\n\
         requests/upsert[code=200,service.name=shop,otel.monotonic=true,otel.temporality=cumulative] value=41i,start_time=@10 20\n\
         balance/upsert[service.name=shop,otel.monotonic=false,otel.temporality=delta] value=inf 20\n\
         ! index 6: the data point has no value\n"
    );
}

#[test]
fn buckets_of_histograms_are_rows_that_count_up() {
    let text = read(&request(&[
        json!({"name": "latency", "histogram": {"aggregationTemporality": 2, "dataPoints": [
            {"timeUnixNano": "9", "startTimeUnixNano": "1", "count": "6", "sum": 3.5, "min": 0.25, "max": 2,
             "bucketCounts": ["1", "2", "3"], "explicitBounds": [0.5, 1], "attributes": [attribute("le", "x"), attribute("sum", "s")]},
            {"timeUnixNano": "9", "count": "2"},
            {"timeUnixNano": "9", "count": "2", "bucketCounts": ["1", "2"], "explicitBounds": [0.5, 1]},
            {"timeUnixNano": "9", "count": "2", "bucketCounts": ["1", "2", 3], "explicitBounds": [1, "NaN"]},
            {"timeUnixNano": "9", "bucketCounts": ["18446744073709551615", "2"], "explicitBounds": [1]},
        ]}}),
    ]));
    let tags = "service.name=shop,otel.temporality=cumulative";
    assert_eq!(
        text,
        format!(
            "latency_bucket/upsert[le=0.5,label_le=x,sum=s,{tags}] value=1i 9\n\
             latency_bucket/upsert[le=1,label_le=x,sum=s,{tags}] value=3i 9\n\
             latency_bucket/upsert[le=+Inf,label_le=x,sum=s,{tags}] value=6i 9\n\
             latency/upsert[le=x,label_sum=s,{tags}] count=6i,sum=3.5,min=0.25,max=2.0,start_time=@1 9\n\
             latency/upsert[{tags}] count=2i 9\n\
             ! index 2: the histogram needs rising bounds and one bucket more than these\n\
             ! index 3: the histogram needs rising bounds and one bucket more than these\n\
             ! index 4: the counts are too large\n"
        )
    );
}

#[test]
fn exponential_histograms_are_fields_with_the_indexes_of_prometheus() {
    let text = read(&request(&[
        json!({"name": "e", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [
            {"timeUnixNano": "9", "count": "6", "sum": 3.5, "min": 0.25, "max": 2, "scale": -1, "zeroCount": "1",
             "positive": {"offset": -2, "bucketCounts": ["1", "0", "3"]}, "negative": {"bucketCounts": ["1"]},
             "zeroThreshold": 0.1},
        ]}}),
    ]));
    assert_eq!(
        text,
        "e/upsert[service.name=shop,otel.temporality=delta] count=6i,sum=3.5,min=0.25,max=2.0,schema=-1i,zero_threshold=0.1,\
         zero_count=1i,positive_buckets=\"{\\\"-1\\\":1,\\\"1\\\":3}\",negative_buckets=\"{\\\"1\\\":1}\" 9\n"
    );
}

#[test]
fn quantiles_of_summaries_are_rows() {
    let text = read(&request(&[json!({"name": "s", "summary": {"dataPoints": [
        {"timeUnixNano": "9", "count": "6", "sum": 3.5,
         "quantileValues": [{"quantile": 0, "value": 0.1}, {"quantile": 0.99, "value": 2}]},
    ]}})]));
    assert_eq!(
        text,
        "s/upsert[service.name=shop] count=6i,sum=3.5 9\n\
         s/upsert[quantile=0,service.name=shop] value=0.1 9\n\
         s/upsert[quantile=0.99,service.name=shop] value=2.0 9\n"
    );
}

#[test]
fn attributes_of_any_type_are_text_and_the_nearest_counts() {
    let any = |value: Value| json!({"key": "k", "value": value});
    let point =
        |value: Value| json!({"timeUnixNano": "1", "asInt": "1", "attributes": [any(value)]});
    let list = json!({"arrayValue": {"values": [
        {"stringValue": "a\"\n"}, {"intValue": "-1"}, {}, {"boolValue": true}, {"doubleValue": "NaN"},
        {"kvlistValue": {"values": [{"key": "x", "value": {"doubleValue": 0.5}}]}}, {"arrayValue": {}},
    ]}});
    let points = [
        json!({"boolValue": false}),
        json!({"intValue": "-9223372036854775808"}),
        json!({"doubleValue": 0.1}),
        json!({"stringValue": ""}),
        json!({}),
        list,
        json!({"kvlistValue": {}}),
    ];
    let resource = json!({"attributes": [any(json!({"stringValue": "resource"})), attribute("value", "v"), attribute("scoped", "r")]});
    let scope = json!({"name": "lib", "version": "1.2", "attributes": [attribute("k", "scope")]});
    let metric = json!({"name": "m", "gauge": {"dataPoints": points.map(point)}});
    let text = read(&json!({"resourceMetrics": [
        {"resource": resource, "scopeMetrics": [{"scope": scope, "metrics": [metric]}]},
        {"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": [{"timeUnixNano": "1", "asInt": "1"}]}}]}]},
    ]}));
    let rest = "otel.scope.name=lib,otel.scope.version=1.2,otel.scope.k=scope";
    let other = "label_value=v,scoped=r";
    assert_eq!(
        text,
        format!(
            "m/upsert[k=false,{rest},{other}] value=1i 1\n\
             m/upsert[k=-9223372036854775808,{rest},{other}] value=1i 1\n\
             m/upsert[k=0.1,{rest},{other}] value=1i 1\n\
             m/upsert[k=resource,{rest},{other}] value=1i 1\n\
             m/upsert[k=resource,{rest},{other}] value=1i 1\n\
             m/upsert[k=[\"a\\\"\\u000a\",-1,null,true,null,{{\"x\":0.5}},[]],{rest},{other}] value=1i 1\n\
             m/upsert[k={{}},{rest},{other}] value=1i 1\n\
             m/upsert[] value=1i 1\n"
        )
    );
}

#[test]
fn bytes_are_base64() {
    let key_value = |bytes: &[u8]| {
        let mut any = Vec::new();
        crate::protobuf::put_bytes(&mut any, 7, bytes);
        let mut key_value = Vec::new();
        crate::protobuf::put_bytes(&mut key_value, 1, b"k");
        crate::protobuf::put_bytes(&mut key_value, 2, &any);
        let mut point = Vec::new();
        crate::protobuf::put_bytes(&mut point, 7, &key_value);
        point.extend(encode(&json!({"timeUnixNano": 1, "asInt": 1}), NUMBER));
        [10, 5, 2, 2, 1]
            .iter()
            .fold((point, [1, 5, 2, 2, 1].iter()), |(inner, mut numbers), _| {
                let mut out = Vec::new();
                let number = *numbers.next().unwrap();
                if number == 5 {
                    crate::protobuf::put_bytes(&mut out, 1, b"m");
                }
                crate::protobuf::put_bytes(&mut out, number, &inner);
                (out, numbers)
            })
            .0
    };
    for (bytes, base64) in
        [(&b"\xff"[..], "/w=="), (b"ab", "YWI="), (b"abc", "YWJj"), (b"\xfb\xff\x00a", "+/8AYQ==")]
    {
        assert_eq!(
            text(&key_value(bytes), &PROTOBUF),
            format!("m/upsert[k={base64}] value=1i 1\n")
        );
    }
}

#[test]
fn a_bad_point_leaves_nothing_and_loses_no_other() {
    let schemas =
        table("h_bucket", Mode::Upsert, &[("value", ColumnKind::Field, ColumnType::Utf8)]);
    let histogram = json!({"timeUnixNano": "9", "count": "1", "bucketCounts": ["1", "0"], "explicitBounds": [0.5]});
    let twice = json!([attribute("a", "1"), attribute("a", "2")]);
    let body = request(&[
        json!({"name": "h", "histogram": {"dataPoints": [histogram]}}),
        json!({"name": "", "gauge": {"dataPoints": [{"asInt": 1}]}}),
        json!({"name": "g", "gauge": {"dataPoints": [
            {"asInt": 1, "timeUnixNano": "18446744073709551615"}, {"asInt": 1, "attributes": twice}, {"asInt": 2}]}}),
    ]);
    let parsed = parse(body.to_string().as_bytes(), &JSON, &schemas).unwrap();
    assert_eq!(
        render(&parsed),
        "g/upsert[service.name=shop] value=2i 77\n\
         ! index 0 [value]: column \"value\", value 1: the column holds text, this value is integer; send text, or use another column name\n\
         ! index 1: a name is empty (give a name of 1 to 255 bytes)\n\
         ! index 2: time 18446744073709551615 is out of range: it lies outside 1677-09-21 to 2262-04-11 (times are nanoseconds since 1970-01-01 UTC)\n\
         ! index 3 [a]: tag \"a\" comes twice\n"
    );
    assert_eq!(parsed.details[0].text.as_deref(), Some("h"));
}

#[test]
fn json_may_use_snake_case_names_of_enums_and_nulls() {
    let body = r#"{"resource_metrics":[{"resource":null,"schemaUrl":"x","scope_metrics":[{"scope":{"name":null},"metrics":[
        {"name":"m","sum":{"data_points":[{"as_int":5,"time_unix_nano":"1","start_time_unix_nano":null,"exemplars":[{"traceId":"00"}]}],
         "aggregation_temporality":"AGGREGATION_TEMPORALITY_DELTA","is_monotonic":null}}]}]}]}"#;
    assert_eq!(
        text(body.as_bytes(), &JSON),
        "m/upsert[otel.monotonic=false,otel.temporality=delta] value=5i 1\n"
    );
}

#[test]
fn texts_that_many_points_share_take_no_more_than_a_budget() {
    let long = "x".repeat(1 << 20);
    let points: Vec<Value> = (0..200)
        .map(|n| json!({"asInt": n, "attributes": [attribute("n", &n.to_string())]}))
        .collect();
    let resource = json!({"attributes": [attribute("long", &long)]});
    let metric = json!({"name": "m", "gauge": {"dataPoints": points}});
    let body = json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]});
    let parsed = parse(&encode(&body, REQUEST), &PROTOBUF, &no_tables).unwrap();
    assert_eq!((parsed.rows, parsed.rejected), (63, 137), "64 MiB hold 63 times a text of 1 MiB");
}

#[test]
fn what_is_no_request_stores_nothing() {
    let whole = request(&[
        json!({"name": "m", "gauge": {"dataPoints": [{"asInt": 1, "timeUnixNano": "1"}]}}),
    ]);
    let protobuf = encode(&whole, REQUEST);
    for cut in 1..protobuf.len() {
        assert!(text(&protobuf[..cut], &PROTOBUF).starts_with("malformed_body: "), "{cut}");
    }
    let bodies = [
        "",
        "[]",
        "7",
        "{\"resourceMetrics\":{}}",
        "{\"resourceMetrics\":[7]}",
        "\u{1}",
        "{}x",
        r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asInt":"x"}]}}]}]}]}"#,
    ];
    for body in bodies {
        assert!(text(body.as_bytes(), &JSON).starts_with("malformed_body: "), "{body}");
    }
    let mut deep = json!({"stringValue": "x"});
    for _ in 0..20 {
        deep = json!({"arrayValue": {"values": [deep]}});
    }
    let point = json!({"asInt": 1, "attributes": [{"key": "k", "value": deep}]});
    let body = request(&[json!({"name": "m", "gauge": {"dataPoints": [point]}})]);
    assert!(text(&encode(&body, REQUEST), &PROTOBUF).ends_with("nested too deeply"));
    assert!(text(body.to_string().as_bytes(), &JSON).ends_with("nested too deeply"));
    assert_eq!(text(b"", &PROTOBUF), "");
    assert_eq!(text(b"{}", &JSON), "");
}

#[test]
fn no_bytes_make_it_panic() {
    let points = json!([{"timeUnixNano": "9", "count": "6", "sum": 3.5, "bucketCounts": ["1", "5"], "explicitBounds": [0.5]}]);
    let exponential = json!([{"count": "6", "scale": 3, "positive": {"offset": -2, "bucketCounts": ["1", "0", "3"]}}]);
    let body = request(&[
        json!({"name": "h", "histogram": {"aggregationTemporality": 2, "dataPoints": points}}),
        json!({"name": "e", "exponentialHistogram": {"dataPoints": exponential}}),
        json!({"name": "s", "summary": {"dataPoints": [{"count": "1", "quantileValues": [{"quantile": 0.5, "value": 1}]}]}}),
        json!({"name": "g", "gauge": {"dataPoints": [{"asDouble": 1.5, "attributes": [{"key": "k", "value": {"arrayValue": {"values": [{"intValue": "1"}]}}}]}]}}),
    ]);
    let protobuf = encode(&body, REQUEST);
    for (options, body) in [(PROTOBUF, protobuf), (JSON, body.to_string().into_bytes())] {
        for_each_mutation(&body, 5, |body| {
            let _ = text(body, &options);
        });
    }
}

#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}
#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_data_points: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[test]
fn answers_are_read_by_others() {
    let partial = PartialSuccess { rejected_data_points: 3, error_message: "why".into() };
    let body = accepted(Encoding::Protobuf, 3, "why");
    assert_eq!(Response::decode(&*body).unwrap(), Response { partial_success: Some(partial) });
    assert!(accepted(Encoding::Protobuf, 0, "").is_empty());
    assert_eq!(accepted(Encoding::Json, 0, ""), b"{}");
    let json = accepted(Encoding::Json, 3, "why");
    let wanted = br#"{"partialSuccess":{"errorMessage":"why","rejectedDataPoints":"3"}}"#;
    assert_eq!(String::from_utf8(json).unwrap(), String::from_utf8(wanted.to_vec()).unwrap());
    let status = Status { code: 3, message: "bad".into() };
    assert_eq!(Status::decode(&*refused(Encoding::Protobuf, 3, "bad")).unwrap(), status);
    assert_eq!(refused(Encoding::Json, 3, "bad"), br#"{"code":3,"message":"bad"}"#);
}
