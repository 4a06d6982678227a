//! Verifies every checksum of a data directory at rest, and changes nothing in it.
//!
//! The log is read by the code of recovery, the manifest and the objects by the code of reads, over a
//! file system that refuses to write; so a check finds what a start or a query would find, and more
//! than one finding at a time. Not responsible for repair, nor for whether values make sense.
//!
//! Invariants: no byte and no name of the directory changes but the process id in `LOCK` (which is
//! held, never made); one damaged file does not hide the next, except that a damaged manifest leaves
//! the segments unknown.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use pulsora_codec::Codecs;
use pulsora_env::store::TEMPORARY_SUFFIX;
use pulsora_env::{DirEntry, Env, File, Files, LocalStore, Store};
use pulsora_model::{Code, Error, Result, Sequence, TableId, TableSchema};

use super::options::Recover;
use crate::catalog::Catalog;
use crate::manifest::{ManifestLog, ManifestState};
use crate::read::{ScanCounters, TimeRange};
use crate::segment::{ReadSpec, RowChoice, Segment, SegmentAccess, SegmentFile, SegmentFormat};
use crate::wal::{Record, Section, replay};

/// What is left of a log file when only its header is of interest: the header's page.
const HEADER_PAGE: u64 = 4096;

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// Files that were read: log, manifest, segments, row id indexes.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows stored, in segments (without deleted ones) and in the log; an upsert table may show fewer.
    pub rows: u64,
    /// Damage; empty = the directory is sound.
    pub problems: Vec<Finding>,
    /// What is ordinary and still worth a line: torn ends of the log, objects that nothing names.
    pub notes: Vec<Finding>,
}

/// One thing to say about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Path below the data directory.
    pub file: String,
    /// What is wrong, with the byte where that is known.
    pub message: String,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckProgress<'a> {
    /// The file that is read next, below the data directory.
    pub file: &'a str,
    /// Bytes of the files before it.
    pub bytes_done: u64,
    /// Bytes of all files.
    pub bytes_total: u64,
}

/// Verifies the data directory `dir`. No server may have it open. `progress` is called before each
/// file.
///
/// # Errors
/// `locked` when a process has the directory open, `invalid_request` when it is none of ours, I/O.
/// Damage is not an error but in the report.
pub fn check(
    env: &Env,
    dir: &Path,
    progress: impl FnMut(CheckProgress<'_>),
) -> Result<CheckReport> {
    if !env.files.exists(&dir.join("manifest")) && !env.files.exists(&dir.join("wal")) {
        return Err(Error::new(
            Code::InvalidRequest,
            format!("{} is not a data directory: it has neither manifest nor wal", dir.display()),
        )
        .hint("name the directory that the server was started with (--data-dir)"));
    }
    let _held = hold(env, dir)?;
    let untouched = Untouched { files: Arc::clone(&env.files), log: None };
    let sight = Env { files: Arc::new(untouched), ..env.clone() };
    let store: Arc<dyn Store> = Arc::new(LocalStore::new(dir, &sight));
    let mut objects = HashMap::new();
    for prefix in ["manifest/", "cold/", "hot/"] {
        let listed = store.list(prefix).map_err(|e| Error::io(format!("list {prefix}"), e))?;
        objects.extend(listed);
    }
    let log = log_files(&sight, dir)?;
    let bytes_total = objects.values().sum::<u64>() + log.iter().map(|file| file.len).sum::<u64>();
    let report = CheckReport::default();
    // Read by range: a disk that fails is a finding, under a map it would end the process.
    let codecs = Arc::new(Codecs::builtin().clone());
    let access = SegmentAccess::with(Arc::clone(&store), codecs, 0, false);
    let mut check =
        Check { env: sight, dir, store, access, objects, bytes_total, report, progress };
    let state = check.manifest();
    check.log(&log, state.as_ref());
    if let Some(state) = &state {
        check.segments(state);
    }
    check.notes(state.as_ref());
    Ok(check.report)
}

/// Holds `LOCK`, if it is there: without it no server has ever had the directory open.
fn hold(env: &Env, dir: &Path) -> Result<Option<Box<dyn Send + Sync>>> {
    let path = dir.join("LOCK");
    if !env.files.exists(&path) {
        return Ok(None);
    }
    env.files.lock(&path).map(Some).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            return Error::new(
                Code::Locked,
                format!("the data directory {} is in use by another process", dir.display()),
            )
            .hint("stop the server first: a directory that is being written cannot be checked");
        }
        Error::io(format!("lock {}", path.display()), error)
    })
}

fn log_files(env: &Env, dir: &Path) -> Result<Vec<DirEntry>> {
    let entries = match env.files.list(&dir.join("wal")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(|e| Error::io("list the log", e))?,
    };
    Ok(entries.into_iter().filter(|entry| entry.name.ends_with(".wal")).collect())
}

/// A check under way.
struct Check<'a, P> {
    env: Env,
    dir: &'a Path,
    store: Arc<dyn Store>,
    access: Arc<SegmentAccess>,
    /// Lengths by name.
    objects: HashMap<String, u64>,
    bytes_total: u64,
    report: CheckReport,
    progress: P,
}

impl<P: FnMut(CheckProgress<'_>)> Check<'_, P> {
    /// Counts a file that is about to be read.
    fn begin(&mut self, file: &str, bytes: u64) {
        let (bytes_done, bytes_total) = (self.report.bytes, self.bytes_total);
        (self.progress)(CheckProgress { file, bytes_done, bytes_total });
        self.report.files += 1;
        self.report.bytes += bytes;
    }

    fn problem(&mut self, file: impl Into<String>, message: impl Into<String>) {
        self.report.problems.push(Finding { file: file.into(), message: message.into() });
    }

    fn note(&mut self, file: impl Into<String>, message: impl Into<String>) {
        self.report.notes.push(Finding { file: file.into(), message: message.into() });
    }

    /// Every edit and checkpoint, and whether they add up.
    fn manifest(&mut self) -> Option<ManifestState> {
        let mut names: Vec<(String, u64)> = self
            .objects
            .iter()
            .filter(|(name, _)| name.starts_with("manifest/") && !name.ends_with(TEMPORARY_SUFFIX))
            .map(|(name, bytes)| (name.clone(), *bytes))
            .collect();
        names.sort_unstable();
        for (name, bytes) in &names {
            self.begin(name, *bytes);
        }
        match ManifestLog::open(Arc::clone(&self.store)) {
            Ok(log) => Some(log.state().clone()),
            Err(error) => {
                let named = numbered(error.message()).and_then(|number| {
                    names.iter().find(|(name, _)| name.contains(&format!("{number:020}.")))
                });
                let file = named.map_or("manifest", |(name, _)| name);
                self.problem(file, plain(error.message()));
                self.note(
                    "manifest",
                    "the segments are not checked: only a whole manifest names them",
                );
                None
            }
        }
    }

    /// Every group of every log file. Each file is replayed by itself, with the header of the next,
    /// which says how far it must be whole.
    fn log(&mut self, files: &[DirEntry], state: Option<&ManifestState>) {
        let mut rows = state.map(LogRows::new);
        for (position, file) in files.iter().enumerate() {
            let name = format!("wal/{}", file.name);
            self.begin(&name, file.len);
            let next = files.get(position + 1).map(|next| next.name.clone());
            let log = Some((file.name.clone(), next));
            let part = Untouched { files: Arc::clone(&self.env.files), log };
            let env = Env { files: Arc::new(part), ..self.env.clone() };
            let wal = self.dir.join("wal");
            let follow =
                |record, _: &mut _| rows.as_mut().map_or(Ok(()), |rows| rows.record(record));
            match replay(&env, &wal, Recover::Strict, follow) {
                Ok(replayed) if replayed.torn_groups > 0 => self.note(
                    name,
                    "its last group is not whole: ordinary after a crash, it was never acknowledged",
                ),
                Ok(_) => {}
                Err(error) => {
                    self.problem(&*name, plain(error.message()));
                    // Behind a gap nothing says what later records are about.
                    rows = None;
                    let skipped = replay(&env, &wal, Recover::SkipCorrupt, |_, _| Ok(()));
                    if let Ok(groups) = skipped.map(|replayed| replayed.skipped_groups)
                        && groups > 1
                    {
                        self.problem(name, format!("{groups} places are damaged in all"));
                    }
                }
            }
        }
        self.report.rows += rows.map_or(0, |rows| rows.stored());
    }

    fn segments(&mut self, state: &ManifestState) {
        let mut counted = HashSet::new();
        for meta in &state.segments {
            let bytes = self.objects.get(&meta.object).copied();
            if counted.insert(meta.object.as_str()) {
                self.begin(&meta.object, bytes.unwrap_or(0));
            }
            let deleted = state.bitmaps.get(&meta.id).cloned();
            let file = Arc::new(SegmentFile::new(Arc::clone(meta), &self.access));
            let segment = Segment { meta: Arc::clone(meta), deleted, file };
            if let Err(error) = check_segment(&segment, &state.catalog) {
                let place = format!("bytes {} to {}: ", meta.offset, meta.offset + meta.length);
                self.problem(&*meta.object, place + plain(error.message()));
            }
            if state.catalog.table_by_id(meta.table).is_some() {
                self.report.rows += segment.live_rows();
            }
            self.id_index(&segment);
        }
        self.lengths(state);
    }

    fn id_index(&mut self, segment: &Segment) {
        let Some(ids) = &segment.meta.ids else { return };
        if ids.object != segment.meta.object {
            self.begin(&ids.object, self.objects.get(&ids.object).copied().unwrap_or(0));
        }
        let checked = segment.file.id_index().and_then(|index| {
            let Some(index) = index else { return Ok(()) };
            for id in [ids.min_id, ids.max_id] {
                if index.lookup(id)?.is_none() {
                    return Err(Error::corrupt(format!("it lacks the row id {id}")));
                }
            }
            Ok(())
        });
        if let Err(error) = checked {
            self.problem(&*ids.object, plain(error.message()));
        }
    }

    /// Bytes behind the last segment of an object are nobody's.
    fn lengths(&mut self, state: &ManifestState) {
        let mut ends: HashMap<&str, u64> = HashMap::new();
        for meta in &state.segments {
            // In an object of several segments, the last may be gone.
            if meta.format == SegmentFormat::Hot {
                continue;
            }
            let end = ends.entry(&meta.object).or_default();
            *end = (*end).max(meta.offset + meta.length);
        }
        for (object, end) in ends {
            if let Some(bytes) = self.objects.get(object).copied().filter(|bytes| *bytes > end) {
                self.problem(
                    object,
                    format!("it has {bytes} bytes, its last segment ends at {end}"),
                );
            }
        }
    }

    /// Objects that no edit names: what a crash leaves between writing a segment and its edit.
    fn notes(&mut self, state: Option<&ManifestState>) {
        let segments = state.map_or(&[][..], |state| &state.segments);
        let known: HashSet<&str> = segments.iter().flat_map(|meta| meta.objects()).collect();
        let mut orphans: Vec<(String, u64)> = self
            .objects
            .iter()
            .filter(|(name, _)| {
                let unnamed = state.is_some() && !name.starts_with("manifest/");
                name.ends_with(TEMPORARY_SUFFIX) || (unnamed && !known.contains(name.as_str()))
            })
            .map(|(name, bytes)| (name.clone(), *bytes))
            .collect();
        orphans.sort_unstable();
        for (name, bytes) in orphans {
            self.note(
                name,
                format!("{bytes} bytes that nothing names; the next start removes them"),
            );
        }
        self.report.problems.sort_by(|a, b| a.file.cmp(&b.file));
    }
}

/// All checksums of a segment, its footer, its number of rows, its delete bitmap; of a hot one every value.
fn check_segment(segment: &Segment, catalog: &Catalog) -> Result<()> {
    let meta = &segment.meta;
    let table = catalog.table_by_id(meta.table).ok_or_else(|| {
        Error::corrupt(format!("it belongs to table {}, which does not exist", meta.table))
    })?;
    match meta.format {
        SegmentFormat::Parquet => check_parquet(segment, &table)?,
        SegmentFormat::Hot => segment.file.hot()?.verify(Some(meta.crc))?,
    }
    let last = segment.deleted.as_ref().and_then(|deleted| deleted.max());
    match last.filter(|row| u64::from(*row) >= meta.rows) {
        Some(row) => Err(Error::corrupt(format!(
            "its delete bitmap names row {row}, it has {} rows",
            meta.rows
        ))),
        None => Ok(()),
    }
}

/// The checksum of the whole segment and its footer.
fn check_parquet(segment: &Segment, table: &TableSchema) -> Result<()> {
    segment.file.verify_parquet()?;
    segment.read(ReadSpec {
        columns: Vec::new(),
        time_column: table.time().id,
        time: TimeRange::ALL,
        tags: Vec::new(),
        fields: Vec::new(),
        rows: RowChoice::Live,
        groups: Some(0..0),
        batch_rows: 1,
        counters: Arc::new(ScanCounters::default()),
    })?;
    Ok(())
}

/// A message without the name of the file, which stands before it.
fn plain(message: &str) -> &str {
    let named = ["manifest file ", "log file ", "segment object ", "row id index ", "object "];
    let rest = named.iter().find_map(|prefix| message.strip_prefix(prefix));
    rest.and_then(|rest| rest.split_once(": ")).map_or(message, |(_, rest)| rest)
}

/// The number in `manifest file <number>: …`.
fn numbered(message: &str) -> Option<u64> {
    message.strip_prefix("manifest file ")?.split_once(": ")?.0.parse().ok()
}

/// The rows of the log that no segment holds, by table.
struct LogRows<'a> {
    state: &'a ManifestState,
    catalog: Catalog,
    rows: HashMap<TableId, u64>,
}

impl<'a> LogRows<'a> {
    fn new(state: &'a ManifestState) -> LogRows<'a> {
        LogRows { state, catalog: state.catalog.clone(), rows: HashMap::new() }
    }

    fn record(&mut self, record: Record) -> Result<()> {
        for section in record.sections {
            match section {
                Section::Change(change) if record.sequence > self.state.catalog_through => {
                    self.catalog = self.catalog.apply(&change)?;
                }
                Section::Change(_) => {}
                Section::Rows(rows) => {
                    let flushed = self.state.flushed.get(&rows.table).copied();
                    if record.sequence > flushed.unwrap_or(Sequence(0)) {
                        *self.rows.entry(rows.table).or_default() += rows.rows as u64;
                    }
                }
            }
        }
        Ok(())
    }

    /// Rows of tables that are still there.
    fn stored(&self) -> u64 {
        let there = |table: &TableId| self.catalog.table_by_id(*table).is_some();
        self.rows.iter().filter(|(table, _)| there(table)).map(|(_, rows)| rows).sum()
    }
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "a check does not write")
}

/// Files as they are: reading works, syncing and removing do nothing, writing is refused.
struct Untouched {
    files: Arc<dyn Files>,
    /// In the log: a file, and the next one of which only the header is seen. `None` = everything.
    log: Option<(String, Option<String>)>,
}

impl Files for Untouched {
    fn create(&self, _: &Path) -> io::Result<Arc<dyn File>> {
        Err(refused())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let next = self.log.as_ref().and_then(|(_, next)| next.as_deref());
        let header = next.is_some_and(|next| path.file_name().is_some_and(|name| name == next));
        let end = if header { HEADER_PAGE } else { u64::MAX };
        Ok(Arc::new(UntouchedFile { file: self.files.open(path)?, end }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = self.files.list(dir)?;
        if let Some((file, next)) = &self.log {
            entries.retain(|entry| entry.name == *file || Some(&entry.name) == next.as_ref());
        }
        Ok(entries)
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(refused())
    }

    fn link(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(refused())
    }

    fn unlink(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        Err(refused())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.exists(path)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.files.free_bytes(dir)
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Send + Sync>> {
        Err(refused())
    }
}

/// A file that cannot be written, cut at `end`.
struct UntouchedFile {
    file: Arc<dyn File>,
    end: u64,
}

impl File for UntouchedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = buf.len().min(left);
        self.file.read_at(&mut buf[..count], offset)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(refused())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.len()?.min(self.end))
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(refused())
    }

    fn allocate(&self, _: u64, _: u64) -> io::Result<()> {
        Err(refused())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }
}
