//! Arrow IPC streams and Parquet files by the row API.
//!
//! The good bodies are what the server itself gives as a result; the bad ones are made of them.

use pulsora_tests::answers::everything;
use pulsora_tests::http::Client;

use super::{Bench, Case};

const ARROW: &str = "application/vnd.apache.arrow.stream";
const PARQUET: &str = "application/vnd.apache.parquet";

/// A result in a format.
fn result(client: &Client, format: &str, select: &str) -> Vec<u8> {
    let body = serde_json::json!({"sql": select, "format": format}).to_string();
    let headers = [("content-type", "application/json")];
    let answer = client.post("/api/v1/query", &headers, body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{select}: {}", answer.text());
    answer.body
}

fn cases(client: &Client, format: &str, content_type: &'static str) -> Vec<Case> {
    let case = |name: &str, path: &str, body: &[u8]| {
        Case::new(&format!("{format}, {name}"), path, content_type, body)
    };
    let (t, new) = ("/tables/t/ingest", "/tables/new/ingest");
    let whole = result(client, format, "SELECT time, n, x, s, ok FROM t");
    let get = |select: &str| result(client, format, select);
    let mut cases: Vec<Case> = [1, whole.len() / 4, whole.len() / 2]
        .map(|cut| case(&format!("cut at {cut}"), t, &whole[..cut]).refused(400, "malformed_body"))
        .into();
    cases.extend([
        case("empty", t, b"").refused(400, "empty_body"),
        case("CSV", t, b"time,n\n1,2\n").refused(400, "malformed_body"),
        case("no rows", t, &get("SELECT time, n FROM t LIMIT 0")).stored(0),
        case("no time", t, &get("SELECT n, x FROM t")).refused(422, "missing_time"),
        case("no time, new table", new, &get("SELECT n, x FROM t")).refused(422, "missing_time"),
        case("a null time", t, &get("SELECT CASE WHEN n = 1 THEN time END AS time, n FROM t"))
            .refused(400, "invalid_time")
            .says("\"index\":1"),
        case("text for integers", t, &get("SELECT time, s AS n FROM t"))
            .refused(422, "type_conflict")
            .says("\"column\":\"n\""),
        case("beyond i64", t, &get("SELECT time, arrow_cast(9223372036854775808, 'UInt64') AS n FROM t"))
            .refused(422, "type_conflict"),
        case("a list", new, &get("SELECT time, [n, n] AS list FROM t")).refused(422, "type_conflict"),
        case("after 2262", new, &get("SELECT arrow_cast(9300000000000, 'Timestamp(Millisecond, None)') AS time, n FROM t"))
            .refused(400, "invalid_time"),
        case("infinity and more", t, &get("SELECT time, x / 0 AS x FROM t")).stored(2),
        case("the whole", t, &whole).stored(2),
    ]);
    cases
}

#[test]
fn arrow_that_cannot_be_read() {
    let mut bench = Bench::new();
    let cases = cases(&bench.server.client(), "arrow", ARROW);
    bench.run(cases);
}

/// A stream that names two columns alike is made of one that does not: its schema holds each name once.
#[test]
fn an_arrow_column_that_comes_twice_is_refused() {
    let mut bench = Bench::new();
    let client = bench.server.client();
    let twice = result(&client, "arrow", "SELECT time, n AS name_one, x AS name_two FROM t");
    let twice = renamed(&twice, b"name_two", b"name_one");
    let case = Case::new("arrow, a column twice", "/tables/new/ingest", ARROW, twice);
    bench.run(vec![case.refused(400, "duplicate_column")]);
}

/// Every occurrence of a name replaced by one of the same length.
fn renamed(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "the name does not occur");
    for at in places {
        bytes[at..at + from.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn parquet_that_cannot_be_read() {
    let mut bench = Bench::new();
    let cases = cases(&bench.server.client(), "parquet", PARQUET);
    bench.run(cases);
}

/// No sequence of bytes makes the server panic, answer 500 or go away.
#[test]
fn damaged_bytes_are_an_error_or_other_rows_but_no_failure() {
    let mut bench = Bench::new();
    let client = bench.server.client();
    let mut random = fastrand::Rng::with_seed(7);
    for (format, content_type) in [("arrow", ARROW), ("parquet", PARQUET)] {
        let whole = result(&client, format, "SELECT time, n, x, s, ok FROM t");
        for round in 0..300 {
            let mut bytes = whole.clone();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(0..bytes.len());
                bytes[at] = random.u8(..);
            }
            let path = format!("/tables/damaged_{format}_{round}/ingest");
            let headers = [("content-type", content_type)];
            let answer = client.post(&path, &headers, &bytes).unwrap();
            assert!(answer.status < 500, "{format} {round}: {answer:?}");
        }
    }
    assert!(everything(&client).text.contains("\"t\" 2 rows"), "table t is as it was");
    // Decoders of libraries may assert on such bytes, which is caught and answered; so what is printed
    // is not looked at here.
    assert_eq!(client.get("/health").unwrap().status, 200);
}
