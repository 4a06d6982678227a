//! The compaction task: one rewrite at a time, from the plan to what the flush task commits.
//!
//! Memory is one batch of each input and the output segment that is being written. While writes
//! arrive it works a third of the time, beside a flush a tenth; at the end of the engine it gives up and removes what it has
//! written.
//!
//! Invariants: outputs are durable before they are offered; what no edit will name is removed; a
//! rewrite that fails is tried again later, and nothing else is touched by its failure.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt32Type;
use pulsora_env::Step;
use pulsora_model::partition::Window;
use pulsora_model::{Code, Error, Result, SegmentId, TableId, TableSchema};

use super::handover::{Answer, Finished};
use super::plan::{Plan, Work, plan};
use crate::engine::Shared;
use crate::flush::output::{OpenSegment, Output, discard};
use crate::read::{Published, rewrite_stream};
use crate::retention::kept;
use crate::segment::{Segment, SegmentDraft, SegmentFormat, SegmentMeta};

/// How often time alone is looked at: partitions rest and turn cold by the second at most.
const TICK: Duration = Duration::from_secs(1);

/// A segment ends with the series that reaches one of these: what a rewrite holds in memory.
const SEGMENT_BYTES: usize = 64 << 20;
const SEGMENT_ROWS: u64 = 16 << 20;

/// A series that alone is this much larger is cut all the same.
const SERIES_FACTOR: usize = 2;

/// Work between two rests: short against what a query takes, long against a rest's own cost.
const SLICE: Duration = Duration::from_millis(10);
/// Rests for each slice while writes arrive, so that they leave it a third of one core, and while a flush
/// has work as well: what cannot be flushed in time must wait, a merge only makes later reads faster.
const RESTS: u32 = 2;
const RESTS_BESIDE_FLUSH: u32 = 9;
/// With this many hot segments a merge gives way to flushes no longer: at a flush of 64 MiB a second that is
/// a quarter of an hour of load, and each segment costs an open file and about 10 KiB of memory.
const DEBT_MAX: usize = 1_024;
const REST_MAX: Duration = Duration::from_millis(100);

/// The first wait after a failure, doubled by each further one.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_DOUBLINGS_MAX: u32 = 9;

/// A partition and what was to be done.
type Key = (TableId, Window, Work);

/// The state of the compaction task.
pub(crate) struct Compactor {
    shared: Arc<Shared>,
    failures: HashMap<Key, Failure>,
    /// Nothing is begun before this moment, monotonic.
    not_before_ns: u64,
    /// What was offered to the flush task.
    offered: Option<Figures>,
}

/// Failures of a rewrite in a row.
#[derive(Clone, Copy, Default)]
struct Failure {
    count: u32,
    not_before_ns: u64,
}

/// A rewrite in figures.
struct Figures {
    key: Key,
    name: String,
    rows: u64,
    bytes_in: u64,
    bytes_out: u64,
    started_ns: u64,
}

impl Compactor {
    pub fn new(shared: Arc<Shared>) -> Compactor {
        Compactor { shared, failures: HashMap::new(), not_before_ns: 0, offered: None }
    }

    /// One step of the task: at most one rewrite.
    pub fn step(&mut self) -> Step {
        if self.is_closing() {
            return self.close();
        }
        if let Some(answer) = self.shared.handover.take_answer() {
            self.settle(answer);
        }
        if self.shared.handover.is_busy() || self.shared.poisoned().is_some() {
            return Step::Wait(None);
        }
        let published = self.shared.published.load_full();
        match self.choose(&published) {
            Some(plan) => self.work(&published, &plan),
            // Without hot segments only a flush can bring work, and it wakes this task.
            None => Step::Wait(has_hot(&published).then_some(TICK)),
        }
    }

    fn is_closing(&self) -> bool {
        self.shared.closing.load(Ordering::Acquire)
    }

    /// What the flush task has not taken is taken back.
    fn close(&mut self) -> Step {
        if let Some(finished) = self.shared.handover.take_offer(|_| true) {
            discard(&*self.shared.store, &finished.added, &[]);
        }
        let ended = Error::new(Code::Closed, "the server is shutting down");
        self.shared.answer_conversions(None, &ended);
        Step::Done
    }

    // ---- choosing --------------------------------------------------------------------------

    fn choose(&self, published: &Published) -> Option<Plan> {
        let now_ns = self.shared.env.clock.monotonic_ns();
        let demanded = self.shared.demanded_cold();
        if !self.shared.has_reserve() {
            let message = "the disk has room for flushes only";
            self.shared.answer_conversions(None, &Error::new(Code::DiskFull, message));
            return None;
        }
        if now_ns < self.not_before_ns {
            return None;
        }
        let wall_ns = self.shared.env.clock.wall_ns();
        let ready = |plan: &Plan| {
            let failure = self.failures.get(&(plan.table, plan.window, plan.work));
            failure.is_none_or(|failure| failure.not_before_ns <= now_ns)
                && !self.shared.corrections.claims(plan.table)
                && (plan.work == Work::Merge
                    || demanded.contains_key(&plan.table)
                    || !in_memory(published, plan))
        };
        let plans = plan(&published.version, &self.shared.options, &demanded, wall_ns);
        plans.into_iter().find(ready)
    }

    // ---- one rewrite -----------------------------------------------------------------------

    fn work(&mut self, published: &Published, plan: &Plan) -> Step {
        let started_ns = self.shared.env.clock.monotonic_ns();
        let name = name(published, plan);
        let key = (plan.table, plan.window, plan.work);
        // A panic is a defect of a reader or writer; a flush would still be right to go on.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.rewrite(published, plan)))
            .unwrap_or_else(|_| Err(Error::internal("it broke an invariant of the engine")));
        match outcome {
            Ok(Some(finished)) => {
                let rows = finished.added.iter().map(|meta| meta.rows).sum();
                let bytes_out = finished.added.iter().map(|meta| meta.length).sum();
                let bytes_in = plan.bytes;
                self.offered = Some(Figures { key, name, rows, bytes_in, bytes_out, started_ns });
                self.shared.handover.offer(finished);
                self.shared.wake_flush();
                Step::Wait(None)
            }
            // The table is gone, or the engine ends.
            Ok(None) => Step::Again,
            Err(error) => {
                self.failed(key, &name, &error);
                Step::Again
            }
        }
    }

    /// `None` when nobody wants it any more.
    fn rewrite(&self, published: &Published, plan: &Plan) -> Result<Option<Finished>> {
        let Some(schema) = published.catalog.table_by_id(plan.table) else { return Ok(None) };
        let Some(database) = published.catalog.database_name(schema.database) else {
            return Ok(None);
        };
        let units = units(published, plan)?;
        let inputs: Vec<Segment> = units.iter().flatten().cloned().collect();
        let metas: Vec<&SegmentMeta> = inputs.iter().map(|input| &*input.meta).collect();
        let draft = |id: SegmentId| SegmentDraft {
            id,
            database,
            schema: &schema,
            written_ns: metas.iter().map(|meta| meta.written_ns).max().unwrap_or(0),
            level: 1,
            window: plan.window,
            first: metas.iter().map(|meta| meta.first).min().unwrap_or_default(),
            last: metas.iter().map(|meta| meta.last).max().unwrap_or_default(),
        };
        let format = match plan.work {
            Work::Merge => SegmentFormat::Hot,
            Work::Convert => SegmentFormat::Parquet,
        };
        let open = || {
            OpenSegment::new(draft(self.shared.segment_ids.next()), format, &self.shared.options)
        };
        let mut output = Output::new(&*self.shared.store);
        let mut segment: Option<OpenSegment<'_>> = None;
        let mut pace = Pace::new(&self.shared);
        let mut before: Option<Vec<Option<String>>> = None;
        let now_ns = self.shared.env.clock.wall_ns();
        let kept = kept(&published.catalog, &schema, now_ns);
        for batch in rewrite_stream(&units, &schema, kept)? {
            if self.is_closing() {
                return Ok(None);
            }
            let mut batch = batch?;
            if let Some(full) = segment.take_if(|segment| is_full(segment)) {
                let same = match &before {
                    Some(before) if !is_huge(&full) => leading(&batch, &schema, before),
                    _ => 0,
                };
                let mut full = full;
                full.write(&batch.slice(0, same))?;
                if same < batch.num_rows() {
                    output.add(full, database, &schema)?;
                } else {
                    segment = Some(full);
                }
                batch = batch.slice(same, batch.num_rows() - same);
            }
            if batch.num_rows() > 0 {
                before = Some(key_of(&batch, &schema, batch.num_rows() - 1));
                let segment = match &mut segment {
                    Some(segment) => segment,
                    none => none.insert(open()?),
                };
                segment.write(&batch)?;
            }
            pace.rest();
        }
        if let Some(segment) = segment {
            output.add(segment, database, &schema)?;
        }
        let added = output.finish()?;
        Ok(Some(Finished { table: plan.table, inputs, added }))
    }

    // ---- what became of it -----------------------------------------------------------------

    fn settle(&mut self, answer: Answer) {
        let Some(figures) = self.offered.take() else { return };
        let counters = &self.shared.counters.compaction;
        let spent_ns = self.shared.env.clock.monotonic_ns().saturating_sub(figures.started_ns);
        counters.ns.fetch_add(spent_ns, Ordering::Relaxed);
        match answer {
            Answer::Committed => {
                let runs = match figures.key.2 {
                    Work::Merge => &counters.merges,
                    Work::Convert => &counters.conversions,
                };
                runs.fetch_add(1, Ordering::Relaxed);
                counters.rows.fetch_add(figures.rows, Ordering::Relaxed);
                counters.bytes_in.fetch_add(figures.bytes_in, Ordering::Relaxed);
                counters.bytes_out.fetch_add(figures.bytes_out, Ordering::Relaxed);
                self.failures.remove(&figures.key);
                tracing::debug!(
                    rows = figures.rows,
                    bytes_in = figures.bytes_in,
                    bytes_out = figures.bytes_out,
                    ms = spent_ns / 1_000_000,
                    "{}",
                    figures.name
                );
            }
            Answer::Overtaken => {
                counters.overtaken.fetch_add(1, Ordering::Relaxed);
            }
            Answer::Failed(error) => self.failed(figures.key, &figures.name, &error),
        }
    }

    fn failed(&mut self, key: Key, name: &str, error: &Error) {
        self.shared.counters.compaction.errors.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%error, "{name} failed; its inputs stay as they are, and it is tried again");
        *self.shared.counters.compaction.last_error.lock() = Some(format!("{name}: {error}"));
        if key.2 == Work::Convert {
            self.shared.answer_conversions(Some(key.0), error);
        }
        let published = self.shared.published.load();
        self.failures.retain(|(table, ..), _| published.catalog.table_by_id(*table).is_some());
        let failure = self.failures.entry(key).or_default();
        let wait = RETRY * (1 << failure.count.min(RETRY_DOUBLINGS_MAX));
        failure.count += 1;
        let now_ns = self.shared.env.clock.monotonic_ns();
        failure.not_before_ns = now_ns.saturating_add(wait.as_nanos() as u64);
        if error.code() == Code::DiskFull {
            // What is left is for flushes.
            self.not_before_ns = failure.not_before_ns;
        }
    }
}

fn has_hot(published: &Published) -> bool {
    let mut segments = published.version.tables.values().flat_map(|table| &table.segments);
    segments.any(|segment| segment.meta.format == SegmentFormat::Hot)
}

/// Whether a memtable has rows of the partition: then its last write is not what its segments say.
fn in_memory(published: &Published, plan: &Plan) -> bool {
    let views = published.memtables.get(&plan.table).into_iter().flatten();
    let mut chunks = views.flat_map(|view| &view.chunks).filter(|chunk| {
        chunk.min_time_ns < plan.window.end_ns && plan.window.start_ns <= chunk.max_time_ns
    });
    chunks.any(|chunk| chunk.time.iter().any(|time| plan.window.contains(*time)))
}

fn name(published: &Published, plan: &Plan) -> String {
    let what = match plan.work {
        Work::Merge => "merge",
        Work::Convert => "conversion to Parquet",
    };
    let schema = published.catalog.table_by_id(plan.table);
    let table = schema.map_or_else(|| plan.table.to_string(), |schema| schema.name.to_string());
    let inputs: Vec<String> = plan.units.iter().flatten().map(ToString::to_string).collect();
    format!("{what} of segments {} of table {table:?}", inputs.join(", "))
}

/// The segments of a plan, which was made from this version.
fn units(published: &Published, plan: &Plan) -> Result<Vec<Vec<Segment>>> {
    let segments = published.version.table(plan.table);
    let find = |id: &SegmentId| {
        let found = segments.iter().find(|segment| segment.meta.id == *id).cloned();
        found.ok_or_else(|| Error::internal(format!("segment {id} is not in its version")))
    };
    plan.units.iter().map(|unit| unit.iter().map(find).collect()).collect()
}

fn is_full(segment: &OpenSegment<'_>) -> bool {
    segment.size_bytes() >= SEGMENT_BYTES || segment.rows() >= SEGMENT_ROWS
}

fn is_huge(segment: &OpenSegment<'_>) -> bool {
    segment.size_bytes() >= SERIES_FACTOR * SEGMENT_BYTES
        || segment.rows() >= SERIES_FACTOR as u64 * SEGMENT_ROWS
}

/// The tags of a row.
fn key_of(batch: &RecordBatch, schema: &TableSchema, row: usize) -> Vec<Option<String>> {
    schema.tags().map(|tag| tag_at(batch, &tag.name, row).map(str::to_owned)).collect()
}

fn tag_at<'a>(batch: &'a RecordBatch, tag: &str, row: usize) -> Option<&'a str> {
    let values = batch.column_by_name(tag)?.as_dictionary_opt::<UInt32Type>()?;
    let key = values.key(row)?;
    Some(values.values().as_string_opt::<i32>()?.value(key))
}

/// How many rows from the start are of the series `key`. Without tags none needs to stay together.
fn leading(batch: &RecordBatch, schema: &TableSchema, key: &[Option<String>]) -> usize {
    let tags: Vec<&str> = schema.tags().map(|tag| tag.name.as_str()).collect();
    if tags.is_empty() {
        return 0;
    }
    let same = |row: &usize| {
        tags.iter().zip(key).all(|(tag, value)| tag_at(batch, tag, *row) == value.as_deref())
    };
    (0..batch.num_rows()).take_while(same).count()
}

/// Keeps a rewrite from taking a core away from writes.
struct Pace<'a> {
    shared: &'a Shared,
    started_ns: u64,
    rows_written: u64,
}

impl<'a> Pace<'a> {
    fn new(shared: &'a Shared) -> Pace<'a> {
        let started_ns = shared.env.clock.monotonic_ns();
        Pace {
            shared,
            started_ns,
            rows_written: shared.counters.rows_written.load(Ordering::Relaxed),
        }
    }

    /// Lets others work, for longer the longer this has worked, if writes have come meanwhile.
    fn rest(&mut self) {
        let clock = &self.shared.env.clock;
        let worked = Duration::from_nanos(clock.monotonic_ns().saturating_sub(self.started_ns));
        let rows_written = self.shared.counters.rows_written.load(Ordering::Relaxed);
        let busy = worked >= SLICE && rows_written != self.rows_written;
        let time = if busy { (worked * self.rests()).min(REST_MAX) } else { Duration::ZERO };
        self.shared.env.tasks.pause(time);
        if worked >= SLICE {
            (self.started_ns, self.rows_written) = (clock.monotonic_ns(), rows_written);
        }
    }

    /// Rests for each slice while writes arrive.
    fn rests(&self) -> u32 {
        let published = self.shared.published.load();
        let flushing = published.memtables.values().flatten().any(|view| view.sealed);
        let segments = published.version.tables.values().flat_map(|table| &table.segments);
        let hot = segments.filter(|segment| segment.meta.format == SegmentFormat::Hot);
        if flushing && hot.count() < DEBT_MAX { RESTS_BESIDE_FLUSH } else { RESTS }
    }
}
