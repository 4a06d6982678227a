//! §7: compaction: what it does, has done and would do, and asking for it.

use axum::Json;
use axum::extract::Path;
use axum::response::IntoResponse;
use pulsora_model::partition::Window;
use pulsora_model::time::time_text;
use pulsora_model::{Code, Error, Name, Result};
use pulsora_storage::segment::period;
use pulsora_storage::{
    Candidate, CompactFilter, CompactionReport, CompactionWork, EngineStats, JobReport, JobStatus,
};
use serde_json::{Value, json};

use crate::context::{Context, Operator};
use crate::error::HttpResult;

/// Jobs of an answer that does not say how many.
const RECENT: usize = 10;

/// `GET /api/v1/compaction/status`.
pub async fn status(Operator(context): Operator) -> HttpResult {
    context.params.only(&[])?;
    let stats = context.running.engine.stats();
    let report = context.running.engine.compaction();
    let windows = &context.app.config.compaction.windows;
    let windows: Vec<String> = windows.iter().map(ToString::to_string).collect();
    let scheduler = |work| {
        json!({
            "enabled": report.enabled,
            "running": runs(&report, work),
            "schedule": "continuous",
            "next_run": null,
        })
    };
    Ok(Json(json!({
        "manager": {
            "active_jobs": report.running.len(),
            "max_jobs": report.jobs_max,
            "total_completed": completed(&stats),
            "total_failed": stats.compaction_errors,
        },
        "window": windows.join(","),
        "window_open": report.window_open,
        "overlapping_segments_max": report.overlapping_max,
        // Merges of hot segments and making Parquet, under the names of the tiers of other systems.
        "schedulers": {
            "hourly": scheduler(CompactionWork::Hot),
            "daily": scheduler(CompactionWork::Parquet),
        },
    }))
    .into_response())
}

fn runs(report: &CompactionReport, work: CompactionWork) -> bool {
    report.running.iter().any(|job| job.work == work)
}

fn completed(stats: &EngineStats) -> u64 {
    stats.merges + stats.conversions
}

/// `GET /api/v1/compaction/stats`.
pub async fn stats(Operator(context): Operator) -> HttpResult {
    context.params.only(&[])?;
    let stats = context.running.engine.stats();
    let report = context.running.engine.compaction();
    let saved = stats.compaction_bytes_in as i64 - stats.compaction_bytes_out as i64;
    let first = report.running.first().map(|job| job.id.to_string());
    Ok(Json(json!({
        "total_jobs_completed": completed(&stats),
        "total_jobs_failed": stats.compaction_errors,
        "total_jobs_overtaken": stats.compactions_overtaken,
        "total_jobs_caught_up": stats.compactions_caught_up,
        "total_jobs_cancelled": stats.compactions_cancelled,
        "total_files_compacted": stats.compacted_segments,
        "total_rows_compacted": stats.compacted_rows,
        "total_bytes_read": stats.compaction_bytes_in,
        "total_bytes_written": stats.compaction_bytes_out,
        "total_bytes_saved": saved,
        "total_bytes_saved_mb": saved as f64 / 1e6,
        "cycle_running": !report.running.is_empty(),
        "current_cycle_id": first,
        "last_error": stats.last_compaction_error,
        "overlapping_segments_max": report.overlapping_max,
        "write_amplification": write_amplification(context.app.metrics.ingest_bytes(), &stats),
        "space_amplification": space_amplification(&stats),
        "recent_jobs": jobs_json(report.history.iter().take(RECENT)),
    }))
    .into_response())
}

/// Bytes written per byte of the bodies that were stored, since the start; `null` before the first.
fn write_amplification(ingested: u64, stats: &EngineStats) -> Value {
    let share = |bytes: u64| (ingested > 0).then(|| bytes as f64 / ingested as f64);
    let all = stats.wal_bytes_written + stats.flushed_bytes + stats.compaction_bytes_out;
    json!({
        "ingested_bytes": ingested,
        "wal": share(stats.wal_bytes_written),
        "flush": share(stats.flushed_bytes),
        "compaction": share(stats.compaction_bytes_out),
        "total": share(all),
    })
}

/// Bytes on disk per byte that the live rows of segments take.
fn space_amplification(stats: &EngineStats) -> Value {
    let live = stats.live_bytes;
    let share = |bytes: u64| (live > 0).then(|| bytes as f64 / live as f64);
    json!({
        "live_bytes": live,
        "segments": share(stats.segment_bytes),
        "with_wal": share(stats.segment_bytes + stats.wal_bytes),
    })
}

/// `GET /api/v1/compaction/candidates`.
pub async fn candidates(Operator(context): Operator) -> HttpResult {
    context.params.only(&[])?;
    let candidates = context.running.engine.compaction_candidates();
    let candidates: Vec<Value> = candidates.iter().map(candidate).collect();
    Ok(Json(json!({"count": candidates.len(), "candidates": candidates})).into_response())
}

fn candidate(candidate: &Candidate) -> Value {
    json!({
        "database": candidate.database,
        "measurement": candidate.table,
        "partition_path": path(&candidate.database, &candidate.table, candidate.window),
        "file_count": candidate.segments,
        "tier": candidate.work.name(),
        "reason": candidate.reason.name(),
        "rows": candidate.rows,
        "bytes": candidate.bytes,
    })
}

fn path(database: &str, table: &str, window: Window) -> String {
    format!("{database}/{table}/{}", period(window))
}

/// `GET /api/v1/compaction/jobs`.
pub async fn jobs(Operator(context): Operator) -> HttpResult {
    context.params.only(&[])?;
    let report = context.running.engine.compaction();
    let jobs = jobs_json(report.running.iter());
    Ok(Json(json!({"active_jobs": jobs.len(), "jobs": jobs})).into_response())
}

/// `GET /api/v1/compaction/history[?limit]`.
pub async fn history(Operator(context): Operator) -> HttpResult {
    context.params.only(&["limit"])?;
    let limit = context.params.count("limit")?.unwrap_or(RECENT);
    let history = context.running.engine.compaction().history;
    let recent = jobs_json(history.iter().take(limit));
    Ok(Json(json!({"total_jobs": history.len(), "recent_jobs": recent})).into_response())
}

fn jobs_json<'a>(jobs: impl Iterator<Item = &'a JobReport>) -> Vec<Value> {
    jobs.map(job).collect()
}

fn job(job: &JobReport) -> Value {
    let ended = job.status != JobStatus::Running;
    let ratio = ended.then_some(job.bytes_out).filter(|bytes| *bytes > 0);
    json!({
        "job_id": job.id.to_string(),
        "database": job.database,
        "measurement": job.table,
        "partition_path": path(&job.database, &job.table, job.window),
        "tier": job.work.name(),
        "reason": job.reason.name(),
        "status": job.status.name(),
        "files_compacted": job.segments_in,
        "files_written": job.segments_out,
        "rows_before": job.rows_in,
        "rows_after": job.rows_out,
        "bytes_before": job.bytes_in,
        "bytes_after": job.bytes_out,
        "compression_ratio": ratio.map(|bytes| job.bytes_in as f64 / bytes as f64),
        "progress": job.rows_read as f64 / job.rows_in.max(1) as f64,
        "duration_seconds": job.seconds,
        "started_at": time_text(job.started_ns),
        "completed_at": ended.then(|| time_text(job.ended_ns)),
        "error": job.error,
    })
}

/// `DELETE /api/v1/compaction/jobs/{id}`.
pub async fn cancel(Operator(context): Operator, Path(id): Path<String>) -> HttpResult {
    context.params.only(&[])?;
    let number = id.parse().map_err(|_| {
        let error = Error::new(Code::JobNotFound, format!("{id:?} is not the number of a job"));
        error.hint("GET /api/v1/compaction/jobs lists those that run")
    })?;
    context.running.engine.cancel_compaction(number)?;
    Ok(Json(json!({"message": "Cancellation requested", "job_id": id})).into_response())
}

/// `POST /api/v1/compaction/trigger[?db&table&wait]`.
pub async fn trigger(Operator(context): Operator) -> HttpResult {
    context.params.only(&["table", "measurement", "database", "tier", "wait"])?;
    let wait = context.params.flag("wait", false)?;
    let filter = filter(&context)?;
    let database = filter.database.clone();
    let pending = context.running.engine.compact(&filter)?;
    let cycle = context.running.engine.snapshot().sequence().0.to_string();
    if wait {
        pending.await?;
    }
    Ok(Json(json!({
        "message": if wait { "Compaction completed" } else { "Compaction triggered" },
        "status": if wait { "completed" } else { "running" },
        "tiers": ["hourly", "daily"],
        "cycle_id": cycle,
        "database": database.as_deref(),
        "table": filter.table.as_deref(),
    }))
    .into_response())
}

/// Which tables; a table without a database is in `default`.
fn filter(context: &Context) -> Result<CompactFilter> {
    let of = |names: [&str; 2]| names.iter().find_map(|name| context.params.text(name));
    let table = of(["table", "measurement"]).map(Name::new).transpose()?;
    let headers = ["x-pulsora-database", "x-arc-database"];
    let named = headers.iter().any(|name| context.headers.contains_key(*name))
        || of(["db", "bucket"]).is_some();
    let database = match context.params.text("database") {
        Some(name) => Some(Name::new(name)?),
        None if named || table.is_some() => Some(context.database()?),
        None => None,
    };
    Ok(CompactFilter { database, table })
}
