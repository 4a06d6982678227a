//! `X-Pulsora-Idempotency-Key`: on every write route a repeat stores nothing and is answered alike.

use pulsora_tests::http::Answer;
use pulsora_tests::pack::Pack;
use pulsora_tests::server::Launch;

use super::{Bench, CSV, JSON};

const KEY: &str = "x-pulsora-idempotency-key";

impl Bench {
    fn keyed(&self, path: &str, content_type: &str, key: &str, body: &[u8]) -> Answer {
        let headers = [("content-type", content_type), (KEY, key)];
        self.client.post(path, &headers, body).unwrap()
    }
}

#[test]
fn every_write_route_stores_a_body_once() {
    let bench = Bench::new();
    // An append table: what is stored twice shows.
    bench.accept(200, "/tables/t/ingest", CSV, "time,v\n1,0\n");
    let line = b"t v=1i 2";
    let pack = Pack::new().map(2).text("m").text("t").text("columns").map(2);
    let pack = pack.int_column("time", [3].into_iter()).int_column("v", [1].into_iter()).bytes();
    let metric = br#"{"metric":"t","timestamp":4,"fields":{"v":1}}"#;
    let requests: [(&str, &str, &[u8]); 13] = [
        ("/write", "text/plain", line),
        ("/api/v1/write", "text/plain", line),
        ("/api/v1/write/line-protocol", "text/plain", line),
        ("/api/v1/write/influxdb", "text/plain", line),
        ("/api/v2/write?bucket=default", "text/plain", line),
        ("/api/v3/write_lp?db=default&precision=ns", "text/plain", line),
        ("/api/v1/write/msgpack", "application/msgpack", &pack),
        ("/write/v2/msgpack", "application/msgpack", &pack),
        ("/api/v2/msgpack", "application/msgpack", &pack),
        ("/write", JSON, metric),
        ("/tables/t/ingest", CSV, b"time,v\n5,1\n"),
        ("/tables/t/ingest", JSON, br#"[{"time":5,"v":1}]"#),
        ("/tables/t/ingest", "application/x-ndjson", b"{\"time\":5,\"v\":1}\n"),
    ];
    for (number, (path, content_type, body)) in requests.into_iter().enumerate() {
        let key = format!("contract/{number}");
        let first = bench.keyed(path, content_type, &key, body);
        assert!((200..300).contains(&first.status), "{path}: {first:?}");
        assert_eq!(first.header("x-pulsora-duplicate"), None, "{path}: {first:?}");
        let again = bench.keyed(path, content_type, &key, body);
        assert_eq!(again.header("x-pulsora-duplicate"), Some("true"), "{path}: {again:?}");
        assert_eq!(again.header("x-pulsora-seq"), first.header("x-pulsora-seq"), "{path}");
        assert_eq!(again.status, first.status, "{path}: {again:?}");
        let text = |answer: &Answer| {
            let mut json = answer.json();
            json["data"]["processing_time_ms"].take();
            json.to_string()
        };
        assert_eq!(text(&again), text(&first), "{path}");
        let count = format!("[[{}]]", number + 2);
        assert_eq!(bench.sql("SELECT count(*) FROM t"), count, "{path}");
    }
}

#[test]
fn bad_lines_are_told_again_and_good_ones_stored_once() {
    let bench = Bench::new();
    bench.accept(200, "/tables/t/ingest", CSV, "time,v\n1,0\n");
    let body = b"t v=1i 2\nbad\nt v=2i 3";
    let first = bench.keyed("/write", "text/plain", "a/1", body);
    let again = bench.keyed("/write", "text/plain", "a/1", body);
    assert_eq!((first.status, first.code().as_str()), (400, "partial_write"));
    assert_eq!(again.text(), first.text());
    assert_eq!(again.header("x-pulsora-duplicate"), Some("true"));
    assert_eq!(again.header("x-pulsora-seq"), first.header("x-pulsora-seq"));
    assert_eq!(bench.sql("SELECT count(*) FROM t"), "[[3]]");
    // Of a body without a good line nothing is remembered.
    for _ in 0..2 {
        let refused = bench.keyed("/write", "text/plain", "a/2", b"bad");
        assert_eq!(refused.header("x-pulsora-duplicate"), None);
    }
    let corrected = bench.keyed("/write", "text/plain", "a/2", b"t v=3i 4");
    assert_eq!((corrected.status, corrected.header("x-pulsora-duplicate")), (204, None));
}

#[test]
fn bad_keys_and_forgotten_numbers_have_clear_errors() {
    let bench = Bench::new();
    for bad in ["a", "a/", "/1", "a/b/1", "a/-1", "a/99999999999999999999"] {
        let answer = bench.keyed("/write", "text/plain", bad, b"t v=1i 1");
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{bad}");
    }
    for number in ["1", "5000"] {
        bench.keyed("/write", "text/plain", &format!("a/{number}"), b"t v=1i 1");
    }
    let answer = bench.keyed("/write", "text/plain", "a/1", b"t v=1i 1");
    assert_eq!((answer.status, answer.code().as_str()), (409, "key_forgotten"));
    assert!(answer.text().contains("3977"), "{}", answer.text());
}

#[test]
fn a_retry_of_a_streamed_body_stores_the_missing_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let launch = Launch::new(dir.path().join("data")).set("ingest.atomic_body_bytes", "1KiB");
    let mut server = launch.start();
    let mut client = server.client();
    let headers = [("content-type", CSV), (KEY, "stream/1")];
    let rows = |range: std::ops::Range<u64>| -> String {
        range.map(|n| format!("{},{n}\n", 1_700_000_000_000_u64 + n)).collect()
    };
    let whole = format!("time,v\n{}", rows(0..2_000));
    // The same body with a bad row in the middle ends there; what is before it is stored.
    let broken = format!("time,v\n{}bad,row\n{}", rows(0..900), rows(901..2_000));
    let refused = client.post("/tables/t/ingest", &headers, broken.as_bytes()).unwrap();
    let written = refused.json()["written"].as_u64().unwrap();
    assert!(refused.status == 400 && written > 500 && written < 900, "{refused:?}");
    for restarts in 0..3 {
        let answer = client.post("/tables/t/ingest", &headers, whole.as_bytes()).unwrap();
        assert_eq!(answer.json()["data"]["rows_inserted"], 2_000, "{answer:?}");
        let duplicate = (restarts > 0).then_some("true");
        assert_eq!(answer.header("x-pulsora-duplicate"), duplicate);
        let count = client.get("/tables/t/count").unwrap().json();
        assert_eq!(count["data"]["count"], 2_000, "after {restarts} kills");
        server.kill();
        server = launch.start();
        client = server.client();
    }
}
