//! Figures of a running engine, for metrics and the storage report.

use pulsora_model::{DatabaseId, Name, Sequence, TableId};

/// One moment's figures. Counters rise from the start of the process.
#[derive(Clone, Debug, Default)]
pub struct EngineStats {
    pub visible: Sequence,
    pub rows_written: u64,
    pub records_written: u64,
    pub groups_written: u64,
    /// Rows in all groups / groups = mean group size.
    pub wal_bytes_written: u64,
    /// Bytes of log files on disk.
    pub wal_bytes: u64,
    pub wal_files: u64,
    /// Latencies of fdatasync: (upper bound in seconds, cumulative count), then sum in seconds, count.
    pub sync_buckets: Vec<(f64, u64)>,
    pub sync_seconds: f64,
    pub syncs: u64,
    pub write_errors: u64,
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
    pub segments: u64,
    pub segment_bytes: u64,
    pub segment_rows: u64,
    pub deleted_rows: u64,
    pub manifest_version: u64,
    /// Writes are refused because the disk is nearly full.
    pub disk_full: bool,
    /// Why writes are refused until a restart, if they are.
    pub poisoned: Option<String>,
    /// Records left out at start by `--recover=skip-corrupt`.
    pub skipped_records: u64,
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
    /// Rows in segments, without deleted ones.
    pub segment_rows: u64,
    pub memtable_rows: u64,
    pub memtable_bytes: u64,
}
