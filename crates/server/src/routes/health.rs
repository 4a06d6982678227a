//! §1: health and figures. None of these waits for memory or for the engine.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::answer;
use crate::app::App;
use crate::error::HttpResult;
use crate::metrics::sampled;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What clients of InfluxDB look for before they write: a server of the 1.8 line with v2 writes.
const INFLUXDB_VERSION: (HeaderName, &str) =
    (HeaderName::from_static("x-influxdb-version"), "1.8.10");

/// `GET /health`.
pub async fn health(State(app): State<App>) -> Response {
    let uptime_seconds = app.uptime().as_secs();
    Json(json!({
        "success": true,
        "data": {"status": "healthy", "version": VERSION},
        "error": null,
        "status": "healthy",
        "version": VERSION,
        "uptime_seconds": uptime_seconds,
    }))
    .into_response()
}

/// `GET /ready`.
pub async fn ready(State(app): State<App>) -> HttpResult {
    app.running()?;
    Ok(answer::data(json!({"status": "ready", "uptime_seconds": app.uptime().as_secs()})))
}

/// `GET /ping`, `HEAD /ping`.
pub async fn ping() -> Response {
    (StatusCode::NO_CONTENT, [INFLUXDB_VERSION]).into_response()
}

/// `GET /metrics`.
pub async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    if accept.contains("application/json") {
        return json_metrics(&app);
    }
    let text = format!("{}{}", app.metrics.render(), sampled(&app));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn json_metrics(app: &App) -> Response {
    let stats = app.running().map(|running| running.engine.stats()).unwrap_or_default();
    Json(json!({
        "points_written": stats.rows_written,
        "queries_served": app.metrics.queries_served(),
        "uptime_seconds": app.uptime().as_secs(),
        "memtable_bytes": stats.memtable_bytes,
        "wal_bytes": stats.wal_bytes,
        "segments": stats.segments,
        "flushes": stats.flushes,
        "write_errors": stats.write_errors,
        "memory_allocated_bytes": crate::allocator::allocated_bytes(),
        "tables": stats.tables.len(),
    }))
    .into_response()
}
