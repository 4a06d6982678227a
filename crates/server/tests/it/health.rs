use crate::client::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn health_ready_ping() {
    let bed = Bed::new().await;
    let health = bed.get("/health").await.expect(200).json();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["data"]["status"], "healthy");
    assert!(health["uptime_seconds"].is_u64());
    bed.get("/ready").await.expect(200);
    let ping = bed.get("/ping").await.expect(204);
    assert!(ping.header("x-influxdb-version").is_some());
    bed.send("HEAD", "/ping", &[], b"").await.expect(204);
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_prometheus_text_with_what_an_operator_needs() {
    let bed = Bed::new().await;
    bed.csv("/tables/t/ingest", "time,v\n2024-01-01,1\n").await.expect(200);
    bed.get("/tables/t/query").await.expect(200);
    bed.sql("SELECT * FROM t").await.expect(200);
    bed.get("/tables/none/query").await.expect(404);
    let text = bed.get("/metrics").await.expect(200).text();
    let families: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(families.len() >= 40, "{} families: {families:?}", families.len());
    let mut unique = families.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), families.len(), "a family twice: {families:?}");
    for wanted in [
        "pulsora_ingest_rows_total{protocol=\"csv\"} 1",
        "pulsora_errors_total{route=\"/tables/{table}/query\",code=\"table_not_found\"} 1",
        "pulsora_wal_sync_seconds_bucket{le=\"+Inf\"}",
        "pulsora_query_seconds_bucket{kind=\"rows\",le=\"+Inf\"} 1",
        "pulsora_query_rows_returned_total{kind=\"sql\"} 1",
        "pulsora_rows_written_total 1",
        "pulsora_memtable_rows 1",
        "pulsora_ready 1",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing in\n{text}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    let json = [("accept", "application/json")];
    let json = bed.send("GET", "/metrics", &json, b"").await.expect(200).json();
    assert_eq!(json["points_written"], 1);
    assert_eq!(json["queries_served"], 2);
    assert!(json["uptime_seconds"].is_u64());
    bed.server.shutdown().await.unwrap();
}
