//! The handle of an open data directory. It wires the parts and holds no logic of its own.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use pulsora_env::{Env, TaskHandle, block_on};
use pulsora_model::{Code, Error, Name, Result, Sequence, TableId};
use tokio::sync::oneshot;

use super::commit::Committer;
use super::options::Options;
use super::queue::Event;
use super::recover::recover;
use super::request::{Command, CompactFilter, FlushFilter, Pending, Receipt, Room, WriteRequest};
use super::shared::{ROOM_UNIT, Shared};
use super::stats::EngineStats;
use crate::catalog::Catalog;
use crate::compaction::report::candidates;
use crate::compaction::run::Compactor;
use crate::compaction::{Candidate, CompactionReport};
use crate::correction::Correction;
use crate::correction::run::Corrector;
use crate::flush::run::Flusher;
use crate::read::Snapshot;
use crate::retention::{Expired, RetentionRun, plan};

/// An open data directory. Cloning shares it.
#[derive(Clone)]
pub struct Engine {
    pub(super) shared: Arc<Shared>,
}

impl Engine {
    /// Opens a data directory, makes it if absent, and recovers everything that was acknowledged.
    /// Blocks until that is done.
    ///
    /// # Errors
    /// `locked` when another process has it open; `corrupt` when stored bytes are damaged; I/O.
    pub fn open(env: Env, options: Options) -> Result<Engine> {
        let recovered = recover(&env, options)?;
        let shared = Arc::new(recovered.shared);
        let mut flusher = Flusher::new(Arc::clone(&shared), recovered.manifest);
        let mut committer = Committer::new(Arc::clone(&shared), recovered.start);
        // Every task of the engine starts here.
        let flush = env.tasks.spawn("flush", Box::new(move || flusher.step()));
        let compaction = (1..=shared.options.compaction.jobs_max.max(1)).map(|number| {
            let mut compactor = Compactor::new(Arc::clone(&shared));
            let name = format!("compaction-{number}");
            env.tasks.spawn(&name, Box::new(move || compactor.step()))
        });
        let compaction: Vec<TaskHandle> = compaction.collect();
        let mut corrector = Corrector::new(Arc::clone(&shared));
        let correction = env.tasks.spawn("correction", Box::new(move || corrector.step()));
        let commit = env.tasks.spawn("commit", Box::new(move || committer.step()));
        let set = shared.flush_task.set(flush).is_ok()
            && shared.compaction_tasks.set(compaction).is_ok()
            && shared.correction_task.set(correction).is_ok()
            && shared.commit_task.set(commit).is_ok();
        debug_assert!(set, "the tasks are started once");
        // A wake between spawn and set would be lost.
        shared.wake_commit();
        shared.wake_flush();
        shared.wake_compaction();
        shared.wake_correction();
        Ok(Engine { shared })
    }

    /// Sends rows on their way. The answer comes when they are as durable as asked, and visible; their
    /// fate does not depend on whether the answer is awaited.
    pub fn write(&self, request: WriteRequest) -> Pending {
        self.send(|reply| Event::Write(request, reply))
    }

    /// Sends a change of the catalog on its way; durable and visible when answered.
    pub fn execute(&self, command: Command) -> Pending {
        self.send(|reply| Event::Execute(command, reply))
    }

    /// Seals memtables and writes them out; answered when their segments are committed.
    pub fn flush(&self, filter: FlushFilter) -> Pending {
        self.send(|reply| Event::Flush(filter, reply))
    }

    /// Deletes, erases or changes stored rows: everything acknowledged so far is looked at, and nothing
    /// that is written later. Durable and visible as a whole when answered, with the number of rows.
    pub fn correct(&self, correction: Correction) -> Pending {
        self.send(|reply| Event::Correct(Box::new(correction), reply))
    }

    /// What retention can drop at this moment of the tables that `filter` names.
    pub fn expired(&self, filter: &FlushFilter) -> Vec<Expired> {
        let published = self.shared.published.load();
        let now_ns = self.shared.env.clock.wall_ns();
        plan(&published.version, &published.catalog, filter, now_ns)
    }

    /// Drops what [`Engine::expired`] tells; answered when it is gone, with the number of rows.
    pub fn expire(&self, filter: FlushFilter) -> Pending {
        let (reply, pending) = oneshot::channel();
        self.shared.retention.ask(filter, reply);
        if self.is_closing() {
            // The flush task may have ended.
            let closed = Error::new(Code::Closed, "the server is shutting down");
            self.shared.retention.refuse(&closed);
        }
        self.shared.wake_flush();
        Pending(pending)
    }

    /// What retention has dropped lately, newest first.
    pub fn retention_runs(&self) -> Vec<RetentionRun> {
        self.shared.retention.runs()
    }

    /// Ends the engine: everything accepted so far is flushed; later requests are answered `closed`.
    /// The answer comes when the segments are committed.
    pub fn begin_close(&self) -> Pending {
        self.send(Event::Close)
    }

    /// [`Engine::begin_close`], waited for: all tasks have ended and the directory is unlocked.
    ///
    /// # Errors
    /// What the last flush failed with; the rows are in the log then.
    pub fn close(&self) -> Result<()> {
        let outcome = block_on(self.begin_close());
        let shared = &self.shared;
        let single = [&shared.commit_task, &shared.flush_task, &shared.correction_task];
        let single = single.map(OnceLock::get).into_iter().flatten();
        let compaction = shared.compaction_tasks.get().into_iter().flatten();
        single.chain(compaction).for_each(TaskHandle::wait_finished);
        self.shared.lock.lock().take();
        match outcome {
            Err(error) if error.code() != Code::Closed => Err(error),
            _ => Ok(()),
        }
    }

    fn send(&self, make: impl FnOnce(super::queue::Reply) -> Event) -> Pending {
        let pending = self.shared.queue.push(self.shared.env.clock.monotonic_ns(), make);
        self.shared.wake_commit();
        pending
    }

    /// Waits for room in the bounded queue; give it back (drop it) when the request is answered.
    /// Callers bound the wait.
    ///
    /// # Errors
    /// `closed` when the engine has ended.
    pub fn room(&self, bytes: u64) -> impl Future<Output = Result<Room>> + Send + use<> {
        let room = Arc::clone(&self.shared.room);
        let all = (self.shared.options.queue_bytes / ROOM_UNIT).clamp(1, u64::from(u32::MAX));
        let permits = bytes.div_ceil(ROOM_UNIT).clamp(1, all) as u32;
        async move {
            let permit = room.acquire_many_owned(permits).await;
            permit.map(Room).map_err(|_| Error::new(Code::Closed, "the server is shutting down"))
        }
    }

    /// This moment, for queries: everything acknowledged so far is in it.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            published: self.shared.published.load_full(),
            index: Arc::clone(&self.shared.options.segment_index),
            now_ns: self.shared.env.clock.wall_ns(),
        }
    }

    /// Names and schemas at this moment.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.shared.published.load().catalog)
    }

    /// Number of this opening of the data directory; it rises with every one.
    pub fn opening(&self) -> u32 {
        self.shared.segment_ids.epoch()
    }

    /// The wall clock of the engine's environment, nanoseconds UTC.
    pub fn wall_ns(&self) -> i64 {
        self.shared.env.clock.wall_ns()
    }

    /// Figures at this moment.
    pub fn stats(&self) -> EngineStats {
        EngineStats::collect(&self.shared)
    }

    /// Has everything that is in segments now made compact: in each partition one run of segments, of
    /// Parquet where it is cold. Answered when that is done, or with what failed; a table that is
    /// dropped meanwhile is done.
    ///
    /// # Errors
    /// `database_not_found`, `table_not_found`.
    pub fn compact(&self, filter: &CompactFilter) -> Result<Pending> {
        let sequence = self.shared.published.load().visible;
        let tables: BTreeMap<TableId, Sequence> =
            self.filtered(filter)?.into_iter().map(|table| (table, sequence)).collect();
        let (reply, answer) = oneshot::channel();
        let receipt = Receipt { sequence, rows: 0, changed: true, duplicate: false };
        if self.is_closing() {
            let _waited = reply.send(Err(Error::new(Code::Closed, "the server is shutting down")));
        } else {
            self.shared.jobs.demand_tables(tables, receipt, reply);
            self.shared.wake_compaction();
        }
        Ok(Pending(answer))
    }

    fn filtered(&self, filter: &CompactFilter) -> Result<Vec<TableId>> {
        let catalog = self.catalog();
        let default = || Name::literal(crate::catalog::DEFAULT_DATABASE);
        Ok(match (&filter.database, &filter.table) {
            (database, Some(table)) => {
                let database = database.clone().unwrap_or_else(default);
                vec![catalog.table(&database, table)?.id]
            }
            (Some(database), None) => {
                catalog.database(database)?.tables.values().copied().collect()
            }
            (None, None) => catalog.tables().map(|table| table.id).collect(),
        })
    }

    /// Compaction at this moment: settings, jobs that run and have run.
    pub fn compaction(&self) -> CompactionReport {
        CompactionReport::collect(&self.shared)
    }

    /// What compaction would do now, what is urgent first.
    pub fn compaction_candidates(&self) -> Vec<Candidate> {
        candidates(&self.shared)
    }

    /// Ends a job of compaction; what it has written is removed, and the same is left alone for ten
    /// minutes.
    ///
    /// # Errors
    /// `job_not_found` when none of this number runs.
    pub fn cancel_compaction(&self, job: u64) -> Result<()> {
        self.shared.jobs.cancel(job)
    }

    /// Whether [`Engine::begin_close`] has been called and handled.
    pub fn is_closing(&self) -> bool {
        self.shared.closing.load(Ordering::Acquire)
    }
}
