//! What the compaction tasks share: the jobs that run, those that have run, and what requests ask for.
//!
//! Invariants: a segment is an input of at most one job that runs; a request is answered when nothing of
//! its tables is left to do, or when a job for it fails.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use pulsora_model::partition::Window;
use pulsora_model::{Code, Error, Result, SegmentId, Sequence, TableId};

use super::plan::{Plan, Reason, Work};
use super::report::{JobReport, JobStatus};
use crate::engine::{Receipt, Reply};

/// Jobs that are remembered after their end: a day of a busy server, about 300 KiB.
const HISTORY: usize = 1_000;

/// The last free task is kept for what takes less time: plans of up to this many bytes, some seconds of
/// work, or of a quarter of the smallest job that runs.
const SMALL_BYTES: u64 = 32 << 20;
const SMALL_SHARE: u64 = 4;

/// The first wait after a failure, doubled by each further one.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_DOUBLINGS_MAX: u32 = 9;

/// How long what was cancelled is left alone.
const AFTER_CANCEL: Duration = Duration::from_secs(600);

/// Numbers jobs from the start of the process, from 1 on.
pub type JobId = u64;

/// A partition and what was to be done.
type Key = (TableId, Window, Work);

/// A rewrite that runs.
pub(crate) struct Job {
    pub id: JobId,
    pub plan: Plan,
    /// Names at its start, for reports.
    pub database: String,
    pub table: String,
    pub started_ns: u64,
    pub started_wall_ns: i64,
    /// Erasures that had been committed then.
    pub erasures: u64,
    pub rows_read: AtomicU64,
    pub rows_written: AtomicU64,
    pub bytes_written: AtomicU64,
    cancelled: AtomicBool,
}

impl Job {
    /// A plan at its start.
    pub(super) fn new(
        id: JobId,
        plan: Plan,
        names: (String, String),
        now: (u64, i64),
        erasures: u64,
    ) -> Job {
        Job {
            id,
            plan,
            database: names.0,
            table: names.1,
            started_ns: now.0,
            started_wall_ns: now.1,
            erasures,
            rows_read: AtomicU64::new(0),
            rows_written: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
        }
    }

    /// What it does, for logs and errors.
    pub fn name(&self) -> String {
        let what = match self.plan.work {
            Work::Merge => "merge",
            Work::Convert => "conversion to Parquet",
        };
        let inputs: Vec<String> = self.plan.segments().map(|id| id.to_string()).collect();
        format!("{what} of segments {} of table {:?}", inputs.join(", "), self.table)
    }

    /// Whether somebody asked for its end.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    fn key(&self) -> Key {
        (self.plan.table, self.plan.window, self.plan.work)
    }
}

/// Failures of a rewrite in a row.
#[derive(Clone, Copy, Default)]
struct Failure {
    count: u32,
    not_before_ns: u64,
}

/// A request that waits until its tables are compact.
pub(super) struct Waiting {
    /// With the sequence up to which.
    tables: BTreeMap<TableId, Sequence>,
    receipt: Receipt,
    reply: Reply,
}

/// What the tasks share.
#[derive(Default)]
pub(crate) struct Jobs {
    /// Guards everything that a choice is made from, so that no two tasks choose the same.
    state: Mutex<State>,
    /// Guards when the disk may be used again under `bytes_per_second`, monotonic.
    disk_free_ns: Mutex<u64>,
}

/// Jobs and requests.
#[derive(Default)]
pub(super) struct State {
    last_id: JobId,
    running: Vec<Arc<Job>>,
    history: VecDeque<JobReport>,
    failures: HashMap<Key, Failure>,
    /// Nothing is begun before this moment, monotonic.
    not_before_ns: u64,
    waiting: Vec<Waiting>,
}

impl Jobs {
    // ---- what is asked for -----------------------------------------------------------------

    /// Has tables made compact up to a sequence.
    pub fn demand_tables(
        &self,
        tables: BTreeMap<TableId, Sequence>,
        receipt: Receipt,
        reply: Reply,
    ) {
        self.state.lock().waiting.push(Waiting { tables, receipt, reply });
    }

    /// What requests want compact, and the inputs of the jobs that run.
    pub(super) fn asked(&self) -> (BTreeMap<TableId, Sequence>, BTreeSet<SegmentId>) {
        let state = self.state.lock();
        (state.merged(), state.busy())
    }

    /// Whether somebody waits for something.
    pub(super) fn is_demanded(&self) -> bool {
        !self.state.lock().waiting.is_empty()
    }

    /// Ends the requests of a table, or all of them, with an error.
    pub fn refuse(&self, table: Option<TableId>, error: &Error) {
        let mut state = self.state.lock();
        let concerned =
            |waiting: &mut Waiting| table.is_none_or(|table| waiting.tables.contains_key(&table));
        let refused: Vec<Waiting> = state.waiting.extract_if(.., concerned).collect();
        drop(state);
        for waiting in refused {
            let _left = waiting.reply.send(Err(error.duplicate()));
        }
    }

    /// Asks a job to end.
    ///
    /// # Errors
    /// `not_found` when none of this number runs.
    pub fn cancel(&self, id: JobId) -> Result<()> {
        let state = self.state.lock();
        let Some(job) = state.running.iter().find(|job| job.id == id) else {
            let error = Error::new(Code::JobNotFound, format!("no compaction job {id} runs"));
            return Err(error.hint("GET /api/v1/compaction/jobs lists those that do"));
        };
        job.cancelled.store(true, Ordering::Release);
        Ok(())
    }

    /// What a choice is made from; no other task chooses meanwhile.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    // ---- the end of a job ------------------------------------------------------------------

    /// Notes how a job ended.
    pub(super) fn end(&self, job: &Job, report: JobReport, now_ns: u64) {
        let mut state = self.state.lock();
        state.running.retain(|other| other.id != job.id);
        match report.status {
            JobStatus::Completed => {
                state.failures.remove(&job.key());
            }
            JobStatus::Cancelled => state.leave(job.key(), now_ns, AFTER_CANCEL),
            JobStatus::Failed | JobStatus::Overtaken | JobStatus::Running => {}
        }
        state.history.push_front(report);
        state.history.truncate(HISTORY);
    }

    /// Notes a failure: the same is not begun again for a while; nothing is, if `everything` would fail.
    pub(super) fn failed(
        &self,
        job: &Job,
        now_ns: u64,
        everything: bool,
        exists: impl Fn(TableId) -> bool,
    ) {
        let mut state = self.state.lock();
        state.failures.retain(|(table, ..), _| exists(*table));
        let count = state.failures.get(&job.key()).map_or(0, |failure| failure.count);
        let wait = RETRY * (1 << count.min(RETRY_DOUBLINGS_MAX));
        state.leave(job.key(), now_ns, wait);
        if everything {
            state.not_before_ns = now_ns.saturating_add(wait.as_nanos() as u64);
        }
    }

    // ---- what can be seen ------------------------------------------------------------------

    /// The jobs that run, the oldest first.
    pub fn running(&self) -> Vec<Arc<Job>> {
        self.state.lock().running.clone()
    }

    /// How many run.
    pub fn count(&self) -> usize {
        self.state.lock().running.len()
    }

    /// Those that have ended, the newest first.
    pub fn history(&self) -> Vec<JobReport> {
        self.state.lock().history.iter().cloned().collect()
    }

    /// Notes `bytes` that were used of the disk at `bytes_per_second`; gives the moment at which they are
    /// paid for, monotonic.
    pub(super) fn disk(&self, bytes: u64, bytes_per_second: u64, now_ns: u64) -> u64 {
        let mut free_ns = self.disk_free_ns.lock();
        let took = u128::from(bytes) * 1_000_000_000 / u128::from(bytes_per_second.max(1));
        let took = u64::try_from(took).unwrap_or(u64::MAX);
        *free_ns = (*free_ns).max(now_ns).saturating_add(took);
        *free_ns
    }
}

impl State {
    /// Tables that requests want compact, with the sequence up to which.
    pub fn merged(&self) -> BTreeMap<TableId, Sequence> {
        let mut merged: BTreeMap<TableId, Sequence> = BTreeMap::new();
        for (table, through) in self.waiting.iter().flat_map(|waiting| &waiting.tables) {
            let known = merged.entry(*table).or_default();
            *known = (*known).max(*through);
        }
        merged
    }

    /// Inputs of the jobs that run.
    pub fn busy(&self) -> BTreeSet<SegmentId> {
        self.running.iter().flat_map(|job| job.plan.segments()).collect()
    }

    /// Takes out the requests that have what they wait for, given all plans of this moment.
    pub fn satisfied(&mut self, plans: &[Plan]) -> Vec<Waiting> {
        let demanded = plans.iter().filter(|plan| plan.reason == Reason::Demanded);
        let running = self.running.iter().map(|job| job.plan.table);
        let open: BTreeSet<TableId> = demanded.map(|plan| plan.table).chain(running).collect();
        let is_done =
            |waiting: &mut Waiting| !waiting.tables.keys().any(|table| open.contains(table));
        self.waiting.extract_if(.., is_done).collect()
    }

    /// Whether a plan may be begun, as far as the other jobs and earlier failures say.
    pub fn may_begin(&self, plan: &Plan, now_ns: u64, jobs_max: usize) -> bool {
        let failure = self.failures.get(&(plan.table, plan.window, plan.work));
        let running = self.running.iter().map(|job| job.plan.bytes);
        self.not_before_ns <= now_ns
            && failure.is_none_or(|failure| failure.not_before_ns <= now_ns)
            && fits_beside(plan.bytes, running, jobs_max)
    }

    /// Begins a job.
    pub fn begin(&mut self, job: impl FnOnce(JobId) -> Job) -> Arc<Job> {
        self.last_id += 1;
        let job = Arc::new(job(self.last_id));
        self.running.push(Arc::clone(&job));
        job
    }

    /// The same is not begun again for `time`.
    fn leave(&mut self, key: Key, now_ns: u64, time: Duration) {
        let failure = self.failures.entry(key).or_default();
        failure.count += 1;
        failure.not_before_ns = now_ns.saturating_add(time.as_nanos() as u64);
    }
}

/// Whether a job of `bytes` leaves a task for smaller ones, beside those that run.
pub(super) fn fits_beside(
    bytes: u64,
    running: impl ExactSizeIterator<Item = u64>,
    jobs_max: usize,
) -> bool {
    let free = jobs_max.saturating_sub(running.len());
    match running.min() {
        Some(least) if free <= 1 => free == 1 && bytes <= SMALL_BYTES.max(least / SMALL_SHARE),
        _ => true,
    }
}

impl Waiting {
    /// It has what it waited for.
    pub fn answer(self) {
        // A caller that has left needs no answer.
        let _left = self.reply.send(Ok(self.receipt));
    }
}
