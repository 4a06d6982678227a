//! The query pool from outside: priorities, the list, cancelling, and the result cache.

use serde_json::{Value, json};

use crate::client::{Answer, Bed};

/// Never ends while a test waits, and gives nothing.
const ENDLESS: &str = "SELECT count(*) FROM t a, t b, t c, t d WHERE a.n + b.n + c.n + d.n < 0";

async fn bed(settings: &[(&str, &str)]) -> Bed {
    let bed = Bed::with(settings).await;
    let rows: String = (0..2_000).map(|n| format!("{},{n}\n", 1_700_000_000 + n)).collect();
    bed.csv("/tables/t/ingest", &format!("time,n\n{rows}")).await.expect(200);
    bed
}

async fn sql(bed: &Bed, body: Value) -> Answer {
    bed.post("/api/v1/query", "application/json", body.to_string()).await
}

/// What the endless query ends with; printed, because a test waits in vain for others once it has ended early.
async fn endless(bed: &Bed, priority: &str) -> Answer {
    let answer = sql(bed, json!({"sql": ENDLESS, "priority": priority})).await;
    println!("the endless query ended: {}", answer.text());
    answer
}

/// The queries in a state, once there are so many.
async fn listed(bed: &Bed, state: &str, count: usize) -> Vec<Value> {
    let begun = std::time::Instant::now();
    loop {
        let answer = bed.get(&format!("/api/v1/queries?state={state}")).await.expect(200).json();
        let queries = answer["queries"].as_array().unwrap().clone();
        assert_eq!(answer["count"], queries.len());
        if queries.len() == count {
            return queries;
        }
        assert!(begun.elapsed().as_secs() < 60, "never {count} {state}: {answer}");
        tokio::task::yield_now().await;
    }
}

async fn cancel(bed: &Bed, id: &Value) -> Answer {
    let path = format!("/api/v1/queries/{}", id.as_str().unwrap());
    bed.send("DELETE", &path, &[], b"").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_listed_and_cancelled_by_its_id() {
    let bed = bed(&[]).await;
    let running = endless(&bed, "High");
    let operator = async {
        let query = listed(&bed, "running", 1).await.remove(0);
        assert_eq!(query["statement"], ENDLESS);
        assert_eq!((&query["kind"], &query["database"]), (&json!("sql"), &json!("default")));
        assert_eq!((&query["priority"], &query["state"]), (&json!("high"), &json!("running")));
        assert_eq!((&query["client"], &query["code"]), (&json!("127.0.0.1"), &Value::Null));
        assert!(query["started"].as_str().unwrap().starts_with("20"), "{query}");
        let told = cancel(&bed, &query["id"]).await.expect(200).json();
        assert_eq!((&told["cancelled"], &told["query"]["id"]), (&json!(true), &query["id"]));
        query["id"].clone()
    };
    let (answer, id) = futures::join!(running, operator);
    assert_eq!(answer.refusal(), (503, "cancelled".into()));
    assert!(answer.text().contains("cancelled on request"), "{}", answer.text());
    assert_eq!(answer.header("x-pulsora-query-id"), id.as_str());
    assert_eq!(answer.header("x-arc-query-id"), id.as_str());
    let path = format!("/api/v1/queries/{}", id.as_str().unwrap());
    let ended = bed.get(&path).await.expect(200).json();
    assert_eq!((&ended["state"], &ended["code"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!(cancel(&bed, &id).await.refusal(), (409, "query_ended".into()));
    assert_eq!(bed.get("/api/v1/queries/0-1").await.refusal(), (404, "query_not_found".into()));
    let wrong = bed.get("/api/v1/queries?state=asleep").await;
    assert_eq!(wrong.refusal(), (400, "invalid_request".into()));
    let metrics = bed.get("/metrics").await.text();
    assert!(metrics.contains("\npulsora_queries_cancelled_total 1\n"), "{metrics}");
    bed.server.shutdown().await.unwrap();
}

/// An answer that is cancelled while it is sent must not look whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_answer_never_ends_its_body_validly() {
    let bed = bed(&[]).await;
    for format in ["json", "csv", "ndjson", "arrow"] {
        let asked = "SELECT a.n, b.n AS m, c.n AS o FROM t a, t b, t c";
        let running = sql(&bed, json!({"sql": asked, "format": format}));
        let operator = async {
            let begun = std::time::Instant::now();
            loop {
                let query = listed(&bed, "running", 1).await.remove(0);
                // The first MiB is held back.
                if query["rows_returned"].as_u64().unwrap() > 1 << 20 {
                    break cancel(&bed, &query["id"]).await.expect(200);
                }
                assert!(begun.elapsed().as_secs() < 60, "no rows: {query}");
            }
        };
        let (answer, _) = futures::join!(running, operator);
        assert_eq!(answer.status, 200);
        assert!(!answer.complete, "{format} ended validly");
        if format == "ndjson" {
            let text = answer.text();
            let last = text.trim_end().lines().last().unwrap();
            assert!(last.contains("cancelled"), "{last}");
        }
        listed(&bed, "running", 0).await;
    }
    bed.server.shutdown().await.unwrap();
}

/// The pool, once so many queries are in its queue: they are on the list as waiting a moment before.
async fn pool_with(bed: &Bed, queued: u64) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let pool = bed.get("/api/v1/monitoring/pool").await.expect(200).json();
        if pool["queue_depth"] == queued {
            return pool;
        }
        assert!(begun.elapsed().as_secs() < 60, "never {queued} in the queue: {pool}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_queries_overtake_others_and_a_full_queue_refuses() {
    let bed = bed(&[("query.concurrency", "1"), ("query.queue", "3")]).await;
    let first = endless(&bed, "normal");
    let rest = async {
        let running = listed(&bed, "running", 1).await.remove(0);
        let low = bed.get("/tables/t/query?limit=1&priority=low");
        let normal = sql(&bed, json!({"sql": "SELECT 1 AS n"}));
        let high = [("x-pulsora-priority", "high")];
        let high = bed.send("GET", "/tables/t/count", &high, b"");
        let operator = async {
            let waiting = listed(&bed, "waiting", 3).await;
            let pool = pool_with(&bed, 3).await;
            assert_eq!(pool["queue_size"], 3);
            let depths = json!({"critical": 0, "high": 1, "normal": 1, "low": 1});
            assert_eq!(pool["queue_by_priority"], depths);
            let kinds: Vec<&Value> = waiting.iter().map(|query| &query["kind"]).collect();
            assert!(
                kinds.contains(&&json!("rows")) && kinds.contains(&&json!("lookup")),
                "{kinds:?}"
            );
            // All are of one client, and more than half of the queue.
            let full = sql(&bed, json!({"sql": "SELECT 2 AS n", "priority": "low"})).await;
            assert_eq!(full.refusal(), (429, "client_limit".into()));
            assert!(full.header("retry-after").is_some());
            // This one goes before the low one, which has to leave.
            let critical = r#"{"metric":"t","start":0,"end":1,"priority":"critical"}"#;
            let critical = bed.post("/query", "application/json", critical);
            let end = async {
                loop {
                    let waiting = listed(&bed, "waiting", 3).await;
                    if waiting.iter().any(|query| query["kind"] == "metric") {
                        break cancel(&bed, &running["id"]).await.expect(200);
                    }
                }
            };
            futures::join!(critical, end).0.expect(200)
        };
        let (low, normal, high, critical) = futures::join!(low, normal, high, operator);
        assert_eq!(low.refusal(), (429, "client_limit".into()));
        assert!(low.header("x-pulsora-query-id").is_some());
        let waited = |answer: &Answer| {
            let timing = answer.header("server-timing").unwrap().to_owned();
            let wait = timing.split("wait;dur=").nth(1).unwrap().split(',').next().unwrap();
            wait.parse::<f64>().unwrap()
        };
        for answer in [normal.expect(200), high.expect(200)] {
            assert!(waited(&answer) > 0.0, "{:?}", answer.headers);
        }
        assert!(critical.header("x-pulsora-query-id").is_some());
    };
    assert_eq!(futures::join!(first, rest).0.refusal(), (503, "cancelled".into()));
    let metrics = bed.get("/metrics").await.text();
    for line in [
        "pulsora_query_wait_seconds_count{priority=\"critical\"} 1",
        "pulsora_query_wait_seconds_count{priority=\"high\"} 1",
        "pulsora_query_wait_seconds_count{priority=\"low\"} 0",
        "pulsora_queries_refused_total 2",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_is_no_priority_is_refused_with_the_list() {
    let bed = bed(&[]).await;
    let header = [("x-pulsora-priority", "urgent")];
    for answer in [
        sql(&bed, json!({"sql": "SELECT 1", "priority": "urgent"})).await,
        bed.get("/api/v1/query?sql=SELECT%201&priority=urgent").await,
        bed.get("/tables/t/query?priority=urgent").await,
        bed.send("GET", "/tables/t/count", &header, b"").await,
        bed.post("/query", "", r#"{"metric":"t","start":0,"end":1,"priority":"urgent"}"#).await,
    ] {
        assert_eq!(answer.refusal(), (400, "invalid_request".into()));
        let text = answer.text();
        assert!(text.contains("critical, high, normal or low"), "{text}");
    }
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_say_what_came_of_the_cache() {
    let bed = bed(&[]).await;
    let ask = async |format: &str| {
        let answer = sql(&bed, json!({"sql": "SELECT sum(n) AS s FROM t", "format": format})).await;
        let answer = answer.expect(200);
        (answer.header("x-pulsora-cache").unwrap().to_owned(), answer.text())
    };
    assert_eq!(ask("csv").await, ("miss".into(), "s\n1999000\n".into()));
    assert_eq!(ask("csv").await, ("hit".into(), "s\n1999000\n".into()));
    assert_eq!(ask("ndjson").await, ("hit".into(), "{\"s\":1999000}\n".into()));
    let same = "select sum(n) as s from t";
    for (headers, path, expected) in [
        (vec![("x-pulsora-cache", "off")], "/api/v1/query", "off"),
        (vec![], "/api/v1/query?cache=false", "off"),
        (vec![("x-pulsora-cache", "on")], "/api/v1/query", "hit"),
    ] {
        let body = json!({"sql": "SELECT sum(n) AS s FROM t"}).to_string();
        let answer = bed.send("POST", path, &headers, body.as_bytes()).await.expect(200);
        assert_eq!(answer.header("x-pulsora-cache"), Some(expected), "{path} {headers:?}");
    }
    let off = sql(&bed, json!({"sql": same, "cache": false})).await.expect(200);
    assert_eq!(off.header("x-pulsora-cache"), Some("off"));
    let now = sql(&bed, json!({"sql": "SELECT now() AS t"})).await.expect(200);
    assert_eq!(now.header("x-pulsora-cache"), Some("off"));
    bed.csv("/tables/t/ingest", "time,n\n1,1\n").await.expect(200);
    assert_eq!(ask("csv").await, ("miss".into(), "s\n1999001\n".into()));
    for path in ["/api/v1/cache", "/api/v1/cache/stats"] {
        let stats = bed.get(path).await.expect(200).json();
        assert_eq!((&stats["hits"], &stats["misses"]), (&json!(3), &json!(2)), "{stats}");
        assert_eq!((&stats["entries"], &stats["outdated"]), (&json!(1), &json!(1)), "{stats}");
        assert_eq!((&stats["enabled"], &stats["evictions"]), (&json!(true), &json!(0)));
    }
    let metrics = bed.get("/metrics").await.text();
    assert!(metrics.contains("\npulsora_result_cache_hits_total 3\n"), "{metrics}");
    let cleared = bed.send("DELETE", "/api/v1/cache", &[], b"").await.expect(200).json();
    assert_eq!(cleared, json!({"cleared": 1}));
    let cleared = bed.send("POST", "/api/v1/cache/clear", &[], b"").await.expect(200).json();
    assert_eq!(cleared, json!({"cleared": 0}));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache_nothing_is_kept() {
    let bed = bed(&[("query.cache", "0")]).await;
    for _ in 0..2 {
        let answer = sql(&bed, json!({"sql": "SELECT sum(n) AS s FROM t"})).await.expect(200);
        assert_eq!(answer.header("x-pulsora-cache"), Some("off"));
    }
    assert_eq!(bed.get("/api/v1/cache").await.expect(200).json()["enabled"], false);
    bed.server.shutdown().await.unwrap();
}
