//! Rows that leave: deletes, retention.

use serde_json::{Value, json};

use crate::client::{Answer, Bed};

const CSV: &str = "time,ticker,close\n\
    2024-01-01T00:00:00Z,AAPL,10.5\n\
    2024-01-02T00:00:00Z,AAPL,11.5\n\
    2024-01-02T00:00:00Z,MSFT,20.25\n\
    2024-01-03T12:00:00Z,MSFT,30\n";

async fn market() -> Bed {
    let bed = Bed::new().await;
    bed.csv("/tables/market/ingest?tags=ticker", CSV).await.expect(200);
    bed
}

async fn delete(bed: &Bed, path: &str) -> Answer {
    bed.send("DELETE", path, &[], b"").await
}

async fn json_to(bed: &Bed, method: &str, path: &str, body: Value) -> Answer {
    let headers = [("content-type", "application/json")];
    bed.send(method, path, &headers, body.to_string().as_bytes()).await
}

async fn count(bed: &Bed) -> Value {
    bed.get("/tables/market/count").await.expect(200).json()["data"]["count"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_deleted_by_id_and_by_time_and_tags() {
    let bed = market().await;
    let answer = delete(&bed, "/tables/market/rows/2").await.expect(200);
    assert!(answer.header("x-pulsora-seq").is_some());
    assert_eq!(answer.json()["data"], json!({"deleted": 1}));
    assert_eq!(
        delete(&bed, "/tables/market/rows/2").await.expect(404).json()["code"],
        "row_not_found"
    );
    bed.get("/tables/market/rows/2").await.expect(404);
    delete(&bed, "/tables/market/rows/x").await.expect(400);
    delete(&bed, "/tables/nothing/rows/1").await.expect(404);
    let path = "/tables/market/rows?tags=ticker:MSFT&end=2024-01-02";
    assert_eq!(delete(&bed, path).await.expect(200).json()["data"], json!({"deleted": 1}));
    assert_eq!(count(&bed).await, 2);
    let answer = delete(&bed, "/tables/market/rows").await.expect(400).json();
    assert_eq!(answer["code"], "confirmation_needed");
    assert_eq!(
        delete(&bed, "/tables/market/rows?tags=close:1").await.expect(400).json()["code"],
        "invalid_request"
    );
    assert_eq!(count(&bed).await, 2);
    let answer = delete(&bed, "/tables/market/rows?confirm=true").await.expect(200).json();
    assert_eq!(answer["data"], json!({"deleted": 2}));
    assert_eq!(count(&bed).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_deleted_by_a_condition_after_a_dry_run() {
    let bed = market().await;
    let post = |body: Value| {
        let bed = &bed;
        async move { json_to(bed, "POST", "/api/v1/delete", body).await }
    };
    let ask = |dry_run: bool| json!({"measurement": "market", "where": "close > 11 -- all above", "dry_run": dry_run});
    let answer = post(ask(true)).await.expect(200).json();
    assert_eq!((&answer["deleted_count"], &answer["dry_run"]), (&json!(3), &json!(true)));
    assert_eq!(count(&bed).await, 4);
    let answer = post(ask(false)).await.expect(200);
    assert!(answer.header("x-pulsora-seq").is_some());
    assert_eq!(answer.json()["deleted_count"], 3);
    assert_eq!(count(&bed).await, 1);
    let list = bed.get("/api/v1/queries").await.expect(200).json();
    let deletes: Vec<&Value> =
        list["queries"].as_array().unwrap().iter().filter(|q| q["kind"] == "delete").collect();
    assert_eq!(deletes.len(), 1);
    assert_eq!(deletes[0]["state"], "done");
    assert_eq!(post(ask(false)).await.expect(200).json()["deleted_count"], 0);
    for (body, status, code) in [
        (json!({"measurement": "market"}), 400, "malformed_body"),
        (json!({"measurement": "market", "where": " "}), 400, "invalid_request"),
        (json!({"measurement": "nothing", "where": "1=1"}), 404, "table_not_found"),
        (json!({"measurement": "market", "where": "x = 1"}), 400, "sql_invalid"),
        (
            json!({"measurement": "market", "where": "1=1); DROP TABLE market; --"}),
            400,
            "sql_syntax",
        ),
        (json!({"measurement": "ma\"rket", "where": "1=1"}), 404, "table_not_found"),
    ] {
        let answer = post(body.clone()).await.expect(status).json();
        assert_eq!(answer["code"], code, "{body}: {answer}");
    }
    assert_eq!(count(&bed).await, 1);
    let config = bed.get("/api/v1/delete/config").await.expect(200).json();
    assert_eq!(config["confirmation_threshold"], 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_want_a_confirmation() {
    let bed = Bed::with(&[("delete.confirm_rows", "3")]).await;
    bed.csv("/tables/market/ingest?tags=ticker", CSV).await.expect(200);
    let all = |confirm: bool| json!({"measurement": "market", "where": "1=1", "confirm": confirm});
    let answer = json_to(&bed, "POST", "/api/v1/delete", all(false)).await.expect(400).json();
    assert_eq!(answer["code"], "confirmation_needed");
    assert_eq!(count(&bed).await, 4);
    assert_eq!(
        json_to(&bed, "POST", "/api/v1/delete", all(true)).await.expect(200).json()["deleted_count"],
        4
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_is_a_policy_that_is_made_listed_tried_run_and_taken_back() {
    let bed = market().await;
    assert_eq!(
        bed.get("/api/v1/retention").await.expect(200).json(),
        json!({"count": 0, "policies": []})
    );
    let made = json_to(
        &bed,
        "POST",
        "/api/v1/retention",
        json!({"database": "default", "measurement": "market", "retention_days": 30}),
    )
    .await
    .expect(201)
    .json();
    assert_eq!(made["name"], "default.market");
    assert_eq!((&made["retention"], &made["retention_days"]), (&json!("30d"), &json!(30.0)));
    let path = format!("/api/v1/retention/{}", made["id"]);
    assert_eq!(bed.get(&path).await.expect(200).json(), made);
    assert_eq!(count(&bed).await, 0, "rows of 2024 have expired");
    bed.post("/api/v1/flush", "text/plain", "").await.expect(200);
    let run = |dry_run: bool| {
        let (bed, path) = (&bed, format!("{path}/execute"));
        async move { json_to(bed, "POST", &path, json!({"dry_run": dry_run})).await.expect(200).json() }
    };
    let tried = run(true).await;
    assert_eq!((&tried["deleted_count"], &tried["dry_run"]), (&json!(4), &json!(true)));
    assert_eq!(tried["affected_measurements"], json!(["market"]));
    json_to(&bed, "PUT", &path, json!({"retention": "36500d"})).await.expect(200);
    assert_eq!(count(&bed).await, 4, "nothing has been dropped yet");
    json_to(&bed, "PUT", &path, json!({"retention": "1d"})).await.expect(200);
    assert_eq!(run(false).await["deleted_count"], 4);
    let runs = bed.get(&format!("{path}/executions")).await.expect(200).json();
    assert_eq!(runs["executions"][0]["deleted_count"], 4);
    assert_eq!(runs["executions"][0]["measurement"], "market");
    delete(&bed, &path).await.expect(200);
    delete(&bed, &path).await.expect(404);
    assert_eq!(count(&bed).await, 0);
    let database = json!({"database": "default", "retention": "2w"});
    let made = json_to(&bed, "POST", "/api/v1/retention", database).await.expect(201).json();
    assert_eq!((&made["measurement"], &made["retention"]), (&Value::Null, &json!("14d")));
    for (body, status) in [
        (json!({"measurement": "market"}), 400),
        (json!({"measurement": "market", "retention": "soon"}), 400),
        (json!({"measurement": "market", "retention_days": -1}), 400),
        (json!({"measurement": "market", "retention": "1d", "is_active": false}), 400),
        (json!({"measurement": "nothing", "retention": "1d"}), 404),
        (json!({"database": "nothing", "retention": "1d"}), 404),
    ] {
        json_to(&bed, "POST", "/api/v1/retention", body).await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn influxdb_clients_delete_by_time_measurement_and_tags() {
    let bed = Bed::new().await;
    let lines = "cpu,host=a v=1 1000000000\ncpu,host=b v=2 1000000000\ncpu,host=a v=3 5000000000\nmem,host=a v=4 1000000000";
    bed.post("/api/v2/write?bucket=b", "text/plain", lines).await.expect(204);
    let rows = |table: &'static str| {
        let bed = &bed;
        async move {
            let path = format!("/tables/{table}/count?db=b");
            bed.get(&path).await.expect(200).json()["data"]["count"].as_u64().unwrap()
        }
    };
    let ask = |stop: &str, predicate: &str| json!({"start": "1970-01-01T00:00:00Z", "stop": stop, "predicate": predicate});
    let path = "/api/v2/delete?bucket=b&org=o";
    let body = ask("1970-01-01T00:00:02Z", "_measurement=\"cpu\" AND host=\"a\"");
    json_to(&bed, "POST", path, body).await.expect(204);
    assert_eq!((rows("cpu").await, rows("mem").await), (2, 1));
    json_to(&bed, "POST", path, ask("1970-01-01T00:00:09Z", "rack=\"none\"")).await.expect(204);
    assert_eq!((rows("cpu").await, rows("mem").await), (2, 1));
    json_to(&bed, "POST", path, ask("1970-01-01T00:00:09Z", "v > 3")).await.expect(400);
    json_to(&bed, "POST", path, ask("1970-01-01T00:00:09Z", "host=\"a\"")).await.expect(204);
    assert_eq!((rows("cpu").await, rows("mem").await), (1, 0));
    json_to(&bed, "POST", "/api/v2/delete?bucket=none", ask("1970-01-02T00:00:00Z", ""))
        .await
        .expect(404);
}
