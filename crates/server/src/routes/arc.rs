//! What clients of Arc ask beside the routes that are the same.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use pulsora_model::{Code, Error, Result};
use pulsora_query::SqlRequest;
use pulsora_storage::TableStats;
use serde_json::{Value, json};

use crate::body::Intake;
use crate::context::Context;
use crate::error::HttpResult;

/// Rows above which a query is called small, medium and large there.
const LEVELS: [(u64, &str); 3] = [(1_000_000, "high"), (100_000, "medium"), (10_000, "low")];

/// `POST /api/v1/query/estimate`: the rows that a query would give, by counting them.
pub async fn estimate(context: Context, body: Body) -> HttpResult {
    let limit = context.app.config.limits.query_body_bytes;
    let intake = Intake::open(&context, body, limit)?;
    let (body, _room) = intake.whole(limit, "raise limits.query_body_bytes").await?;
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(sql) = json["sql"].as_str() else {
        let error = Error::new(Code::MalformedBody, "the body has no sql");
        return Err(error.hint(r#"send {"sql":"SELECT 1"}"#).into());
    };
    let rows = count(&context, sql.trim().trim_end_matches(';')).await?;
    let level = LEVELS.iter().find(|(above, _)| rows > *above).map_or("none", |(_, level)| level);
    let message = (level != "none").then(|| format!("the query gives {rows} rows"));
    Ok(Json(json!({
        "success": true,
        "estimated_rows": rows,
        "warning_level": level,
        "warning_message": message,
        "execution_time_ms": context.elapsed_ms(),
    }))
    .into_response())
}

/// How many rows a query gives.
///
/// # Errors
/// Those of the query.
pub(super) async fn count(context: &Context, sql: &str) -> Result<u64> {
    // The line break ends a comment at the end of the statement.
    let sql = format!("SELECT count(*) FROM ({sql}\n)");
    let about = context.about("estimate", &sql, None)?;
    let request = SqlRequest::new(context.database()?.to_string(), sql);
    let queries = &context.running.queries;
    let batches = queries.sql_as(queries.open(about), request).await?.batches;
    let batches: Vec<RecordBatch> = batches.try_collect().await?;
    let column = batches.first().and_then(|batch| batch.columns().first());
    let count = column.and_then(|column| column.as_primitive_opt::<Int64Type>());
    match count.filter(|count| !count.is_empty()) {
        Some(count) => Ok(count.value(0).unsigned_abs()),
        None => Err(Error::internal("count(*) gave no number")),
    }
}

/// `GET /api/v1/measurements?database`.
pub async fn measurements(context: Context) -> HttpResult {
    let wanted = context.params.text("database").or(context.params.text("db"));
    let stats = context.running.engine.stats();
    let tables = stats.tables.iter().filter(|t| wanted.is_none_or(|name| *t.database == *name));
    let measurements: Vec<Value> = tables.map(describe).collect();
    Ok(Json(json!({
        "success": true,
        "count": measurements.len(),
        "measurements": measurements,
        "execution_time_ms": context.elapsed_ms(),
    }))
    .into_response())
}

fn describe(table: &TableStats) -> Value {
    json!({
        "database": &*table.database,
        "measurement": &*table.table,
        "file_count": table.segments,
        "total_size_mb": table.segment_bytes as f64 / 1e6,
        "storage_path": format!("{}/{}", &*table.database, &*table.table),
    })
}

/// `GET /api/v1/auth/verify`: there are no tokens yet, so every one is let in.
pub async fn verify() -> Response {
    let permissions = ["read", "write", "delete", "admin"];
    Json(json!({"valid": true, "permissions": permissions})).into_response()
}
