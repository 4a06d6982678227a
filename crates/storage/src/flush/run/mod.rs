//! The flush task, which owns the manifest: sealed memtables → segments → one edit → published.
//!
//! `rewrite.rs` commits what the compaction tasks have written, `correct.rs` what the correction task has
//! found, `expire.rs` drops what retention says, each between two flushes.
//!
//! Invariants: memtables of one table are flushed in seal order, one edit at a time; what an edit
//! names is durable before the edit; a memtable leaves memory only in the same publication that shows
//! its segments.

mod correct;
mod expire;
mod rewrite;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pulsora_env::Step;
use pulsora_model::{Code, Error, Result, TableId};

use super::output::{Output, discard};
use super::{log_files, write};
use crate::catalog::CatalogChange;
use crate::engine::Shared;
use crate::manifest::{Edit, ManifestLog};
use crate::memtable::MemtableView;
use crate::read::Published;
use crate::segment::SegmentMeta;

/// How long a failed flush waits: long enough not to spin, short enough to notice space that returned.
const RETRY: Duration = Duration::from_secs(1);
/// Memtables of one edit: bounds what is written again after a crash.
const TABLES_PER_EDIT: usize = 64;

/// The state of the flush task.
pub(crate) struct Flusher {
    shared: Arc<Shared>,
    manifest: ManifestLog,
    /// When retention looked last, monotonic.
    expired_at_ns: u64,
}

impl Flusher {
    pub fn new(shared: Arc<Shared>, manifest: ManifestLog) -> Flusher {
        Flusher { shared, manifest, expired_at_ns: 0 }
    }

    /// One step of the task.
    pub fn step(&mut self) -> Step {
        let closing = self.shared.closing.load(Ordering::Acquire);
        if let Err(error) = self.shared.check_writable() {
            // What is on disk is not known any more: only a new start may go on from there.
            self.shared.answer_flushes(Some(&error));
            self.shared.retention.refuse(&error);
            self.shared.wake_correction();
            return if closing { Step::Done } else { Step::Wait(None) };
        }
        if let Some(resolved) = self.shared.corrections.take_offer() {
            self.commit_correction(resolved);
            self.shared.wake_correction();
            self.shared.wake_compaction();
            return Step::Again;
        }
        if self.shared.checkpoints.is_wanted() {
            self.checkpoint_now();
        }
        // While a correction is at work, the segments of its table stay what it looks at. One that begins just
        // now is begun again if this comes first.
        let claimed = self.shared.corrections.claimed();
        if let Some((job, finished)) = self.shared.handover.take_offer(claimed) {
            let answer = self.commit_rewrite(finished);
            self.shared.handover.answer(job, answer);
            self.shared.wake_compaction();
            // One may have waited for this, whatever became of it.
            self.shared.wake_correction();
            return Step::Again;
        }
        if closing {
            let closed = Error::new(Code::Closed, "the server is shutting down");
            self.shared.retention.refuse(&closed);
            self.shared.corrections.fail_all(&closed);
        } else if self.expire() {
            return Step::Again;
        }
        let wanted = self.plan(closing);
        if wanted.is_empty() && !self.edit_due(closing) {
            self.shared.answer_flushes(None);
            log_files::remove(&self.shared, self.manifest.state());
            return if closing { Step::Done } else { Step::Wait(self.until_expired()) };
        }
        match self.run(&wanted) {
            Ok(()) => Step::Again,
            Err(error) => self.failed(&error, closing),
        }
    }

    /// A full disk gives the reserve, and one more try at once; other failures wait.
    fn failed(&self, error: &Error, closing: bool) -> Step {
        self.shared.counters.flush_errors.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%error, "flush failed; its rows stay in memory and in the log");
        if self.shared.flush_failed(error) {
            return Step::Again;
        }
        self.shared.answer_flushes(Some(error));
        self.shared.corrections.fail_waiting(&self.shared.published.load(), error);
        if closing { Step::Done } else { Step::Wait(Some(RETRY)) }
    }

    /// The oldest sealed memtable of each table, except those that a correction comes before.
    fn plan(&self, closing: bool) -> Vec<Arc<MemtableView>> {
        let published = self.shared.published.load();
        let held =
            |view: &MemtableView| !closing && self.shared.corrections.holds(view.table, view.first);
        let mut wanted: Vec<Arc<MemtableView>> = published
            .memtables
            .values()
            .filter_map(|views| views.first().filter(|view| view.sealed && !held(view)).cloned())
            .collect();
        wanted.sort_by_key(|view| view.number);
        wanted.truncate(TABLES_PER_EDIT);
        wanted
    }

    /// Whether catalog changes or idempotency keys alone are worth an edit: dropped segments wait for it, a
    /// log file is pinned by nothing else, or the engine closes.
    fn edit_due(&self, closing: bool) -> bool {
        if self.shared.log_pinned_by_keys(self.manifest.state().keys.through) {
            return true;
        }
        let changes = self.shared.pending_changes.lock();
        if changes.is_empty() {
            return false;
        }
        let drops = changes.iter().any(|(_, change)| {
            matches!(change, CatalogChange::DropTable { .. } | CatalogChange::DropDatabase { .. })
        });
        drops || closing || self.shared.log_pinned_by_changes(self.manifest.state().catalog_through)
    }

    fn run(&mut self, wanted: &[Arc<MemtableView>]) -> Result<()> {
        let started = self.shared.env.clock.monotonic_ns();
        let before = self.shared.published.load_full();
        let store = Arc::clone(&self.shared.store);
        let mut output = Output::new(&*store);
        let mut edit = Edit { last: before.visible, ..Edit::default() };
        let mut rows = 0;
        for view in wanted {
            let Some(schema) = before.catalog.table_by_id(view.table) else {
                continue; // dropped in between; its rows go with it
            };
            let flushed = write::flush(&self.shared, view, &schema, &before, &mut output)
                .map_err(|e| e.context(format!("flush of table {:?}", &*schema.name)))?;
            edit.bitmaps.extend(flushed.bitmaps);
            edit.flushed.push((view.table, view.last));
            edit.row_ids.extend(flushed.row_id_max.map(|id| (view.table, id)));
            rows += flushed.rows;
        }
        edit.added = output.finish().map_err(|e| e.context("flush"))?;
        self.add_catalog(&mut edit);
        self.commit(&edit, wanted)?;
        let counters = &self.shared.counters;
        let bytes: u64 = edit.added.iter().map(|meta| meta.length).sum();
        counters.flushed_bytes.fetch_add(bytes, Ordering::Relaxed);
        counters.flushes.fetch_add(wanted.len() as u64, Ordering::Relaxed);
        counters.flushed_rows.fetch_add(rows, Ordering::Relaxed);
        let spent = self.shared.env.clock.monotonic_ns().saturating_sub(started);
        counters.flush_ns.fetch_add(spent, Ordering::Relaxed);
        Ok(())
    }

    /// Writes a checkpoint that somebody waits for; a failure is tried again.
    fn checkpoint_now(&mut self) {
        match self.manifest.checkpoint_now() {
            Ok(through) => {
                self.shared.checkpoints.replaced(through);
                self.shared.wake_correction();
            }
            Err(error) => tracing::warn!(%error, "no checkpoint was written; it is tried again"),
        }
    }

    /// Adds the catalog changes up to the published sequence, and the segments of dropped tables.
    fn add_catalog(&self, edit: &mut Edit) {
        let changes = self.shared.pending_changes.lock();
        // Changes are listed before they are published, so everything up to `visible` is here.
        let published = self.shared.published.load();
        edit.last = published.visible;
        edit.changes =
            changes.iter().filter(|(seq, _)| *seq <= published.visible).cloned().collect();
        // No further than the last change, whose group is synced. What is visible may be lost by a power
        // cut, and a request whose write failed may stand in its place: its own changes must count then.
        edit.keys = self.shared.unsaved_keys(&self.manifest.state().keys);
        edit.catalog_through = edit.changes.iter().map(|(seq, _)| *seq).max().unwrap_or_default();
        let gone = |table: TableId| published.catalog.table_by_id(table).is_none();
        for (table, segments) in &published.version.tables {
            if gone(*table) {
                edit.removed.extend(segments.segments.iter().map(|segment| segment.meta.id));
            }
        }
        let dropped: Vec<Arc<SegmentMeta>> =
            edit.added.extract_if(.., |meta| gone(meta.table)).collect();
        discard(&*self.shared.store, &dropped, &edit.added);
        edit.flushed.retain(|(table, _)| !gone(*table));
        edit.row_ids.retain(|(table, _)| !gone(*table));
        edit.bitmaps.retain(|bitmap| !edit.removed.contains(&bitmap.segment));
    }

    fn commit(&mut self, edit: &Edit, wanted: &[Arc<MemtableView>]) -> Result<()> {
        if let Err(error) = self.manifest.commit(edit) {
            if error.code() == Code::DiskFull {
                discard(&*self.shared.store, &edit.added, &[]);
            } else {
                // The edit may be on disk; only a new start can tell, and it needs the objects.
                self.shared.poison(&format!("the manifest failed: {error}"));
            }
            return Err(error);
        }
        self.publish(edit, wanted);
        self.shared.pending_changes.lock().retain(|(seq, _)| *seq > edit.catalog_through);
        if let Err(error) = self.manifest.checkpoint_if_due(self.shared.options.checkpoint_edits) {
            tracing::warn!(%error, "no checkpoint was written; the next edit tries again");
        }
        log_files::remove(&self.shared, self.manifest.state());
        self.shared.answer_flushes(None);
        self.shared.wake_commit();
        self.shared.wake_compaction();
        self.shared.wake_correction();
        Ok(())
    }

    fn publish(&self, edit: &Edit, wanted: &[Arc<MemtableView>]) {
        let flushed: BTreeMap<TableId, u64> = wanted.iter().map(|v| (v.table, v.number)).collect();
        let removed = self.shared.publish(|before| {
            let (version, removed) =
                before.version.after(edit, self.manifest.number(), &self.shared.segments);
            let mut memtables = (*before.memtables).clone();
            for (table, number) in &flushed {
                if let Some(views) = memtables.get_mut(table) {
                    views.retain(|view| view.number != *number);
                    if views.is_empty() {
                        memtables.remove(table);
                    }
                }
            }
            let next = Published {
                version: Arc::new(version),
                memtables: Arc::new(memtables),
                ..before.clone()
            };
            (next, removed)
        });
        for segment in removed {
            segment.file.doom();
        }
    }
}
