//! The commit owner: one step takes the waiting requests as a group.
//!
//! resolve (catalog changes, row ids, sequence) → encode → one write → apply to memtables while the
//! disk syncs → publish → acknowledge. While it syncs, the next group gathers in the queue.
//!
//! Invariants: sequences and catalog move only with a group that was written; nothing is published
//! before its sync, if any request of the group asked for one; after a failed sync nothing is
//! published any more.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pulsora_env::Step;
use pulsora_model::{Code, ColumnKind, Error, Name, Result, Sequence, TableId, TableSchema};

use super::command::{apply_all, changes};
use super::key::IdempotencyKey;
use super::options::{ColdFormat, Durability};
use super::queue::{Event, Reply};
use super::request::{
    Command, FlushFilter, NewTable, Receipt, TableChange, TableSetting, WriteRequest,
};
use super::shared::{FlushWaiter, Shared};
use super::stored::StoredValues;
use crate::catalog::{Catalog, CatalogChange, ResolvedRows, resolve};
use crate::correction::{Change, Correction, Job};
use crate::flush::plan::{OpenFigures, Pressure, plan};
use crate::flush::run::release_through;
use crate::memtable::{Memtable, MemtableView};
use crate::read::Published;
use crate::wal::{Dictionary, Group, Record, Wal};

/// Bytes of requests in one group: at a disk of 1 GB/s about a tenth of a second.
const GROUP_BYTES: u64 = 64 << 20;
/// Requests in one group: bounds the work between two acknowledgements.
const GROUP_REQUESTS: usize = 4_096;
/// How often age, log size and a full disk are looked at when nothing arrives.
const TICK: Duration = Duration::from_secs(1);

/// A request that fits, waiting for its group.
pub(super) struct Prepared {
    sequence: Sequence,
    changes: Vec<CatalogChange>,
    pub(super) rows: Vec<ResolvedRows>,
    durability: Durability,
    /// To be remembered with its record.
    key: Option<IdempotencyKey>,
    receipt: Receipt,
    reply: Reply,
}

/// What a request comes to: changes of the catalog, rows, and when it is acknowledged.
type Fitted = (Vec<CatalogChange>, Vec<ResolvedRows>, Durability);

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

    // ---- one group -------------------------------------------------------------------------

    fn commit(&mut self, events: Vec<Event>) {
        let (catalog, row_ids, sequence) =
            (Arc::clone(&self.catalog), self.row_id_max.clone(), self.next_sequence);
        let mut prepared = Vec::with_capacity(events.len());
        for event in events {
            self.prepare(event, &mut prepared);
        }
        if prepared.is_empty() {
            return;
        }
        match self.log(&prepared) {
            Ok(sync) => self.apply_and_publish(prepared, sync),
            Err(error) => {
                (self.catalog, self.row_id_max, self.next_sequence) = (catalog, row_ids, sequence);
                self.shared.dedup.lock().drop_staged();
                if error.code() == Code::DiskFull {
                    self.shared.reserve.release();
                }
                self.refuse(prepared, &error);
            }
        }
    }

    fn refuse(&self, prepared: Vec<Prepared>, error: &Error) {
        self.shared.counters.write_errors.fetch_add(prepared.len() as u64, Ordering::Relaxed);
        for request in prepared {
            // A caller that has left needs no answer.
            let _left = request.reply.send(Err(error.duplicate()));
        }
    }

    /// Resolves one request into `prepared`, or answers it with what is wrong.
    fn prepare(&mut self, event: Event, prepared: &mut Vec<Prepared>) {
        let mut key = None;
        let (outcome, reply) = match event {
            Event::Write(request, reply) => match self.repeated(&request) {
                Ok(Some(receipt)) => {
                    prepared.push(Prepared {
                        sequence: receipt.sequence,
                        changes: Vec::new(),
                        rows: Vec::new(),
                        durability: request.durability,
                        key: None,
                        receipt,
                        reply,
                    });
                    return;
                }
                Ok(None) => {
                    // What is not logged cannot be remembered together with its rows.
                    key = request.key.clone().filter(|_| request.durability != Durability::Off);
                    (self.prepare_write(request, prepared), reply)
                }
                Err(error) => (Err(error), reply),
            },
            Event::Execute(command, reply) => (self.prepare_command(&command), reply),
            Event::Flush(..) | Event::Correct(..) | Event::Close(_) => {
                unreachable!("barriers are handled by the step")
            }
        };
        match outcome {
            Ok((changes, rows, durability)) => {
                let count = rows.iter().map(|part| part.rows as u64).sum();
                let changed = !changes.is_empty() || count > 0;
                let sequence = self.next_sequence;
                if changed {
                    self.next_sequence = Sequence(sequence.0 + 1);
                }
                let key = key.filter(|_| changed);
                if let Some(key) = &key {
                    self.shared.dedup.lock().stage(key.clone(), sequence);
                }
                let receipt = Receipt { sequence, rows: count, changed, duplicate: false };
                prepared.push(Prepared {
                    sequence,
                    changes,
                    rows,
                    durability,
                    key,
                    receipt,
                    reply,
                });
            }
            Err(error) => {
                self.shared.counters.write_errors.fetch_add(1, Ordering::Relaxed);
                let _left = reply.send(Err(error));
            }
        }
    }

    /// The answer to a request whose key was stored before, or earlier in this group.
    fn repeated(&self, request: &WriteRequest) -> Result<Option<Receipt>> {
        let Some(key) = &request.key else { return Ok(None) };
        self.shared.check_writable()?;
        let now_ns = self.shared.env.clock.monotonic_ns();
        let stored = self.shared.dedup.lock().check(key, now_ns)?;
        let rows = request.tables.iter().map(|table| table.batch.rows as u64).sum();
        Ok(stored.map(|sequence| Receipt { sequence, rows, changed: false, duplicate: true }))
    }

    fn prepare_write(&mut self, request: WriteRequest, earlier: &[Prepared]) -> Result<Fitted> {
        self.shared.check_writable()?;
        self.shared.reserve.check()?;
        let now_ns = self.shared.env.clock.wall_ns();
        let mut catalog = Arc::clone(&self.catalog);
        let mut changes = Vec::new();
        let mut rows: Vec<ResolvedRows> = Vec::with_capacity(request.tables.len());
        let mut highest_ids = Vec::new();
        for write in &request.tables {
            let stored = StoredValues {
                published: &self.shared.published.load(),
                row_id_max: &self.row_id_max,
                earlier,
                here: &rows,
            };
            if let Some(codec) = &write.options.codec
                && catalog.find_table(&request.database, &write.table).is_none()
            {
                self.shared.options.check_codec(codec)?;
            }
            let resolution = resolve(catalog, &request.database, write, &stored, now_ns)?;
            catalog = resolution.catalog;
            changes.extend(resolution.changes);
            let part = resolution.rows;
            if let Some(ids) = &part.ids
                && let Some(highest) = ids.highest(part.rows)
            {
                highest_ids.push((part.table, highest));
            }
            rows.push(part);
        }
        // Nothing failed: only now does the state move.
        self.catalog = catalog;
        for (table, highest) in highest_ids {
            let known = self.row_id_max.entry(table).or_default();
            *known = (*known).max(highest);
        }
        rows.retain(|part| part.rows > 0);
        Ok((changes, rows, request.durability))
    }

    fn prepare_command(&mut self, command: &Command) -> Result<Fitted> {
        self.shared.check_writable()?;
        if matches!(command, Command::CreateDatabase { .. } | Command::CreateTable { .. }) {
            self.shared.reserve.check()?;
        }
        if let Command::CreateTable { table: NewTable { codec: Some(codec), .. }, .. } = command {
            self.shared.options.check_codec(codec)?;
        }
        if let Command::AlterTable { change: TableChange::Set(settings), .. } = command {
            let codecs = settings.iter().filter_map(|setting| match setting {
                TableSetting::Codec(codec) => codec.as_ref(),
                _ => None,
            });
            codecs.into_iter().try_for_each(|codec| self.shared.options.check_codec(codec))?;
        }
        let changes = changes(&self.catalog, command, self.shared.env.clock.wall_ns())?;
        self.catalog = apply_all(&self.catalog, &changes)?;
        for change in &changes {
            let (CatalogChange::RenameColumn { table, column, .. }
            | CatalogChange::DropColumn { table, column }) = change
            else {
                continue;
            };
            // Parsers remember series by the text of their tags, names included. A field that was dropped is not
            // there any more.
            let schema = self.catalog.table_by_id(*table);
            let changed = schema.as_ref().and_then(|schema| schema.column_by_id(*column));
            if changed.is_some_and(|changed| changed.kind == ColumnKind::Tag) {
                self.catalog = Arc::new(self.catalog.with_new_registry(*table));
            }
        }
        Ok((changes, Vec::new(), Durability::Fsync))
    }

    /// Writes the group; says whether it must be synced before it is answered.
    fn log(&mut self, prepared: &[Prepared]) -> Result<bool> {
        let written = self.write_group(prepared);
        match &written {
            Ok(_) => self.dictionary.keep(),
            Err(_) => self.dictionary.take_back(),
        }
        written
    }

    fn write_group(&mut self, prepared: &[Prepared]) -> Result<bool> {
        self.dictionary.begin_group(self.wal.file());
        let (mut group, mut sync) = self.encode(prepared)?;
        // A file that is new in this moment defines nothing yet.
        while group.records > 0
            && self.wal_result(|wal, group| wal.make_room(group.len()), &group)?
            && !self.dictionary.move_group(self.wal.file())
        {
            self.dictionary.begin_group(self.wal.file());
            (group, sync) = self.encode(prepared)?;
        }
        // A repeat may ask for more than its first did.
        let unsynced = self.wal.unsynced() || group.records > 0;
        sync |= unsynced
            && prepared.iter().any(|r| r.receipt.duplicate && r.durability == Durability::Fsync);
        if group.records == 0 {
            return Ok(sync);
        }
        self.wal_result(Wal::write, &group)?;
        let counters = &self.shared.counters;
        counters.groups_written.fetch_add(1, Ordering::Relaxed);
        counters.records_written.fetch_add(u64::from(group.records), Ordering::Relaxed);
        counters.wal_bytes_written.fetch_add(group.len() as u64, Ordering::Relaxed);
        self.note_log_files();
        Ok(sync)
    }

    /// What the log answers; after a failed sync nothing may be written any more.
    fn wal_result<T>(
        &mut self,
        step: impl FnOnce(&mut Wal, &Group) -> Result<T>,
        group: &Group,
    ) -> Result<T> {
        step(&mut self.wal, group).inspect_err(|error| {
            if self.wal.failed() {
                self.shared.poison(&format!("{error}"));
            }
        })
    }

    /// The bytes of a group, and whether it must be synced before it is answered.
    fn encode(&mut self, prepared: &[Prepared]) -> Result<(Group, bool)> {
        let mut group = Group::new();
        let mut sync = false;
        for request in prepared.iter().filter(|request| request.receipt.changed) {
            let logged = request.durability != Durability::Off;
            sync |= request.durability == Durability::Fsync || !request.changes.is_empty();
            let rows = if logged { &request.rows[..] } else { &[] };
            if request.changes.is_empty() && rows.is_empty() {
                continue;
            }
            let (key, dictionary) = (request.key.as_ref(), &mut self.dictionary);
            let (changes, rows) = (&request.changes, rows.iter());
            let body = Record::encode(request.sequence, key, changes, rows, dictionary)?;
            group.push(request.sequence, &body, !changes.is_empty(), key.is_some());
        }
        Ok((group, sync))
    }

    fn note_log_files(&mut self) {
        let finished = self.wal.take_finished();
        self.shared.counters.wal_current_bytes.store(self.wal.current_bytes(), Ordering::Relaxed);
        if !finished.is_empty() {
            self.shared.wal_files.lock().extend(finished);
            self.shared.wake_flush();
        }
    }

    fn apply_and_publish(&mut self, mut prepared: Vec<Prepared>, sync: bool) {
        let mut synced = Ok(());
        let mut applied = Ok(Vec::new());
        if sync {
            let shared = Arc::clone(&self.shared);
            let mut syncer = Some(self.wal.syncer());
            let mut sync = || {
                let started = shared.env.clock.monotonic_ns();
                synced = syncer.take().map_or(Ok(()), |syncer| syncer());
                shared.counters.synced(shared.env.clock.monotonic_ns().saturating_sub(started));
            };
            let mut apply = || applied = self.apply(&mut prepared);
            shared.env.tasks.join(&mut sync, &mut apply);
        } else {
            applied = self.apply(&mut prepared);
        }
        let outcome = synced.map_err(|e| Error::io("sync the log", e)).and(applied);
        match outcome {
            Ok(touched) => {
                if sync {
                    self.wal.synced();
                    self.last_sync_ns = self.shared.env.clock.monotonic_ns();
                }
                self.publish(&prepared, &touched);
                self.shared.dedup.lock().keep_staged(self.shared.env.clock.monotonic_ns());
                self.acknowledge(prepared);
            }
            Err(error) => {
                self.shared.poison(&format!("{error}"));
                self.shared.dedup.lock().drop_staged();
                let refused = self.shared.check_writable().err().unwrap_or(error);
                self.refuse(prepared, &refused);
            }
        }
    }

    /// Puts rows into memtables and drops those of dropped tables; gives the touched tables.
    fn apply(&mut self, prepared: &mut [Prepared]) -> Result<Vec<TableId>> {
        let mut by_table: BTreeMap<TableId, Vec<(Sequence, ResolvedRows)>> = BTreeMap::new();
        for request in prepared {
            for part in request.rows.drain(..) {
                by_table.entry(part.table).or_default().push((request.sequence, part));
            }
        }
        let mut touched: Vec<TableId> = Vec::with_capacity(by_table.len());
        for (table, group) in by_table {
            if self.catalog.table_by_id(table).is_none() {
                continue; // dropped later in the same group
            }
            self.memtable(table)?.append(group)?;
            touched.push(table);
        }
        touched.sort_unstable();
        let catalog = &self.catalog;
        self.memtables.retain(|table, _| catalog.table_by_id(*table).is_some());
        self.row_id_max.retain(|table, _| catalog.table_by_id(*table).is_some());
        Ok(touched)
    }

    fn memtable(&mut self, table: TableId) -> Result<&mut Memtable> {
        let now_ns = self.shared.env.clock.monotonic_ns();
        let registry = self.catalog.registry(table);
        let registry = registry.ok_or_else(|| Error::internal("a table without a registry"))?;
        let next = &mut self.next_memtable;
        Ok(self.memtables.entry(table).or_insert_with(|| {
            *next += 1;
            Memtable::new(table, *next, now_ns, registry)
        }))
    }

    fn publish(&self, prepared: &[Prepared], touched: &[TableId]) {
        let changes: Vec<(Sequence, CatalogChange)> = prepared
            .iter()
            .flat_map(|request| request.changes.iter().map(|c| (request.sequence, c.clone())))
            .collect();
        let changed = !changes.is_empty();
        // Listed before they are published: an edit of everything visible must find them.
        self.shared.pending_changes.lock().extend(changes);
        let visible = Sequence(self.next_sequence.0 - 1);
        self.shared.publish(|before| {
            let mut memtables = (*before.memtables).clone();
            for table in touched {
                if let Some(memtable) = self.memtables.get(table) {
                    let views = memtables.entry(*table).or_default();
                    views.retain(|view| view.sealed);
                    views.push(Arc::new(memtable.view(false)));
                }
            }
            memtables.retain(|table, _| self.catalog.table_by_id(*table).is_some());
            let next = Published {
                catalog: Arc::clone(&self.catalog),
                version: Arc::clone(&before.version),
                memtables: Arc::new(memtables),
                visible,
            };
            (next, ())
        });
        if changed {
            self.shared.wake_flush();
        }
    }

    fn acknowledge(&self, prepared: Vec<Prepared>) {
        let new = || prepared.iter().filter(|request| !request.receipt.duplicate);
        let rows = new().map(|request| request.receipt.rows).sum();
        let repeats = (prepared.len() - new().count()) as u64;
        self.shared.counters.rows_written.fetch_add(rows, Ordering::Relaxed);
        self.shared.counters.duplicates.fetch_add(repeats, Ordering::Relaxed);
        for request in prepared {
            let _left = request.reply.send(Ok(request.receipt));
        }
    }

    // ---- sealing ---------------------------------------------------------------------------

    /// Seals what the policy says, and lets the flush task know.
    fn seal_due(&mut self) {
        let now_ns = self.shared.env.clock.monotonic_ns();
        let mut open: Vec<OpenFigures> = self
            .memtables
            .iter()
            .map(|(table, memtable)| OpenFigures {
                table: *table,
                bytes: memtable.size_bytes() as u64,
                age_ns: now_ns.saturating_sub(memtable.opened_ns()),
                first: memtable.first(),
            })
            .collect();
        open.sort_by_key(|memtable| memtable.table);
        let published = self.shared.published.load();
        let sealed_bytes = published
            .memtables
            .values()
            .flatten()
            .filter(|view| view.sealed)
            .map(|view| view.bytes as u64)
            .sum();
        let pressure = Pressure { sealed_bytes, release_through: release_through(&self.shared) };
        self.seal(&plan(&open, pressure, &self.shared.options));
    }

    /// Seals memtables: they take no more rows and wait for their flush. What is sealed is on disk in
    /// the log: else a power cut could leave a request's rows in the segments of one table and take
    /// those of another.
    fn seal(&mut self, tables: &[TableId]) {
        if !tables.is_empty() && self.wal.unsynced() {
            self.sync_now();
        }
        if self.shared.poisoned().is_some() {
            // The open memtables may hold rows that were refused.
            return;
        }
        let sealed: Vec<Arc<MemtableView>> = tables
            .iter()
            .filter_map(|table| self.memtables.remove(table))
            .filter(|memtable| memtable.rows() > 0)
            .map(|memtable| Arc::new(memtable.view(true)))
            .collect();
        let turned = self.turn_registries(tables);
        if sealed.is_empty() && !turned {
            return;
        }
        self.shared.publish(|before| {
            let mut memtables = (*before.memtables).clone();
            for view in &sealed {
                let views = memtables.entry(view.table).or_default();
                views.retain(|other| other.number != view.number);
                views.push(Arc::clone(view));
            }
            let catalog = Arc::clone(&self.catalog);
            (Published { catalog, memtables: Arc::new(memtables), ..before.clone() }, ())
        });
        self.shared.wake_flush();
    }

    /// Gives up the registries of tables that have just been sealed while all registries take more than
    /// their share: what of their series still comes is counted anew. Says whether there were any.
    fn turn_registries(&mut self, sealed: &[TableId]) -> bool {
        let mut bytes = self.registry_bytes();
        let size = |catalog: &Catalog, table: &TableId| {
            catalog.registry(*table).map_or(0, |registry| registry.size_bytes() as u64)
        };
        let mut largest_first = sealed.to_vec();
        largest_first.sort_by_key(|table| std::cmp::Reverse(size(&self.catalog, table)));
        let mut turned = false;
        for table in largest_first {
            if bytes <= self.shared.options.series_bytes {
                break;
            }
            bytes -= size(&self.catalog, &table);
            self.catalog = Arc::new(self.catalog.with_new_registry(table));
            turned = true;
        }
        turned
    }

    /// Bytes of all registries.
    fn registry_bytes(&self) -> u64 {
        self.catalog.registries().map(|registry| registry.size_bytes() as u64).sum()
    }

    /// The table with the largest registry, if they take far more than their share: refused requests may
    /// have brought series without rows, which no seal counts.
    fn bloated_registry(&self) -> Option<TableId> {
        if self.registry_bytes() <= self.shared.options.series_bytes / 2 * 3 {
            return None;
        }
        let largest = self.catalog.registries().max_by_key(|registry| registry.size_bytes());
        largest.filter(|registry| !registry.is_empty()).map(|registry| registry.table())
    }

    fn seal_all(&mut self) {
        let all: Vec<TableId> = self.memtables.keys().copied().collect();
        self.seal(&all);
    }

    fn flush(&mut self, filter: &FlushFilter, reply: Reply) {
        if let Err(error) = self.shared.check_writable() {
            let _left = reply.send(Err(error));
            return;
        }
        if filter.cold && self.shared.options.cold_format == ColdFormat::Native {
            let message = "nothing becomes Parquet here: storage.cold_format is native";
            let _left = reply.send(Err(Error::new(Code::InvalidRequest, message)));
            return;
        }
        let tables: Vec<TableId> = match self.filtered(filter) {
            Ok(tables) => tables,
            Err(error) => {
                let _left = reply.send(Err(error));
                return;
            }
        };
        self.seal(&tables);
        if let Err(error) = self.shared.check_writable() {
            let _left = reply.send(Err(error));
            return;
        }
        let published = self.shared.published.load();
        let waiting: Vec<&Arc<MemtableView>> = tables
            .iter()
            .filter_map(|table| published.memtables.get(table))
            .flatten()
            .filter(|view| view.sealed)
            .collect();
        let receipt = Receipt {
            sequence: published.visible,
            rows: waiting.iter().map(|view| view.rows as u64).sum(),
            changed: !waiting.is_empty(),
            duplicate: false,
        };
        let memtables = waiting.iter().map(|view| view.number).collect();
        let cold = if filter.cold { tables } else { Vec::new() };
        self.shared.flush_waiters.lock().push(FlushWaiter { memtables, cold, receipt, reply });
        self.shared.wake_flush();
        self.shared.wake_compaction();
    }

    /// Seals the table of a correction, gives it a sequence above everything it hits, and sends it on.
    fn correct(&mut self, correction: Correction, reply: Reply) {
        let accepted = self.accept(&correction);
        let schema = match accepted {
            Ok(schema) => schema,
            Err(error) => {
                let _left = reply.send(Err(error));
                return;
            }
        };
        let erases = matches!(correction.change, Change::Erase);
        match erases {
            // Everything leaves the log files up to here.
            true => self.seal_all(),
            false => self.seal(&[schema.id]),
        }
        if erases && self.wal.unsynced() {
            self.sync_now();
        }
        if erases && self.shared.poisoned().is_none() {
            self.wal.rotate();
            self.note_log_files();
        }
        if let Err(error) = self.shared.check_writable() {
            let _left = reply.send(Err(error));
            return;
        }
        let sequence = self.next_sequence;
        self.next_sequence = Sequence(sequence.0 + 1);
        self.publish(&[], &[]);
        let published = self.shared.published.load();
        let views = published.memtables.get(&schema.id).into_iter().flatten();
        let last_file = || self.shared.wal_files.lock().last().map_or(0, |file| file.number);
        self.shared.corrections.push(Job {
            table: schema.id,
            sequence,
            memtables: views.filter(|view| view.sealed).map(|view| view.number).collect(),
            log_through: erases.then(last_file),
            schema,
            rows: correction.rows,
            change: correction.change,
            reply,
        });
        self.shared.wake_flush();
        self.shared.wake_correction();
    }

    /// The stored schema of the table that a correction is for, if it can be taken.
    fn accept(&self, correction: &Correction) -> Result<Arc<TableSchema>> {
        self.shared.check_writable()?;
        if matches!(correction.change, Change::Replace(_)) {
            self.shared.reserve.check()?;
        }
        let schema = self.catalog.table(&correction.database, &correction.table)?;
        let planned_for = correction.planned_for;
        if planned_for.is_some_and(|planned| planned != (schema.id, schema.version)) {
            let message = format!("table {:?} has changed meanwhile", &*schema.name);
            return Err(Error::new(Code::SchemaMoved, message).hint("send the request again"));
        }
        let stored = self.catalog.table_by_id(schema.id);
        stored.ok_or_else(|| Error::internal("a table without a schema"))
    }

    fn filtered(&self, filter: &FlushFilter) -> Result<Vec<TableId>> {
        let of = |database: &Name| -> Result<Vec<TableId>> {
            match &filter.table {
                Some(table) => Ok(vec![self.catalog.table(database, table)?.id]),
                None => Ok(self.catalog.database(database)?.tables.values().copied().collect()),
            }
        };
        match (&filter.database, &filter.table) {
            (Some(database), _) => of(database),
            (None, Some(_)) => of(&Name::literal(crate::catalog::DEFAULT_DATABASE)),
            (None, None) => {
                let mut all: Vec<TableId> = self.catalog.tables().map(|table| table.id).collect();
                all.sort_unstable();
                Ok(all)
            }
        }
    }

    // ---- time ------------------------------------------------------------------------------

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

    /// Seals everything and hands the rest to the flush task; the log stays as a second net until
    /// the segments are committed.
    fn close(&mut self, reply: Reply) -> Step {
        if self.wal.unsynced() {
            self.sync_now();
        }
        if self.shared.poisoned().is_none() {
            self.seal_all();
            self.wal.rotate();
            self.note_log_files();
        }
        let published = self.shared.published.load();
        let memtables: Vec<u64> =
            published.memtables.values().flatten().map(|view| view.number).collect();
        let receipt =
            Receipt { sequence: published.visible, rows: 0, changed: true, duplicate: false };
        match self.shared.check_writable() {
            Ok(()) => {
                let waiter = FlushWaiter { memtables, cold: Vec::new(), receipt, reply };
                self.shared.flush_waiters.lock().push(waiter);
            }
            Err(error) => {
                let _left = reply.send(Err(error));
            }
        }
        self.shared.begin_close();
        Step::Done
    }
}
