//! Section 2: the row API.

use super::{Bench, CSV, JSON};

const ROWS: &str = "time,host,load,note\n\
    2024-01-01 00:00:01,a,1,one\n\
    2024-01-01 00:00:00,b,2,\n\
    2024-01-01 00:00:02,a,3,\"\"\n";

fn bench() -> Bench {
    let bench = Bench::new();
    let answer = bench.accept(200, "/tables/m/ingest?tags=host", CSV, ROWS);
    let json = answer.json();
    assert_eq!(json["data"]["rows_inserted"], 3, "{json}");
    assert_eq!(json["data"]["rows_rejected"], 0, "{json}");
    assert!(json["data"]["processing_time_ms"].is_number(), "{json}");
    assert!(answer.header("x-pulsora-seq").is_some(), "{answer:?}");
    bench
}

#[test]
fn rows_come_back_in_time_order_with_ids_and_types() {
    let bench = bench();
    let wanted = r#"[{"id":2,"time":"2024-01-01T00:00:00Z","host":"b","load":2,"note":null},{"id":1,"time":"2024-01-01T00:00:01Z","host":"a","load":1,"note":"one"},{"id":3,"time":"2024-01-01T00:00:02Z","host":"a","load":3,"note":""}]"#;
    for _ in 0..2 {
        let answer = bench.get("/tables/m/query");
        let text = answer.text();
        assert!(text.contains(&format!("\"data\":{wanted}")), "{text}");
        assert!(answer.header("x-pulsora-visible-seq").is_some(), "{answer:?}");
        assert!(answer.header("x-pulsora-more").is_none(), "{answer:?}");
        bench.flush();
    }
}

#[test]
fn parameters_narrow_the_answer() {
    let bench = bench();
    for _ in 0..2 {
        let loads =
            |parameters: &str| bench.data(&format!("/tables/m/query?columns=load&{parameters}"));
        let wanted = [
            ("start=2024-01-01T00:00:01Z", r#"[{"load":1},{"load":3}]"#),
            ("end=2024-01-01T00:00:01Z", r#"[{"load":2},{"load":1}]"#),
            ("end=2024-01-01", r#"[{"load":2},{"load":1},{"load":3}]"#),
            ("end=2023-12-31", "[]"),
            ("start=1704067201", r#"[{"load":1},{"load":3}]"#),
            ("start=1704067201000&end=1704067201000", r#"[{"load":1}]"#),
            ("tags=host:a", r#"[{"load":1},{"load":3}]"#),
            ("tags=host:nobody", "[]"),
            ("order=desc", r#"[{"load":3},{"load":1},{"load":2}]"#),
            ("limit=2", r#"[{"load":2},{"load":1}]"#),
            ("limit=1&offset=1", r#"[{"load":1}]"#),
            ("offset=5", "[]"),
        ];
        for (parameters, rows) in wanted {
            assert_eq!(loads(parameters), rows, "{parameters}");
        }
        let page = bench.get("/tables/m/query?columns=load&limit=2");
        assert_eq!(page.header("x-pulsora-more"), Some("true"), "{page:?}");
        let next = page.header("x-pulsora-next").expect("a cursor");
        assert_eq!(loads(&format!("limit=2&cursor={next}")), r#"[{"load":3}]"#);
        assert_eq!(bench.data("/tables/m/count?start=2024-01-01T00:00:01Z"), r#"{"count":2}"#);
        let times = bench.data("/tables/m/query?columns=time&times=ms&limit=1");
        assert_eq!(times, r#"[{"time":1704067200000}]"#);
        bench.flush();
    }
}

#[test]
fn a_table_tells_its_schema() {
    let bench = bench();
    assert_eq!(bench.data("/tables"), r#"["m"]"#);
    let json = bench.get("/tables/m/schema").json();
    let data = &json["data"];
    let columns: Vec<String> = data["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| {
            format!("{} {} {} {}", c["name"], c["data_type"], c["kind"], c["nullable"])
                .replace('"', "")
        })
        .collect();
    let wanted = [
        "id UnsignedInteger id false",
        "time Timestamp time false",
        "host String tag true",
        "load Integer field true",
        "note String field true",
    ];
    assert_eq!(columns, wanted);
    assert_eq!(data["table_name"], "m");
    assert_eq!(data["timestamp_column"], "time");
    assert_eq!(data["mode"], "append");
    assert_eq!(data["partition"], "auto");
    assert_eq!(data["row_ids"], true);
    assert!(data["created_at"].as_str().is_some_and(|text| text.ends_with('Z')), "{data}");
}

#[test]
fn a_row_has_an_address_by_its_id() {
    let bench = bench();
    for _ in 0..2 {
        for path in ["/tables/m/rows/1", "/tables/m/row/1"] {
            let row = r#"{"id":1,"time":"2024-01-01T00:00:01Z","host":"a","load":1,"note":"one"}"#;
            let text = bench.get(path).text();
            assert!(text.contains(&format!("\"data\":{row}")), "{path}: {text}");
        }
        assert_eq!(bench.client.get("/tables/m/rows/4").unwrap().code(), "row_not_found");
        bench.flush();
    }
}

#[test]
fn a_row_sent_again_under_its_id_replaces_the_first_also_across_a_flush() {
    let bench = Bench::new();
    let path = "/tables/orders/ingest";
    bench.accept(200, path, CSV, "id,time,n\n7,2024-01-01,1\n8,2024-01-01,2\n9,2024-06-01,3\n");
    bench.flush();
    bench.accept(200, path, CSV, "id,time,n\n8,2024-03-01,20\n");
    for _ in 0..2 {
        let rows = bench.data("/tables/orders/query?columns=id,n");
        assert_eq!(rows, r#"[{"id":7,"n":1},{"id":8,"n":20},{"id":9,"n":3}]"#);
        assert_eq!(bench.data("/tables/orders/count"), r#"{"count":3}"#);
        assert_eq!(bench.sql("SELECT count(*), sum(n) FROM orders"), "[[3,24]]");
        bench.flush();
    }
    bench.accept(200, path, CSV, "id,time,n\n,2024-07-01,4\n");
    assert_eq!(bench.sql("SELECT id FROM orders WHERE n = 4"), "[[10]]", "max + 1");
}

#[test]
fn schemas_grow_by_columns_and_widen_from_integers_to_floats() {
    let bench = Bench::new();
    let path = "/tables/grow/ingest";
    bench.accept(200, path, CSV, "time,a\n2024-01-01,1\n");
    bench.flush();
    bench.accept(200, path, JSON, r#"[{"time":"2024-01-02","a":2.5,"b":"new"}]"#);
    for _ in 0..2 {
        let rows = bench.sql("SELECT a, b FROM grow ORDER BY time");
        assert_eq!(rows, r#"[[1.0,null],[2.5,"new"]]"#);
        assert_eq!(bench.sql("SELECT count(b), sum(a) FROM grow"), "[[1,3.5]]");
        bench.flush();
    }
}

#[test]
fn tables_are_created_as_asked_and_dropped() {
    let bench = Bench::new();
    let body = r#"{"columns":[{"name":"at","data_type":"Timestamp","kind":"time"},
        {"name":"host","data_type":"String","kind":"tag"},
        {"name":"v","data_type":"Float","kind":"field"}],"mode":"upsert","partition":"day"}"#;
    let put = |body: &str| {
        let headers = [("content-type", JSON)];
        bench.client.send("PUT", "/tables/made", &headers, body.as_bytes()).unwrap()
    };
    assert_eq!(put(body).status, 201);
    let again = put(&body.replace("Float", "Integer"));
    assert_eq!((again.status, again.code().as_str()), (409, "already_exists"), "{}", again.text());
    let schema = bench.get("/tables/made/schema").json();
    assert_eq!(schema["data"]["mode"], "upsert", "{schema}");
    assert_eq!(schema["data"]["partition"], "day", "{schema}");
    assert_eq!(schema["data"]["timestamp_column"], "at", "{schema}");
    bench.accept(200, "/tables/made/ingest", CSV, "at,host,v\n2024-01-01,a,1\n2024-01-01,a,2\n");
    assert_eq!(bench.data("/tables/made/count"), r#"{"count":1}"#);
    bench.flush();
    let dropped = bench.client.send("DELETE", "/tables/made", &[], &[]).unwrap();
    assert_eq!(dropped.json()["data"].to_string(), r#"{"dropped":true}"#);
    assert_eq!(bench.client.get("/tables/made/query").unwrap().code(), "table_not_found");
    assert_eq!(put(body).status, 201);
    assert_eq!(bench.data("/tables/made/count"), r#"{"count":0}"#, "a new table is empty");
}
