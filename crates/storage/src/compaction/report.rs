//! What can be seen of compaction: jobs that run and have run, what would be done next, and sums.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use pulsora_model::partition::Window;
use pulsora_model::{Sequence, TableId};

use super::jobs::{Job, JobId};
use super::plan::{Asked, Plan, Reason, Work, plan};
use crate::engine::Shared;
use crate::read::Published;
use crate::segment::SegmentMeta;

/// What is made of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactionWork {
    /// Fewer hot segments.
    Hot,
    /// Parquet.
    Parquet,
}

impl From<Work> for CompactionWork {
    fn from(work: Work) -> CompactionWork {
        match work {
            Work::Merge => CompactionWork::Hot,
            Work::Convert => CompactionWork::Parquet,
        }
    }
}

impl CompactionWork {
    /// Its name in answers: the tier of the outputs.
    pub fn name(self) -> &'static str {
        match self {
            CompactionWork::Hot => "hot",
            CompactionWork::Parquet => "cold",
        }
    }
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// It is at it.
    Running,
    /// Its outputs are what is read.
    Completed,
    /// It ended with an error and is tried again; its inputs are what is read.
    Failed,
    /// Its inputs had lost rows or were gone when it was done; it is planned anew.
    Overtaken,
    /// Somebody ended it, its table was dropped, or the engine was closed.
    Cancelled,
}

impl JobStatus {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            JobStatus::Running => "running",
            JobStatus::Completed => "completed",
            JobStatus::Failed => "failed",
            JobStatus::Overtaken => "overtaken",
            JobStatus::Cancelled => "cancelled",
        }
    }
}

/// A job, at work or ended.
#[derive(Clone, Debug)]
pub struct JobReport {
    /// From 1 on since the start of the process.
    pub id: JobId,
    pub database: String,
    pub table: String,
    /// The partition.
    pub window: Window,
    pub work: CompactionWork,
    pub reason: Reason,
    pub status: JobStatus,
    pub segments_in: u64,
    /// Rows of the inputs, deleted ones included.
    pub rows_in: u64,
    pub bytes_in: u64,
    /// Rows that were read so far.
    pub rows_read: u64,
    /// Of the outputs; while it runs, of those that are finished.
    pub segments_out: u64,
    pub rows_out: u64,
    pub bytes_out: u64,
    /// Wall clock, nanoseconds; 0 while it runs.
    pub started_ns: i64,
    pub ended_ns: i64,
    pub seconds: f64,
    pub error: Option<String>,
}

impl JobReport {
    pub(super) fn of(job: &Job, now: (u64, i64)) -> JobReport {
        JobReport {
            id: job.id,
            database: job.database.clone(),
            table: job.table.clone(),
            window: job.plan.window,
            work: job.plan.work.into(),
            reason: job.plan.reason,
            status: JobStatus::Running,
            segments_in: job.plan.segments().count() as u64,
            rows_in: job.plan.rows,
            bytes_in: job.plan.bytes,
            rows_read: job.rows_read.load(Ordering::Relaxed),
            segments_out: 0,
            rows_out: job.rows_written.load(Ordering::Relaxed),
            bytes_out: job.bytes_written.load(Ordering::Relaxed),
            started_ns: job.started_wall_ns,
            ended_ns: 0,
            seconds: now.0.saturating_sub(job.started_ns) as f64 / 1e9,
            error: None,
        }
    }
}

/// Segments that would be rewritten if a job were free.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub database: String,
    pub table: String,
    /// The partition.
    pub window: Window,
    pub work: CompactionWork,
    pub reason: Reason,
    pub segments: u64,
    pub rows: u64,
    pub bytes: u64,
}

/// Compaction at one moment. Sums are among the figures of the engine.
#[derive(Clone, Debug)]
pub struct CompactionReport {
    /// Whether anything is done unasked.
    pub enabled: bool,
    /// Whether this moment lies in `compaction.window`.
    pub window_open: bool,
    pub jobs_max: usize,
    /// The oldest first.
    pub running: Vec<JobReport>,
    /// The newest first.
    pub history: Vec<JobReport>,
    /// The largest number of units of one partition that may hold the same keys.
    pub overlapping_max: u64,
}

impl CompactionReport {
    pub(crate) fn collect(shared: &Shared) -> CompactionReport {
        let clock = &shared.env.clock;
        let now = (clock.monotonic_ns(), clock.wall_ns());
        let settings = &shared.options.compaction;
        let published = shared.published.load();
        let tables = published.version.tables.values();
        let overlapping = tables.map(|table| overlapping(table.segments.iter().map(|s| &*s.meta)));
        CompactionReport {
            enabled: settings.enabled,
            window_open: settings.is_open(now.1),
            jobs_max: settings.jobs_max,
            running: shared.jobs.running().iter().map(|job| JobReport::of(job, now)).collect(),
            history: shared.jobs.history(),
            overlapping_max: overlapping.max().unwrap_or(0),
        }
    }
}

/// What would be done now.
pub(crate) fn candidates(shared: &Shared) -> Vec<Candidate> {
    let published = shared.published.load_full();
    let (cold, (merged, busy)) = (shared.demanded_cold(), shared.jobs.asked());
    let segments = shared.demands.segments();
    let asked = Asked { cold: &cold, merged: &merged, segments: &segments, busy: &busy };
    let now_ns = shared.env.clock.wall_ns();
    let plans = plan(&published.version, &shared.options, asked, now_ns);
    plans.into_iter().map(|plan| candidate(&published, &plan)).collect()
}

fn candidate(published: &Published, plan: &Plan) -> Candidate {
    let (database, table) = names(published, plan.table);
    Candidate {
        database,
        table,
        window: plan.window,
        work: plan.work.into(),
        reason: plan.reason,
        segments: plan.segments().count() as u64,
        rows: plan.rows,
        bytes: plan.bytes,
    }
}

/// The names of a table and its database, for people.
pub(super) fn names(published: &Published, table: TableId) -> (String, String) {
    let schema = published.catalog.table_by_id(table);
    let database = schema.as_ref().and_then(|s| published.catalog.database_name(s.database));
    let database = database.map_or_else(String::new, |name| name.to_string());
    (database, schema.map_or_else(|| table.to_string(), |schema| schema.name.to_string()))
}

/// The most units of one partition of a table.
fn overlapping<'a>(metas: impl Iterator<Item = &'a SegmentMeta>) -> u64 {
    let mut partitions: BTreeMap<Window, Vec<(Sequence, Sequence)>> = BTreeMap::new();
    for meta in metas {
        partitions.entry(meta.window).or_default().push((meta.first, meta.last));
    }
    let units = partitions.into_values().map(|mut ranges| {
        ranges.sort_unstable();
        let mut last = None;
        let mut starts = |(first, end): &(Sequence, Sequence)| {
            let new = last.is_none_or(|last| *first > last);
            last = last.max(Some(*end));
            new
        };
        ranges.iter().filter(|range| starts(range)).count() as u64
    });
    units.max().unwrap_or(0)
}
