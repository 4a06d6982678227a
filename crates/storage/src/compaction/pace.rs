//! Keeps rewrites from taking the processor and the disk away from writes.
//!
//! While writes arrive all jobs together work a third of one core, beside a flush a tenth; where too many
//! segments overlap, all of one. Under
//! `bytes_per_second` each waits until what it has used of the disk is paid for.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::jobs::Job;
use crate::engine::Shared;
use crate::read::Published;
use crate::segment::SegmentFormat;

/// Work between two rests: short against what a query takes, long against a rest's own cost.
const SLICE: Duration = Duration::from_millis(10);

/// Work and rests of all jobs for each slice of one, while writes arrive: a third of a core. While a flush
/// has work as well a tenth: what cannot be flushed in time must wait, a merge only makes later reads faster.
const SHARE: u32 = 3;
const SHARE_BESIDE_FLUSH: u32 = 10;

/// With this many hot segments a merge gives way to flushes no longer: at a flush of 64 MiB a second that is
/// a quarter of an hour of load, and each segment costs an open file and about 10 KiB of memory.
const DEBT_MAX: usize = 1_024;

/// The longest rest in one piece: as long as the end of a job may wait for it.
const REST_MAX: Duration = Duration::from_millis(100);

/// The pace of one job.
pub(super) struct Pace<'a> {
    shared: &'a Shared,
    job: &'a Job,
    started_ns: u64,
    rows_written: u64,
    /// Bytes of the disk that are paid for.
    paid_bytes: u64,
}

impl<'a> Pace<'a> {
    pub fn new(shared: &'a Shared, job: &'a Job) -> Pace<'a> {
        Pace {
            shared,
            job,
            started_ns: shared.env.clock.monotonic_ns(),
            rows_written: shared.counters.rows_written.load(Ordering::Relaxed),
            paid_bytes: 0,
        }
    }

    /// Lets others work, for longer the longer this has worked, if writes have come meanwhile.
    pub fn rest(&mut self, gone: impl Fn() -> bool) {
        let clock = &self.shared.env.clock;
        let worked = Duration::from_nanos(clock.monotonic_ns().saturating_sub(self.started_ns));
        let rows_written = self.shared.counters.rows_written.load(Ordering::Relaxed);
        let busy = worked >= SLICE && rows_written != self.rows_written;
        let time = if busy { (worked * self.rests()).min(REST_MAX) } else { Duration::ZERO };
        self.shared.env.tasks.pause(time);
        self.pay(gone);
        if worked >= SLICE {
            (self.started_ns, self.rows_written) = (clock.monotonic_ns(), rows_written);
        }
    }

    /// Rests for each slice while writes arrive.
    fn rests(&self) -> u32 {
        let published = self.shared.published.load();
        let share = match self.job.plan.pressed {
            true => 1,
            false if is_flushing(&published) => SHARE_BESIDE_FLUSH,
            false => SHARE,
        };
        let jobs = u32::try_from(self.shared.jobs.count()).unwrap_or(1).max(1);
        share * jobs - 1
    }

    /// Waits until the disk is free for what was read and written since the last time.
    fn pay(&mut self, gone: impl Fn() -> bool) {
        let per_second = self.shared.options.compaction.bytes_per_second;
        let used = self.used_bytes();
        let bytes = used.saturating_sub(self.paid_bytes);
        if per_second == 0 || bytes == 0 {
            return;
        }
        self.paid_bytes = used;
        let clock = &self.shared.env.clock;
        let until_ns = self.shared.jobs.disk(bytes, per_second, clock.monotonic_ns());
        loop {
            let left = Duration::from_nanos(until_ns.saturating_sub(clock.monotonic_ns()));
            if left.is_zero() || gone() {
                return;
            }
            self.shared.env.tasks.pause(left.min(REST_MAX));
        }
    }

    /// The share of the inputs that was read by its rows, and as much for what was written.
    fn used_bytes(&self) -> u64 {
        let plan = &self.job.plan;
        let rows = self.job.rows_read.load(Ordering::Relaxed).min(plan.rows);
        let read = u128::from(plan.bytes) * u128::from(rows) / u128::from(plan.rows.max(1));
        u64::try_from(2 * read).unwrap_or(u64::MAX)
    }
}

/// Whether a flush has work, and is not too far behind to be given way to.
fn is_flushing(published: &Published) -> bool {
    let segments = published.version.tables.values().flat_map(|table| &table.segments);
    let hot = segments.filter(|segment| segment.meta.format == SegmentFormat::Hot);
    let flushing = published.memtables.values().flatten().any(|view| view.sealed);
    flushing && hot.count() < DEBT_MAX
}
