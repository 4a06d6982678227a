//! Files with hot segments → the scans and folds of the engine.
//!
//! The files become the segments of one table of a snapshot without an engine; everything a snapshot
//! can do, it can do with them: several streams in parallel, pruning, sums of hours.
//!
//! Invariant: all files are of one table: a column id has one name, one kind and types that widen.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pulsora_codec::Codecs;
use pulsora_env::{Env, LocalStore, Store};
use pulsora_model::partition::Window;
use pulsora_model::{
    Code, Column, ColumnId, ColumnType, DatabaseId, Error, Mode, Name, PartitionWidth, Result,
    Sequence, TableId, TableSchema,
};

use super::statistics::FileStatistics;
use crate::catalog::{Catalog, CatalogChange};
use crate::manifest::Version;
use crate::read::{Fold, FoldPlan, Published, Scan, ScanPlan, Snapshot};
use crate::segment::{
    HotSegment, KeyRanges, Segment, SegmentAccess, SegmentBytes, SegmentFile, SegmentFormat,
    SegmentMeta,
};

/// The table of a reader.
const TABLE: TableId = TableId(1);

/// Decoded parts of files that are kept, bytes.
const CACHE_BYTES: u64 = 64 << 20;

/// Reads one or several files of [`super::SegmentWriter`] as one table.
pub struct SegmentReader {
    snapshot: Snapshot,
    schema: Arc<TableSchema>,
    segments: Vec<Segment>,
}

impl SegmentReader {
    /// Opens files with the built-in codecs: reads and checks their footers.
    ///
    /// # Errors
    /// `corrupt` when a file is damaged or missing; `unsupported_format` when it needs a codec that is
    /// not built in, with its id and name; `schema_conflict` when the files are not of one table.
    pub fn open(files: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<SegmentReader> {
        SegmentReader::open_with(files, &Codecs::builtin().clone().into())
    }

    /// [`SegmentReader::open`] with other codecs.
    ///
    /// # Errors
    /// As [`SegmentReader::open`].
    pub fn open_with(
        files: impl IntoIterator<Item = impl AsRef<Path>>,
        codecs: &Arc<Codecs>,
    ) -> Result<SegmentReader> {
        let env = Env::real();
        let mut accesses: HashMap<PathBuf, Arc<SegmentAccess>> = HashMap::new();
        let mut objects = Vec::new();
        for file in files {
            let path = file.as_ref();
            let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
                let message = format!("{} does not name a file", path.display());
                Error::new(Code::InvalidRequest, message)
            })?;
            let dir = path.parent().unwrap_or(Path::new("")).to_owned();
            let access = accesses.entry(dir.clone()).or_insert_with(|| {
                let dir = if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir };
                access(Arc::new(LocalStore::new(dir, &env)), codecs)
            });
            objects.push((Arc::clone(access), name.to_owned()));
        }
        SegmentReader::of(objects)
    }

    /// Opens objects of a store.
    ///
    /// # Errors
    /// As [`SegmentReader::open`].
    pub fn open_in(
        store: Arc<dyn Store>,
        objects: impl IntoIterator<Item = impl Into<String>>,
        codecs: &Arc<Codecs>,
    ) -> Result<SegmentReader> {
        let access = access(store, codecs);
        let object = |name: _| (Arc::clone(&access), Into::into(name));
        SegmentReader::of(objects.into_iter().map(object).collect())
    }

    fn of(objects: Vec<(Arc<SegmentAccess>, String)>) -> Result<SegmentReader> {
        let mut segments: Vec<Segment> = Vec::with_capacity(objects.len());
        let mut columns: Vec<Column> = Vec::new();
        for (access, object) in objects {
            let opened = open(&access, &object)?;
            for column in opened.all_columns()? {
                add_column(&mut columns, column).map_err(|error| error.context(&object))?;
            }
            let meta = Arc::new(meta(&object, &opened, segments.len() as u64 + 1));
            if segments.iter().any(|other| other.meta.id == meta.id) {
                let message = format!("{object:?} holds a segment that another file holds too");
                return Err(Error::new(Code::SchemaConflict, message));
            }
            let file = Arc::new(SegmentFile::new(Arc::clone(&meta), &access));
            segments.push(Segment { meta, deleted: None, file });
        }
        columns.sort_by_key(|column| column.id);
        let schema = schema(columns)?;
        let change = CatalogChange::CreateTable { schema: schema.clone() };
        let catalog = Catalog::default().apply(&change)?;
        let mut version = Version::default();
        let table = version.tables.entry(TABLE).or_default();
        Arc::make_mut(table).segments.clone_from(&segments);
        let published = Published {
            catalog: Arc::new(catalog),
            version: Arc::new(version),
            memtables: Arc::default(),
            visible: Sequence(segments.len() as u64),
        };
        let (published, index) = (Arc::new(published), Arc::new(KeyRanges));
        let snapshot = Snapshot { published, index, now_ns: 0 };
        Ok(SegmentReader { snapshot, schema: Arc::new(schema), segments })
    }

    /// The columns of all files together.
    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// What to scan: everything. Narrow it by time, tags, fields and columns.
    pub fn all(&self) -> Scan {
        Scan::all(TABLE)
    }

    /// Streams of rows, of all files: every row of every file, files in parallel. Each stream may run
    /// on a thread of its own.
    ///
    /// # Errors
    /// `column_not_found`; the streams give `corrupt` and `io_error`.
    pub fn scan(&self, scan: &Scan) -> Result<ScanPlan> {
        self.snapshot.scan(scan)
    }

    /// Aggregates of rows, of all files.
    ///
    /// # Errors
    /// As [`Snapshot::fold`].
    pub fn fold(&self, fold: &Fold) -> Result<FoldPlan> {
        self.snapshot.fold(fold)
    }

    /// What each file says of itself, in the order in which they were opened; no values are read.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn statistics(&self) -> Result<Vec<FileStatistics>> {
        let hot = |segment: &Segment| {
            let opened = segment.file.hot()?;
            Ok(FileStatistics::of(&segment.meta.object, &opened))
        };
        self.segments.iter().map(hot).collect()
    }
}

fn access(store: Arc<dyn Store>, codecs: &Arc<Codecs>) -> Arc<SegmentAccess> {
    SegmentAccess::with(store, Arc::clone(codecs), CACHE_BYTES, true)
}

/// Opens the one segment of an object, of which nothing is known yet.
fn open(access: &Arc<SegmentAccess>, object: &str) -> Result<HotSegment> {
    let failed = |error| Error::io(format!("open segment file {object:?}"), error);
    let file = access.store.open(object).map_err(failed)?;
    let length = file.len().map_err(failed)?;
    let bytes = SegmentBytes::Ranged { file, offset: 0, length };
    HotSegment::open(object, bytes, access, None)
}

/// What a manifest would say of the segment.
fn meta(object: &str, hot: &HotSegment, position: u64) -> SegmentMeta {
    let header = hot.header();
    let series = hot.series();
    let last = series.len().saturating_sub(1);
    SegmentMeta {
        id: header.segment,
        table: TABLE,
        schema_version: 1,
        format: SegmentFormat::Hot,
        written_ns: 0,
        level: 0,
        object: object.to_owned(),
        offset: 0,
        length: hot.length(),
        crc: 0,
        piece_crcs: Vec::new(),
        rows: header.rows,
        window: Window { start_ns: header.min_time_ns, end_ns: header.max_time_ns },
        min_time_ns: header.min_time_ns,
        max_time_ns: header.max_time_ns,
        first: Sequence(position),
        last: Sequence(position),
        min_key: series.key(0),
        max_key: series.key(last),
        int_bounds: Vec::new(),
        ids: None,
    }
}

/// Adds a column of one more file.
fn add_column(columns: &mut Vec<Column>, column: Column) -> Result<()> {
    let Some(known) = columns.iter_mut().find(|known| known.id == column.id) else {
        columns.push(column);
        return Ok(());
    };
    let wider = match (known.ty, column.ty) {
        (a, b) if a == b => Some(a),
        (ColumnType::I64 | ColumnType::U64, ColumnType::F64)
        | (ColumnType::F64, ColumnType::I64 | ColumnType::U64) => Some(ColumnType::F64),
        _ => None,
    };
    match wider {
        Some(ty) if known.name == column.name && known.kind == column.kind => known.ty = ty,
        _ => {
            let message = format!(
                "column {} is {:?} ({}) here and {:?} ({}) in another file",
                column.id,
                &*column.name,
                column.ty.noun(),
                &*known.name,
                known.ty.noun()
            );
            return Err(Error::new(Code::SchemaConflict, message)
                .hint("open files of one table and one writer together"));
        }
    }
    Ok(())
}

fn schema(columns: Vec<Column>) -> Result<TableSchema> {
    if columns.is_empty() {
        return Err(Error::new(Code::InvalidRequest, "there is no file to read"));
    }
    let next = columns.iter().map(|column| column.id.0).max().unwrap_or(0) + 1;
    Ok(TableSchema {
        id: TABLE,
        database: DatabaseId(1),
        name: Name::literal("segments"),
        version: 1,
        columns,
        next_column: ColumnId(next),
        mode: Mode::Append,
        partition: PartitionWidth::Auto,
        dropped: Vec::new(),
        created_at_ns: 0,
        codec: None,
        retention_ns: None,
    })
}
