//! §7: flush and reports.

use axum::Json;
use axum::response::{IntoResponse, Response};
use pulsora_model::{Name, Result};
use pulsora_query::Priority;
use pulsora_storage::{EngineStats, FlushFilter, TableStats};
use serde_json::{Map, Value, json};

use crate::answer::{self, SEQUENCE, with_sequence};
use crate::context::{Context, Operator};
use crate::error::HttpResult;

/// `POST /api/v1/flush[?db&table&cold]`.
pub async fn flush(Operator(context): Operator) -> HttpResult {
    context.params.only(&["table", "cold"])?;
    let cold = context.params.flag("cold", false)?;
    let table = context.params.text("table").map(Name::new).transpose()?;
    let filter =
        FlushFilter { database: flushed_database(&context, table.is_some())?, table, cold };
    check_exists(&context, &filter)?;
    let receipt = context.running.engine.flush(filter).await?;
    let answer = answer::data(json!({"rows": receipt.rows, "flushed": receipt.changed}));
    Ok(with_sequence(answer, SEQUENCE, receipt.sequence))
}

/// The database that the request names; a table without one is in `default`.
fn flushed_database(context: &Context, needed: bool) -> Result<Option<Name>> {
    let named = ["x-pulsora-database", "x-arc-database"]
        .iter()
        .any(|name| context.headers.contains_key(*name))
        || ["db", "bucket"].iter().any(|name| context.params.text(name).is_some());
    if named || needed { context.database().map(Some) } else { Ok(None) }
}

fn check_exists(context: &Context, filter: &FlushFilter) -> Result<()> {
    let catalog = context.running.engine.catalog();
    match (&filter.database, &filter.table) {
        (Some(database), Some(table)) => catalog.table(database, table).map(drop),
        (Some(database), None) => catalog.database(database).map(drop),
        (None, _) => Ok(()),
    }
}

/// `GET /api/v1/monitoring/buffer`.
pub async fn buffer(Operator(context): Operator) -> HttpResult {
    context.params.only(&[])?;
    let stats = context.running.engine.stats();
    let sizes: Map<String, Value> = stats
        .tables
        .iter()
        .filter(|table| table.memtable_rows > 0)
        .map(|table| (format!("{}.{}", table.database, table.table), json!(table.memtable_rows)))
        .collect();
    Ok(Json(json!({
        "total_records_buffered": stats.memtable_rows,
        "total_records_written": stats.rows_written,
        "total_flushes": stats.flushes,
        "total_errors": stats.write_errors + stats.flush_errors,
        "current_buffer_sizes": sizes,
        "oldest_buffer_age_seconds": stats.oldest_memtable_seconds,
    }))
    .into_response())
}

/// `GET /api/v1/monitoring/pool`.
pub async fn pool(Operator(context): Operator) -> HttpResult {
    context.params.only(&[])?;
    let pool = context.running.queries.pool();
    let by_priority = Priority::ALL.iter().zip(pool.queue_by_priority);
    let by_priority: Map<String, Value> =
        by_priority.map(|(priority, depth)| (priority.name().to_owned(), json!(depth))).collect();
    Ok(Json(json!({
        "pool_size": pool.pool_size,
        "active_connections": pool.active,
        "idle_connections": pool.idle,
        "queue_depth": pool.queue_depth,
        "queue_size": pool.queue_max,
        "queue_by_priority": by_priority,
        "queries_refused": pool.refused,
        "avg_wait_time_ms": pool.avg_wait_ms,
        "avg_execution_time_ms": pool.avg_execution_ms,
    }))
    .into_response())
}

/// `GET /api/v1/storage`.
pub async fn storage(Operator(context): Operator) -> HttpResult {
    context.params.only(&[])?;
    Ok(report(&context.running.engine.stats()))
}

/// The segments of a table by tier, for the tiers that have any.
fn tiers(table: &TableStats) -> Vec<Value> {
    let (hot, all) = (table.hot_segments, table.segments);
    let (cold_rows, cold_bytes) =
        (table.segment_rows - table.hot_rows, table.segment_bytes - table.hot_bytes);
    [("hot", hot, table.hot_rows, table.hot_bytes), ("cold", all - hot, cold_rows, cold_bytes)]
        .into_iter()
        .filter(|(_, segments, ..)| *segments > 0)
        .map(|(tier, segments, rows, bytes)| {
            json!({"tier": tier, "segments": segments, "rows": rows, "bytes": bytes})
        })
        .collect()
}

/// What the engine tells of itself.
fn report(stats: &EngineStats) -> Response {
    let tables: Vec<Value> = stats
        .tables
        .iter()
        .map(|table| {
            json!({
                "database": &*table.database,
                "table": &*table.table,
                "rows": table.segment_rows + table.memtable_rows,
                "bytes": table.segment_bytes,
                "memory_rows": table.memtable_rows,
                "memory_bytes": table.memtable_bytes,
                "segments": tiers(table),
            })
        })
        .collect();
    answer::data(json!({
        "tables": tables,
        "wal": {"bytes": stats.wal_bytes, "files": stats.wal_files},
        "manifest_version": stats.manifest_version,
        "disk_full": stats.disk_full,
        "writes_refused": stats.poisoned.is_some(),
    }))
}
