use pulsora_model::Name;

use super::statement::{Statement, parse};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

#[test]
fn statements_that_clients_send() {
    let retention_ns = None;
    for (text, expected) in [
        ("SHOW DATABASES", Statement::ShowDatabases),
        (" show  databases ; ", Statement::ShowDatabases),
        (
            r#"CREATE DATABASE "my \"db\"; x""#,
            Statement::CreateDatabase { name: name(r#"my "db"; x"#), retention_ns },
        ),
        ("create database plain", Statement::CreateDatabase { name: name("plain"), retention_ns }),
        (
            r#"CREATE DATABASE "d" WITH DURATION 1d REPLICATION 1 NAME "rp""#,
            Statement::CreateDatabase { name: name("d"), retention_ns: Some(86_400_000_000_000) },
        ),
        (
            "CREATE DATABASE d WITH DURATION INF",
            Statement::CreateDatabase { name: name("d"), retention_ns },
        ),
        (r#"DROP DATABASE "d""#, Statement::DropDatabase(name("d"))),
        ("DROP MEASUREMENT m", Statement::DropMeasurement(name("m"))),
        ("SHOW MEASUREMENTS", Statement::ShowMeasurements(None)),
        (r#"SHOW MEASUREMENTS ON "d""#, Statement::ShowMeasurements(Some(name("d")))),
        ("SHOW RETENTION POLICIES ON d", Statement::ShowPolicies(Some(name("d")))),
    ] {
        assert_eq!(parse(text).unwrap(), [expected], "{text}");
    }
    assert_eq!(parse("SHOW DATABASES;SHOW MEASUREMENTS").unwrap().len(), 2);
}

#[test]
fn everything_else_says_how_to_ask_in_sql() {
    for text in [
        "",
        " ; ",
        "SELECT * FROM cpu",
        "SHOW",
        "SHOW DATABASES now",
        "CREATE DATABASE",
        "CREATE DATABASE a b",
        "DROP DATABASE a b",
        "SHOW MEASUREMENTS ON",
        "SHOW MEASUREMENTS LIMIT 3",
        "SHOW DATABASES; DROP SERIES FROM x",
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.hint_text().unwrap().contains("/api/v1/query"), "{text}: {error}");
    }
    assert!(parse(r#"DROP DATABASE "open"#).is_err());
    assert!(parse(r#"DROP DATABASE """#).is_err());
}
