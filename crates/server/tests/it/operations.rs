use serde_json::json;

use crate::client::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn databases() {
    let bed = Bed::new().await;
    let make = async |body: &str| bed.post("/api/v1/databases", "application/json", body).await;
    make(r#"{"name":"metrics"}"#).await.expect(201);
    assert_eq!(make(r#"{"name":"metrics"}"#).await.refusal(), (409, "already_exists".into()));
    assert_eq!(make(r#"{"name":""}"#).await.refusal(), (400, "invalid_name".into()));
    assert_eq!(make("{}").await.refusal(), (400, "malformed_body".into()));
    bed.post("/write?db=metrics", "", "cpu v=1").await.expect(204);
    assert_eq!(
        bed.get("/api/v1/databases").await.expect(200).json(),
        json!({"databases":[{"name":"default","table_count":0},{"name":"metrics","table_count":1}],"count":2})
    );
    let drop = async |path: &str| bed.send("DELETE", path, &[], b"").await;
    let unsure = drop("/api/v1/databases/metrics").await;
    assert_eq!(unsure.refusal(), (400, "confirmation_needed".into()));
    drop("/api/v1/databases/metrics?confirm=true").await.expect(200);
    let gone = drop("/api/v1/databases/metrics?confirm=true").await;
    assert_eq!(gone.refusal(), (404, "database_not_found".into()));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn flush_buffer_pool_and_storage() {
    let bed = Bed::new().await;
    bed.post("/write?precision=s", "", "cpu,host=a v=1 1700000000\ncpu,host=b v=2 1700000000")
        .await
        .expect(204);
    let buffer = bed.get("/api/v1/monitoring/buffer").await.expect(200).json();
    assert_eq!(buffer["total_records_buffered"], 2);
    assert_eq!(buffer["current_buffer_sizes"], json!({"default.cpu": 2}));
    let flushed = bed.send("POST", "/api/v1/flush?table=cpu", &[], b"").await.expect(200).json();
    assert_eq!(flushed["data"]["rows"], 2);
    let buffer = bed.get("/api/monitoring/buffer").await.expect(200).json();
    assert_eq!(buffer["total_records_buffered"], 0);
    assert_eq!(buffer["total_records_written"], 2);
    let storage = bed.get("/api/v1/storage").await.expect(200).json();
    let table = &storage["data"]["tables"][0];
    assert_eq!((&table["table"], &table["rows"]), (&json!("cpu"), &json!(2)));
    assert_eq!(table["segments"][0]["segments"], 1);
    assert_eq!(bed.get("/tables/cpu/count").await.json()["data"]["count"], 2);
    for path in ["/api/v1/monitoring/pool", "/api/monitoring/pool"] {
        let pool = bed.get(path).await.expect(200).json();
        assert!(pool["pool_size"].as_u64().unwrap() > 0 && pool["avg_wait_time_ms"].is_f64());
    }
    let unknown = bed.send("POST", "/api/v1/flush?table=none", &[], b"").await;
    assert_eq!(unknown.refusal(), (404, "table_not_found".into()));
    bed.send("POST", "/api/v1/flush", &[], b"").await.expect(200);
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_loses_nothing() {
    let bed = Bed::new().await;
    for (n, durability) in ["fsync", "async", "off"].iter().enumerate() {
        let path = format!("/write?durability={durability}");
        bed.post(&path, "", format!("m,n={n} v=1 {}", n + 1)).await.expect(204);
    }
    let dir = bed.dir;
    bed.server.shutdown().await.unwrap();
    let bed = Bed::over(dir, &[]).await;
    assert_eq!(bed.get("/tables/m/count").await.json()["data"]["count"], 3);
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction() {
    let settings = [("compaction.enabled", "false"), ("storage.hot_for", "1000d")];
    let bed = Bed::with(&settings).await;
    for n in 1..=5 {
        let line = format!("cpu,host=a v={n} {n}\ncpu,host=b v={n} {n}");
        bed.post("/write?precision=s", "", line).await.expect(204);
        bed.send("POST", "/api/v1/flush", &[], b"").await.expect(200);
    }
    let get =
        async |path: &str| bed.get(&format!("/api/v1/compaction/{path}")).await.expect(200).json();
    let status = get("status").await;
    assert_eq!(
        status["manager"],
        json!({"active_jobs":0,"max_jobs":2,"total_completed":0,"total_failed":0})
    );
    assert_eq!(status["schedulers"]["hourly"]["enabled"], false);
    assert_eq!(status["overlapping_segments_max"], 5);
    assert_eq!(get("candidates").await, json!({"count":0,"candidates":[]}));
    let trigger = async |query: &str| {
        bed.send("POST", &format!("/api/v1/compaction/trigger{query}"), &[], b"").await
    };
    let done = trigger("?table=cpu&wait=true").await.expect(200).json();
    assert_eq!((&done["status"], &done["table"]), (&json!("completed"), &json!("cpu")));
    let stats = get("stats").await;
    assert_eq!(stats["total_jobs_completed"], 1);
    assert_eq!(stats["total_files_compacted"], 5);
    assert!(stats["write_amplification"]["compaction"].as_f64().unwrap() > 0.0);
    assert_eq!(stats["space_amplification"]["segments"], 1.0);
    assert_eq!(stats["recent_jobs"], get("history?limit=1").await["recent_jobs"]);
    let job = &stats["recent_jobs"][0];
    let expected = json!({
        "job_id": "1", "database": "default", "measurement": "cpu", "tier": "hot",
        "partition_path": "default/cpu/1970", "reason": "demanded", "status": "completed",
        "files_compacted": 5, "files_written": 1, "rows_before": 10, "rows_after": 10,
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&job[key], value, "{key} of {job}");
    }
    assert_eq!(get("jobs").await, json!({"active_jobs":0,"jobs":[]}));
    assert_eq!(bed.get("/tables/cpu/count").await.json()["data"]["count"], 10);
    trigger("").await.expect(200);
    assert_eq!(trigger("?table=none").await.refusal(), (404, "table_not_found".into()));
    assert_eq!(trigger("?tabel=cpu").await.refusal(), (400, "unknown_parameter".into()));
    let cancel = bed.send("DELETE", "/api/compaction/jobs/7", &[], b"").await;
    assert_eq!(cancel.refusal(), (404, "job_not_found".into()));
    bed.server.shutdown().await.unwrap();
}
