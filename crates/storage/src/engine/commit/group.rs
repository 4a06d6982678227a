//! One group of requests: resolve → encode → one write → apply while the disk syncs → publish → acknowledge.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pulsora_model::{Code, ColumnKind, Error, Result, Sequence, TableId};

use super::Committer;
use crate::catalog::{CatalogChange, ResolvedRows, resolve};
use crate::engine::command::{apply_all, changes};
use crate::engine::key::IdempotencyKey;
use crate::engine::options::Durability;
use crate::engine::queue::{Event, Reply};
use crate::engine::request::{Command, NewTable, Receipt, TableChange, TableSetting, WriteRequest};
use crate::engine::stored::StoredValues;
use crate::memtable::Memtable;
use crate::read::Published;
use crate::wal::{Group, Record, Wal};

/// A request that fits, waiting for its group.
pub(in crate::engine) struct Prepared {
    sequence: Sequence,
    changes: Vec<CatalogChange>,
    pub(in crate::engine) rows: Vec<ResolvedRows>,
    durability: Durability,
    /// To be remembered with its record.
    key: Option<IdempotencyKey>,
    receipt: Receipt,
    reply: Reply,
}

/// What a request comes to: changes of the catalog, rows, and when it is acknowledged.
type Fitted = (Vec<CatalogChange>, Vec<ResolvedRows>, Durability);

impl Committer {
    pub(super) fn commit(&mut self, events: Vec<Event>) {
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

    pub(super) fn publish(&self, prepared: &[Prepared], touched: &[TableId]) {
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
}
