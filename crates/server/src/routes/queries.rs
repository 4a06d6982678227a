//! §7: the queries that wait, run and have ended, and how to end one; the result cache.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use pulsora_model::time::time_text;
use pulsora_model::{Code, Error, Result};
use pulsora_query::{QueryReport, QueryState};
use serde_json::{Value, json};

use crate::context::Operator;
use crate::error::HttpResult;

/// Words for `state=`: those of single states, and of all that have ended.
const STATES: &[&str] =
    &["waiting", "running", "ended", "done", "failed", "cancelled", "abandoned"];

/// `GET /api/v1/queries[?state]`.
pub async fn list(Operator(context): Operator) -> HttpResult {
    context.params.only(&["state"])?;
    let wanted = context.params.text("state").map(state).transpose()?;
    let is_wanted = |report: &QueryReport| match wanted {
        None => true,
        Some("ended") => report.state.is_ended(),
        Some(word) => report.state.name() == word,
    };
    let reports = context.running.queries.queries();
    let shown = reports.iter().filter(|report| is_wanted(report));
    let shown: Vec<Value> = shown.map(|report| described(report)).collect();
    Ok(Json(json!({"count": shown.len(), "queries": shown})).into_response())
}

fn state(text: &str) -> Result<&str> {
    if STATES.contains(&text) {
        return Ok(text);
    }
    let error = Error::new(Code::InvalidRequest, format!("state={text:?} is no state of a query"));
    Err(error.hint(format!("use one of {}", STATES.join(", "))))
}

/// `GET /api/v1/queries/{id}`.
pub async fn one(Operator(context): Operator, Path(id): Path<String>) -> HttpResult {
    context.params.only(&[])?;
    let report = context.running.queries.query(&id)?;
    Ok(Json(described(&report)).into_response())
}

/// `DELETE /api/v1/queries/{id}`.
pub async fn cancel(Operator(context): Operator, Path(id): Path<String>) -> HttpResult {
    context.params.only(&[])?;
    let report = context.running.queries.cancel(&id)?;
    tracing::info!(query_id = id, "a query is cancelled on request");
    Ok(Json(json!({"cancelled": true, "query": described(&report)})).into_response())
}

fn described(report: &QueryReport) -> Value {
    let ms = |span: std::time::Duration| span.as_micros() as f64 / 1_000.0;
    let code = match report.state {
        QueryState::Failed(code) => Some(code.name()),
        QueryState::Cancelled => Some(Code::Cancelled.name()),
        _ => None,
    };
    let totals = &report.totals;
    json!({
        "id": &*report.id,
        "kind": report.kind,
        "statement": &*report.statement,
        "database": &*report.database,
        "client": report.client.as_deref(),
        "priority": report.priority.name(),
        "state": report.state.name(),
        "code": code,
        "started": time_text(report.arrived_ns),
        "wait_ms": ms(report.waited),
        "plan_ms": ms(report.planned),
        "run_ms": ms(report.ran),
        "rows_read": totals.rows_read,
        "blocks_read": totals.blocks_read,
        "segments_read": totals.segments_read,
        "segments_pruned": totals.segments_pruned,
        "rows_returned": report.rows_returned,
        "memory_bytes": report.memory_bytes,
        "memory_peak_bytes": report.memory_peak_bytes,
        "cache": report.cache.name(),
    })
}

/// `GET /api/v1/cache`.
pub async fn cache(Operator(context): Operator) -> HttpResult {
    context.params.only(&[])?;
    let stats = context.running.queries.cache();
    let asked = stats.hits + stats.misses;
    let rate = if asked == 0 { 0.0 } else { stats.hits as f64 / asked as f64 };
    Ok(Json(json!({
        "enabled": stats.size_bytes_max > 0,
        "entries": stats.entries,
        "size_bytes": stats.size_bytes,
        "size_bytes_max": stats.size_bytes_max,
        "answer_bytes_max": stats.answer_bytes_max,
        "hits": stats.hits,
        "misses": stats.misses,
        "hit_rate": rate,
        "outdated": stats.outdated,
        "evictions": stats.evictions,
    }))
    .into_response())
}

/// `DELETE /api/v1/cache`.
pub async fn clear_cache(Operator(context): Operator) -> HttpResult<Response> {
    context.params.only(&[])?;
    let cleared = context.running.queries.clear_cache();
    Ok(Json(json!({"cleared": cleared})).into_response())
}
