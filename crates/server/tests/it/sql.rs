use serde_json::json;

use crate::client::Bed;

/// 3^20 rows, which nobody waits for.
fn endless() -> String {
    let tables: Vec<String> = (0..20).map(|n| format!("t AS t{n}")).collect();
    format!("SELECT sum(t0.n + t19.n) FROM {}", tables.join(" CROSS JOIN "))
}

async fn numbers() -> Bed {
    let bed = Bed::new().await;
    bed.csv("/tables/t/ingest", "time,n\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n")
        .await
        .expect(200);
    bed
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_by_every_route() {
    let bed = numbers().await;
    let answer = bed.sql("SELECT time, n FROM t ORDER BY time LIMIT 1").await.expect(200);
    assert!(answer.header("x-pulsora-visible-seq").is_some());
    let json = answer.json();
    assert_eq!(json["success"], true);
    assert_eq!(json["columns"], json!(["time", "n"]));
    assert_eq!(json["data"], json!([["2024-01-01T00:00:00Z", 1]]));
    assert_eq!(json["row_count"], 1);
    assert!(json["execution_time_ms"].is_f64() && json["timestamp"].is_string());
    let get = bed.get("/api/v1/query?sql=SELECT%20sum(n)%20AS%20s%20FROM%20t").await.expect(200);
    assert_eq!(get.json()["data"], json!([[6]]));
    let alias = bed.post("/query", "application/json", r#"{"sql":"SELECT count(*) FROM t"}"#).await;
    assert_eq!(alias.expect(200).json()["data"], json!([[3]]));
    let arrow =
        bed.post("/api/v1/query/arrow", "", r#"{"sql":"SELECT n FROM t"}"#).await.expect(200);
    assert_eq!(arrow.header("content-type"), Some("application/vnd.apache.arrow.stream"));
    assert!(arrow.body.starts_with(&[0xff; 4]));
    let csv = bed
        .post("/api/v1/query", "", r#"{"sql":"SELECT n FROM t ORDER BY n","format":"csv"}"#)
        .await;
    assert_eq!(csv.expect(200).text(), "n\n1\n2\n3\n");
    let params = r#"{"sql":"SELECT n FROM t WHERE n >= $1 ORDER BY n","params":[2],"limit":1}"#;
    let params = bed.post("/api/v1/query", "", params).await.expect(200);
    assert_eq!(params.json()["data"], json!([[2]]));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_and_inserts_say_their_sequence() {
    let bed = Bed::new().await;
    bed.sql("CREATE DATABASE other").await.expect(200);
    let create = bed.sql("CREATE TABLE other.x (time TIMESTAMP, v DOUBLE)").await.expect(200);
    assert!(create.header("x-pulsora-seq").is_some());
    let insert = bed.sql("INSERT INTO other.x VALUES ('2024-01-01', 1.5)").await.expect(200);
    assert!(insert.header("x-pulsora-seq").is_some());
    let here = [("x-pulsora-database", "other")];
    let select = bed.send("POST", "/api/v1/query", &here, br#"{"sql":"SELECT v FROM x"}"#).await;
    assert_eq!(select.expect(200).json()["data"], json!([[1.5]]));
    let shown = bed.sql("SHOW DATABASES").await.expect(200).json();
    assert_eq!(shown["data"], json!([["default"], ["other"]]));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals() {
    let bed = numbers().await;
    for (sql, status, code) in [
        ("SELEC", 400, "sql_syntax"),
        ("SELECT m FROM t", 400, "sql_invalid"),
        ("SELECT * FROM tt", 404, "table_not_found"),
        ("COPY t TO '/tmp/x'", 403, "statement_refused"),
        ("SET x = 1", 403, "statement_refused"),
    ] {
        assert_eq!(bed.sql(sql).await.refusal(), (status, code.into()), "{sql}");
    }
    for (body, code) in [
        ("", "empty_body"),
        ("nonsense", "malformed_body"),
        ("{}", "invalid_request"),
        (r#"{"sql":"SELECT 1","params":[[1]]}"#, "invalid_request"),
    ] {
        assert_eq!(
            bed.post("/api/v1/query", "", body).await.refusal(),
            (400, code.into()),
            "{body}"
        );
    }
    let format = bed.post("/api/v1/query", "", r#"{"sql":"SELECT 1","format":"pdf"}"#).await;
    assert_eq!(format.refusal(), (415, "unsupported_format".into()));
    let body = json!({"sql": endless(), "timeout_ms": 50}).to_string();
    let slow = bed.post("/api/v1/query", "", body).await;
    assert_eq!(slow.refusal(), (504, "timeout".into()));
    bed.server.shutdown().await.unwrap();
}

/// An error after the first MiB cannot have a status any more: the body breaks off, and NDJSON says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_error_never_ends_the_body_validly() {
    let bed = Bed::new().await;
    let mut csv = String::from("time,n,text\n");
    for n in 0..100_000 {
        csv.push_str(&format!(
            "{},{n},a text that makes the rows of the answer long\n",
            1_700_000_000 + n
        ));
    }
    bed.csv("/tables/t/ingest", &csv).await.expect(200);
    // The last row divides by zero; the sort keeps it last.
    let sql = "SELECT text, n, 1 / (99999 - n) AS x FROM t ORDER BY time";
    for (format, says) in [("json", None), ("ndjson", Some("\"error\":"))] {
        let body = json!({"sql": sql, "format": format}).to_string();
        let answer = bed.post("/api/v1/query", "", body).await;
        if answer.status != 200 {
            // Computed before anything was sent: then the status says it.
            assert_eq!(answer.refusal(), (400, "sql_invalid".into()));
            continue;
        }
        assert!(!answer.complete, "{format} ended validly");
        if let Some(says) = says {
            assert!(answer.text().trim_end().lines().last().unwrap().contains(says));
        }
    }
    bed.server.shutdown().await.unwrap();
}

/// A client that goes away takes its query with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_ends_when_its_client_goes_away() {
    use tokio::io::AsyncWriteExt;
    let bed = numbers().await;
    let body = json!({"sql": endless()}).to_string();
    let head =
        format!("POST /api/v1/query HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut stream = tokio::net::TcpStream::connect(bed.server.addr()).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let active = async || {
        let pool = bed.get("/api/v1/monitoring/pool").await.expect(200).json();
        pool["active_connections"].as_u64().unwrap()
    };
    let begun = std::time::Instant::now();
    while active().await == 0 {
        assert!(begun.elapsed().as_secs() < 60, "the query never began");
    }
    drop(stream);
    while active().await > 0 {
        assert!(begun.elapsed().as_secs() < 60, "the query goes on");
    }
    bed.server.shutdown().await.unwrap();
}
