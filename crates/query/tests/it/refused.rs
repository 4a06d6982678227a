//! What is not answered, and what is wrong with a text.

use pulsora_model::Code;
use pulsora_query::{STATEMENT_BYTES_MAX, SqlRequest};

use crate::world::World;

#[test]
fn files_settings_and_changes_of_rows_are_refused() {
    let world = World::with_readings();
    for sql in [
        "COPY sensor TO '/tmp/x.csv'",
        "COPY (SELECT 1) TO 'x.parquet'",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "SET datafusion.execution.batch_size = 1",
        "RESET datafusion.execution.batch_size",
        "SHOW ALL",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PREPARE q AS SELECT 1",
        "EXECUTE q",
        "CREATE VIEW v AS SELECT 1",
        "CREATE OR REPLACE TABLE x (time TIMESTAMP)",
        "CREATE FUNCTION f() RETURNS INT RETURN 1",
        "CREATE INDEX i ON sensor (host)",
        "CREATE TABLE x AS SELECT * FROM sensor",
        "ALTER VIEW v AS SELECT 1",
        "MERGE INTO sensor USING sensor s ON true WHEN MATCHED THEN DELETE",
        "USE default",
        "BEGIN",
        "PRAGMA version",
        "DROP DATABASE default",
        "DROP VIEW v",
        "DROP TABLE a, b",
        "EXPLAIN INSERT INTO sensor (time) VALUES (now())",
        "EXPLAIN CREATE TABLE x (time TIMESTAMP)",
        "INSERT OVERWRITE sensor SELECT * FROM sensor",
    ] {
        let error = world.failure(SqlRequest::new("default", sql));
        assert_eq!(error.code(), Code::StatementRefused, "{sql}: {error}");
        assert!(error.hint_text().is_some(), "{sql}: {error}");
    }
    world.check("SELECT count(*) AS n FROM sensor", "n\n5");
    for sql in [
        "SELECT * FROM 'file.csv'",
        "SELECT * FROM \"/etc/passwd\"",
        "SELECT * FROM 'https://x/y.parquet'",
    ] {
        assert_eq!(world.code(sql), Code::TableNotFound, "{sql}");
    }
    for sql in [
        "SELECT * FROM read_csv('x.csv')",
        "SELECT read_text('x')",
        "SELECT * FROM read_parquet('x')",
    ] {
        assert_eq!(world.code(sql), Code::SqlInvalid, "{sql}");
    }
}

#[test]
fn syntax_errors_say_where() {
    let world = World::with_readings();
    for (sql, expected) in [
        ("", "sql_syntax: syntax error at line 1, column 1: the statement is empty"),
        (
            "  -- nothing\n ; ",
            "sql_syntax: syntax error at line 2, column 4: the statement is empty",
        ),
        (
            "SELECT * FRM sensor",
            "sql_syntax: syntax error at line 1, column 10: expected the end of the statement, found FRM",
        ),
        (
            "SELECT\n  1 +\n  ) FROM sensor",
            "sql_syntax: syntax error at line 3, column 3: expected an expression, found )",
        ),
        ("SELECT (1", "sql_syntax: syntax error at line 1, column 10: expected ), found the end"),
        (
            "SELECT 'abc",
            "sql_syntax: syntax error at line 1, column 8: unterminated string literal",
        ),
        (
            "SHOW TABLES sensor",
            "sql_syntax: syntax error at line 1, column 13: expected the end of the statement, found sensor",
        ),
        (
            "DESCRIBE",
            "sql_syntax: syntax error at line 1, column 9: expected a name, found the end",
        ),
    ] {
        let error = world.error(sql);
        assert!(error.starts_with(expected), "{sql:?}\n{error}\n{expected}");
    }
    let error = world.failure(SqlRequest::new("default", "SELECT 1;\nSELECT 2"));
    assert_eq!(
        (error.code(), error.message()),
        (Code::SqlInvalid, "the text holds more than one statement")
    );
    world.check("SELECT 1 AS n ; ;", "n\n1");
    let error = world.failure(SqlRequest::new("default", "SELECT 1 +"));
    assert_eq!(error.detail_list()[0].line, Some(1));
}

#[test]
fn what_cannot_run_is_said_in_one_sentence_without_type_names() {
    let world = World::with_readings();
    for sql in [
        "SELECT state / 0 FROM sensor",
        "SELECT host + 1 FROM sensor",
        "SELECT CAST('x' AS BIGINT)",
        "SELECT nope(1)",
        "SELECT sum(host) FROM sensor",
        "SELECT temperature FROM sensor GROUP BY host",
        "SELECT * FROM sensor WHERE temperature",
        "SELECT * FROM sensor WHERE time > 'not a time'",
        "SELECT time_bucket('5 parsecs', time) FROM sensor",
        "SELECT time_bucket('5m') FROM sensor",
        "SELECT first(state) FROM sensor",
        "SELECT (SELECT state FROM sensor)",
        "SELECT * FROM sensor LIMIT -1",
        "VALUES (1), (1, 2)",
        "SELECT sum(sum(state)) FROM sensor",
        "SELECT ARRAY[1][",
    ] {
        let error = world.failure(SqlRequest::new("default", sql));
        let text = format!("{} {}", error.message(), error.hint_text().unwrap_or(""));
        assert_eq!(error.kind(), pulsora_model::ErrorKind::Invalid, "{sql}: {text}");
        for leak in [
            "DataFusion",
            "Arrow error",
            "External error",
            "Error during planning",
            "Internal",
            "\n",
        ] {
            assert!(!text.contains(leak), "{sql}: {text}");
        }
        assert!(
            !text.starts_with(|c: char| c.is_uppercase()) || text.starts_with("LIMIT "),
            "{sql}: {text}"
        );
    }
    assert_eq!(
        world.error("SELECT state / 0 FROM sensor"),
        "sql_invalid: division by zero; NULLIF(divisor, 0) gives null instead"
    );
}

#[test]
fn huge_statements_are_refused_before_they_cost_anything() {
    let world = World::new();
    let long = format!("SELECT '{}'", "x".repeat(STATEMENT_BYTES_MAX));
    assert_eq!(world.code(&long), Code::LimitExceeded);
    for chain in [" OR 1=1", "+1", " IS NULL", "::INT", "[0]", " UNION SELECT 1", "(1)"] {
        let sql = format!("SELECT 1{}", chain.repeat(60_000));
        assert!(matches!(world.code(&sql), Code::SqlInvalid), "{chain}");
    }
    for (open, close) in [
        ("(", ")"),
        ("NOT ", ""),
        ("NOT (", ")"),
        ("-", ""),
        ("CASE WHEN 1 THEN ", ""),
        ("SELECT (", ")"),
        ("ARRAY[", "]"),
        ("f(", ")"),
        ("CAST(", ""),
        ("POSITION(", " IN 1)"),
        ("INTERVAL ", ""),
        ("x -> ", ""),
        ("f(a := ", ")"),
        ("1 FROM ((SELECT ", "))"),
        ("CAST(1 AS ARRAY<", ">"),
        ("1 IN (SELECT ", ")"),
    ] {
        for depth in [12, 30, 20_000] {
            let sql = format!("SELECT {}%{}", open.repeat(depth), close.repeat(depth));
            let code = world.code(&sql);
            assert!(matches!(code, Code::SqlInvalid | Code::SqlSyntax), "{open} {depth}: {code:?}");
        }
    }
    let nested = format!("SELECT {}1{} AS n", "abs(".repeat(30), ")".repeat(30));
    world.check(&nested, "n\n1");
    let nested = format!("SELECT {}1{} AS n", "CASE WHEN true THEN (".repeat(8), ") END".repeat(8));
    world.check(&nested, "n\n1");
    let wide = format!(
        "SELECT 1 IN ({}) AS n",
        (0..50_000).map(|i| i.to_string()).collect::<Vec<_>>().join(",")
    );
    world.check(&wide, "n\ntrue");
    let chain = format!("SELECT {} AS n", vec!["1=1"; 900].join(" AND "));
    world.check(&chain, "n\ntrue");
}
