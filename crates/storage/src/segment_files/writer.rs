//! Batches → hot segments, each in a file of its own.
//!
//! Rows are gathered in a memtable until a file is full, then sorted and written whole.
//!
//! Invariants: a file that has its name is whole and on disk; all files of a writer have one schema, of
//! which later files may know more; no file passes a limit.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, UInt64Type};
use pulsora_codec::{Codecs, Level};
use pulsora_env::{Env, LocalStore, Store};
use pulsora_model::limits::{EXACT_FLOAT_INT, SERIES_NUMBERS_MAX};
use pulsora_model::partition::Window;
use pulsora_model::{
    Code, ColumnId, ColumnType, Error, Name, Result, SegmentId, Sequence, SeriesLimits,
    SeriesRegistry, TableId, TableWrite,
};

use crate::catalog::{Catalog, DEFAULT_DATABASE, ResolvedRows, Stored, resolve};
use crate::memtable::Memtable;
use crate::read::flush_stream;
use crate::segment::{HotOptions, HotWriter, SegmentDraft, place};

/// Rows of a file unless said otherwise: what a partition of the engine aims at.
const ROWS: usize = 1 << 20;

/// Series of a file: no limit of their own.
const SERIES: SeriesLimits = SeriesLimits { series_max: SERIES_NUMBERS_MAX, raw_bytes_max: 0 };

/// Bytes of series, about 600,000 with ten tags, at which they are numbered anew.
const SERIES_BYTES: usize = 64 << 20;

/// When a writer goes on to the next file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentLimits {
    /// Most rows of a file, at least 1. They wait in memory until the file is written.
    pub rows: usize,
    /// Most time between the earliest and the latest row of a file.
    pub duration: Duration,
}

impl Default for SegmentLimits {
    fn default() -> SegmentLimits {
        SegmentLimits { rows: ROWS, duration: Duration::MAX }
    }
}

/// Writes batches of one table into hot segments, files `<name>-000001.hot` and so on.
pub struct SegmentWriter {
    env: Env,
    store: Arc<dyn Store>,
    name: String,
    limits: SegmentLimits,
    options: HotOptions,
    catalog: Arc<Catalog>,
    /// The table, once there was a batch.
    table: Option<TableId>,
    /// Rows of the next file, and what they span.
    open: Memtable,
    span: Option<(i64, i64)>,
    sequence: Sequence,
    /// First of the two halves of the ids of its segments; another writer draws another one.
    epoch: u32,
    /// Largest magnitude of every integer column so far.
    magnitudes: HashMap<ColumnId, u64>,
    /// Names of the files so far.
    files: Vec<String>,
}

impl SegmentWriter {
    /// A writer of files in the directory `dir`, which exists.
    ///
    /// # Errors
    /// `invalid_name` when `name` cannot start a file name.
    pub fn create(dir: impl AsRef<Path>, name: &str) -> Result<SegmentWriter> {
        let env = Env::real();
        let store = LocalStore::new(dir.as_ref(), &env);
        SegmentWriter::create_in(env, Arc::new(store), name)
    }

    /// A writer of objects in a store.
    ///
    /// # Errors
    /// As [`SegmentWriter::create`].
    pub fn create_in(env: Env, store: Arc<dyn Store>, name: &str) -> Result<SegmentWriter> {
        let name = Name::new(name)?.to_string();
        if name.contains(['/', '\\']) || name.starts_with('.') {
            let message = format!("{name:?} cannot start the name of a file");
            return Err(Error::new(Code::InvalidName, message));
        }
        let epoch = env.random.next_u64() as u32;
        Ok(SegmentWriter {
            env,
            store,
            name,
            limits: SegmentLimits::default(),
            options: HotOptions::default(),
            catalog: Arc::new(Catalog::default().with_registries(SERIES)),
            table: None,
            open: Memtable::new(TableId(0), 0, 0, &Arc::new(SeriesRegistry::new(SERIES))),
            span: None,
            sequence: Sequence(0),
            epoch,
            magnitudes: HashMap::new(),
            files: Vec::new(),
        })
    }

    /// With these limits.
    #[must_use]
    pub fn limits(mut self, limits: SegmentLimits) -> SegmentWriter {
        self.limits = SegmentLimits { rows: limits.rows.max(1), ..limits };
        self
    }

    /// Chooses among these codecs; `forced` (by name) wherever it can store the values.
    #[must_use]
    pub fn codecs(mut self, codecs: Arc<Codecs>, forced: Option<&str>) -> SegmentWriter {
        self.options.codecs = codecs;
        self.options.forced = forced.map(str::to_owned);
        self
    }

    /// Smaller and slower to read (`Level::Archive`), or the default, faster to read.
    #[must_use]
    pub fn level(mut self, level: Level) -> SegmentWriter {
        self.options.level = level;
        self
    }

    /// Adds rows; full files are written. The first batch decides the table, its mode and columns;
    /// later ones may bring new columns. In upsert tables the last value of a key counts, within one
    /// file.
    ///
    /// # Errors
    /// `schema_conflict`, `type_conflict`, `invalid_request` for another table or one with row ids;
    /// `disk_full`, `io_error`, after which the writer should be dropped.
    pub fn write(&mut self, batch: &TableWrite) -> Result<()> {
        self.bound_series()?;
        let rows = self.resolve(batch)?;
        let mut at = 0;
        while at < rows.rows {
            let count = self.fitting(&rows.time[at..]);
            if count == 0 {
                self.write_file()?;
                continue;
            }
            self.append(&rows, at, count)?;
            at += count;
        }
        Ok(())
    }

    /// Writes what is left; gives the names of all files, in the order in which they were written.
    ///
    /// # Errors
    /// `disk_full`, `io_error`.
    pub fn finish(mut self) -> Result<Vec<String>> {
        self.write_file()?;
        Ok(self.files)
    }

    fn resolve(&mut self, batch: &TableWrite) -> Result<ResolvedRows> {
        if batch.options.row_ids {
            let message = "row ids belong to a database; a segment file of its own has none";
            return Err(Error::new(Code::InvalidRequest, message));
        }
        let database = Name::literal(DEFAULT_DATABASE);
        let now_ns = self.env.clock.wall_ns();
        let resolution = resolve(Arc::clone(&self.catalog), &database, batch, &*self, now_ns)?;
        let rows = resolution.rows;
        if self.table.is_some_and(|table| table != rows.table) {
            let message = format!("a writer has one table, {:?} is another one", &*batch.table);
            return Err(Error::new(Code::InvalidRequest, message));
        }
        self.catalog = resolution.catalog;
        if self.table.replace(rows.table).is_none() {
            self.open = Memtable::new(rows.table, 0, 0, &rows.registry);
        }
        for (column, ty, values) in &rows.fields {
            if let Some(magnitude) = magnitude(*ty, values) {
                let largest = self.magnitudes.entry(*column).or_default();
                *largest = magnitude.max(*largest);
            }
        }
        Ok(rows)
    }

    fn registry(&self, table: TableId) -> Result<&Arc<SeriesRegistry>> {
        let registry = self.catalog.registry(table);
        registry.ok_or_else(|| Error::internal("the table of a writer is gone"))
    }

    /// Begins to number series anew, in a file of their own, when those so far take much memory.
    fn bound_series(&mut self) -> Result<()> {
        let Some(table) = self.table else { return Ok(()) };
        if self.registry(table)?.size_bytes() > SERIES_BYTES {
            self.write_file()?;
            self.catalog = Arc::new(self.catalog.with_new_registry(table));
            self.open = Memtable::new(table, 0, 0, self.registry(table)?);
        }
        Ok(())
    }

    /// How many of the next rows the open file takes.
    fn fitting(&self, times: &[i64]) -> usize {
        let room = self.limits.rows.saturating_sub(self.open.rows()).min(times.len());
        let duration_ns = self.limits.duration.as_nanos();
        let mut span = self.span;
        let mut fits = |time: &i64| {
            let (min, max) =
                span.map_or((*time, *time), |(min, max)| (min.min(*time), max.max(*time)));
            span = Some((min, max));
            u128::from(max.abs_diff(min)) <= duration_ns
        };
        times[..room].iter().position(|time| !fits(time)).unwrap_or(room)
    }

    fn append(&mut self, rows: &ResolvedRows, at: usize, count: usize) -> Result<()> {
        let time = rows.time.slice(at, count);
        for time in &time {
            let (min, max) = self.span.unwrap_or((*time, *time));
            self.span = Some((min.min(*time), max.max(*time)));
        }
        let part = ResolvedRows {
            rows: count,
            codes: rows.codes.slice(at, count),
            time,
            fields: rows
                .fields
                .iter()
                .map(|(column, ty, values)| (*column, *ty, values.slice(at, count)))
                .collect(),
            ..rows.clone()
        };
        self.sequence = Sequence(self.sequence.0 + 1);
        self.open.append(vec![(self.sequence, part)])
    }

    /// Writes the gathered rows, if there are any.
    fn write_file(&mut self) -> Result<()> {
        let (Some(table), Some((min_ns, max_ns))) = (self.table, self.span.take()) else {
            return Ok(());
        };
        let schema = self.catalog.table_by_id(table);
        let schema = schema.ok_or_else(|| Error::internal("the table of a writer is gone"))?;
        let next = Memtable::new(table, 0, 0, self.registry(table)?);
        let view = std::mem::replace(&mut self.open, next).view(true);
        let database = Name::literal(DEFAULT_DATABASE);
        let number = self.files.len() as u32 + 1;
        let draft = SegmentDraft {
            id: SegmentId { epoch: self.epoch, counter: number },
            database: &database,
            schema: &schema,
            written_ns: self.env.clock.wall_ns(),
            level: 0,
            window: Window { start_ns: min_ns, end_ns: max_ns },
            first: view.first,
            last: view.last,
        };
        let mut writer = HotWriter::new(draft, self.options.clone());
        for batch in flush_stream(&view, &schema)? {
            writer.write(&batch?)?;
        }
        let Some(segment) = writer.finish()? else { return Ok(()) };
        let object = format!("{}-{number:06}.hot", self.name);
        let (bytes, _) = place(vec![segment], &object);
        self.store
            .put_if_absent(&object, &bytes)
            .map_err(|error| Error::io(format!("write segment file {object:?}"), error))?;
        self.files.push(object);
        Ok(())
    }
}

impl Stored for SegmentWriter {
    fn exact_as_float(&self, _: TableId, column: ColumnId) -> bool {
        let largest = self.magnitudes.get(&column).copied().unwrap_or(0);
        largest <= EXACT_FLOAT_INT.unsigned_abs()
    }

    fn row_id_max(&self, _: TableId) -> u64 {
        0
    }
}

/// Largest magnitude of a column of integers.
fn magnitude(ty: ColumnType, values: &dyn Array) -> Option<u64> {
    match ty {
        ColumnType::I64 => {
            values.as_primitive::<Int64Type>().iter().flatten().map(i64::unsigned_abs).max()
        }
        ColumnType::U64 => values.as_primitive::<UInt64Type>().iter().flatten().max(),
        _ => None,
    }
}
