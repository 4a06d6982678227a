//! `/query` of InfluxDB v1: one result per statement.
//!
//! Invariants: a text that is not understood is refused before any of its statements runs; after a
//! statement that failed none runs, as there.

use std::time::Duration;

use axum::Json;
use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;
use pulsora_model::span::span_text;
use pulsora_model::{Code, Error, ErrorKind, Name, Result};
use pulsora_storage::Command;
use serde_json::{Value, json};

use super::statement::{Statement, parse};
use crate::context::Context;
use crate::error::{HttpResult, public};
use crate::params::Params;
use crate::routes::health::INFLUXDB_VERSION;
use crate::write::execute;

/// `GET /query?q=`.
pub async fn get(context: Context) -> HttpResult {
    let statements = parse(text(&context.params)?)?;
    if statements.iter().any(Statement::drops) {
        let message = "statements that drop something must be sent by POST";
        return Err(Error::new(Code::InvalidRequest, message).hint("POST /query?q=…").into());
    }
    run(&context, &context.params, statements).await
}

/// `POST /query` with everything in the URL.
pub async fn post(context: Context) -> HttpResult {
    let statements = parse(text(&context.params)?)?;
    run(&context, &context.params, statements).await
}

/// `POST /query` with parameters in a body that has been read; those of the URL come first.
pub async fn form(context: Context, body: Bytes) -> HttpResult {
    let params = Params::of_form(body).await?.and(&context.params);
    let statements = parse(text(&params)?)?;
    run(&context, &params, statements).await
}

/// Whether the request says that its body is a form.
pub fn is_form(context: &Context) -> Result<bool> {
    let content_type = context.header(&header::CONTENT_TYPE)?.unwrap_or("");
    Ok(content_type.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"))
}

fn text(params: &Params) -> Result<&str> {
    params.text("q").ok_or_else(|| {
        Error::new(Code::InvalidRequest, "q is missing")
            .hint("GET /query?q=SHOW DATABASES, or SQL: POST /api/v1/query with {\"sql\":\"…\"}")
    })
}

async fn run(context: &Context, params: &Params, statements: Vec<Statement>) -> HttpResult {
    let database = match params.text("db") {
        Some(name) => Name::new(name)?,
        None => context.database()?,
    };
    let mut results = Vec::with_capacity(statements.len());
    for (id, statement) in statements.into_iter().enumerate() {
        let outcome = one(context, &database, statement).await;
        let failed = outcome.is_err();
        let mut result = match outcome {
            Ok(result) => result,
            // Ours or the machine's: the status says it, and clients try again.
            Err(error) if !is_the_statements(&error) => return Err(error.into()),
            Err(error) => json!({"error": public(&error).message()}),
        };
        result["statement_id"] = json!(id);
        results.push(result);
        if failed {
            break;
        }
    }
    Ok(([INFLUXDB_VERSION], Json(json!({"results": results}))).into_response())
}

fn is_the_statements(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Conflict)
}

async fn one(context: &Context, database: &Name, statement: Statement) -> Result<Value> {
    match statement {
        Statement::ShowDatabases => {
            let snapshot = context.running.engine.snapshot();
            let names = snapshot.catalog().databases().map(|database| database.name.clone());
            Ok(series("databases", &["name"], names.map(|name| json!([&*name])).collect()))
        }
        Statement::CreateDatabase { name, retention_ns } => {
            let create = Command::CreateDatabase { name: name.clone(), if_not_exists: true };
            let made = execute(context, create).await?;
            if made.changed && retention_ns.is_some() {
                execute(context, Command::AlterDatabase { name, retention_ns }).await?;
            }
            Ok(json!({}))
        }
        Statement::DropDatabase(name) => {
            let dropped = execute(context, Command::DropDatabase { name }).await;
            absent_is_fine(dropped.map(|_| ()), Code::DatabaseNotFound)
        }
        Statement::DropMeasurement(table) => {
            let database = database.clone();
            let command = Command::DropTable { database, table, if_exists: false };
            execute(context, command).await?;
            Ok(json!({}))
        }
        Statement::ShowMeasurements(on) => {
            let tables = tables(context, on.as_ref().unwrap_or(database))?;
            Ok(series("measurements", &["name"], tables))
        }
        Statement::ShowPolicies(on) => {
            let snapshot = context.running.engine.snapshot();
            let database = snapshot.catalog().database(on.as_ref().unwrap_or(database))?;
            let keeps = database.retention_ns.map(|ns| Duration::from_nanos(ns.unsigned_abs()));
            let keeps = keeps.map_or("0s".to_owned(), span_text);
            let columns = ["name", "duration", "shardGroupDuration", "replicaN", "default"];
            // A database has the one policy that it begins with there.
            let policy = json!(["autogen", keeps, "168h0m0s", 1, true]);
            Ok(series("", &columns, vec![policy]))
        }
    }
}

/// The tables of a database, as rows of one name.
fn tables(context: &Context, database: &Name) -> Result<Vec<Value>> {
    let snapshot = context.running.engine.snapshot();
    let names = snapshot.catalog().database(database)?.tables.keys();
    Ok(names.map(|name| json!([&**name])).collect())
}

fn absent_is_fine(dropped: Result<()>, absent: Code) -> Result<Value> {
    match dropped {
        Err(error) if error.code() != absent => Err(error),
        Ok(()) | Err(_) => Ok(json!({})),
    }
}

/// The result of a statement that gives rows; without rows there is no series.
fn series(name: &str, columns: &[&str], values: Vec<Value>) -> Value {
    if values.is_empty() {
        return json!({});
    }
    let mut series = json!({"columns": columns, "values": values});
    if !name.is_empty() {
        series["name"] = json!(name);
    }
    json!({"series": [series]})
}
