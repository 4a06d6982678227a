//! Sections 1 and 7 and the rules for all routes: health, figures, databases, monitoring.

use std::io::Read;

use super::{Bench, CSV, JSON};

#[test]
fn the_server_tells_that_it_lives() {
    let bench = Bench::new();
    let health = bench.get("/health").json();
    assert_eq!(health["status"], "healthy", "{health}");
    assert_eq!(health["data"]["status"], "healthy", "{health}");
    assert!(health["version"].is_string() && health["uptime_seconds"].is_number(), "{health}");
    bench.get("/ready");
    for method in ["GET", "HEAD"] {
        let ping = bench.client.send(method, "/ping", &[], &[]).unwrap();
        assert_eq!(ping.status, 204, "{method}");
        assert!(ping.header("x-influxdb-version").is_some(), "{method}: {ping:?}");
    }
}

#[test]
fn figures_are_there_for_machines_and_for_people() {
    let bench = Bench::new();
    bench.accept(200, "/tables/t/ingest", CSV, "time,n\n2024-01-01,1\n");
    bench.get("/tables/t/query");
    bench.sql("SELECT * FROM t");
    let text = bench.get("/metrics").text();
    let names: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE pulsora_")).collect();
    assert!(names.len() >= 25, "{} figures: {names:?}", names.len());
    let accept = [("accept", "application/json")];
    let json = bench.client.send("GET", "/metrics", &accept, &[]).unwrap().json();
    assert_eq!(json["points_written"], 1, "{json}");
    assert!(json["queries_served"].as_u64().is_some_and(|queries| queries >= 2), "{json}");
    assert!(json["uptime_seconds"].is_number(), "{json}");
}

#[test]
fn every_answer_has_a_request_id() {
    let bench = Bench::new();
    assert!(bench.get("/health").header("x-request-id").is_some_and(|id| !id.is_empty()));
    let given = [("x-request-id", "mine-42")];
    for path in ["/health", "/nothing", "/tables/none/query"] {
        let answer = bench.client.send("GET", path, &given, &[]).unwrap();
        assert_eq!(answer.header("x-request-id"), Some("mine-42"), "{path}");
    }
}

#[test]
fn the_database_is_named_by_header_or_parameter() {
    let bench = Bench::new();
    let row = b"time,n\n2024-01-01,1\n";
    let send = |path: &str, header: Option<(&str, &str)>| {
        let mut headers = vec![("content-type", CSV)];
        headers.extend(header);
        assert_eq!(bench.client.post(path, &headers, row).unwrap().status, 200, "{path}");
    };
    send("/tables/plain/ingest", None);
    send("/tables/by_parameter/ingest?db=one", None);
    send("/tables/by_bucket/ingest?bucket=one/week", None);
    send("/tables/by_header/ingest?db=two", Some(("x-pulsora-database", "one")));
    send("/tables/by_alias/ingest?db=two", Some(("x-arc-database", "one")));
    assert_eq!(bench.data("/tables"), r#"["plain"]"#);
    assert_eq!(
        bench.data("/tables?db=one"),
        r#"["by_alias","by_bucket","by_header","by_parameter"]"#
    );
    let answer = bench.client.get("/tables?db=two").unwrap();
    assert_eq!(answer.code(), "database_not_found", "{}", answer.text());
}

#[test]
fn databases_are_made_listed_and_dropped() {
    let bench = Bench::new();
    let make = || bench.post("/api/v1/databases", JSON, r#"{"name":"made"}"#);
    assert_eq!(make().status, 201);
    assert_eq!(make().status, 409);
    bench.accept(200, "/tables/t/ingest?db=made", CSV, "time,n\n2024-01-01,1\n");
    let json = bench.get("/api/v1/databases").json();
    assert_eq!(json["count"], 2, "{json}");
    let made = json["databases"].as_array().unwrap().iter().find(|db| db["name"] == "made");
    assert_eq!(made.unwrap()["table_count"], 1, "{json}");
    let drop = |path: &str| bench.client.send("DELETE", path, &[], &[]).unwrap();
    assert_eq!(drop("/api/v1/databases/made").code(), "confirmation_needed");
    assert_eq!(drop("/api/v1/databases/made?confirm=true").status, 200);
    assert_eq!(bench.get("/api/v1/databases").json()["count"], 1);
}

#[test]
fn operators_see_buffers_the_pool_and_the_storage() {
    let bench = Bench::new();
    bench.accept(200, "/tables/t/ingest", CSV, "time,n\n2024-01-01,1\n2024-01-02,2\n");
    for path in ["/api/v1/monitoring/buffer", "/api/monitoring/buffer"] {
        let json = bench.get(path).json();
        assert_eq!(json["total_records_buffered"], 2, "{path}: {json}");
        assert_eq!(json["current_buffer_sizes"]["default.t"], 2, "{path}: {json}");
        for key in ["total_records_written", "total_flushes", "total_errors"] {
            assert!(json[key].is_number(), "{path}, {key}: {json}");
        }
    }
    for path in ["/api/v1/monitoring/pool", "/api/monitoring/pool"] {
        let json = bench.get(path).json();
        for key in [
            "pool_size",
            "active_connections",
            "idle_connections",
            "queue_depth",
            "avg_wait_time_ms",
            "avg_execution_time_ms",
        ] {
            assert!(json[key].is_number(), "{path}, {key}: {json}");
        }
    }
    bench.flush();
    let json = bench.get("/api/v1/monitoring/buffer").json();
    assert_eq!(json["total_records_buffered"], 0, "{json}");
    let storage = bench.get("/api/v1/storage").text();
    assert!(storage.contains("\"t\"") && storage.contains("manifest"), "{storage}");
}

#[test]
fn a_large_answer_arrives_whole_compressed_or_not() {
    let bench = Bench::new();
    let rows: String =
        (0..30_000).map(|n| format!("{},{n},text of row {n}\n", 1_700_000_000 + n)).collect();
    bench.accept(200, "/tables/t/ingest", CSV, format!("time,n,text\n{rows}"));
    for format in ["json", "ndjson", "csv"] {
        let path = format!("/tables/t/query?limit=100000&format={format}");
        let plain = bench.get(&path);
        assert!(plain.body.len() > 1 << 20, "{} bytes are held back whole", plain.body.len());
        let accept = [("accept-encoding", "gzip")];
        let packed = bench.client.send("GET", &path, &accept, &[]).unwrap();
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{format}");
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed.body.as_slice()).read_to_string(&mut text).unwrap();
        assert!(text == plain.text(), "{format}: the two answers differ");
    }
}
