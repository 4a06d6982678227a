//! Counters that the tasks raise and that statistics read.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Upper bounds of the sync latency histogram, seconds.
pub(super) const SYNC_BOUNDS: [f64; 10] =
    [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1.0];

#[derive(Default)]
pub(crate) struct Counters {
    pub rows_written: AtomicU64,
    pub records_written: AtomicU64,
    pub groups_written: AtomicU64,
    pub wal_bytes_written: AtomicU64,
    pub wal_current_bytes: AtomicU64,
    pub write_errors: AtomicU64,
    /// Repeats of requests that had been stored.
    pub duplicates: AtomicU64,
    pub sync_ns: AtomicU64,
    pub syncs: AtomicU64,
    /// Syncs at or under each bound, not cumulative.
    pub sync_buckets: [AtomicU64; SYNC_BOUNDS.len()],
    pub flushes: AtomicU64,
    pub flush_errors: AtomicU64,
    pub flush_ns: AtomicU64,
    pub flushed_rows: AtomicU64,
    pub flushed_bytes: AtomicU64,
    pub skipped_groups: AtomicU64,
    pub torn_groups: AtomicU64,
    /// Erasures whose edit is published.
    pub erasures: AtomicU64,
    pub compaction: CompactionCounters,
}

/// What became of rewrites.
#[derive(Default)]
pub(crate) struct CompactionCounters {
    pub merges: AtomicU64,
    pub conversions: AtomicU64,
    /// Given up because an input was gone or had lost rows.
    pub overtaken: AtomicU64,
    pub caught_up: AtomicU64,
    pub errors: AtomicU64,
    pub cancelled: AtomicU64,
    /// Of committed rewrites: segments of the inputs, rows and bytes of the outputs, bytes of the inputs.
    pub segments_in: AtomicU64,
    pub rows: AtomicU64,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    pub ns: AtomicU64,
    pub last_error: Mutex<Option<String>>,
}

impl Counters {
    /// Notes a sync that took `ns`.
    pub fn synced(&self, ns: u64) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.sync_ns.fetch_add(ns, Ordering::Relaxed);
        let seconds = ns as f64 / 1e9;
        if let Some(bucket) = SYNC_BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.sync_buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The histogram, cumulative.
    pub fn sync_histogram(&self) -> Vec<(f64, u64)> {
        let mut sum = 0;
        SYNC_BOUNDS
            .iter()
            .zip(&self.sync_buckets)
            .map(|(bound, bucket)| {
                sum += bucket.load(Ordering::Relaxed);
                (*bound, sum)
            })
            .collect()
    }
}
