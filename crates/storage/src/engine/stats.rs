//! Figures of a running engine, for metrics and the storage report.

use std::sync::atomic::{AtomicU64, Ordering};

use pulsora_model::{DatabaseId, Name, Sequence, TableId};

use super::shared::Shared;
use crate::segment::{CacheFigures, Segment, SegmentFormat};

/// One moment's figures. Counters rise from the start of the process.
#[derive(Clone, Debug, Default)]
pub struct EngineStats {
    pub visible: Sequence,
    pub rows_written: u64,
    pub records_written: u64,
    pub groups_written: u64,
    pub wal_bytes_written: u64,
    /// Bytes of log files on disk.
    pub wal_bytes: u64,
    pub wal_files: u64,
    /// Latencies of fdatasync: (upper bound in seconds, cumulative count), then sum in seconds, count.
    pub sync_buckets: Vec<(f64, u64)>,
    pub sync_seconds: f64,
    pub syncs: u64,
    pub write_errors: u64,
    /// Writes that were repeats by their idempotency keys; clients and keys that are remembered.
    pub duplicate_writes: u64,
    pub dedup_clients: u64,
    pub dedup_keys: u64,
    /// Requests waiting for the commit owner, and their bytes.
    pub queue_requests: u64,
    pub queue_bytes: u64,
    pub memtable_bytes: u64,
    pub memtable_rows: u64,
    pub memtables: u64,
    /// Age of the oldest row that is not in a segment, seconds.
    pub oldest_memtable_seconds: f64,
    pub flushes: u64,
    pub flush_errors: u64,
    pub flush_seconds: f64,
    pub flushed_rows: u64,
    pub flushed_bytes: u64,
    /// Rewrites of hot segments into fewer, and of cold partitions into Parquet.
    pub merges: u64,
    pub conversions: u64,
    /// Rewrites that were given up because an input was gone or had lost rows, and that failed.
    pub compactions_overtaken: u64,
    /// Rewrites that hid in their outputs, before they were committed, what was deleted meanwhile.
    pub compactions_caught_up: u64,
    pub compaction_errors: u64,
    /// Rewrites that were ended from outside.
    pub compactions_cancelled: u64,
    /// The last failure, with the segments that it was about.
    pub last_compaction_error: Option<String>,
    /// Segments that rewrites replaced.
    pub compacted_segments: u64,
    /// Rewrites that run.
    pub compactions_running: u64,
    /// Rows written by rewrites, bytes read and written.
    pub compacted_rows: u64,
    pub compaction_bytes_in: u64,
    pub compaction_bytes_out: u64,
    pub compaction_seconds: f64,
    pub segments: u64,
    pub segment_bytes: u64,
    pub segment_rows: u64,
    pub deleted_rows: u64,
    /// Bytes of segments without the share of deleted rows: what they would take without them.
    pub live_bytes: u64,
    /// Hot ones among the segments.
    pub hot_segments: u64,
    pub hot_bytes: u64,
    pub manifest_version: u64,
    /// What was decoded of hot segments and is kept.
    pub cache: CacheFigures,
    /// Writes are refused because the disk is nearly full.
    pub disk_full: bool,
    /// Why writes are refused until a restart, if they are.
    pub poisoned: Option<String>,
    /// Groups left out at start by `--recover=skip-corrupt`.
    pub skipped_groups: u64,
    /// Groups found torn at start: ordinary after a crash, nothing acknowledged was in them.
    pub torn_groups: u64,
    pub tables: Vec<TableStats>,
}

/// Figures of one table.
#[derive(Clone, Debug)]
pub struct TableStats {
    pub database: Name,
    pub database_id: DatabaseId,
    pub table: Name,
    pub table_id: TableId,
    pub segments: u64,
    pub segment_bytes: u64,
    /// Hot ones among them; the others are Parquet.
    pub hot_segments: u64,
    pub hot_bytes: u64,
    /// Rows in segments, without deleted ones.
    pub segment_rows: u64,
    /// Those of the hot ones among them.
    pub hot_rows: u64,
    pub memtable_rows: u64,
    pub memtable_bytes: u64,
}

impl EngineStats {
    /// Collects them.
    pub(super) fn collect(shared: &Shared) -> EngineStats {
        let counters = &shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let published = shared.published.load();
        let (queue_requests, queue_bytes) = shared.queue.len();
        let mut stats = EngineStats {
            visible: published.visible,
            rows_written: read(&counters.rows_written),
            records_written: read(&counters.records_written),
            groups_written: read(&counters.groups_written),
            wal_bytes_written: read(&counters.wal_bytes_written),
            sync_buckets: counters.sync_histogram(),
            sync_seconds: read(&counters.sync_ns) as f64 / 1e9,
            syncs: read(&counters.syncs),
            write_errors: read(&counters.write_errors),
            duplicate_writes: read(&counters.duplicates),
            queue_requests,
            queue_bytes,
            flushes: read(&counters.flushes),
            flush_errors: read(&counters.flush_errors),
            flush_seconds: read(&counters.flush_ns) as f64 / 1e9,
            flushed_rows: read(&counters.flushed_rows),
            flushed_bytes: read(&counters.flushed_bytes),
            merges: read(&counters.compaction.merges),
            conversions: read(&counters.compaction.conversions),
            compactions_overtaken: read(&counters.compaction.overtaken),
            compactions_caught_up: read(&counters.compaction.caught_up),
            compaction_errors: read(&counters.compaction.errors),
            compactions_cancelled: read(&counters.compaction.cancelled),
            compacted_segments: read(&counters.compaction.segments_in),
            compactions_running: shared.jobs.count() as u64,
            last_compaction_error: counters.compaction.last_error.lock().clone(),
            compacted_rows: read(&counters.compaction.rows),
            compaction_bytes_in: read(&counters.compaction.bytes_in),
            compaction_bytes_out: read(&counters.compaction.bytes_out),
            compaction_seconds: read(&counters.compaction.ns) as f64 / 1e9,
            cache: shared.segments.cache.figures(),
            manifest_version: published.version.number,
            disk_full: !shared.reserve.is_held(),
            poisoned: shared.poisoned(),
            skipped_groups: read(&counters.skipped_groups),
            torn_groups: read(&counters.torn_groups),
            ..EngineStats::default()
        };
        let dedup = shared.dedup.lock();
        stats.dedup_clients = dedup.windows().clients() as u64;
        stats.dedup_keys = dedup.windows().pieces() as u64;
        drop(dedup);
        stats.add_log(shared);
        stats.add_tables(shared);
        stats
    }

    fn add_log(&mut self, shared: &Shared) {
        let files = shared.wal_files.lock();
        let current = shared.counters.wal_current_bytes.load(Ordering::Relaxed);
        self.wal_files = files.len() as u64 + u64::from(current > 0);
        self.wal_bytes = files.iter().map(|file| file.bytes).sum::<u64>() + current;
    }

    fn add_tables(&mut self, shared: &Shared) {
        let published = shared.published.load();
        let now_ns = shared.env.clock.monotonic_ns();
        for database in published.catalog.databases() {
            for (name, id) in &database.tables {
                let segments = published.version.table(*id);
                let views = published.memtables.get(id).map_or(&[][..], Vec::as_slice);
                let hot = || segments.iter().filter(|s| s.meta.format == SegmentFormat::Hot);
                let table = TableStats {
                    database: database.name.clone(),
                    database_id: database.id,
                    table: name.clone(),
                    table_id: *id,
                    segments: segments.len() as u64,
                    segment_bytes: segments.iter().map(|s| s.meta.length).sum(),
                    hot_segments: hot().count() as u64,
                    hot_bytes: hot().map(|s| s.meta.length).sum(),
                    segment_rows: segments.iter().map(|s| s.live_rows()).sum(),
                    hot_rows: hot().map(|s| s.live_rows()).sum(),
                    memtable_rows: views.iter().map(|view| view.rows as u64).sum(),
                    memtable_bytes: views.iter().map(|view| view.bytes as u64).sum(),
                };
                self.segments += table.segments;
                self.segment_bytes += table.segment_bytes;
                self.hot_segments += table.hot_segments;
                self.hot_bytes += table.hot_bytes;
                self.segment_rows += table.segment_rows;
                self.live_bytes += segments.iter().map(live_bytes).sum::<u64>();
                self.deleted_rows +=
                    segments.iter().map(|s| s.meta.rows - s.live_rows()).sum::<u64>();
                self.memtable_rows += table.memtable_rows;
                self.memtable_bytes += table.memtable_bytes;
                self.memtables += views.len() as u64;
                for view in views {
                    let age = now_ns.saturating_sub(view.opened_ns) as f64 / 1e9;
                    self.oldest_memtable_seconds = self.oldest_memtable_seconds.max(age);
                }
                self.tables.push(table);
            }
        }
    }
}

/// The bytes of a segment less the share of its deleted rows.
fn live_bytes(segment: &Segment) -> u64 {
    let meta = &segment.meta;
    let bytes = u128::from(meta.length) * u128::from(segment.live_rows());
    u64::try_from(bytes / u128::from(meta.rows.max(1))).unwrap_or(meta.length)
}
