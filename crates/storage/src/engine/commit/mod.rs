//! The commit owner: one step takes the waiting requests as a group.
//!
//! `group.rs` resolve (catalog changes, row ids, sequence) → encode → one write → apply to memtables while
//! the disk syncs → publish → acknowledge; while it syncs, the next group gathers in the queue · `seal.rs`
//! which memtables take no more rows · `barrier.rs` flushes, corrections and the end.
//!
//! Invariants: sequences and catalog move only with a group that was written; nothing is published
//! before its sync, if any request of the group asked for one; after a failed sync nothing is
//! published any more.

mod barrier;
mod group;
mod seal;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pulsora_env::Step;
use pulsora_model::{Code, Error, Sequence, TableId};

pub(super) use self::group::Prepared;
use super::queue::Event;
use super::request::Command;
use super::shared::Shared;
use crate::catalog::Catalog;
use crate::memtable::Memtable;
use crate::wal::{Dictionary, Wal};

/// Bytes of requests in one group: at a disk of 1 GB/s about a tenth of a second.
const GROUP_BYTES: u64 = 64 << 20;
/// Requests in one group: bounds the work between two acknowledgements.
const GROUP_REQUESTS: usize = 4_096;
/// How often age, log size and a full disk are looked at when nothing arrives.
const TICK: Duration = Duration::from_secs(1);

/// The state of the commit owner.
pub(super) struct Committer {
    shared: Arc<Shared>,
    wal: Wal,
    /// The tag sets that the open log file defines.
    dictionary: Dictionary,
    catalog: Arc<Catalog>,
    memtables: BTreeMap<TableId, Memtable>,
    row_id_max: BTreeMap<TableId, u64>,
    next_sequence: Sequence,
    next_memtable: u64,
    last_sync_ns: u64,
    last_tick_ns: u64,
    /// Whether what was recovered is to be flushed before anything else.
    flush_at_once: bool,
}

/// What recovery hands over.
pub(super) struct CommitterStart {
    pub wal: Wal,
    pub memtables: BTreeMap<TableId, Memtable>,
    pub row_id_max: BTreeMap<TableId, u64>,
    pub next_sequence: Sequence,
    pub next_memtable: u64,
    /// Damaged records were left out: flush, so that the damaged files go and no later replay meets
    /// records that rest on the lost ones.
    pub flush_at_once: bool,
}

impl Committer {
    pub fn new(shared: Arc<Shared>, start: CommitterStart) -> Committer {
        let catalog = Arc::clone(&shared.published.load().catalog);
        Committer {
            shared,
            wal: start.wal,
            dictionary: Dictionary::default(),
            catalog,
            memtables: start.memtables,
            row_id_max: start.row_id_max,
            next_sequence: start.next_sequence,
            next_memtable: start.next_memtable,
            last_sync_ns: 0,
            last_tick_ns: 0,
            flush_at_once: start.flush_at_once,
        }
    }

    /// One step of the task. A panic inside ends all writing, and says so.
    pub fn step(&mut self) -> Step {
        let caught = catch_unwind(AssertUnwindSafe(|| self.try_step()));
        caught.unwrap_or_else(|_| {
            self.shared.poison("the commit owner failed; its log is whole up to the last answer");
            Step::Again
        })
    }

    fn try_step(&mut self) -> Step {
        if std::mem::take(&mut self.flush_at_once) {
            self.seal_all();
        }
        self.sync_if_due();
        if self.shared.env.clock.monotonic_ns() - self.last_tick_ns >= TICK.as_nanos() as u64 {
            self.tick();
        }
        let events = if self.memory_is_short() {
            self.shared.wake_flush();
            self.refuse_who_waited();
            self.shared.queue.take_flush().into_iter().collect()
        } else {
            // A group must not go far past the bound either.
            let bytes = GROUP_BYTES.min(self.shared.options.memtable_bytes / 4);
            self.shared.queue.take(bytes, GROUP_REQUESTS)
        };
        let mut group = Vec::new();
        for event in events {
            match event {
                Event::Flush(filter, reply) => self.flush(&filter, reply),
                Event::Correct(correction, reply) => self.correct(*correction, reply),
                Event::Close(reply) => return self.close(reply),
                Event::Execute(command, reply) => {
                    if let Command::AlterTable { database, table, .. } = &command
                        && let Some(schema) = self.catalog.find_table(database, table)
                    {
                        self.seal(&[schema.id]);
                    }
                    group.push(Event::Execute(command, reply));
                }
                other => group.push(other),
            }
        }
        if group.is_empty() {
            return if self.shared.queue.len().0 > 0 && !self.memory_is_short() {
                Step::Again
            } else {
                Step::Wait(Some(self.patience()))
            };
        }
        self.commit(group);
        self.seal_due();
        Step::Again
    }

    fn patience(&self) -> Duration {
        let shortest = self.shared.options.max_wait.unwrap_or(TICK).max(Duration::from_millis(10));
        let wait = shortest.min(TICK);
        if self.wal.unsynced() { self.shared.options.sync_interval.min(wait) } else { wait }
    }

    /// Past one and a half times their share, memtables must shrink before more is taken. A full disk
    /// or a poisoned log must answer its requests instead of keeping them.
    fn memory_is_short(&self) -> bool {
        let limit = self.shared.options.memtable_bytes / 2 * 3;
        self.memtable_bytes() > limit
            && self.shared.reserve.is_held()
            && self.shared.poisoned().is_none()
    }

    /// Answers the writes that have waited for memory as long as they may; nothing of them is logged.
    fn refuse_who_waited(&self) {
        let Some(max_wait) = self.shared.options.max_wait else { return };
        let now_ns = self.shared.env.clock.monotonic_ns();
        let Some(since_ns) = now_ns.checked_sub(max_wait.as_nanos() as u64) else { return };
        for reply in self.shared.queue.take_writes_since(since_ns) {
            self.shared.counters.write_errors.fetch_add(1, Ordering::Relaxed);
            let message = "the rows in memory wait for their flush, and there is no room for more";
            let refused = Error::new(Code::Overloaded, message)
                .hint("send it again a little later; the disk or the processor is the limit");
            let _left = reply.send(Err(refused));
        }
    }

    fn memtable_bytes(&self) -> u64 {
        let published = self.shared.published.load();
        published.memtables.values().flatten().map(|view| view.bytes as u64).sum()
    }

    fn note_log_files(&mut self) {
        let finished = self.wal.take_finished();
        self.shared.counters.wal_current_bytes.store(self.wal.current_bytes(), Ordering::Relaxed);
        if !finished.is_empty() {
            self.shared.wal_files.lock().extend(finished);
            self.shared.wake_flush();
        }
    }

    fn tick(&mut self) {
        let now_ns = self.shared.env.clock.monotonic_ns();
        self.last_tick_ns = now_ns;
        if !self.shared.reserve.is_held() && self.shared.reserve.try_hold() {
            tracing::info!("the disk has space again: writes go on");
            self.shared.wake_flush();
        }
        if let Some(table) = self.bloated_registry() {
            self.seal(&[table]);
        }
        self.shared.dedup.lock().forget_idle(now_ns);
        self.seal_due();
    }

    /// Syncs what was acknowledged without a sync, when it has waited as long as it may.
    fn sync_if_due(&mut self) {
        let interval = self.shared.options.sync_interval.as_nanos() as u64;
        let now_ns = self.shared.env.clock.monotonic_ns();
        if self.wal.unsynced() && now_ns.saturating_sub(self.last_sync_ns) >= interval {
            self.sync_now();
        }
    }

    /// After a failed sync a later success would not cover the same pages, so none is tried.
    fn sync_now(&mut self) {
        if self.shared.poisoned().is_some() {
            return;
        }
        match self.wal.syncer()() {
            Ok(()) => {
                self.wal.synced();
                self.last_sync_ns = self.shared.env.clock.monotonic_ns();
            }
            Err(error) => self.shared.poison(&format!("sync the log: {error}")),
        }
    }
}
