//! Answers as the rows and numbers that tests compare.
//!
//! Responsible for asking the common questions (a count, a SQL result, everything there is) and for
//! failing with the whole answer where it is not what was asked for.

use serde_json::Value;

use crate::http::{Answer, Client};

/// Rows of a SQL statement.
///
/// # Panics
/// When it does not answer 200.
pub fn sql_rows(client: &Client, statement: &str) -> Vec<Vec<Value>> {
    try_sql_rows(client, statement).unwrap_or_else(|answer| panic!("{statement}: {answer:?}"))
}

/// Rows of a SQL statement, or the answer that is not 200.
///
/// # Errors
/// Any status but 200.
///
/// # Panics
/// When no answer comes back, or one that is not the contract's.
pub fn try_sql_rows(client: &Client, statement: &str) -> Result<Vec<Vec<Value>>, Answer> {
    let answer = client.sql(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    if answer.status != 200 {
        return Err(answer);
    }
    let mut json = answer.json();
    let Value::Array(rows) = json["data"].take() else {
        panic!("{statement}: no rows in {}", answer.text());
    };
    assert_eq!(json["row_count"], rows.len(), "{statement}: row_count");
    let rows = rows.into_iter().map(|row| match row {
        Value::Array(cells) => cells,
        other => panic!("{statement}: {other} is not a row"),
    });
    Ok(rows.collect())
}

/// The one integer that a SQL statement gives; a null is 0.
///
/// # Panics
/// When it gives anything else.
pub fn sql_int(client: &Client, statement: &str) -> i64 {
    match sql_rows(client, statement).as_slice() {
        [row] if row.len() == 1 => int(&row[0]),
        other => panic!("{statement}: {other:?} is not one value"),
    }
}

/// A JSON number, or null for 0, as an integer.
///
/// # Panics
/// When it is anything else.
pub fn int(value: &Value) -> i64 {
    match value {
        Value::Null => 0,
        value => value.as_i64().unwrap_or_else(|| panic!("{value} is not an integer")),
    }
}

/// Rows of a table by the row API; 0 where there is no such table.
///
/// # Panics
/// On any other answer.
pub fn count(client: &Client, table: &str) -> i64 {
    let path = format!("/tables/{}/count", escape(table));
    let answer = client.get(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    match (answer.status, answer.code().as_str()) {
        (200, _) => int(&answer.json()["data"]["count"]),
        (404, "table_not_found") => 0,
        _ => panic!("{path}: {answer:?}"),
    }
}

/// All rows of a table by the row API, oldest first, times in milliseconds: through pages
/// of a size that is no divisor of anything.
///
/// # Panics
/// When the server does not answer as the contract says.
pub fn all_rows(client: &Client, table: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let table = escape(table);
        let path = format!("/tables/{table}/query?format=ndjson&times=ms&limit=7001{cursor}");
        let answer = client.get(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let row = |line: &str| serde_json::from_str(line).expect("a line is a row");
        rows.extend(answer.text().lines().map(row));
        match answer.header("x-pulsora-next") {
            Some(next) => cursor = format!("&cursor={}", escape(next)),
            None => return rows,
        }
    }
}

/// Everything there is: a request that changes nothing leaves it as it was.
#[derive(Debug, PartialEq)]
pub struct State {
    /// Each database with its tables, their columns and row counts.
    pub text: String,
    /// Rows of all tables.
    pub rows: i64,
}

/// Everything there is now.
///
/// # Panics
/// When the server does not answer as the contract says.
pub fn everything(client: &Client) -> State {
    let mut state = State { text: String::new(), rows: 0 };
    let answer = client.get("/api/v1/databases").expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    let databases = json["databases"].as_array();
    for database in databases.unwrap_or_else(|| panic!("no databases in {json}")) {
        let database = database["name"].as_str().expect("a name");
        state.text.push_str(&format!("{database:?}\n"));
        for table in tables(client, database) {
            let header = [("x-pulsora-database", database)];
            let get = |route: &str| {
                let path = format!("/tables/{}/{route}", escape(&table));
                let answer = client.send("GET", &path, &header, &[]).expect("an answer");
                assert_eq!(answer.status, 200, "{path}: {answer:?}");
                answer.json()["data"].take()
            };
            let (columns, count) = (get("schema")["columns"].take(), int(&get("count")["count"]));
            state.text.push_str(&format!("  {table:?} {count} rows {columns}\n"));
            state.rows += count;
        }
    }
    state
}

/// The tables of a database.
///
/// # Panics
/// When the server does not answer as the contract says.
pub fn tables(client: &Client, database: &str) -> Vec<String> {
    let header = [("x-pulsora-database", database)];
    let answer = client.send("GET", "/tables", &header, &[]).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    let tables = json["data"].as_array().unwrap_or_else(|| panic!("no tables in {json}"));
    tables.iter().map(|table| table.as_str().expect("a name").to_owned()).collect()
}

/// A name as one segment of a path.
pub fn escape(name: &str) -> String {
    let escaped = name.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    });
    escaped.collect()
}
