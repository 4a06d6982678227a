//! The compaction tasks: one job each at a time, from the plan to what the flush task commits. At the end
//! of the engine they give up and remove what they have written.
//!
//! Invariants: outputs are durable before they are offered; what no edit will name is removed; a job that
//! fails is tried again later, and nothing else is touched by its failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pulsora_env::Step;
use pulsora_model::{Code, Error, Sequence};

use super::carry::catch_up;
use super::handover::{Answer, Finished};
use super::jobs::Job;
use super::plan::{Asked, Plan, Reason, Work, plan};
use super::report::{JobReport, JobStatus, names};
use super::rewrite::rewrite;
use crate::engine::Shared;
use crate::flush::output::discard;
use crate::read::Published;
use crate::segment::SegmentFormat;

/// How often time alone is looked at: partitions rest and turn cold by the second at most.
const TICK: Duration = Duration::from_secs(1);
/// And where everything is Parquet, which can only become less of it.
const SLOW_TICK: Duration = Duration::from_secs(10);

/// Looking takes one part in this many of the time, however many segments there are.
const PLAN_SHARE: u32 = 100;

/// The state of a compaction task.
pub(crate) struct Compactor {
    shared: Arc<Shared>,
    /// What was offered to the flush task.
    offered: Option<Offered>,
    /// What the last look at all segments took.
    planned_ns: u64,
}

/// A job that waits for its answer, with its outputs in figures.
struct Offered {
    job: Arc<Job>,
    segments: u64,
    rows: u64,
    bytes: u64,
}

impl Compactor {
    pub fn new(shared: Arc<Shared>) -> Compactor {
        Compactor { shared, offered: None, planned_ns: 0 }
    }

    /// One step of the task: at most one job.
    pub fn step(&mut self) -> Step {
        if self.shared.is_closing() {
            return self.close();
        }
        if let Some(offered) = self.offered.take() {
            match self.shared.handover.take_answer(offered.job.id) {
                Some(Answer::Committed) => self.committed(&offered),
                Some(Answer::Behind(finished)) => return self.catch_up(offered, *finished),
                Some(Answer::Overtaken) => self.overtaken(&offered.job),
                Some(Answer::Failed(error)) => self.failed(&offered.job, &error),
                None => {
                    self.offered = Some(offered);
                    return Step::Wait(None);
                }
            }
        }
        if self.shared.poisoned().is_some() {
            return Step::Wait(None);
        }
        match self.begin() {
            Some((published, job)) => {
                // There may be more to do, for another task.
                self.shared.wake_compaction();
                self.work(&published, job)
            }
            None => Step::Wait(self.patience()),
        }
    }

    /// What the flush task has not taken is taken back.
    fn close(&mut self) -> Step {
        if let Some(offered) = self.offered.take() {
            if let Some(finished) = self.shared.handover.withdraw(offered.job.id) {
                discard(&*self.shared.store, &finished.added, &[]);
            }
            self.end(&offered.job, JobStatus::Cancelled, None);
        }
        let ended = Error::new(Code::Closed, "the server is shutting down");
        self.shared.answer_conversions(None, &ended);
        self.shared.jobs.refuse(None, &ended);
        Step::Done
    }

    /// How long until time alone may bring work.
    fn patience(&self) -> Option<Duration> {
        let published = self.shared.published.load();
        let mut formats = published.version.segments().map(|segment| segment.meta.format);
        let first = formats.next()?;
        let hot = first == SegmentFormat::Hot || formats.any(|format| format == SegmentFormat::Hot);
        let tick = if hot || self.shared.jobs.is_demanded() { TICK } else { SLOW_TICK };
        Some(tick.max(Duration::from_nanos(self.planned_ns) * PLAN_SHARE))
    }

    // ---- choosing --------------------------------------------------------------------------

    /// Begins the first plan that may be begun.
    fn begin(&mut self) -> Option<(Published, Arc<Job>)> {
        let shared = Arc::clone(&self.shared);
        if !shared.has_reserve() {
            let error = Error::new(Code::DiskFull, "the disk has room for flushes only");
            shared.answer_conversions(None, &error);
            shared.jobs.refuse(None, &error);
            return None;
        }
        let (now_ns, wall_ns) = self.now();
        let cold = shared.demanded_cold();
        let mut state = shared.jobs.state();
        let erasures = shared.counters.erasures.load(Ordering::Acquire);
        let (published, corrections) = shared.corrections.pending(|| shared.published.load_full());
        let (merged, busy) = (state.merged(), state.busy());
        let segments = shared.demands.segments();
        let asked = Asked { cold: &cold, merged: &merged, segments: &segments, busy: &busy };
        let plans = plan(&published.version, &shared.options, asked, wall_ns);
        let done = state.satisfied(&plans);
        let jobs_max = shared.options.compaction.jobs_max;
        let chosen = plans.into_iter().find(|plan| {
            state.may_begin(plan, now_ns, jobs_max)
                && !is_still_written(&published, plan)
                && !corrections.parts(plan.table, firsts(&published, plan))
        });
        let job = chosen.map(|plan| {
            let names = names(&published, plan.table);
            state.begin(|id| Job::new(id, plan, names, (now_ns, wall_ns), erasures))
        });
        drop(state);
        self.planned_ns = self.now().0.saturating_sub(now_ns);
        done.into_iter().for_each(|waiting| waiting.answer());
        Some((published.of_segments(), job?))
    }

    fn now(&self) -> (u64, i64) {
        let clock = &self.shared.env.clock;
        (clock.monotonic_ns(), clock.wall_ns())
    }

    // ---- one job ---------------------------------------------------------------------------

    fn work(&mut self, published: &Published, job: Arc<Job>) -> Step {
        // A panic is a defect of a reader or writer; a flush would still be right to go on.
        let outcome = catch_unwind(AssertUnwindSafe(|| rewrite(&self.shared, published, &job)))
            .unwrap_or_else(|_| Err(Error::internal("it broke an invariant of the engine")));
        match outcome {
            Ok(Some(finished)) => self.offer(job, finished),
            Ok(None) => {
                self.cancelled(&job);
                Step::Again
            }
            Err(error) => {
                self.failed(&job, &error);
                Step::Again
            }
        }
    }

    fn offer(&mut self, job: Arc<Job>, finished: Finished) -> Step {
        let id = job.id;
        self.offered = Some(Offered {
            job,
            segments: finished.added.len() as u64,
            rows: finished.added.iter().map(|meta| meta.rows).sum(),
            bytes: finished.added.iter().map(|meta| meta.length).sum(),
        });
        self.shared.handover.offer(id, finished);
        self.shared.wake_flush();
        Step::Wait(None)
    }

    /// Hides in the outputs what the inputs have lost meanwhile, and offers them again. No correction of
    /// the table begins before that has been answered, so it is seldom done twice.
    fn catch_up(&mut self, offered: Offered, mut finished: Finished) -> Step {
        let (shared, job) = (Arc::clone(&self.shared), Arc::clone(&offered.job));
        let published = shared.published.load().of_segments();
        let gone = || job.is_cancelled() || shared.is_unwanted(job.plan.table);
        let outcome = catch_unwind(AssertUnwindSafe(|| catch_up(&published, &mut finished, gone)))
            .unwrap_or_else(|_| Err(Error::internal("it broke an invariant of the engine")));
        if let Ok(true) = outcome {
            shared.counters.compaction.caught_up.fetch_add(1, Ordering::Relaxed);
            self.offered = Some(offered);
            shared.handover.offer(job.id, finished);
            shared.wake_flush();
            return Step::Wait(None);
        }
        discard(&*shared.store, &finished.added, &[]);
        shared.handover.withdraw(job.id);
        match outcome {
            Err(error) => self.failed(&job, &error),
            Ok(_) => self.cancelled(&job),
        }
        shared.wake_correction();
        Step::Again
    }

    // ---- what became of it -----------------------------------------------------------------

    fn cancelled(&self, job: &Job) {
        self.shared.counters.compaction.cancelled.fetch_add(1, Ordering::Relaxed);
        self.end(job, JobStatus::Cancelled, None);
    }

    fn overtaken(&self, job: &Job) {
        self.shared.counters.compaction.overtaken.fetch_add(1, Ordering::Relaxed);
        self.end(job, JobStatus::Overtaken, None);
    }

    fn committed(&self, offered: &Offered) {
        let Offered { job, rows, bytes, .. } = offered;
        let counters = &self.shared.counters.compaction;
        let runs = match job.plan.work {
            Work::Merge => &counters.merges,
            Work::Convert => &counters.conversions,
        };
        runs.fetch_add(1, Ordering::Relaxed);
        let inputs = job.plan.segments().count() as u64;
        counters.segments_in.fetch_add(inputs, Ordering::Relaxed);
        counters.rows.fetch_add(*rows, Ordering::Relaxed);
        counters.bytes_in.fetch_add(job.plan.bytes, Ordering::Relaxed);
        counters.bytes_out.fetch_add(*bytes, Ordering::Relaxed);
        let reason = job.plan.reason.name();
        tracing::debug!(
            rows,
            bytes_in = job.plan.bytes,
            bytes_out = bytes,
            reason,
            "{}",
            job.name()
        );
        self.end(job, JobStatus::Completed, Some(offered));
    }

    fn failed(&self, job: &Job, error: &Error) {
        let name = job.name();
        tracing::warn!(%error, "{name} failed; its inputs stay as they are, and it is tried again");
        self.shared.counters.compaction.errors.fetch_add(1, Ordering::Relaxed);
        *self.shared.counters.compaction.last_error.lock() = Some(format!("{name}: {error}"));
        if job.plan.work == Work::Convert {
            self.shared.answer_conversions(Some(job.plan.table), error);
        }
        self.shared.jobs.refuse(Some(job.plan.table), error);
        self.shared.demands.failed(job.plan.segments(), error);
        let published = self.shared.published.load();
        let exists = |table| published.catalog.table_by_id(table).is_some();
        // What is left of a full disk is for flushes.
        let everything = error.code() == Code::DiskFull;
        self.shared.jobs.failed(job, self.now().0, everything, exists);
        let (now, mut report) = (self.now(), JobReport::of(job, self.now()));
        report.error = Some(error.to_string());
        self.note(job, report, JobStatus::Failed, now);
    }

    fn end(&self, job: &Job, status: JobStatus, offered: Option<&Offered>) {
        let now = self.now();
        let mut report = JobReport::of(job, now);
        if let Some(offered) = offered {
            report.segments_out = offered.segments;
            (report.rows_out, report.bytes_out) = (offered.rows, offered.bytes);
            report.rows_read = report.rows_in;
        }
        self.note(job, report, status, now);
    }

    fn note(&self, job: &Job, mut report: JobReport, status: JobStatus, now: (u64, i64)) {
        let spent_ns = now.0.saturating_sub(job.started_ns);
        self.shared.counters.compaction.ns.fetch_add(spent_ns, Ordering::Relaxed);
        (report.status, report.ended_ns) = (status, now.1);
        self.shared.jobs.end(job, report, now.0);
    }
}

/// The first sequences of the inputs of a plan.
fn firsts<'a>(
    published: &'a Published,
    plan: &'a Plan,
) -> impl Iterator<Item = Sequence> + Clone + 'a {
    let segments = published.version.table(plan.table).iter().map(|segment| &segment.meta);
    let inputs = segments.filter(|meta| plan.segments().any(|id| id == meta.id));
    inputs.map(|meta| meta.first)
}

/// Whether time alone made the plan, and a memtable has rows of the partition: then its last write is not
/// what its segments say.
fn is_still_written(published: &Published, plan: &Plan) -> bool {
    let by_time = plan.work == Work::Convert && matches!(plan.reason, Reason::Cold | Reason::Rest);
    by_time && in_memory(published, plan)
}

fn in_memory(published: &Published, plan: &Plan) -> bool {
    let views = published.memtables.get(&plan.table).into_iter().flatten();
    let mut chunks = views.flat_map(|view| &view.chunks).filter(|chunk| {
        chunk.min_time_ns < plan.window.end_ns && plan.window.start_ns <= chunk.max_time_ns
    });
    chunks.any(|chunk| chunk.time.iter().any(|time| plan.window.contains(*time)))
}
