//! What the handle, the commit owner and the flush task share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pulsora_env::{Env, Store, TaskHandle};
use pulsora_model::{Code, Error, ErrorKind, Result, SegmentId, Sequence, TableId};
use tokio::sync::Semaphore;

use super::counters::Counters;
use super::dedup::Dedup;
use super::options::Options;
use super::queue::{Queue, Reply};
use super::request::Receipt;
use super::reserve::Reserve;
use crate::catalog::CatalogChange;
use crate::compaction::demands::Demands;
use crate::compaction::handover::Handover;
use crate::compaction::jobs::Jobs;
use crate::correction::Corrections;
use crate::manifest::{Checkpoints, KeyWindows, KeysEdit};
use crate::read::Published;
use crate::retention::History;
use crate::segment::{SegmentAccess, SegmentFormat};
use crate::wal::WalFile;

/// One permit of the queue's room is this many bytes.
pub(super) const ROOM_UNIT: u64 = 1 << 10;

/// A flush request that waits for its memtables, and may wait for Parquet.
pub(super) struct FlushWaiter {
    /// Numbers of the memtables it waits for.
    pub memtables: Vec<u64>,
    /// Tables whose rows up to the sequence of the receipt are to be Parquet.
    pub cold: Vec<TableId>,
    pub receipt: Receipt,
    pub reply: Reply,
}

impl FlushWaiter {
    /// Whether the memtables it waits for are in segments.
    fn is_flushed(&self, published: &Published) -> bool {
        let mut present = published.memtables.values().flatten();
        !present.any(|view| self.memtables.contains(&view.number))
    }
}

/// Gives out segment ids: none twice, since the epoch is of this opening alone.
pub(crate) struct SegmentIds {
    epoch: u32,
    next: AtomicU32,
}

impl SegmentIds {
    /// The ids of one opening of the data directory.
    pub fn new(epoch: u32) -> SegmentIds {
        SegmentIds { epoch, next: AtomicU32::new(1) }
    }

    /// Number of the opening.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    pub fn next(&self) -> SegmentId {
        SegmentId { epoch: self.epoch, counter: self.next.fetch_add(1, Ordering::Relaxed) }
    }
}

/// Everything behind [`super::Engine`].
pub(crate) struct Shared {
    pub env: Env,
    pub options: Options,
    pub store: Arc<dyn Store>,
    pub segments: Arc<SegmentAccess>,
    pub published: ArcSwap<Published>,
    /// Serialises read-modify-write of `published`.
    publishing: Mutex<()>,
    pub(super) queue: Queue,
    pub(super) room: Arc<Semaphore>,
    pub counters: Counters,
    /// Ids of new segments.
    pub segment_ids: SegmentIds,
    /// Rewrites that run and have run, and what is asked of them.
    pub jobs: Jobs,
    /// Where finished rewrites wait for the flush task.
    pub handover: Handover,
    /// Segments that are to be rewritten whatever their state.
    pub demands: Demands,
    /// Deletes and changes of rows that are not answered yet.
    pub corrections: Corrections,
    /// Checkpoints that somebody waits for.
    pub checkpoints: Checkpoints,
    /// What retention has dropped.
    pub retention: History,
    /// Ended log files that still exist, oldest first.
    pub wal_files: Mutex<Vec<WalFile>>,
    /// Catalog changes that no edit carries yet, by sequence.
    pub pending_changes: Mutex<Vec<(Sequence, CatalogChange)>>,
    /// What is known of idempotency keys.
    pub dedup: Mutex<Dedup>,
    pub(super) flush_waiters: Mutex<Vec<FlushWaiter>>,
    pub closing: AtomicBool,
    poisoned: Mutex<Option<String>>,
    pub(super) reserve: Reserve,
    pub(super) commit_task: OnceLock<TaskHandle>,
    pub(super) flush_task: OnceLock<TaskHandle>,
    pub(super) compaction_tasks: OnceLock<Vec<TaskHandle>>,
    pub(super) correction_task: OnceLock<TaskHandle>,
    /// Held while the engine lives.
    pub(super) lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

/// What recovery found in the data directory, and holds of it.
pub(super) struct SharedStart {
    pub published: Published,
    pub lock: Box<dyn Send + Sync>,
    pub reserve: Reserve,
    pub segment_ids: SegmentIds,
    pub dedup: Dedup,
}

impl Shared {
    pub(super) fn new(
        env: Env,
        options: Options,
        segments: Arc<SegmentAccess>,
        start: SharedStart,
    ) -> Shared {
        let SharedStart { published, lock, reserve, segment_ids, dedup } = start;
        let permits = usize::try_from(options.queue_bytes / ROOM_UNIT).unwrap_or(usize::MAX);
        let room = Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS)));
        Shared {
            env,
            options,
            store: Arc::clone(&segments.store),
            segments,
            published: ArcSwap::from_pointee(published),
            publishing: Mutex::new(()),
            queue: Queue::default(),
            room,
            counters: Counters::default(),
            segment_ids,
            jobs: Jobs::default(),
            handover: Handover::default(),
            demands: Demands::default(),
            corrections: Corrections::default(),
            checkpoints: Checkpoints::default(),
            retention: History::default(),
            wal_files: Mutex::new(Vec::new()),
            pending_changes: Mutex::new(Vec::new()),
            dedup: Mutex::new(dedup),
            flush_waiters: Mutex::new(Vec::new()),
            closing: AtomicBool::new(false),
            poisoned: Mutex::new(None),
            reserve,
            commit_task: OnceLock::new(),
            flush_task: OnceLock::new(),
            compaction_tasks: OnceLock::new(),
            correction_task: OnceLock::new(),
            lock: Mutex::new(Some(lock)),
        }
    }

    /// Replaces the published state by what `next` makes of it.
    pub fn publish<T>(&self, next: impl FnOnce(&Published) -> (Published, T)) -> T {
        let _one_at_a_time = self.publishing.lock();
        let before = self.published.load_full();
        let (after, out) = next(&before);
        self.published.store(Arc::new(after));
        out
    }

    /// Refuses all writes until a restart: what is on disk is no longer known.
    pub fn poison(&self, why: &str) {
        let mut poisoned = self.poisoned.lock();
        if poisoned.is_none() {
            tracing::error!(why, "writes are refused until a restart");
            *poisoned = Some(why.to_owned());
        }
    }

    /// Why writes are refused, if they are.
    pub fn poisoned(&self) -> Option<String> {
        self.poisoned.lock().clone()
    }

    /// # Errors
    /// `writes_refused` when the log or the manifest has failed.
    pub(crate) fn check_writable(&self) -> Result<()> {
        match self.poisoned() {
            None => Ok(()),
            Some(why) => Err(Error::new(Code::WritesRefused, format!("writes are refused: {why}"))
                .hint("look at the disk, then restart the server; every acknowledged row is in the log")),
        }
    }

    /// Reacts to a failed flush: a full disk frees the reserve. Says whether that made space.
    pub fn flush_failed(&self, error: &Error) -> bool {
        if error.code() == Code::DiskFull {
            return self.reserve.release();
        }
        if error.kind() == ErrorKind::Internal && error.code() == Code::Internal {
            tracing::error!(%error, "a flush broke an invariant of the engine");
        }
        false
    }

    /// Answers flush requests: those that have what they wait for, or all of them with an error.
    pub fn answer_flushes(&self, error: Option<&Error>) {
        let published = self.published.load();
        self.answer(error, |waiter| {
            let through = waiter.receipt.sequence;
            let is_hot = |table: &TableId| {
                let mut segments = published.version.table(*table).iter();
                segments.any(|s| s.meta.format == SegmentFormat::Hot && s.meta.first <= through)
            };
            error.is_some() || waiter.is_flushed(&published) && !waiter.cold.iter().any(is_hot)
        });
    }

    /// Answers the requests that wait for Parquet, of one table or of all, with an error.
    pub fn answer_conversions(&self, table: Option<TableId>, error: &Error) {
        self.answer(Some(error), |waiter| match table {
            Some(table) => waiter.cold.contains(&table),
            None => !waiter.cold.is_empty(),
        });
    }

    /// Tables that are to be Parquet now, with the sequence up to which: their rows up to there are in
    /// segments, so that one rewrite takes them all.
    pub fn demanded_cold(&self) -> BTreeMap<TableId, Sequence> {
        let published = self.published.load();
        let mut demanded = BTreeMap::new();
        let waiters = self.flush_waiters.lock();
        for waiter in waiters.iter().filter(|waiter| waiter.is_flushed(&published)) {
            for table in &waiter.cold {
                let through = demanded.entry(*table).or_insert(waiter.receipt.sequence);
                *through = (*through).max(waiter.receipt.sequence);
            }
        }
        demanded
    }

    fn answer(&self, error: Option<&Error>, ready: impl Fn(&FlushWaiter) -> bool) {
        let mut waiters = self.flush_waiters.lock();
        let answered: Vec<FlushWaiter> = waiters.extract_if(.., |waiter| ready(waiter)).collect();
        drop(waiters);
        for waiter in answered {
            let answer = error.map_or(Ok(waiter.receipt), |error| Err(error.duplicate()));
            // A caller that has left needs no answer.
            let _left = waiter.reply.send(answer);
        }
    }

    /// What an edit must carry of idempotency keys, so that the ended log files may go; `saved` is what the
    /// manifest has. Ended files are on disk, so nothing is carried that a power cut takes from the log.
    pub fn unsaved_keys(&self, saved: &KeyWindows) -> Option<KeysEdit> {
        let visible = self.published.load().visible;
        let files = self.wal_files.lock();
        let ended = || files.iter().filter(|file| file.last <= visible);
        let due = ended().any(|file| file.last_key > saved.through);
        let through = ended().map(|file| file.last).max();
        drop(files);
        let through = through.filter(|_| due)?;
        Some(self.dedup.lock().windows().since(saved, through))
    }

    /// Whether idempotency keys that no edit carries are what keeps an ended log file.
    pub fn log_pinned_by_keys(&self, saved_through: Sequence) -> bool {
        self.wal_files.lock().first().is_some_and(|file| file.last_key > saved_through)
    }

    /// Whether a catalog change that no edit carries is what keeps an ended log file.
    pub fn log_pinned_by_changes(&self, catalog_through: Sequence) -> bool {
        self.wal_files.lock().first().is_some_and(|file| file.last_change > catalog_through)
    }

    pub fn wake_commit(&self) {
        if let Some(task) = self.commit_task.get() {
            task.wake();
        }
    }

    pub fn wake_flush(&self) {
        if let Some(task) = self.flush_task.get() {
            task.wake();
        }
    }

    pub fn wake_compaction(&self) {
        self.compaction_tasks.get().into_iter().flatten().for_each(TaskHandle::wake);
    }

    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Whether work for a table is of no use any more.
    pub fn is_unwanted(&self, table: TableId) -> bool {
        self.is_closing() || self.published.load().catalog.table_by_id(table).is_none()
    }

    pub fn wake_correction(&self) {
        if let Some(task) = self.correction_task.get() {
            task.wake();
        }
    }

    /// Whether the disk has room for more than flushes.
    pub fn has_reserve(&self) -> bool {
        self.reserve.is_held()
    }

    pub(super) fn begin_close(&self) {
        self.closing.store(true, Ordering::Release);
        self.wake_flush();
        self.wake_compaction();
        self.wake_correction();
    }
}
