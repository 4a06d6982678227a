use serde_json::{Value, json};

use crate::client::{Answer, Bed};

const CSV: &str = "time,ticker,close,volume\n\
    2024-01-01T00:00:00Z,AAPL,10.5,100\n\
    2024-01-02T00:00:00Z,AAPL,11.5,200\n\
    2024-01-02T00:00:00Z,MSFT,20.25,300\n\
    2024-01-03T12:00:00.5Z,MSFT,,400\n";

async fn market() -> Bed {
    let bed = Bed::new().await;
    bed.csv("/tables/market/ingest?tags=ticker", CSV).await.expect(200);
    bed
}

fn closes(answer: Answer) -> Vec<Value> {
    let json = answer.expect(200).json();
    json["data"].as_array().unwrap().iter().map(|row| row["close"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_tables_schema_count_query() {
    let bed = Bed::new().await;
    let answer = bed.csv("/tables/market/ingest?tags=ticker", CSV).await.expect(200);
    assert!(answer.header("x-pulsora-seq").unwrap().parse::<u64>().unwrap() > 0);
    let json = answer.json();
    assert_eq!(json["success"], true);
    assert_eq!(json["error"], Value::Null);
    assert_eq!(json["data"]["rows_inserted"], 4);
    assert_eq!(json["data"]["rows_rejected"], 0);
    assert!(json["data"]["processing_time_ms"].is_f64());

    assert_eq!(bed.get("/tables").await.expect(200).json()["data"], json!(["market"]));
    let schema = bed.get("/tables/market/schema").await.expect(200).json()["data"].take();
    assert_eq!(schema["table_name"], "market");
    assert_eq!(schema["timestamp_column"], "time");
    assert_eq!(schema["mode"], "append");
    assert_eq!(schema["partition"], "auto");
    assert_eq!(schema["row_ids"], true);
    let columns: Vec<String> = schema["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| format!("{}:{}:{}", c["name"], c["data_type"], c["kind"]).replace('"', ""))
        .collect();
    assert_eq!(
        columns,
        [
            "id:UnsignedInteger:id",
            "time:Timestamp:time",
            "ticker:String:tag",
            "close:Float:field",
            "volume:Integer:field"
        ]
    );

    let count = |query: &'static str| {
        let bed = &bed;
        async move {
            bed.get(&format!("/tables/market/count{query}")).await.expect(200).json()["data"]["count"].clone()
        }
    };
    assert_eq!(count("").await, 4);
    assert_eq!(count("?start=2024-01-02&end=2024-01-02").await, 2);
    assert_eq!(count("?end=2024-01-03").await, 4);

    let answer = bed.get("/tables/market/query").await.expect(200);
    assert!(answer.header("x-pulsora-visible-seq").is_some());
    assert!(answer.header("x-pulsora-more").is_none());
    let rows = answer.json()["data"].take();
    assert_eq!(
        rows[0],
        json!({"id": 1, "time": "2024-01-01T00:00:00Z", "ticker": "AAPL", "close": 10.5, "volume": 100})
    );
    assert_eq!(rows[3]["time"], "2024-01-03T12:00:00.500Z");
    assert_eq!(rows[3]["close"], Value::Null);
    let text = answer.text();
    assert!(
        text.contains(
            r#"{"id":1,"time":"2024-01-01T00:00:00Z","ticker":"AAPL","close":10.5,"volume":100}"#
        ),
        "column order: {text}"
    );
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn query_parameters() {
    let bed = market().await;
    let get = async |query: &str| bed.get(&format!("/tables/market/query?{query}")).await;
    assert_eq!(closes(get("tags=ticker:MSFT").await), [json!(20.25), Value::Null]);
    assert_eq!(closes(get("tags=ticker:MSFT,ticker:AAPL").await).len(), 4);
    assert_eq!(closes(get("tags=ticker:NONE").await), Vec::<Value>::new());
    assert_eq!(closes(get("order=desc&limit=2").await), [Value::Null, json!(20.25)]);
    assert_eq!(closes(get("limit=1&offset=1").await), [json!(11.5)]);
    assert_eq!(closes(get("start=1704153600&end=1704153600").await), [json!(11.5), json!(20.25)]);
    assert_eq!(closes(get("start=2024-01-03").await), [Value::Null]);
    assert_eq!(closes(get("limit=0").await), Vec::<Value>::new());

    let ms = get("columns=close,time&times=ms&limit=1").await.expect(200);
    assert!(ms.text().contains(r#"[{"close":10.5,"time":1704067200000}]"#), "{}", ms.text());
    let only = get("columns=volume").await.expect(200).json();
    assert_eq!(only["data"], json!([{"volume":100},{"volume":200},{"volume":300},{"volume":400}]));
    let csv = get("format=csv&columns=time,close&limit=2").await.expect(200);
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(csv.text(), "time,close\n2024-01-01T00:00:00Z,10.5\n2024-01-02T00:00:00Z,11.5\n");
    let ndjson = bed
        .send(
            "GET",
            "/tables/market/query?columns=close",
            &[("accept", "application/x-ndjson")],
            b"",
        )
        .await
        .expect(200);
    assert_eq!(
        ndjson.text(),
        "{\"close\":10.5}\n{\"close\":11.5}\n{\"close\":20.25}\n{\"close\":null}\n"
    );
    for (format, magic) in [("parquet", &b"PAR1"[..]), ("arrow", &[0xff; 4])] {
        let answer = get(&format!("format={format}")).await.expect(200);
        assert!(answer.body.starts_with(magic), "{format}");
    }
    get("format=msgpack").await.expect(200);
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_by_cursor_give_every_row_once() {
    let bed = Bed::new().await;
    let mut csv = String::from("time,n\n");
    for n in 0..997 {
        csv.push_str(&format!("{},{n}\n", 1_700_000_000 + n / 10));
    }
    bed.csv("/tables/t/ingest", &csv).await.expect(200);
    for (order, limit) in [("asc", 100), ("desc", 7), ("asc", 1000)] {
        let mut all: Vec<i64> = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/tables/t/query?order={order}&limit={limit}&columns=n{cursor}");
            let answer = bed.get(&path).await.expect(200);
            let rows = answer.json()["data"].take();
            all.extend(rows.as_array().unwrap().iter().map(|row| row["n"].as_i64().unwrap()));
            match answer.header("x-pulsora-next") {
                Some(next) => {
                    assert_eq!(answer.header("x-pulsora-more"), Some("true"));
                    assert_eq!(rows.as_array().unwrap().len(), limit);
                    cursor = format!("&cursor={next}");
                }
                None => break,
            }
        }
        if order == "desc" {
            all.reverse();
        }
        assert_eq!(all, (0..997).collect::<Vec<_>>(), "{order} {limit}");
    }
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn large_results_stream_whole_and_say_whether_there_is_more() {
    let bed = Bed::new().await;
    let mut csv = String::from("time,n,text\n");
    for n in 0..60_000 {
        csv.push_str(&format!("{},{n},some text to make the row longer\n", 1_700_000_000 + n));
    }
    bed.csv("/tables/t/ingest", &csv).await.expect(200);
    let all = bed.get("/tables/t/query?limit=1000000").await.expect(200);
    assert!(all.header("x-pulsora-more").is_none());
    assert_eq!(all.json()["data"].as_array().unwrap().len(), 60_000);
    assert!(all.body.len() > 1 << 20);
    let part = bed.get("/tables/t/query?limit=50000&columns=text,n").await.expect(200);
    assert_eq!(part.header("x-pulsora-more"), Some("true"));
    assert_eq!(part.json()["data"].as_array().unwrap().len(), 50_000);
    let next = part.header("x-pulsora-next").unwrap();
    let rest = bed.get(&format!("/tables/t/query?limit=50000&cursor={next}")).await.expect(200);
    assert!(rest.header("x-pulsora-more").is_none());
    let rest = rest.json()["data"].take();
    assert_eq!((rest[0]["n"].clone(), rest.as_array().unwrap().len()), (json!(50_000), 10_000));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn row_ids_replace_and_are_found() {
    let bed = Bed::new().await;
    let csv = "id,time,v\n5,2024-01-01,1\n7,2024-01-02,2\n";
    bed.csv("/tables/t/ingest?row_id=id", csv).await.expect(200);
    let row = bed.get("/tables/t/rows/5").await.expect(200).json();
    assert_eq!(row["data"], json!({"id":5,"time":"2024-01-01T00:00:00Z","v":1}));
    bed.csv("/tables/t/ingest", "id,time,v\n5,2024-01-03,9\n").await.expect(200);
    assert_eq!(bed.get("/tables/t/row/5").await.expect(200).json()["data"]["v"], 9);
    assert_eq!(bed.get("/tables/t/count").await.json()["data"]["count"], 2);
    assert_eq!(bed.get("/tables/t/rows/6").await.refusal(), (404, "row_not_found".into()));
    assert_eq!(bed.get("/tables/t/rows/x").await.refusal(), (400, "invalid_request".into()));
    assert_eq!(bed.get("/tables/n/rows/1").await.refusal(), (404, "table_not_found".into()));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn create_and_drop() {
    let bed = Bed::new().await;
    let body = json!({"columns":[
        {"name":"at","kind":"time"},{"name":"host","kind":"tag"},{"name":"v","data_type":"Float"}],
        "mode":"upsert","partition":"day"});
    let put =
        async |body: &Value| bed.send("PUT", "/tables/t", &[], body.to_string().as_bytes()).await;
    put(&body).await.expect(201);
    put(&body).await.expect(200);
    let mut other = body.clone();
    other["mode"] = json!("append");
    assert_eq!(put(&other).await.refusal(), (409, "already_exists".into()));
    let schema = bed.get("/tables/t/schema").await.expect(200).json();
    assert_eq!(schema["data"]["mode"], "upsert");
    assert_eq!(schema["data"]["partition"], "day");
    assert_eq!(schema["data"]["timestamp_column"], "at");
    for (bad, code) in [
        (json!({"columns":[{"name":"v","data_type":"Float"}]}), "missing_time"),
        (json!({"columns":[{"name":"at","kind":"time"},{"name":"v"}]}), "invalid_request"),
        (
            json!({"columns":[{"name":"at","kind":"time"},{"name":"v","data_type":"Money"}]}),
            "invalid_request",
        ),
        (json!({"colums":[]}), "malformed_body"),
        (json!({"columns":[{"name":"at","kind":"time","data_type":"Float"}]}), "schema_conflict"),
    ] {
        assert_eq!(put(&bad).await.refusal().1, code, "{bad}");
    }
    let dropped = bed.send("DELETE", "/tables/t", &[], b"").await.expect(200);
    assert_eq!(dropped.json()["data"], json!({"dropped": true}));
    assert_eq!(bed.get("/tables/t/query").await.refusal(), (404, "table_not_found".into()));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn formats_in_are_the_formats_out() {
    let bed = market().await;
    for (format, content_type) in [
        ("csv", "text/csv"),
        ("ndjson", "application/x-ndjson"),
        ("arrow", "application/vnd.apache.arrow.stream"),
        ("parquet", "application/vnd.apache.parquet"),
    ] {
        let columns = "columns=time,ticker,close,volume";
        let out =
            bed.get(&format!("/tables/market/query?{columns}&format={format}")).await.expect(200);
        let path = format!("/tables/copy_{format}/ingest");
        let stored = bed.post(&path, content_type, &out.body).await.expect(200).json();
        assert_eq!(stored["data"]["rows_inserted"], 4, "{format}");
        let a = bed.get(&format!("/tables/market/query?{columns}")).await.expect(200).json();
        let b = bed.get(&format!("/tables/copy_{format}/query?{columns}")).await.expect(200).json();
        assert_eq!(a["data"], b["data"], "{format}");
    }
    let rows = r#"[{"time":"2024-01-01","v":1},{"time":"2024-01-02","v":2.5}]"#;
    bed.post("/tables/j/ingest", "application/json; charset=utf-8", rows).await.expect(200);
    assert_eq!(bed.get("/tables/j/count").await.json()["data"]["count"], 2);
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_abort_or_are_skipped() {
    let bed = market().await;
    let bad = "time,ticker,close,volume\n2024-02-01,AAPL,1.5,1\n2024-02-02,AAPL,x,2\n";
    let answer = bed.csv("/tables/market/ingest", bad).await;
    assert_eq!(answer.refusal(), (422, "type_conflict".into()));
    let json = answer.json();
    assert_eq!(json["details"][0]["line"], 3);
    assert_eq!(json["details"][0]["column"], "close");
    assert_eq!(bed.get("/tables/market/count").await.json()["data"]["count"], 4);
    let skipped = bed.csv("/tables/market/ingest?on_error=skip", bad).await.expect(200).json();
    assert_eq!(skipped["data"]["rows_inserted"], 1);
    assert_eq!(skipped["data"]["rows_rejected"], 1);
    assert_eq!(skipped["data"]["details"][0]["line"], 3);
    assert_eq!(bed.get("/tables/market/count").await.json()["data"]["count"], 5);
    bed.server.shutdown().await.unwrap();
}

/// A body of many pieces: everything of it is stored, and errors name the lines of the body.
#[tokio::test(flavor = "multi_thread")]
async fn large_text_bodies_are_stored_in_pieces() {
    let bed = Bed::with(&[("ingest.atomic_body_bytes", "4KiB")]).await;
    let rows = |from: i64, to: i64| -> String {
        (from..to).map(|n| format!("{},\"text\n {n}\",{n}\n", 1_700_000_000 + n)).collect()
    };
    let body = format!("time,text,n\n{}", rows(0, 3_000));
    let stored = bed.csv("/tables/t/ingest", &body).await.expect(200).json();
    assert_eq!(stored["data"]["rows_inserted"], 3_000);
    let sum = bed.sql("SELECT count(*), sum(n), count(DISTINCT text) FROM t").await.expect(200);
    assert_eq!(sum.json()["data"][0], json!([3_000, 2_999 * 3_000 / 2, 3_000]));

    let bad = format!("time,text,n\n{}1700000000,x,not\n{}", rows(0, 1_000), rows(0, 1_000));
    let answer = bed.csv("/tables/t/ingest", &bad).await;
    assert_eq!(answer.refusal(), (422, "type_conflict".into()));
    let json = answer.json();
    let line = 1 + 2 * 1_000 + 1;
    assert_eq!(json["details"][0]["line"], line);
    assert!(json["error"].as_str().unwrap().contains(&format!("line {line},")), "{json}");
    let written = json["written"].as_u64().unwrap();
    assert!((1..1_000).contains(&written), "{json}");
    let count = bed.get("/tables/t/count").await.json()["data"]["count"].as_u64().unwrap();
    assert_eq!(count, 3_000 + written);

    let ndjson: String =
        (0..2_000).map(|n| format!("{{\"time\":{},\"n\":{n}}}\n", 1_700_000_000 + n)).collect();
    let stored = bed.post("/tables/nd/ingest", "application/x-ndjson", ndjson).await.expect(200);
    assert_eq!(stored.json()["data"]["rows_inserted"], 2_000);
    let array = format!("[{{\"time\":1,\"v\":\"{}\"}}]", "x".repeat(8_000));
    let refused = bed.post("/tables/j/ingest", "application/json", array).await;
    assert_eq!(refused.refusal(), (413, "body_too_large".into()));
    let long = format!("time,n\n1,{}", "9".repeat(10_000));
    assert_eq!(bed.csv("/tables/l/ingest", &long).await.refusal(), (413, "body_too_large".into()));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals() {
    let bed = market().await;
    for (path, status, code) in [
        ("/tables/market/query?limt=1", 400, "unknown_parameter"),
        ("/tables/market/query?limit=many", 400, "invalid_request"),
        ("/tables/market/query?start=soon", 400, "invalid_time"),
        ("/tables/market/query?columns=clse", 404, "column_not_found"),
        ("/tables/market/query?columns=close,close", 400, "duplicate_column"),
        ("/tables/market/query?tags=close:1", 400, "invalid_request"),
        ("/tables/market/query?tags=ticker", 400, "invalid_request"),
        ("/tables/market/query?order=up", 400, "invalid_request"),
        ("/tables/market/query?cursor=x", 400, "invalid_request"),
        ("/tables/market/query?format=pdf", 415, "unsupported_format"),
        ("/tables/markt/query", 404, "table_not_found"),
        ("/tables/market/query?db=nowhere", 404, "database_not_found"),
        ("/tables/market/count?limit=1", 400, "unknown_parameter"),
        ("/tables?x=1", 400, "unknown_parameter"),
        ("/tables/%FF/query", 400, "invalid_name"),
        ("/tables/a%0Ab/query", 400, "invalid_name"),
        ("/nothing", 404, "route_not_found"),
        ("/tables/market/ingest", 405, "method_not_allowed"),
    ] {
        let answer = bed.get(path).await;
        assert_eq!(answer.refusal(), (status, code.to_owned()), "{path}: {}", answer.text());
        let json = answer.json();
        assert_eq!((&json["success"], &json["data"]), (&json!(false), &Value::Null));
        assert!(json.get("hint").is_some() && json["details"].is_array(), "{json}");
    }
    let misplaced = bed.csv("/tables/market/ingest?precision=s", "time,v\n1,1\n").await;
    assert_eq!(misplaced.refusal(), (400, "unknown_parameter".into()));
    let near = bed.get("/tables/markt/query").await.json();
    assert!(near["hint"].as_str().unwrap().contains("market"), "{near}");
    bed.server.shutdown().await.unwrap();
}
