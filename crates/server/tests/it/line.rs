use serde_json::json;

use crate::client::Bed;

const LINES: &str = "cpu,host=a usage=0.5,n=1i 1700000000000000000\ncpu,host=b usage=0.7,n=2i 1700000001000000000\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_alias_takes_lines() {
    let bed = Bed::new().await;
    for (n, path) in [
        "/write",
        "/api/v2/write?org=o&bucket=default/autogen&precision=ns",
        "/api/v3/write_lp?db=default&precision=auto",
        "/api/v1/write?rp=autogen",
        "/api/v1/write/line-protocol",
        "/api/v1/write/influxdb?u=me&p=secret",
    ]
    .iter()
    .enumerate()
    {
        let body = format!("m,host=h{n} v=1 1700000000000000000");
        let answer = bed.post(path, "text/plain; charset=utf-8", body).await.expect(204);
        assert!(answer.header("x-pulsora-seq").is_some(), "{path}");
        assert!(answer.body.is_empty());
    }
    assert_eq!(bed.get("/tables/m/count").await.json()["data"]["count"], 6);
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_by_header_parameter_and_bucket() {
    let bed = Bed::new().await;
    bed.post("/write?db=one&bucket=two", "", LINES).await.expect(204);
    bed.post("/api/v2/write?bucket=two/rp", "", LINES).await.expect(204);
    let headers = [("x-pulsora-database", "three"), ("x-arc-database", "four")];
    bed.send("POST", "/write?db=one", &headers, LINES.as_bytes()).await.expect(204);
    bed.send("POST", "/write?db=one", &headers[1..], LINES.as_bytes()).await.expect(204);
    for database in ["one", "two", "three", "four"] {
        let path = format!("/tables/cpu/count?db={database}");
        assert_eq!(bed.get(&path).await.expect(200).json()["data"]["count"], 2, "{database}");
    }
    assert_eq!(bed.get("/tables").await.expect(200).json()["data"], json!([]));
    let bad = bed.post("/write?db=a%00b", "", LINES).await;
    assert_eq!(bad.refusal(), (400, "invalid_name".into()));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn precisions_and_durabilities() {
    let bed = Bed::new().await;
    for (n, (precision, time)) in [
        ("ns", "1700000000000000000"),
        ("u", "1700000000000000"),
        ("ms", "1700000000000"),
        ("s", "1700000000"),
        ("auto", "1700000000"),
    ]
    .iter()
    .enumerate()
    {
        let path =
            format!("/write?precision={precision}&durability={}", ["fsync", "async", "off"][n % 3]);
        bed.post(&path, "", format!("m,n={n} v={n} {time}")).await.expect(204);
    }
    let same = "/tables/m/count?start=1700000000&end=1700000000";
    assert_eq!(bed.get(same).await.json()["data"]["count"], 5);
    for path in ["/write?precision=fortnight", "/write?durability=hope"] {
        assert_eq!(bed.post(path, "", LINES).await.refusal(), (400, "invalid_request".into()));
    }
    let headers = [("x-pulsora-durability", "never")];
    let answer = bed.send("POST", "/write", &headers, LINES.as_bytes()).await;
    assert_eq!(answer.refusal(), (400, "invalid_request".into()));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn good_lines_among_bad_ones_are_stored_unless_asked_otherwise() {
    let bed = Bed::new().await;
    let body = format!("{LINES}cpu,host=c usage=\n");
    let all = bed.post("/api/v3/write_lp?accept_partial=false&precision=ns", "", &body).await;
    assert_eq!(all.refusal(), (400, "partial_write".into()));
    assert_eq!(all.json()["written"], 0);
    assert_eq!(bed.get("/tables/cpu/count").await.refusal(), (404, "table_not_found".into()));
    let some = bed.post("/write", "", &body).await;
    assert_eq!(some.refusal(), (400, "partial_write".into()));
    let json = some.json();
    assert_eq!(json["written"], 2);
    assert_eq!(json["details"][0]["line"], 3);
    assert_eq!(bed.get("/tables/cpu/count").await.json()["data"]["count"], 2);
    for empty in ["", "\n\n", "# only a comment\n"] {
        assert_eq!(bed.post("/write", "", empty).await.refusal(), (400, "empty_body".into()));
    }
    bed.post("/api/v3/write_lp?no_sync=true&precision=ns", "", LINES).await.expect(204);
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_are_stored_in_pieces_with_the_lines_of_the_body() {
    let bed = Bed::with(&[("ingest.atomic_body_bytes", "2KiB")]).await;
    let mut body = String::new();
    for n in 0..1_000 {
        body.push_str(&format!("m,h=a v={n}i,s=\"two\nlines\" {}\n", 1_700_000_000 + n));
        if n == 700 {
            body.push_str("m,h=a v=oops\n");
        }
    }
    body.push_str("\n\n");
    let answer = bed.post("/write?precision=s", "", &body).await;
    assert_eq!(answer.refusal(), (400, "partial_write".into()));
    let json = answer.json();
    assert_eq!(json["written"], 1_000);
    assert_eq!(json["details"][0]["line"], 701 * 2 + 1);
    assert_eq!(bed.get("/tables/m/count").await.json()["data"]["count"], 1_000);
    let path = "/api/v3/write_lp?precision=s&accept_partial=false";
    assert_eq!(bed.post(path, "", &body).await.refusal(), (413, "body_too_large".into()));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn msgpack_by_every_alias() {
    let bed = Bed::new().await;
    // {"m":"p","columns":{"time":[1,2],"a":[3,4]}}
    let body = b"\x82\xa1m\xa1p\xa7columns\x82\xa4time\x92\x01\x02\xa1a\x92\x03\x04";
    for path in ["/api/v1/write/msgpack", "/write/v2/msgpack", "/api/v2/msgpack"] {
        bed.post(path, "application/msgpack", body).await.expect(204);
    }
    assert_eq!(bed.get("/tables/p/count").await.json()["data"]["count"], 6);
    let path = "/tables/p/ingest";
    let stored = bed.post(path, "application/msgpack", body).await.expect(200).json();
    assert_eq!(stored["data"]["rows_inserted"], 2);
    let other = bed.post("/tables/q/ingest", "application/msgpack", body).await;
    assert_eq!(other.refusal(), (422, "schema_conflict".into()));
    let cut = bed.post("/api/v1/write/msgpack", "", &body[..10]).await;
    assert_eq!(cut.refusal(), (400, "malformed_body".into()));
    bed.server.shutdown().await.unwrap();
}
