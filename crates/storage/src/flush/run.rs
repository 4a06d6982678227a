//! The flush task: sealed memtables → segments → one manifest edit → published.
//!
//! Invariants: memtables of one table are flushed in seal order, one edit at a time; what an edit
//! names is durable before the edit; rewrites of the compaction tasks are committed between flushes; a memtable leaves memory only in the same publication that shows
//! its segments; a log file is removed only when no row and no catalog change in it is needed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::TimestampNanosecondType;
use pulsora_env::Step;
use pulsora_model::partition::Window;
use pulsora_model::{Code, Error, Name, Result, SegmentId, Sequence, TableId, TableSchema};
use roaring::RoaringBitmap;

use super::output::{OpenSegment, Output, discard, hot_options};
use super::partition::{Density, Windows};
use super::rows::MemtableRows;
use crate::catalog::CatalogChange;
use crate::compaction::carry::{Standing, standing};
use crate::compaction::handover::{Answer, Finished};
use crate::correction::run::below;
use crate::correction::{Change, Erasure, Resolved};
use crate::engine::{FlushFilter, Receipt, Shared};
use crate::manifest::{Bitmap, Edit, ManifestLog};
use crate::memtable::MemtableView;
use crate::read::{Published, flush_stream, replaced_rows};
use crate::retention;
use crate::segment::{HotWriter, Segment, SegmentDraft, SegmentFormat, SegmentMeta};

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

/// What one memtable became.
#[derive(Default)]
struct Flushed {
    bitmaps: Vec<Bitmap>,
    row_id_max: Option<u64>,
    rows: u64,
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
            self.remove_log_files();
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
            let flushed = self
                .flush_one(view, &schema, &before, &mut output)
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

    /// Writes the segments of one memtable, and the delete bitmaps of older segments.
    fn flush_one(
        &mut self,
        view: &Arc<MemtableView>,
        schema: &TableSchema,
        published: &Published,
        output: &mut Output<'_>,
    ) -> Result<Flushed> {
        let database = published
            .catalog
            .database_name(schema.database)
            .ok_or_else(|| Error::internal(format!("table {:?} has no database", &*schema.name)))?;
        let older = published.version.table(view.table);
        let mut flushed = Flushed { rows: view.rows as u64, ..Flushed::default() };
        self.write_segments(view, schema, database, older, output)?;
        if schema.row_id().is_some() {
            flushed.row_id_max =
                view.chunks.iter().filter_map(|c| c.ids.as_ref()?.iter().max().copied()).max();
            flushed.bitmaps = replaced(view, older)?;
        }
        Ok(flushed)
    }

    fn write_segments(
        &mut self,
        view: &Arc<MemtableView>,
        schema: &TableSchema,
        database: &Name,
        older: &[Segment],
        output: &mut Output<'_>,
    ) -> Result<()> {
        let chunks = &view.chunks;
        let density = Density {
            rows: view.rows,
            min_time_ns: chunks.iter().map(|chunk| chunk.min_time_ns).min().unwrap_or(0),
            max_time_ns: chunks.iter().map(|chunk| chunk.max_time_ns).max().unwrap_or(0),
            now_ns: self.shared.env.clock.wall_ns(),
        };
        let existing = older.iter().map(|segment| segment.meta.window);
        let times = chunks.iter().flat_map(|chunk| chunk.time.iter().copied());
        let windows = Windows::cover(existing, schema.partition, density, times);
        let draft = |window: Window| SegmentDraft {
            id: self.shared.segment_ids.next(),
            database,
            schema,
            window,
            first: view.first,
            last: view.last,
            written_ns: density.now_ns,
            level: 0,
        };
        if !self.shared.options.flushes_hot() {
            return self.write_parquet(view, (schema, database), &windows, draft, output);
        }
        // One window after the other: what a segment needs in memory is there once.
        let rows = MemtableRows::new(view, schema)?;
        for (window, wanted) in rows.split(&windows)? {
            let options = hot_options(schema, &self.shared.options);
            let mut writer = Box::new(HotWriter::new(draft(window), options));
            rows.write(&wanted, &mut writer)?;
            drop(wanted);
            output.add(OpenSegment::Hot(writer), database, schema)?;
        }
        Ok(())
    }

    fn write_parquet<'a>(
        &'a self,
        view: &MemtableView,
        (schema, database): (&TableSchema, &Name),
        windows: &Windows,
        draft: impl Fn(Window) -> SegmentDraft<'a>,
        output: &mut Output<'_>,
    ) -> Result<()> {
        let (store, options) = (&*self.shared.store, &self.shared.options);
        let mut writers: BTreeMap<Window, OpenSegment<'_>> = BTreeMap::new();
        for batch in flush_stream(view, schema)? {
            for (window, part) in split(&batch?, schema, windows)? {
                let writer = match writers.entry(window) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        let format = SegmentFormat::Parquet;
                        entry.insert(OpenSegment::new(draft(window), format, options, store)?)
                    }
                };
                writer.write(&part)?;
            }
        }
        writers.into_values().try_for_each(|writer| output.add(writer, database, schema))
    }

    /// Commits a finished rewrite, if its outputs show what its inputs do by now. Nothing of the table can
    /// have come between them in sequence meanwhile: what is flushed is newer than all segments, and
    /// another rewrite puts its outputs where its own inputs were.
    fn commit_rewrite(&mut self, finished: Finished) -> Answer {
        let published = self.shared.published.load_full();
        let erasures = self.shared.counters.erasures.load(Ordering::Acquire);
        let bitmaps = match standing(&self.shared, &published, &finished, erasures) {
            Ok(Standing::Ready(bitmaps)) => bitmaps,
            // At the end nobody is there any more to let it catch up.
            Ok(Standing::Behind) if !self.shared.closing.load(Ordering::Acquire) => {
                return Answer::Behind(Box::new(finished));
            }
            Ok(Standing::Behind | Standing::Overtaken) => {
                discard(&*self.shared.store, &finished.added, &[]);
                return Answer::Overtaken;
            }
            Err(error) => {
                discard(&*self.shared.store, &finished.added, &[]);
                return Answer::Failed(error);
            }
        };
        let segments = published.version.table(finished.table);
        let ids = finished.reading.inputs().map(|input| input.meta.id);
        let is_there = |id: &SegmentId| segments.iter().any(|segment| segment.meta.id == *id);
        let edit = Edit {
            last: published.visible,
            removed: ids.filter(is_there).collect(),
            added: finished.added,
            bitmaps,
            ..Edit::default()
        };
        match self.commit(&edit, &[]) {
            Ok(()) => Answer::Committed,
            Err(error) => Answer::Failed(error),
        }
    }

    /// Drops what has expired when it is time, or when somebody asks; says whether something was.
    fn expire(&mut self) -> bool {
        let now_ns = self.shared.env.clock.monotonic_ns();
        let interval_ns = self.shared.options.retention_interval.as_nanos() as u64;
        let asked = self.shared.retention.take_asked();
        if asked.is_none() && now_ns.saturating_sub(self.expired_at_ns) < interval_ns {
            return false;
        }
        let everything = FlushFilter::default();
        let filter = asked.as_ref().map_or(&everything, |asked| &asked.filter);
        let published = self.shared.published.load_full();
        let at_ns = self.shared.env.clock.wall_ns();
        let expired = retention::plan(&published.version, &published.catalog, filter, at_ns);
        if asked.is_none() {
            self.expired_at_ns = now_ns;
        }
        let outcome = match expired.is_empty() {
            true => Ok(()),
            false => {
                let removed = expired.iter().flat_map(|e| e.segments.iter().copied()).collect();
                let last = published.visible;
                self.commit(&Edit { last, removed, ..Edit::default() }, &[])
            }
        };
        match &outcome {
            Ok(()) => self.shared.retention.note(&expired, at_ns),
            Err(error) => {
                tracing::warn!(%error, "expired segments stay until the next try");
                if self.shared.flush_failed(error) {
                    // There is room again.
                    self.expired_at_ns = now_ns.saturating_sub(interval_ns);
                }
            }
        }
        if let Some(asked) = asked {
            let receipt = Receipt {
                sequence: published.visible,
                rows: expired.iter().map(|expired| expired.rows).sum(),
                changed: !expired.is_empty(),
                duplicate: false,
            };
            // A caller that has left needs no answer.
            let _left = asked.reply.send(outcome.map(|()| receipt));
            return true;
        }
        !expired.is_empty() && outcome.is_ok()
    }

    /// How long to wait for the next look of retention; without any there is none.
    fn until_expired(&self) -> Option<Duration> {
        let published = self.shared.published.load();
        let catalog = &published.catalog;
        let expires = catalog.tables().any(|table| catalog.retention_ns(table).is_some());
        expires.then_some(self.shared.options.retention_interval)
    }

    /// Commits a correction, and answers it.
    fn commit_correction(&mut self, resolved: Resolved) {
        let Resolved { job, looked_at, rows, bitmaps, removed, added } = resolved;
        let published = self.shared.published.load_full();
        let segments = published.version.table(job.table);
        let closing = self.shared.closing.load(Ordering::Acquire);
        if closing || published.catalog.table_by_id(job.table).is_none() {
            discard(&*self.shared.store, &added, &[]);
            let (code, why) = match closing {
                true => (Code::Closed, "the server is shutting down"),
                false => (Code::TableNotFound, "the table was dropped meanwhile"),
            };
            self.shared.corrections.finish(job, Err(Error::new(code, why)));
            return;
        }
        // A rewrite that was under way when it claimed its table, or retention, may have come first.
        if !job.is_flushed(&published) || below(&published, &job) != looked_at {
            discard(&*self.shared.store, &added, &[]);
            self.shared.corrections.again(job);
            return;
        }
        // Values that were made for another type might not fit it.
        let replaces = matches!(job.change, Change::Replace(_));
        let now = published.catalog.table_by_id(job.table);
        if replaces && now.is_none_or(|now| !now.has_types_of(&job.schema)) {
            discard(&*self.shared.store, &added, &[]);
            let error = Error::new(Code::SchemaMoved, "a column has taken another type meanwhile");
            self.shared.corrections.finish(job, Err(error.hint("send the request again")));
            return;
        }
        // More rows may be gone since.
        let find = |id: SegmentId| segments.iter().find(|segment| segment.meta.id == id);
        let bitmaps = bitmaps.into_iter().filter_map(|bitmap| {
            let known = find(bitmap.segment)?.deleted.as_deref();
            let rows = known.map_or_else(|| (*bitmap.rows).clone(), |known| known | &*bitmap.rows);
            Some(Bitmap { segment: bitmap.segment, rows: Arc::new(rows) })
        });
        let edit = Edit {
            last: published.visible,
            bitmaps: bitmaps.collect(),
            removed,
            added,
            ..Edit::default()
        };
        // An erasure takes what earlier deletes and changes have left behind as well.
        let gone = |segment: &&Segment| {
            edit.removed.contains(&segment.meta.id)
                || edit.bitmaps.iter().any(|bitmap| bitmap.segment == segment.meta.id)
                || segment.deleted.is_some() && looked_at.contains(&segment.meta.id)
        };
        let touched: Vec<Arc<SegmentMeta>> =
            segments.iter().filter(gone).map(|segment| Arc::clone(&segment.meta)).collect();
        let changes =
            !edit.bitmaps.is_empty() || !edit.removed.is_empty() || !edit.added.is_empty();
        if changes && let Err(error) = self.commit(&edit, &[]) {
            match self.shared.flush_failed(&error) {
                // There is room again.
                true => self.shared.corrections.again(job),
                false => self.shared.corrections.finish(job, Err(error)),
            }
            return;
        }
        let receipt = Receipt { sequence: job.sequence, rows, changed: rows > 0, duplicate: false };
        let Some(log_through) = job.log_through else {
            self.shared.corrections.finish(job, Ok(receipt));
            return;
        };
        // Behind the edit: a rewrite that knows of this one has not read what it took.
        let number = self.shared.counters.erasures.fetch_add(1, Ordering::AcqRel) + 1;
        self.shared.corrections.finish_later(job, |job| {
            Erasure::new((job.table, number), touched.iter(), log_through, receipt, job.reply)
        });
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
        self.remove_log_files();
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

    /// Removes log files of which nothing is needed any more.
    fn remove_log_files(&self) {
        let catalog_through = self.manifest.state().catalog_through;
        let keys_through = self.manifest.state().keys.through;
        let published = self.shared.published.load();
        let pinned = published.memtables.values().flatten().map(|view| view.first).min();
        let removable: Vec<(u64, PathBuf)> = self
            .shared
            .wal_files
            .lock()
            .iter()
            .take_while(|file| {
                file.last <= published.visible
                    && file.last_change <= catalog_through
                    && file.last_key <= keys_through
                    && pinned.is_none_or(|first| file.last < first)
            })
            .map(|file| (file.number, file.path.clone()))
            .collect();
        for (number, path) in removable {
            if let Err(error) = self.remove_log_file(&path) {
                tracing::warn!(file = number, %error, "an old log file could not be removed yet");
                return;
            }
            self.shared.wal_files.lock().retain(|file| file.number != number);
        }
    }

    /// Removes one log file for good before the next one goes: one that came back after a power cut
    /// while its successor did not would look like a log with a hole.
    fn remove_log_file(&self, path: &Path) -> std::io::Result<()> {
        let files = &self.shared.env.files;
        match files.unlink(path) {
            // Unlinked by a try whose sync failed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other?,
        }
        path.parent().map_or(Ok(()), |dir| files.sync_dir(dir))
    }
}

/// Delete bitmaps of older segments that hold a row id that the memtable gives anew.
fn replaced(view: &MemtableView, older: &[Segment]) -> Result<Vec<Bitmap>> {
    let mut ids: Vec<u64> = view
        .chunks
        .iter()
        .filter(|chunk| chunk.user_ids)
        .flat_map(|chunk| chunk.ids.iter().flat_map(|ids| ids.iter().copied()))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let mut bitmaps = Vec::new();
    if ids.is_empty() {
        return Ok(bitmaps);
    }
    for segment in older {
        let rows = replaced_rows(segment, &ids)?;
        let known = segment.deleted.as_deref().cloned().unwrap_or_else(RoaringBitmap::new);
        if !rows.is_subset(&known) {
            let rows = Arc::new(known | rows);
            bitmaps.push(Bitmap { segment: segment.meta.id, rows });
        }
    }
    Ok(bitmaps)
}

/// The rows of a batch by window; each part keeps the order.
fn split(
    batch: &RecordBatch,
    schema: &TableSchema,
    windows: &Windows,
) -> Result<Vec<(Window, RecordBatch)>> {
    let name = schema.time().name.as_str();
    let column = batch
        .column_by_name(name)
        .ok_or_else(|| Error::internal("a flush batch has no time column"))?;
    let times = column.as_primitive::<TimestampNanosecondType>().values();
    let mut parts: Vec<(Window, Vec<u32>)> = Vec::new();
    let mut current = 0;
    for (row, time) in times.iter().enumerate() {
        if parts.get(current).is_none_or(|(window, _)| !window.contains(*time)) {
            let window = windows
                .find(*time)
                .ok_or_else(|| Error::internal(format!("no partition covers time {time}")))?;
            current = parts.iter().position(|(w, _)| *w == window).unwrap_or_else(|| {
                parts.push((window, Vec::new()));
                parts.len() - 1
            });
        }
        parts[current].1.push(row as u32);
    }
    if let [(window, _)] = &parts[..] {
        return Ok(vec![(*window, batch.clone())]);
    }
    parts
        .into_iter()
        .map(|(window, rows)| Ok((window, take_record_batch(batch, &UInt32Array::from(rows))?)))
        .collect()
}

/// Highest sequence of the oldest log file, when the log is larger than it may be.
pub(crate) fn release_through(shared: &Shared) -> Option<Sequence> {
    let files = shared.wal_files.lock();
    let finished: u64 = files.iter().map(|file| file.bytes).sum();
    let bytes = finished + shared.counters.wal_current_bytes.load(Ordering::Relaxed);
    (bytes > shared.options.wal_bytes).then(|| files.first().map(|file| file.last)).flatten()
}
