//! Manifest and log → the first published state.
//!
//! Order: lock, manifest, orphans, log, then one edit that raises the epoch. A record is applied only
//! where the manifest does not cover it yet: rows by the flushed sequence of their table, catalog
//! changes by the manifest's catalog sequence. Idempotency keys may come from both.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::ArrayRef;
use pulsora_env::{Env, LocalStore, Store};
use pulsora_model::{
    Code, Column, ColumnId, ColumnKind, ColumnType, Error, Result, Sequence, SeriesRegistry,
    TableId, TableSchema,
};

use super::commit::CommitterStart;
use super::dedup::Dedup;
use super::options::{Options, Recover};
use super::reserve::Reserve;
use super::shared::{SegmentIds, Shared, SharedStart};
use crate::catalog::{Catalog, CatalogChange, ResolvedRows};
use crate::manifest::{Edit, KeyWindows, ManifestLog, ManifestState, Version};
use crate::memtable::Memtable;
use crate::read::Published;
use crate::segment::SegmentAccess;
use crate::wal::{FileSets, LoggedRows, Record, Section, Wal, replay};

const LOCK: &str = "LOCK";
const WAL_DIR: &str = "wal";
/// Rows gathered per table before they become a chunk: small records must not make small chunks.
const CHUNK_ROWS: usize = 8_192;

/// An engine that is ready to start its tasks.
pub(super) struct Recovered {
    pub shared: Shared,
    pub manifest: ManifestLog,
    pub start: CommitterStart,
}

/// Opens the directory of `options`.
///
/// # Errors
/// `locked`, `corrupt`, I/O.
pub(super) fn recover(env: &Env, options: Options) -> Result<Recovered> {
    let dir = options.data_dir.clone();
    env.files
        .create_dir_all(&dir)
        .map_err(|e| Error::io(format!("create the data directory {}", dir.display()), e))?;
    let lock = take_lock(env, &dir)?;
    let local: Arc<dyn Store> = Arc::new(LocalStore::new(dir.clone(), env));
    let store = options.store.as_ref().map_or_else(|| Arc::clone(&local), |s| Arc::clone(&s.0));
    let manifest_dir = dir.join("manifest");
    if env.files.exists(&manifest_dir) {
        // After a kill a name may be visible and not yet durable.
        env.files.sync_dir(&manifest_dir).map_err(|e| Error::io("sync the manifest", e))?;
    }
    let mut manifest = ManifestLog::open(Arc::clone(&local))?;
    remove_orphans(&*local, &["manifest/"], manifest.state())?;
    remove_orphans(&*store, &["cold/", "hot/"], manifest.state())?;
    let mut replayed = Replayed::new(env, manifest.state(), &options);
    let wal_dir = dir.join(WAL_DIR);
    let log = replay(env, &wal_dir, options.recover, |record, sets| replayed.record(record, sets))?;
    log.settle(env)?;
    replayed.append_rest()?;
    let last = replayed.last.max(manifest.state().last).max(log.last);
    let epoch = manifest.state().epoch + 1;
    let reserve = Reserve::new(env, &options);
    let edit = Edit { epoch: Some(epoch), last, ..Edit::default() };
    manifest.commit(&edit).or_else(|error| {
        // A full disk can still be opened, to read and to free space.
        let retry = error.code() == Code::DiskFull && reserve.release();
        if retry { manifest.commit(&edit) } else { Err(error) }
    })?;
    reserve.try_hold();
    let segments = SegmentAccess::with(
        Arc::clone(&store),
        Arc::clone(&options.codecs),
        options.cache_bytes,
        options.mmap,
    );
    let version = Version::of_state(manifest.state(), manifest.number(), &segments);
    let published = Published {
        catalog: Arc::clone(&replayed.catalog),
        version: Arc::new(version),
        memtables: Arc::new(
            replayed
                .memtables
                .iter()
                .map(|(table, memtable)| (*table, vec![Arc::new(memtable.view(false))]))
                .collect(),
        ),
        visible: last,
    };
    let wal = Wal::new(env.clone(), wal_dir, options.wal_file_bytes, log.next_file, log.next_group);
    let dedup = Dedup::new(
        replayed.keys,
        env.clock.monotonic_ns(),
        options.dedup_window,
        options.dedup_clients,
    );
    let segment_ids = SegmentIds::new(epoch);
    let start = SharedStart { published, lock, reserve, segment_ids, dedup };
    let shared = Shared::new(env.clone(), options, segments, start);
    let skipped = log.skipped_groups + log.lost_records + replayed.misfits;
    shared.counters.skipped_groups.store(log.skipped_groups, Ordering::Relaxed);
    shared.counters.torn_groups.store(log.torn_groups, Ordering::Relaxed);
    *shared.wal_files.lock() = log.files;
    *shared.pending_changes.lock() = replayed.changes;
    let start = CommitterStart {
        wal,
        next_memtable: replayed.next_memtable,
        memtables: replayed.memtables,
        row_id_max: replayed.row_id_max,
        next_sequence: Sequence(last.0 + 1),
        flush_at_once: skipped > 0,
    };
    Ok(Recovered { shared, manifest, start })
}

fn take_lock(env: &Env, dir: &std::path::Path) -> Result<Box<dyn Send + Sync>> {
    let path: PathBuf = dir.join(LOCK);
    env.files.lock(&path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::WouldBlock {
            return Error::new(
                Code::Locked,
                format!("the data directory {} is in use by another process", dir.display()),
            )
            .hint("stop the other server, or use another --data-dir");
        }
        Error::io(format!("lock {}", path.display()), error)
    })
}

/// Removes objects that no edit names: what a crash left between writing a segment and its edit.
fn remove_orphans(store: &dyn Store, prefixes: &[&str], state: &ManifestState) -> Result<()> {
    let known: HashSet<&str> = state.segments.iter().flat_map(|meta| meta.objects()).collect();
    let context = |e| Error::io("remove objects that nothing names", e);
    for prefix in prefixes {
        for (name, _) in store.list(prefix).map_err(context)? {
            let temporary = name.ends_with(pulsora_env::store::TEMPORARY_SUFFIX);
            if temporary || (*prefix != "manifest/" && !known.contains(name.as_str())) {
                tracing::info!(name, "an object that nothing names is removed");
                store.delete(&name).map_err(context)?;
            }
        }
    }
    Ok(())
}

/// Whether values of this type in the log are values of the column: of its own type, or of the one that
/// it had before it was widened.
fn takes(column: &Column, ty: ColumnType) -> bool {
    let widened = column.ty == ColumnType::F64 && matches!(ty, ColumnType::I64 | ColumnType::U64);
    column.kind == ColumnKind::Field && (ty == column.ty || widened)
}

/// Checks logged rows against the catalog. Columns that are not there any more are none of its business.
///
/// # Errors
/// `corrupt`, naming the table.
fn check_fits(schema: &TableSchema, rows: &LoggedRows) -> Result<()> {
    let fits = |(id, ty, _): &(ColumnId, ColumnType, ArrayRef)| {
        schema.column_by_id(*id).is_none_or(|column| takes(column, *ty))
    };
    if rows.fields.iter().all(fits) && rows.ids.is_some() == schema.row_id().is_some() {
        return Ok(());
    }
    Err(Error::corrupt(format!("logged rows of table {:?} do not fit its columns", &*schema.name)))
}

/// The state that replay builds.
struct Replayed {
    catalog: Arc<Catalog>,
    catalog_through: Sequence,
    flushed: BTreeMap<TableId, Sequence>,
    row_id_max: BTreeMap<TableId, u64>,
    memtables: BTreeMap<TableId, Memtable>,
    waiting: BTreeMap<TableId, Vec<(Sequence, ResolvedRows)>>,
    waiting_rows: BTreeMap<TableId, usize>,
    changes: Vec<(Sequence, CatalogChange)>,
    keys: KeyWindows,
    next_memtable: u64,
    now_ns: u64,
    last: Sequence,
    recover: Recover,
    /// Catalog changes left out because they rest on damaged records.
    misfits: u64,
}

impl Replayed {
    fn new(env: &Env, state: &ManifestState, options: &Options) -> Replayed {
        Replayed {
            recover: options.recover,
            misfits: 0,
            catalog: Arc::new(
                (state.catalog.clone())
                    .with_registries(options.series_limits())
                    .with_limits(options.limits),
            ),
            catalog_through: state.catalog_through,
            flushed: state.flushed.iter().map(|(table, seq)| (*table, *seq)).collect(),
            row_id_max: state.row_ids.iter().map(|(table, id)| (*table, *id)).collect(),
            memtables: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_rows: BTreeMap::new(),
            changes: Vec::new(),
            keys: state.keys.clone(),
            next_memtable: 0,
            now_ns: env.clock.monotonic_ns(),
            last: Sequence(0),
        }
    }

    fn record(&mut self, record: Record, sets: &mut FileSets) -> Result<()> {
        self.last = self.last.max(record.sequence);
        if let Some(key) = &record.key {
            self.keys.insert(key, record.sequence);
        }
        for section in record.sections {
            match section {
                Section::Change(change) => self.change(record.sequence, change)?,
                Section::Rows(rows) => self.rows(record.sequence, rows, sets)?,
            }
        }
        Ok(())
    }

    fn change(&mut self, sequence: Sequence, change: CatalogChange) -> Result<()> {
        if sequence <= self.catalog_through {
            return Ok(());
        }
        match self.catalog.apply(&change) {
            Ok(next) => self.catalog = Arc::new(next),
            Err(error) if self.recover == Recover::SkipCorrupt => {
                tracing::error!(%error, "a catalog change that rests on damaged records is left out");
                self.misfits += 1;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        if matches!(change, CatalogChange::DropTable { .. } | CatalogChange::DropDatabase { .. }) {
            let catalog = &self.catalog;
            self.memtables.retain(|table, _| catalog.table_by_id(*table).is_some());
            self.waiting.retain(|table, _| catalog.table_by_id(*table).is_some());
            self.waiting_rows.retain(|table, _| catalog.table_by_id(*table).is_some());
            self.row_id_max.retain(|table, _| catalog.table_by_id(*table).is_some());
        }
        self.changes.push((sequence, change));
        Ok(())
    }

    fn rows(
        &mut self,
        sequence: Sequence,
        mut rows: LoggedRows,
        sets: &mut FileSets,
    ) -> Result<()> {
        let table = rows.table;
        let covered = self.flushed.get(&table).is_some_and(|flushed| sequence <= *flushed);
        // A table that is gone from the catalog was dropped further on.
        let Some(schema) = self.catalog.table_by_id(table).filter(|_| !covered) else {
            return Ok(());
        };
        match check_fits(&schema, &rows) {
            Ok(()) => {}
            Err(error) if self.recover == Recover::Strict => return Err(error),
            Err(error) => {
                tracing::error!(%error, "values that do not fit the catalog are left out");
                self.misfits += 1;
                if rows.ids.is_some() != schema.row_id().is_some() {
                    return Ok(());
                }
            }
        }
        // The record that made the column, or gave it its type, may be lost.
        rows.fields.retain(|(id, ty, _)| schema.column_by_id(*id).is_some_and(|c| takes(c, *ty)));
        if let Some(highest) = rows.ids.as_ref().and_then(|ids| ids.highest(rows.rows)) {
            let known = self.row_id_max.entry(table).or_default();
            *known = (*known).max(highest);
        }
        let rows = rows.resolve(self.registry(table)?, sets)?;
        let count = self.waiting_rows.entry(table).or_default();
        *count += rows.rows;
        let full = *count >= CHUNK_ROWS;
        self.waiting.entry(table).or_default().push((sequence, rows));
        if full { self.append(table) } else { Ok(()) }
    }

    fn append(&mut self, table: TableId) -> Result<()> {
        self.waiting_rows.remove(&table);
        let Some(group) = self.waiting.remove(&table) else { return Ok(()) };
        let registry = Arc::clone(self.registry(table)?);
        let (next, now_ns) = (&mut self.next_memtable, self.now_ns);
        let memtable = self.memtables.entry(table).or_insert_with(|| {
            *next += 1;
            Memtable::new(table, *next, now_ns, &registry)
        });
        memtable.append(group)
    }

    fn registry(&self, table: TableId) -> Result<&Arc<SeriesRegistry>> {
        let registry = self.catalog.registry(table);
        registry.ok_or_else(|| Error::internal("rows of the log for a table without a registry"))
    }

    fn append_rest(&mut self) -> Result<()> {
        let mut tables: Vec<TableId> = self.waiting.keys().copied().collect();
        tables.sort_unstable();
        tables.into_iter().try_for_each(|table| self.append(table))
    }
}
