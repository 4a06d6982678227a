use serde_json::{Value, json};

use crate::client::{Answer, Bed};

async fn write(bed: &Bed, points: Value) -> Answer {
    bed.post("/write", "application/json", points.to_string()).await
}

async fn query(bed: &Bed, body: Value) -> Answer {
    bed.post("/query", "application/json", body.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn points_in_and_out_sorted_by_time() {
    let bed = Bed::new().await;
    let points = json!([
        {"metric":"temp","timestamp":3000,"value":22.5,"tags":{"room":"b"}},
        {"metric":"temp","timestamp":1000,"value":20,"tags":{"room":"a"}},
        {"metric":"temp","timestamp":2000,"value":21.5,"tags":{"room":"a"}},
    ]);
    assert_eq!(write(&bed, points).await.expect(200).json(), json!({"written": 3}));
    let answer = query(&bed, json!({"metric":"temp","start":1000,"end":3000})).await.expect(200);
    assert!(answer.header("x-pulsora-visible-seq").is_some());
    assert_eq!(
        answer.json(),
        json!({"metric":"temp","start":1000,"end":3000,"count":3,"points":[
            {"metric":"temp","timestamp":1000,"value":20.0,"tags":{"room":"a"}},
            {"metric":"temp","timestamp":2000,"value":21.5,"tags":{"room":"a"}},
            {"metric":"temp","timestamp":3000,"value":22.5,"tags":{"room":"b"}},
        ]})
    );
    let some = json!({"metric":"temp","start":0,"end":9999,"tags":{"room":"a"},"limit":1});
    let some = query(&bed, some).await.expect(200).json();
    assert_eq!((&some["count"], &some["points"][0]["timestamp"]), (&json!(1), &json!(1000)));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object_fields_and_bad_points() {
    let bed = Bed::new().await;
    let point = json!({"metric":"m","timestamp":1000,"fields":{"a":1,"b":"x"}});
    assert_eq!(write(&bed, point).await.expect(200).json(), json!({"written": 1}));
    let points = query(&bed, json!({"metric":"m","start":0,"end":2000})).await.expect(200).json();
    let wanted = json!({"metric":"m","timestamp":1000,"fields":{"a":1,"b":"x"}});
    assert_eq!(points["points"][0], wanted);
    let mixed = json!([{"metric":"v","timestamp":1,"value":1},{"metric":"v","timestamp":2}]);
    let answer = write(&bed, mixed).await.expect(206).json();
    assert_eq!(answer["written"], 1);
    assert!(answer["errors"][0].as_str().unwrap().starts_with("point 1: "), "{answer}");
    assert_eq!(write(&bed, json!([{"metric":"v"}])).await.refusal(), (400, "partial_write".into()));
    let cut = bed.post("/write", "application/json", "[{\"metric\"").await;
    assert_eq!(cut.refusal(), (400, "malformed_body".into()));
    // A body that looks like JSON is JSON whatever its type says.
    bed.post("/write", "text/plain", " \n[{\"metric\":\"w\",\"value\":1}]").await.expect(200);
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregates_by_step_and_group() {
    let bed = Bed::new().await;
    let points: Vec<Value> = (0..120)
        .map(|n| {
            let host = ["a", "b"][n % 2];
            json!({"metric":"m","timestamp":n * 1000,"value":n,"tags":{"host":host}})
        })
        .collect();
    write(&bed, Value::Array(points)).await.expect(200);
    let ask = async |extra: Value| {
        let mut body = json!({"metric":"m","start":0,"end":119_000});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let answer = query(&bed, body).await.expect(200).json();
        let points = answer["points"].as_array().unwrap().clone();
        assert_eq!(answer["count"], points.len());
        points
            .iter()
            .map(|p| format!("{} {} {}", p["timestamp"], p["value"], p["tags"]["host"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(ask(json!({"aggregate":"sum"})).await, ["0 7140 null"]);
    assert_eq!(
        ask(json!({"aggregate":"avg","step":"1m"})).await,
        ["0 29.5 null", "60000 89.5 null"]
    );
    assert_eq!(
        ask(json!({"aggregate":"max","step":"1m","group_by":["host"]})).await,
        ["0 58 \"a\"", "0 59 \"b\"", "60000 118 \"a\"", "60000 119 \"b\""]
    );
    assert_eq!(
        ask(json!({"aggregate":"min","group_by":["host"]})).await,
        ["0 0 \"a\"", "0 1 \"b\""]
    );
    assert_eq!(ask(json!({"aggregate":"count","tags":{"host":"a"}})).await, ["0 60 null"]);
    assert_eq!(ask(json!({"aggregate":"first","step":"1m"})).await, ["0 0 null", "60000 60 null"]);
    assert_eq!(ask(json!({"aggregate":"last"})).await, ["0 119 null"]);
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals() {
    let bed = Bed::new().await;
    write(&bed, json!({"metric":"m","timestamp":1,"value":1,"tags":{"host":"a"}}))
        .await
        .expect(200);
    for (body, status, code) in [
        (json!({"start":1,"end":2}), 400, "invalid_request"),
        (json!({"metric":"m","end":2}), 400, "invalid_request"),
        (json!({"metric":"m","start":1}), 400, "invalid_request"),
        (json!({"metric":"m","start":2,"end":1}), 400, "invalid_request"),
        (json!({"metric":"none","start":1,"end":2}), 404, "table_not_found"),
        (json!({"metric":"m","start":1,"end":2,"tags":{"hst":"a"}}), 404, "column_not_found"),
        (json!({"metric":"m","start":1,"end":2,"aggregate":"median"}), 400, "invalid_request"),
        (
            json!({"metric":"m","start":1,"end":2,"aggregate":"avg","step":"soon"}),
            400,
            "invalid_request",
        ),
        (json!({"metric":"m","start":1,"end":2,"step":"1m"}), 400, "invalid_request"),
        (json!({"metric":"m","start":1,"end":2,"lmit":1}), 400, "unknown_parameter"),
        (json!([1]), 400, "invalid_request"),
    ] {
        assert_eq!(query(&bed, body.clone()).await.refusal(), (status, code.into()), "{body}");
    }
    let text = bed.post("/query", "application/json", "nonsense").await;
    assert_eq!(text.refusal(), (400, "malformed_body".into()));
    bed.server.shutdown().await.unwrap();
}
