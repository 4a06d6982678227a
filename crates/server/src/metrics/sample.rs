//! What the engine, the query pool and the process are asked for when somebody looks.

use pulsora_query::{CacheStats, PlanStats, PoolStats, Priority, WAIT_BOUNDS};
use pulsora_storage::{CacheFigures, EngineStats};

use super::process::process;
use super::text::Text;
use crate::allocator;
use crate::app::App;
use crate::memory;

/// The Prometheus text of everything that is sampled. Without an open engine: the process only.
pub fn sampled(app: &App) -> String {
    let mut text = Text::default();
    this_server(app, &mut text);
    process(&mut text);
    if let Ok(running) = app.running() {
        let stats = running.engine.stats();
        log(&stats, &mut text);
        memtables(&stats, &mut text);
        segments(&stats, &mut text);
        compaction(&stats, &mut text);
        let overlapping = running.engine.compaction().overlapping_max;
        let help = "Most segments of one partition that may hold the same rows.";
        gauge(&mut text, "pulsora_overlapping_segments_max", help, overlapping);
        caches(&stats.cache, running.queries.plans(), &mut text);
        pool(app, &mut text);
    }
    text.finish()
}

fn this_server(app: &App, text: &mut Text) {
    let resident = memory::resident();
    text.labelled(
        "pulsora_build_info",
        "Always 1; the version is a label.",
        [(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0)],
    );
    text.gauge("pulsora_uptime_seconds", "Time since the start.", app.uptime().as_secs_f64());
    let ready = u64::from(app.running().is_ok());
    gauge(text, "pulsora_ready", "1 once recovery is done.", ready);
    let running = app.metrics.requests_running();
    gauge(text, "pulsora_http_requests_running", "Requests on their way.", running);
    let open = app.metrics.connections.value();
    gauge(text, "pulsora_http_connections", "Open connections of HTTP clients.", open);
    let open = app.metrics.tcp.value();
    gauge(text, "pulsora_tcp_connections", "Open connections of line protocol over TCP.", open);
    let allocated = allocator::allocated_bytes();
    gauge(text, "pulsora_memory_allocated_bytes", "Bytes asked for and not given back.", allocated);
    let peak = allocator::peak_bytes();
    gauge(text, "pulsora_memory_peak_bytes", "Most bytes that were allocated at once.", peak);
    let limit = app.config.memory.limit;
    gauge(text, "pulsora_memory_limit_bytes", "memory.limit.", limit);
    let anonymous = resident.anonymous;
    gauge(text, "pulsora_memory_anonymous_bytes", "Anonymous memory of the process.", anonymous);
    let total = resident.total;
    gauge(
        text,
        "pulsora_memory_resident_bytes",
        "Memory of the process, mapped files included.",
        total,
    );
}

fn log(stats: &EngineStats, text: &mut Text) {
    text.histogram(
        "pulsora_wal_sync_seconds",
        "Time of each sync of the log to disk.",
        &stats.sync_buckets,
        stats.sync_seconds,
        stats.syncs,
    );
    counter(text, "pulsora_wal_groups_total", "Groups written to the log.", stats.groups_written);
    counter(
        text,
        "pulsora_wal_records_total",
        "Requests written to the log.",
        stats.records_written,
    );
    let mean = stats.records_written as f64 / stats.groups_written.max(1) as f64;
    text.gauge("pulsora_wal_group_records_mean", "Requests per group since the start.", mean);
    counter(
        text,
        "pulsora_wal_written_bytes_total",
        "Bytes written to the log.",
        stats.wal_bytes_written,
    );
    gauge(text, "pulsora_wal_bytes", "Bytes of log files on disk.", stats.wal_bytes);
    gauge(text, "pulsora_wal_files", "Log files on disk.", stats.wal_files);
    counter(text, "pulsora_rows_written_total", "Rows taken in.", stats.rows_written);
    counter(
        text,
        "pulsora_write_errors_total",
        "Writes that the engine refused.",
        stats.write_errors,
    );
    counter(
        text,
        "pulsora_duplicate_writes_total",
        "Writes that stored nothing because their idempotency key was known.",
        stats.duplicate_writes,
    );
    gauge(
        text,
        "pulsora_dedup_clients",
        "Clients whose idempotency keys are remembered.",
        stats.dedup_clients,
    );
    gauge(text, "pulsora_dedup_keys", "Idempotency keys that are remembered.", stats.dedup_keys);
    gauge(
        text,
        "pulsora_write_queue_requests",
        "Writes that wait for a group.",
        stats.queue_requests,
    );
    gauge(
        text,
        "pulsora_write_queue_bytes",
        "Bytes of writes that wait for a group.",
        stats.queue_bytes,
    );
    gauge(text, "pulsora_visible_sequence", "Sequence that queries see.", stats.visible.0);
    let refused = u64::from(stats.disk_full || stats.poisoned.is_some());
    gauge(
        text,
        "pulsora_writes_refused",
        "1 while writes are refused: disk full or log failed.",
        refused,
    );
    gauge(
        text,
        "pulsora_disk_full",
        "1 while the disk is nearly full.",
        u64::from(stats.disk_full),
    );
    let skipped = stats.skipped_groups;
    gauge(
        text,
        "pulsora_recovery_skipped_groups",
        "Damaged log groups left out at start.",
        skipped,
    );
}

fn memtables(stats: &EngineStats, text: &mut Text) {
    gauge(text, "pulsora_memtables", "Memtables, open and sealed.", stats.memtables);
    gauge(text, "pulsora_memtable_bytes", "Bytes of rows in memory.", stats.memtable_bytes);
    gauge(text, "pulsora_memtable_rows", "Rows in memory.", stats.memtable_rows);
    let oldest = stats.oldest_memtable_seconds;
    text.gauge(
        "pulsora_memtable_oldest_seconds",
        "Age of the oldest row that is in no segment.",
        oldest,
    );
    counter(text, "pulsora_flushes_total", "Flushes that were committed.", stats.flushes);
    counter(
        text,
        "pulsora_flush_errors_total",
        "Flushes that failed (they are retried).",
        stats.flush_errors,
    );
    text.counter("pulsora_flush_seconds_total", "Time spent in flushes.", stats.flush_seconds);
    counter(text, "pulsora_flushed_rows_total", "Rows written to segments.", stats.flushed_rows);
    counter(text, "pulsora_flushed_bytes_total", "Bytes of segments written.", stats.flushed_bytes);
}

fn compaction(stats: &EngineStats, text: &mut Text) {
    let merges = "Rewrites of hot segments into fewer.";
    counter(text, "pulsora_merges_total", merges, stats.merges);
    let conversions = "Rewrites of cold partitions into Parquet.";
    counter(text, "pulsora_conversions_total", conversions, stats.conversions);
    let overtaken =
        "Rewrites given up because rows of their inputs were erased, or all were dropped.";
    counter(text, "pulsora_compactions_overtaken_total", overtaken, stats.compactions_overtaken);
    let caught_up = "Times that a rewrite hid in its outputs what was deleted meanwhile.";
    counter(text, "pulsora_compactions_caught_up_total", caught_up, stats.compactions_caught_up);
    let cancelled = "Rewrites ended by a request, a drop or the end of the server.";
    counter(text, "pulsora_compactions_cancelled_total", cancelled, stats.compactions_cancelled);
    let running = "Rewrites that run.";
    gauge(text, "pulsora_compaction_jobs", running, stats.compactions_running);
    let replaced = "Segments that rewrites replaced.";
    counter(text, "pulsora_compacted_segments_total", replaced, stats.compacted_segments);
    let errors = "Rewrites that failed (they are tried again).";
    counter(text, "pulsora_compaction_errors_total", errors, stats.compaction_errors);
    counter(text, "pulsora_compacted_rows_total", "Rows rewritten.", stats.compacted_rows);
    let read = "Bytes of segments that were rewritten.";
    counter(text, "pulsora_compaction_read_bytes_total", read, stats.compaction_bytes_in);
    let written = "Bytes of segments that rewrites made.";
    counter(text, "pulsora_compaction_written_bytes_total", written, stats.compaction_bytes_out);
    let seconds = "Time from the start of a rewrite to its answer.";
    text.counter("pulsora_compaction_seconds_total", seconds, stats.compaction_seconds);
}

fn caches(blocks: &CacheFigures, plans: PlanStats, text: &mut Text) {
    let hits = "Look-ups of decoded data that found it.";
    counter(text, "pulsora_block_cache_hits_total", hits, blocks.hits);
    let misses = "Look-ups of decoded data that did not find it.";
    counter(text, "pulsora_block_cache_misses_total", misses, blocks.misses);
    let evictions = "Entries that made room for others.";
    counter(text, "pulsora_block_cache_evictions_total", evictions, blocks.evictions);
    gauge(text, "pulsora_block_cache_bytes", "Decoded data that is kept.", blocks.bytes);
    let most = "Most decoded data that may be kept.";
    gauge(text, "pulsora_block_cache_limit_bytes", most, blocks.bytes_max);
    let reused = "Statements that used a plan again.";
    counter(text, "pulsora_plan_cache_hits_total", reused, plans.hits);
    counter(text, "pulsora_plan_cache_misses_total", "SELECTs that were planned.", plans.misses);
    gauge(text, "pulsora_plan_cache_entries", "Plans kept.", plans.entries as u64);
    gauge(text, "pulsora_plan_cache_bytes", "Their size, about.", plans.size_bytes as u64);
}

fn segments(stats: &EngineStats, text: &mut Text) {
    gauge(text, "pulsora_segments", "Segments.", stats.segments);
    gauge(text, "pulsora_segment_bytes", "Bytes of segments on disk.", stats.segment_bytes);
    let live = "Bytes of segments less the share of deleted rows.";
    gauge(text, "pulsora_segment_live_bytes", live, stats.live_bytes);
    gauge(text, "pulsora_segment_rows", "Rows in segments.", stats.segment_rows);
    gauge(text, "pulsora_hot_segments", "Hot ones among the segments.", stats.hot_segments);
    gauge(text, "pulsora_hot_bytes", "Bytes of hot segments on disk.", stats.hot_bytes);
    gauge(
        text,
        "pulsora_deleted_rows",
        "Rows of segments that a bitmap hides.",
        stats.deleted_rows,
    );
    gauge(
        text,
        "pulsora_manifest_version",
        "Number of the last manifest edit.",
        stats.manifest_version,
    );
    gauge(text, "pulsora_tables", "Tables of all databases.", stats.tables.len() as u64);
}

fn pool(app: &App, text: &mut Text) {
    let Ok(running) = app.running() else { return };
    let pool = running.queries.pool();
    gauge(text, "pulsora_query_pool_size", "Queries that may run at once.", pool.pool_size as u64);
    gauge(text, "pulsora_query_pool_active", "Queries that run.", pool.active);
    gauge(text, "pulsora_query_pool_queue", "Queries that wait.", pool.queue_depth);
    counter(text, "pulsora_queries_total", "Queries that ended.", app.metrics.queries_served());
    let refused = "Queries that found the queue full.";
    counter(text, "pulsora_queries_refused_total", refused, pool.refused);
    let list = running.queries.list_stats();
    let cancelled = "Queries that were told to stop.";
    counter(text, "pulsora_queries_cancelled_total", cancelled, list.cancelled);
    let slow = "Queries that took query.slow_threshold or longer.";
    counter(text, "pulsora_queries_slow_total", slow, list.slow);
    by_priority(&pool, text);
    answers(&running.queries.cache(), text);
}

fn by_priority(pool: &PoolStats, text: &mut Text) {
    let label = |priority: &Priority| vec![("priority", priority.name().to_owned())];
    let depths = Priority::ALL.iter().zip(pool.queue_by_priority);
    text.labelled(
        "pulsora_query_queue",
        "Queries that wait, by priority.",
        depths.map(|(priority, depth)| (label(priority), depth as f64)),
    );
    let waits = Priority::ALL.iter().zip(&pool.waits).map(|(priority, waits)| {
        let buckets = WAIT_BOUNDS.into_iter().zip(waits.buckets).collect();
        (priority.name(), buckets, waits.seconds, waits.count)
    });
    let help = "Time that queries waited for their slot, by priority.";
    text.histograms("pulsora_query_wait_seconds", help, "priority", waits);
}

fn answers(cache: &CacheStats, text: &mut Text) {
    let hits = "Statements whose answer was kept.";
    counter(text, "pulsora_result_cache_hits_total", hits, cache.hits);
    let misses = "Statements whose answer may be kept and was not there.";
    counter(text, "pulsora_result_cache_misses_total", misses, cache.misses);
    let outdated = "Kept answers that were thrown out because a table had changed.";
    counter(text, "pulsora_result_cache_outdated_total", outdated, cache.outdated);
    let evictions = "Kept answers that made room for others.";
    counter(text, "pulsora_result_cache_evictions_total", evictions, cache.evictions);
    gauge(text, "pulsora_result_cache_entries", "Answers kept.", cache.entries as u64);
    gauge(text, "pulsora_result_cache_bytes", "Their size.", cache.size_bytes as u64);
    let most = "Most that may be kept.";
    gauge(text, "pulsora_result_cache_limit_bytes", most, cache.size_bytes_max as u64);
}

fn counter(text: &mut Text, name: &str, help: &str, value: u64) {
    text.counter(name, help, value as f64);
}

fn gauge(text: &mut Text, name: &str, help: &str, value: u64) {
    text.gauge(name, help, value as f64);
}
