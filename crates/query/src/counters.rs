//! Figures of one statement, summed over its scans.

use std::sync::Arc;

use parking_lot::Mutex;
use pulsora_storage::ScanCounters;

/// Figures of one statement; they grow while it runs.
#[derive(Debug, Default)]
pub struct QueryCounters {
    /// Guards the list of scans; each scan counts without it.
    scans: Mutex<Vec<Arc<ScanCounters>>>,
}

/// One moment's sums of [`QueryCounters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryTotals {
    /// Scans that were started.
    pub scans: u64,
    /// Rows decoded from segments or looked at in memtables.
    pub rows_read: u64,
    /// Row groups or chunks of which at least one value was read.
    pub blocks_read: u64,
    /// Segments opened.
    pub segments_read: u64,
    /// Segments left out by time, tags or statistics.
    pub segments_pruned: u64,
    /// Rows that scans gave to the query.
    pub rows_scanned: u64,
}

impl QueryCounters {
    /// One more scan of the query, whose figures count from now on.
    pub fn add_scan(&self, counters: Arc<ScanCounters>) {
        self.scans.lock().push(counters);
    }

    /// Leaves out a scan that was given up and started again.
    pub(crate) fn forget_scan(&self, counters: &Arc<ScanCounters>) {
        self.scans.lock().retain(|scan| !Arc::ptr_eq(scan, counters));
    }

    /// Makes the scans end at their next block.
    pub(crate) fn stop_scans(&self) {
        self.scans.lock().iter().for_each(|scan| scan.stop());
    }

    /// The sums so far.
    pub fn totals(&self) -> QueryTotals {
        let mut totals = QueryTotals::default();
        for scan in self.scans.lock().iter() {
            totals.scans += 1;
            totals.rows_read += ScanCounters::value(&scan.rows_read);
            totals.blocks_read += ScanCounters::value(&scan.blocks_read);
            totals.segments_read += ScanCounters::value(&scan.segments_read);
            totals.segments_pruned += ScanCounters::value(&scan.segments_pruned);
            totals.rows_scanned += ScanCounters::value(&scan.rows_returned);
        }
        totals
    }
}
