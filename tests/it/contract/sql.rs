//! Section 6: SQL.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Bench, CSV, JSON};

fn bench() -> Bench {
    let bench = Bench::new();
    let rows = "time,host,load\n2024-01-01T00:00:00Z,a,1\n2024-01-01T00:30:00Z,a,3\n2024-01-01T01:00:00Z,b,5\n";
    bench.accept(200, "/tables/m/ingest?tags=host", CSV, rows);
    bench.accept(
        200,
        "/tables/hosts/ingest?db=other",
        CSV,
        "time,host,owner\n2024-01-01,a,ann\n2024-01-01,b,bob\n",
    );
    bench
}

#[test]
fn every_route_of_sql_answers() {
    let bench = bench();
    let select = "SELECT host, load FROM m ORDER BY load LIMIT 1";
    let body = serde_json::json!({ "sql": select }).to_string();
    for path in ["/api/v1/query", "/query"] {
        let json = bench.accept(200, path, JSON, &body).json();
        assert_eq!(json["success"], true, "{path}: {json}");
        assert_eq!(json["columns"].to_string(), r#"["host","load"]"#, "{path}");
        assert_eq!(json["data"].to_string(), r#"[["a",1]]"#, "{path}");
        assert_eq!(json["row_count"], 1, "{path}");
        assert!(
            json["execution_time_ms"].is_number() && json["timestamp"].is_string(),
            "{path}: {json}"
        );
        assert_eq!(json["types"].as_array().map(Vec::len), Some(2), "{path}");
    }
    let get = bench
        .get("/api/v1/query?format=csv&sql=SELECT%20host,%20load%20FROM%20m%20ORDER%20BY%20load");
    assert_eq!(get.text(), "host,load\na,1\na,3\nb,5\n");
    let with = |extra: &str| {
        let body = format!(r#"{{"sql":"SELECT load FROM m WHERE host = $1 ORDER BY 1",{extra}}}"#);
        bench.accept(200, "/api/v1/query", JSON, body).json()["data"].to_string()
    };
    assert_eq!(with(r#""params":["a"]"#), "[[1],[3]]");
    assert_eq!(with(r#""params":["a"],"limit":1"#), "[[1]]");
}

#[test]
fn statements_about_what_there_is() {
    let bench = bench();
    assert!(bench.sql("SHOW DATABASES").contains("\"other\""));
    assert!(bench.sql("SHOW TABLES").contains("\"m\""));
    assert!(bench.sql("SHOW TABLES FROM other").contains("\"hosts\""));
    assert!(bench.sql("SHOW MEASUREMENTS").contains("\"m\""));
    let columns = bench.sql("DESCRIBE m");
    assert!(["id", "time", "host", "load"].iter().all(|name| columns.contains(name)), "{columns}");
    let tables =
        bench.sql("SELECT table_name FROM information_schema.tables WHERE table_name = 'm'");
    assert_eq!(tables, r#"[["m"]]"#);
    assert!(!bench.sql("EXPLAIN SELECT * FROM m").is_empty());
    assert!(!bench.sql("EXPLAIN ANALYZE SELECT * FROM m").is_empty());
}

#[test]
fn queries_over_databases_windows_and_time() {
    let bench = bench();
    for _ in 0..2 {
        let wanted = [
            (
                "SELECT m.load, h.owner FROM m JOIN other.hosts h ON m.host = h.host ORDER BY 1",
                r#"[[1,"ann"],[3,"ann"],[5,"bob"]]"#,
            ),
            ("WITH x AS (SELECT load FROM m) SELECT sum(load) FROM x", "[[9]]"),
            (
                "SELECT load, lag(load) OVER (ORDER BY time) FROM m ORDER BY time",
                "[[1,null],[3,1],[5,3]]",
            ),
            (
                "SELECT time_bucket('1 hour', time) AS hour, sum(load) FROM m GROUP BY 1 ORDER BY 1",
                r#"[["2024-01-01T00:00:00Z",4],["2024-01-01T01:00:00Z",5]]"#,
            ),
            (
                "SELECT host, first(load, time), last(load, time) FROM m GROUP BY host ORDER BY host",
                r#"[["a",1,3],["b",5,5]]"#,
            ),
            (
                "SELECT count(*), min(time), max(time) FROM m",
                r#"[[3,"2024-01-01T00:00:00Z","2024-01-01T01:00:00Z"]]"#,
            ),
            ("SELECT LOAD FROM M ORDER BY Load LIMIT 1", "[[1]]"),
            (
                "SELECT count(*) FROM m WHERE time >= '2024-01-01T00:30:00Z' AND host IN ('a', 'b')",
                "[[2]]",
            ),
        ];
        for (statement, rows) in wanted {
            assert_eq!(bench.sql(statement), rows, "{statement}");
        }
        bench.flush();
    }
}

#[test]
fn statements_that_change_something() {
    let bench = bench();
    bench.sql("CREATE DATABASE made");
    bench.sql("CREATE TABLE made.t (time TIMESTAMP, n BIGINT, s TEXT)");
    bench.sql("INSERT INTO made.t (time, n, s) VALUES ('2024-01-01T00:00:00Z', 1, 'one'), ('2024-01-02T00:00:00Z', 2, NULL)");
    bench.sql("INSERT INTO made.t (time, n) SELECT time, load FROM m");
    assert_eq!(bench.sql("SELECT count(*), sum(n), count(s) FROM made.t"), "[[5,12,1]]");
    bench.sql("DROP TABLE made.t");
    assert_eq!(bench.sql_error("SELECT * FROM made.t").1, "table_not_found");
}

#[test]
fn errors_of_sql_say_what_to_do() {
    let bench = bench();
    let (status, code, text) = bench.sql_error("SELECT * FROM mm");
    assert_eq!((status, code.as_str()), (404, "table_not_found"), "{text}");
    assert!(text.contains("did you mean m?"), "{text}");
    let (status, code, text) = bench.sql_error("SELECT *\nFRM m");
    assert_eq!((status, code.as_str()), (400, "sql_syntax"), "{text}");
    assert!(text.contains("line 2"), "{text}");
    let refused = [
        "SELECT * FROM read_csv('/etc/passwd')",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "COPY m TO '/tmp/pulsora-test-copy.csv'",
        "SET datafusion.execution.batch_size = 1",
        "MERGE INTO m USING m AS n ON true WHEN MATCHED THEN DELETE",
    ];
    for statement in refused {
        let (status, code, text) = bench.sql_error(statement);
        assert!((400..500).contains(&status), "{statement}: {status} {text}");
        assert!(
            ["statement_refused", "sql_invalid", "sql_syntax"].contains(&code.as_str()),
            "{statement}: {text}"
        );
    }
    assert_eq!(bench.data("/tables/m/count"), r#"{"count":3}"#);
    let body =
        r#"{"sql":"SELECT count(*) FROM generate_series(1, 100000000000) AS a","timeout_ms":50}"#;
    let answer = bench.post("/api/v1/query", JSON, body);
    assert!(matches!(answer.status, 400 | 403 | 404 | 504), "{}", answer.text());
}

/// A join whose operators give no rows for minutes.
const ENDLESS: &str = "SELECT count(*) FROM big a, big b WHERE a.n + b.n = 7";

fn big() -> Bench {
    let bench = Bench::new();
    let rows: String = (0..200_000).map(|n| format!("{},{n}\n", 1_700_000_000 + n)).collect();
    bench.accept(200, "/tables/big/ingest", CSV, format!("time,n\n{rows}"));
    bench
}

#[test]
fn a_query_over_its_time_ends_with_504() {
    let bench = big();
    let statements = [ENDLESS, "SELECT sum(a.n * b.n % (c.n + 1)) FROM big a, big b, big c"];
    for statement in statements {
        let body = serde_json::json!({"sql": statement, "timeout_ms": 100}).to_string();
        let since = Instant::now();
        let answer = bench.post("/api/v1/query", JSON, body);
        assert_eq!((answer.status, answer.code().as_str()), (504, "timeout"), "{}", answer.text());
        // Far above the deadline, for busy machines, and far below what the join takes.
        assert!(since.elapsed() < Duration::from_secs(8), "{statement}: {:?}", since.elapsed());
    }
}

#[test]
fn a_query_ends_when_its_client_goes_away() {
    let bench = big();
    let active = || {
        let pool = bench.get("/api/v1/monitoring/pool").json();
        pool["active_connections"].as_u64().unwrap_or_else(|| panic!("{pool}"))
    };
    let wait_until = |wanted: bool| {
        let since = Instant::now();
        while (active() > 0) != wanted {
            assert!(since.elapsed() < Duration::from_secs(20), "{} queries run", active());
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let address = bench.client.base().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let body = serde_json::json!({ "sql": ENDLESS }).to_string();
    let length = body.len();
    let request = format!(
        "POST /api/v1/query HTTP/1.1\r\nhost: {address}\r\ncontent-type: {JSON}\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    wait_until(true);
    drop(stream);
    wait_until(false);
}
