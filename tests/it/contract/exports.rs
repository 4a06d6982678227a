//! Sections 9 and 10: Prometheus remote write and OTLP.

use pulsora_tests::http::Answer;
use pulsora_tests::protobuf::{Message, snappy};
use serde_json::json;

use super::Bench;

const V1: &str = "application/x-protobuf;proto=prometheus.WriteRequest";
const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
const PROTOBUF: &str = "application/x-protobuf";

fn label(name: &str, value: &str) -> Message {
    Message::new().text(1, name).text(2, value)
}

fn sample(value: f64, time_ms: i64) -> Message {
    Message::new().double(1, value).int(2, time_ms)
}

/// A request of 1.0 with one series and one sample.
fn up(job: &str, value: f64, time_ms: i64) -> Message {
    let series = Message::new()
        .message(1, label("__name__", "up"))
        .message(1, label("job", job))
        .message(2, sample(value, time_ms));
    Message::new().message(1, series)
}

impl Bench {
    fn send(&self, path: &str, content_type: &str, encoding: &str, body: &[u8]) -> Answer {
        let headers = [("content-type", content_type), ("content-encoding", encoding)];
        self.client.post(path, &headers, body).unwrap()
    }
}

fn written(answer: &Answer) -> String {
    ["samples", "histograms", "exemplars"]
        .map(|kind| {
            answer.header(&format!("x-prometheus-remote-write-{kind}-written")).unwrap().to_owned()
        })
        .join(" ")
}

#[test]
fn remote_write_stores_the_same_by_every_route_and_version() {
    let bench = Bench::new();
    let body = snappy(&up("a", 0.5, 1_700_000_000_123).bytes());
    for (path, content_type) in [
        ("/api/v1/write", PROTOBUF),
        ("/api/v1/prom/write", PROTOBUF),
        ("/api/v1/write", V1),
        ("/api/v1/prom/write", ""),
    ] {
        let answer = bench.send(path, content_type, "snappy", &body);
        assert_eq!(answer.status, 204, "{path}: {}", answer.text());
        assert!(answer.header("x-pulsora-seq").is_some(), "{answer:?}");
    }
    let symbols = ["", "__name__", "up", "job", "b"];
    let request = symbols.iter().fold(Message::new(), |request, text| request.text(4, text));
    let histogram = Message::new().int(1, 3).double(3, 7.5).int(15, 1_700_000_000_123);
    let series = Message::new()
        .raw(1, &[1, 2, 3, 4])
        .message(2, sample(1.0, 1_700_000_000_123))
        .message(2, sample(2.0, 1_700_000_001_123))
        .message(3, histogram)
        .message(4, Message::new().double(2, 1.0));
    let body = snappy(&request.message(5, series).bytes());
    let answer = bench.send("/api/v1/write?db=default", V2, "snappy", &body);
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(written(&answer), "2 1 0");
    assert_eq!(
        bench.sql("SELECT job, value, count, sum, time FROM up ORDER BY job, time"),
        r#"[["a",0.5,null,null,"2023-11-14T22:13:20.123Z"],["b",1.0,3,7.5,"2023-11-14T22:13:20.123Z"],["b",2.0,null,null,"2023-11-14T22:13:21.123Z"]]"#
    );
    let schema = bench.data("/tables/up/schema");
    assert!(schema.contains(r#""mode":"upsert""#), "{schema}");
}

#[test]
fn remote_write_stores_the_good_and_says_how_many() {
    let bench = Bench::new();
    let nameless =
        Message::new().message(1, label("job", "x")).message(2, sample(1.0, 1_700_000_000_000));
    let body = snappy(&up("a", 1.0, 1_700_000_000_000).message(1, nameless).bytes());
    let answer = bench.send("/api/v1/write", PROTOBUF, "snappy", &body);
    assert_eq!((answer.status, answer.code()), (400, "partial_write".into()));
    assert_eq!(written(&answer), "1 0 0");
    let json = answer.json();
    assert_eq!(json["written"], 1);
    let wanted =
        json!([{"index": 1, "text": "{job=\"x\"}", "message": "the series has no label __name__"}]);
    assert_eq!(json["details"], wanted);
    let metadata = Message::new().message(3, Message::new().int(1, 1).text(2, "up")).bytes();
    let answer = bench.send("/api/v1/write", PROTOBUF, "snappy", &snappy(&metadata));
    assert_eq!((answer.status, written(&answer)), (204, "0 0 0".into()));
}

#[test]
fn lines_still_go_where_remote_write_goes() {
    let bench = Bench::new();
    bench.accept(204, "/api/v1/write", "text/plain", "m v=1 1");
    assert_eq!(bench.sql("SELECT v FROM m"), "[[1.0]]");
}

/// A request of OTLP: a gauge of one resource, with so many points of the same kind.
fn gauge(points: &[Message]) -> Vec<u8> {
    let text = |text: &str| Message::new().text(1, text);
    let attribute = |key: &str, value| Message::new().text(1, key).message(2, text(value));
    let data = points.iter().fold(Message::new(), |data, point| data.message(1, point.clone()));
    let metric = Message::new().text(1, "queue.length").message(5, data);
    let scope = Message::new().message(1, text("lib")).message(2, metric);
    let resource = Message::new().message(1, attribute("service.name", "shop"));
    let resource_metrics = Message::new().message(1, resource).message(2, scope);
    Message::new().message(1, resource_metrics).bytes()
}

#[test]
fn otlp_is_read_in_both_encodings() {
    let bench = Bench::new();
    let body = gauge(&[Message::new().fixed(3, 1_700_000_000_000_000_001).fixed(6, 7)]);
    let answer = bench.post("/v1/metrics", PROTOBUF, &body);
    assert_eq!((answer.status, answer.body.len()), (200, 0), "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some(PROTOBUF));
    assert!(answer.header("x-pulsora-seq").is_some(), "{answer:?}");
    let point = json!({"timeUnixNano": "1700000000000000002", "asInt": "8",
        "attributes": [{"key": "queue", "value": {"intValue": "1"}}]});
    let metric = json!({"name": "queue.length", "gauge": {"dataPoints": [point]}});
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).to_string();
    let answer = bench.post("/v1/metrics", "application/json; charset=utf-8", &body);
    assert_eq!((answer.status, answer.text()), (200, "{}".into()));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        bench.sql(
            r#"SELECT "service.name", "otel.scope.name", queue, value, time FROM "queue.length" ORDER BY time"#
        ),
        r#"[["shop","lib",null,7,"2023-11-14T22:13:20.000000001Z"],[null,null,"1",8,"2023-11-14T22:13:20.000000002Z"]]"#
    );
}

#[test]
fn otlp_says_what_it_did_not_take() {
    let bench = Bench::new();
    let good = Message::new().fixed(3, 5).fixed(6, 7);
    let body = gauge(&[good, Message::new().fixed(3, 6), Message::new().fixed(3, 7)]);
    let answer = bench.post("/v1/metrics", PROTOBUF, &body);
    let message =
        r#"data point 1 of metric "queue.length": the data point has no value (the first of 2)"#;
    let partial = Message::new().int(1, 2).text(2, message);
    assert_eq!((answer.status, answer.body), (200, Message::new().message(1, partial).bytes()));
    assert_eq!(bench.sql(r#"SELECT count(*) FROM "queue.length""#), "[[1]]");

    let cut = &body[..body.len() - 1];
    let answer = bench.post("/v1/metrics", PROTOBUF, cut);
    let message = "malformed_body: the protobuf is not valid: a message ends within a field";
    let status = Message::new().int(1, 3).text(2, message).bytes();
    assert_eq!((answer.status, answer.body), (400, status));
    let answer = bench.post("/v1/metrics", "application/json", "[]");
    assert_eq!((answer.status, answer.json()["code"].clone()), (400, json!(3)));
    let answer = bench.send("/v1/metrics", PROTOBUF, "br", &body);
    assert_eq!((answer.status, answer.header("content-type")), (415, Some(PROTOBUF)));
    for other in ["text/plain", ""] {
        let answer = bench.post("/v1/metrics", other, &body);
        assert_eq!((answer.status, answer.code()), (415, "unsupported_format".into()));
    }
}
