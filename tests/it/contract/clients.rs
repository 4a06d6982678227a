//! What clients of InfluxDB and of Arc ask beside writing.

use super::{Bench, JSON};

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn statements_of_influxql_that_clients_send() {
    let bench = Bench::new();
    bench.accept(204, "/write?db=mine", "", "cpu,host=a v=1\nmem v=2");
    let ask = |path: &str| bench.get(path).json()["results"].to_string();
    assert_eq!(
        ask("/query?q=SHOW%20DATABASES"),
        r#"[{"series":[{"columns":["name"],"name":"databases","values":[["default"],["mine"]]}],"statement_id":0}]"#
    );
    assert_eq!(
        ask("/query?db=mine&q=SHOW+MEASUREMENTS"),
        r#"[{"series":[{"columns":["name"],"name":"measurements","values":[["cpu"],["mem"]]}],"statement_id":0}]"#
    );
    assert_eq!(ask("/query?q=SHOW+MEASUREMENTS"), r#"[{"statement_id":0}]"#);
    let unknown = ask("/query?q=SHOW+MEASUREMENTS+ON+%22none%22%3BSHOW+DATABASES");
    assert!(unknown.contains(r#"{"error":"database \"none\" does not exist""#), "{unknown}");
    assert!(!unknown.contains("databases"), "nothing runs after an error: {unknown}");
    // By URL without a body, and as a form; both are sent by POST.
    let made = bench.accept(200, "/query?q=CREATE+DATABASE+%22by+url%22&u=me&p=secret", "", "");
    assert_eq!(made.text(), r#"{"results":[{"statement_id":0}]}"#);
    bench.accept(200, "/query", FORM, "q=CREATE+DATABASE+%22by%20form%22+WITH+DURATION+1d");
    assert_eq!(bench.sql("SHOW DATABASES"), r#"[["by form"],["by url"],["default"],["mine"]]"#);
    bench.accept(200, "/query", FORM, "db=mine&q=DROP+MEASUREMENT+mem");
    bench.accept(200, "/query", FORM, "q=DROP+DATABASE+%22by+url%22;DROP DATABASE \"none\"");
    assert_eq!(bench.sql("SHOW DATABASES"), r#"[["by form"],["default"],["mine"]]"#);
    assert_eq!(bench.sql("SELECT count(*) FROM mine.cpu"), "[[1]]");
}

#[test]
fn other_influxql_says_how_to_ask() {
    let bench = Bench::new();
    for (method, path) in [
        ("GET", "/query?q=SELECT+*+FROM+cpu"),
        ("POST", "/query?q=SELECT+*+FROM+cpu"),
        ("GET", "/query?q="),
        ("GET", "/query"),
        ("GET", "/query?q=DROP+DATABASE+x"),
        ("POST", "/api/v2/query"),
    ] {
        let answer = bench.client.send(method, path, &[], &[]).unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{path}");
        let json = answer.json();
        let message = json["message"].as_str().unwrap();
        assert!(message.starts_with(json["error"].as_str().unwrap()), "{json}");
    }
    // curl calls every body a form.
    let sql = bench.accept(200, "/query", FORM, r#" {"sql":"SELECT 1"}"#);
    assert_eq!(sql.json()["data"].to_string(), "[[1]]");
    let neither = bench.post("/query", FORM, "x=1");
    assert_eq!((neither.status, neither.code().as_str()), (400, "invalid_request"));
}

#[test]
fn buckets_are_databases() {
    let bench = Bench::new();
    let names = |path: &str| {
        let json = bench.get(path).json();
        let buckets = json["buckets"].as_array().unwrap();
        buckets.iter().map(|bucket| bucket["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let rules = r#"{"name":"v2","orgID":"0000000000000001","retentionRules":[{"type":"expire","everySeconds":3600}]}"#;
    let made = bench.accept(201, "/api/v2/buckets", JSON, rules).json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(id.len(), 16);
    assert_eq!(made["retentionRules"][0]["everySeconds"], 3600);
    assert_eq!(names("/api/v2/buckets"), ["default", "v2"]);
    assert_eq!(names("/api/v2/buckets?name=v2&org=any"), ["v2"]);
    assert_eq!(names("/api/v2/buckets?name=none"), [""; 0]);
    assert_eq!(names("/api/v2/buckets?limit=1"), ["default"]);
    assert_eq!(names("/api/v2/buckets?limit=1&offset=1"), ["v2"]);
    assert_eq!(names("/api/v2/buckets?after=0000000000000001"), ["v2"]);
    assert_eq!(bench.get(&format!("/api/v2/buckets/{id}")).json()["name"], "v2");
    let again = bench.post("/api/v2/buckets", JSON, rules);
    assert_eq!((again.status, again.code().as_str()), (409, "already_exists"));
    let delete = |id: &str| {
        bench.client.send("DELETE", &format!("/api/v2/buckets/{id}"), &[], &[]).unwrap().status
    };
    assert_eq!([delete(id), delete(id), delete("x")], [204, 404, 400]);
    assert_eq!(names("/api/v2/buckets"), ["default"]);
    let org = bench.get("/api/v2/orgs?org=mine").json()["orgs"][0].clone();
    assert_eq!(org["name"], "mine");
    bench.get(&format!("/api/v2/orgs/{}", org["id"].as_str().unwrap()));
    let session = bench.accept(204, "/api/v2/signin", "", "");
    assert!(session.header("set-cookie").is_some());
}

#[test]
fn probes_of_v2_clients() {
    let bench = Bench::new();
    let influx = [("user-agent", "influxdb-client-python/1.50.0")];
    for path in ["/health", "/api/v2/health"] {
        let health = bench.client.send("GET", path, &influx, &[]).unwrap().json();
        assert_eq!((&health["status"], &health["name"]), (&"pass".into(), &"pulsora".into()));
    }
    let ready = bench.get("/api/v2/ready").json();
    assert_eq!(ready["status"], "ready");
    assert!(ready["started"].as_str().unwrap().ends_with('Z') && ready["up"].is_string());
    assert_eq!(bench.get("/health").json()["status"], "healthy");
}

#[test]
fn errors_of_writes_in_the_words_of_each_client() {
    let bench = Bench::new();
    let lines = "cpu v=1\ncpu v=\n";
    let v2 = bench.accept(400, "/api/v2/write?bucket=b&org=o", "", lines).json();
    let message = v2["message"].as_str().unwrap();
    assert!(message.contains("line 2: field \"v\""), "{message}");
    assert_eq!((&v2["code"], &v2["data"]), (&"partial_write".into(), &serde_json::Value::Null));
    let v3 = |path: &str| {
        let headers = [("user-agent", "influxdb3-python/0.21.0")];
        let answer = bench.client.post(path, &headers, lines.as_bytes()).unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (400, "partial_write"));
        answer.json()
    };
    let refused = v3("/api/v3/write_lp?db=b&accept_partial=false");
    let error = refused["error"].as_str().unwrap();
    assert!(error.starts_with("parsing failed for write_lp endpoint"), "{error}");
    let v3 = v3("/api/v3/write_lp?db=b");
    let error = v3["error"].as_str().unwrap();
    assert!(error.starts_with("partial write of line protocol occurred"), "{error}");
    assert_eq!(v3["data"][0]["line_number"], 2);
    assert_eq!(v3["data"][0]["original_line"], "cpu v=");
    assert_eq!(v3["written"], 1);
}

#[test]
fn questions_of_arc_clients() {
    let bench = Bench::new();
    bench.accept(204, "/api/v1/write/line-protocol?db=a", "", "cpu v=1 1\ncpu v=2 2");
    let path = "/api/v1/query/estimate?db=a";
    let estimate = bench.accept(200, path, JSON, r#"{"sql":"SELECT * FROM cpu -- all;"}"#).json();
    assert_eq!(
        (&estimate["estimated_rows"], &estimate["warning_level"]),
        (&2.into(), &"none".into())
    );
    let wrong = bench.post(path, JSON, r#"{"sql":"SELECT * FROM none"}"#);
    assert_eq!((wrong.status, wrong.code().as_str()), (404, "table_not_found"));
    let all = bench.get("/api/v1/measurements?database=a").json();
    assert_eq!((&all["count"], &all["measurements"][0]["measurement"]), (&1.into(), &"cpu".into()));
    assert_eq!(bench.get("/api/v1/measurements?database=b").json()["count"], 0);
    assert_eq!(bench.get("/api/v1/auth/verify").json()["valid"], true);
}
