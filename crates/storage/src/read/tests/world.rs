//! A table out of real memtables and segments, and the same rows in a plain list.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use arrow::compute::take_record_batch;
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type,
};
use pulsora_env::sim::Simulation;
use pulsora_env::{File, LocalStore, ObjectWriter, Store};
use pulsora_model::partition::Window;
use pulsora_model::{
    Column, ColumnId, ColumnKind, ColumnType, DatabaseId, Mode, Name, PartitionWidth, SegmentId,
    Sequence, SeriesLimits, SeriesRegistry, TableId, TableSchema,
};
use roaring::RoaringBitmap;

use crate::catalog::{Catalog, CatalogChange, ResolvedIds, ResolvedRows};
use crate::flush::partition::{Density, Windows};
use crate::flush::{MemtableRows, Wanted};
use crate::manifest::Version;
use crate::memtable::{Memtable, MemtableView};
use crate::read::{Published, Snapshot, flush_stream, replaced_rows};
use crate::segment::{
    HotOptions, HotWriter, KeyRanges, Layout, Segment, SegmentAccess, SegmentDraft, SegmentFile,
    SegmentMeta, SegmentWriter, hot_object,
};

/// Numbers from a seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % n
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Null,
    Int(i64),
    /// Bits, so that values can be ordered.
    Float(u64),
    Bool(bool),
    Text(String),
}

impl Value {
    pub fn float(value: f64) -> Value {
        Value::Float(value.to_bits())
    }
}

/// The value of a row of a column, whatever its type.
pub fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Null => Value::Null,
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt64 => Value::Int(column.as_primitive::<UInt64Type>().value(row) as i64),
        DataType::Float64 => Value::float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::Timestamp(..) => {
            Value::Int(column.as_primitive::<TimestampNanosecondType>().value(row))
        }
        DataType::Dictionary(..) => {
            let tags = column.as_dictionary::<UInt32Type>();
            let key = tags.key(row).unwrap();
            Value::Text(tags.values().as_string::<i32>().value(key).to_owned())
        }
        other => panic!("{other} is not a column type"),
    }
}

/// A row as it was written.
#[derive(Clone, Debug)]
pub struct Row {
    pub sequence: u64,
    pub tags: Vec<Option<String>>,
    pub time: i64,
    pub id: Option<u64>,
    pub fields: HashMap<ColumnId, Value>,
}

/// What segments a flush writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formats {
    Cold,
    Hot,
    /// Two hot ones, then a cold one.
    Mixed,
}

/// The table and its model.
pub struct World {
    pub schema: TableSchema,
    pub rows: Vec<Row>,
    pub segments: Vec<Segment>,
    pub layout: Layout,
    /// Bytes that were read of objects.
    pub bytes_read: Arc<AtomicU64>,
    pub formats: Formats,
    /// Width of the partitions.
    pub window_ns: i64,
    store: Arc<dyn Store>,
    access: Arc<SegmentAccess>,
    sealed: Vec<Arc<MemtableView>>,
    open: Memtable,
    registry: Arc<SeriesRegistry>,
    sequence: u64,
    counter: u32,
    next_id: u64,
}

/// Width of the partitions.
pub const WINDOW_NS: i64 = 1_000;

pub const TIME: ColumnId = ColumnId(1);

fn column(id: u32, name: String, kind: ColumnKind, ty: ColumnType) -> Column {
    Column { id: ColumnId(id), name: Name::new(&name).unwrap(), kind, ty }
}

impl World {
    pub fn new(mode: Mode, row_ids: bool, tags: u32) -> World {
        let mut columns = vec![column(1, "time".into(), ColumnKind::Time, ColumnType::Timestamp)];
        if row_ids {
            columns.insert(0, column(2, "id".into(), ColumnKind::Id, ColumnType::U64));
        }
        for tag in 0..tags {
            columns.push(column(10 + tag, format!("tag{tag}"), ColumnKind::Tag, ColumnType::Utf8));
        }
        let fields = [
            ColumnType::I64,
            ColumnType::F64,
            ColumnType::Utf8,
            ColumnType::Bool,
            ColumnType::Untyped,
            ColumnType::U64,
            ColumnType::Timestamp,
            ColumnType::F64,
        ];
        for (number, ty) in (0..).zip(fields) {
            columns.push(column(20 + number, format!("field{number}"), ColumnKind::Field, ty));
        }
        let schema = TableSchema {
            id: TableId(1),
            database: DatabaseId(1),
            name: Name::literal("t"),
            version: 1,
            columns,
            next_column: ColumnId(100),
            mode,
            partition: PartitionWidth::Hour,
            dropped: Vec::new(),
            created_at_ns: 0,
            codec: None,
            retention_ns: None,
        };
        let bytes_read = Arc::new(AtomicU64::new(0));
        let store = LocalStore::new("/data", &Simulation::new(1).env());
        let store: Arc<dyn Store> =
            Arc::new(CountingStore { store, bytes: Arc::clone(&bytes_read) });
        let registry = Arc::new(SeriesRegistry::new(SeriesLimits::default()));
        World {
            access: SegmentAccess::new(Arc::clone(&store)),
            store,
            formats: Formats::Cold,
            window_ns: WINDOW_NS,
            bytes_read,
            schema,
            rows: Vec::new(),
            segments: Vec::new(),
            layout: Layout { row_group_rows: 64, page_rows: 16, ..Layout::default() },
            sealed: Vec::new(),
            open: Memtable::new(TableId(1), 1, 0, &registry),
            registry,
            sequence: 0,
            counter: 0,
            next_id: 1,
        }
    }

    /// Writes one record. Rows come without sequence; without an id the engine assigns one.
    pub fn write(&mut self, mut rows: Vec<Row>) {
        self.sequence += 1;
        let tags: Vec<ColumnId> = self.schema.tags().map(|tag| tag.id).collect();
        let mut codes: Vec<u32> = Vec::new();
        for row in &rows {
            let present = tags.iter().zip(&row.tags);
            let present: Vec<(ColumnId, &str)> =
                present.filter_map(|(id, value)| Some((*id, value.as_deref()?))).collect();
            codes.push(self.registry.number(&present).unwrap());
        }
        let has_ids = self.schema.row_id().is_some();
        let given: Vec<Option<u64>> = rows.iter().map(|row| row.id).collect();
        if has_ids {
            let given_max = given.iter().flatten().max().map_or(0, |id| id + 1);
            self.next_id = self.next_id.max(given_max);
        }
        let ids = has_ids.then(|| ResolvedIds {
            given: given.iter().any(Option::is_some).then(|| UInt64Array::from(given)),
            first_assigned: self.next_id,
        });
        for row in rows.iter_mut() {
            row.sequence = self.sequence;
            if has_ids && row.id.is_none() {
                row.id = Some(self.next_id);
                self.next_id += 1;
            }
        }
        let resolved = ResolvedRows {
            table: self.schema.id,
            schema_version: self.schema.version,
            rows: rows.len(),
            registry: Arc::clone(&self.registry),
            codes: codes.into(),
            time: rows.iter().map(|row| row.time).collect(),
            fields: self.arrays(&rows),
            ids,
        };
        self.open.append(vec![(Sequence(self.sequence), resolved)]).unwrap();
        self.rows.extend(rows);
    }

    fn arrays(&self, rows: &[Row]) -> Vec<(ColumnId, ColumnType, ArrayRef)> {
        let typed = self.schema.fields().filter(|field| field.ty != ColumnType::Untyped);
        let mut fields: Vec<&Column> = typed
            .filter(|field| rows.iter().any(|row| row.fields.contains_key(&field.id)))
            .collect();
        fields.sort_by_key(|field| field.id);
        let of = |field: &Column| {
            let values =
                || rows.iter().map(|row| row.fields.get(&field.id).unwrap_or(&Value::Null));
            let array: ArrayRef = match field.ty {
                ColumnType::I64 => Arc::new(Int64Array::from_iter(values().map(|v| match v {
                    Value::Int(v) => Some(*v),
                    _ => None,
                }))),
                ColumnType::F64 => Arc::new(Float64Array::from_iter(values().map(|v| match v {
                    Value::Float(v) => Some(f64::from_bits(*v)),
                    _ => None,
                }))),
                ColumnType::U64 => Arc::new(UInt64Array::from_iter(values().map(|v| match v {
                    Value::Int(v) => Some(*v as u64),
                    _ => None,
                }))),
                ColumnType::Timestamp => {
                    let times = values().map(|v| match v {
                        Value::Int(v) => Some(*v),
                        _ => None,
                    });
                    Arc::new(TimestampNanosecondArray::from_iter(times).with_timezone("UTC"))
                }
                ColumnType::Bool => Arc::new(BooleanArray::from_iter(values().map(|v| match v {
                    Value::Bool(v) => Some(*v),
                    _ => None,
                }))),
                _ => Arc::new(StringArray::from_iter(values().map(|v| match v {
                    Value::Text(v) => Some(v.as_str()),
                    _ => None,
                }))),
            };
            (field.id, field.ty, array)
        };
        fields.into_iter().map(of).collect()
    }

    /// Makes the integer column 20 a float column.
    pub fn widen(&mut self) {
        let field = self.schema.columns.iter_mut().find(|c| c.id == ColumnId(20)).unwrap();
        field.ty = ColumnType::F64;
        self.schema.version += 1;
        for row in &mut self.rows {
            if let Some(Value::Int(value)) = row.fields.get(&ColumnId(20)) {
                let value = Value::float(*value as f64);
                row.fields.insert(ColumnId(20), value);
            }
        }
    }

    /// Adds a tag that no row has yet.
    pub fn add_tag(&mut self) {
        let id = self.schema.next_column.0;
        self.schema.next_column = ColumnId(id + 1);
        self.schema.version += 1;
        self.schema.columns.push(column(
            id,
            format!("tag_{id}"),
            ColumnKind::Tag,
            ColumnType::Utf8,
        ));
        for row in &mut self.rows {
            row.tags.push(None);
        }
    }

    /// Closes the open memtable; it waits for its flush.
    pub fn seal(&mut self) {
        if self.open.rows() > 0 {
            self.sealed.push(Arc::new(self.open.view(true)));
            if self.sequence.is_multiple_of(3) {
                self.registry = Arc::new(SeriesRegistry::new(SeriesLimits::default()));
            }
            self.open = Memtable::new(self.schema.id, self.sequence + 1, 0, &self.registry);
        }
    }

    /// Flushes the oldest sealed memtable.
    pub fn flush(&mut self) {
        if self.sealed.is_empty() {
            return;
        }
        let view = self.sealed.remove(0);
        self.delete_replaced(&view);
        let mut parts: BTreeMap<i64, Vec<RecordBatch>> = BTreeMap::new();
        for batch in flush_stream(&view, &self.schema).unwrap() {
            let batch = batch.unwrap();
            let times = batch.column_by_name("time").unwrap();
            let times = times.as_primitive::<TimestampNanosecondType>().values();
            let mut windows: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
            for (row, time) in (0..).zip(times.iter()) {
                windows.entry(time.div_euclid(self.window_ns)).or_default().push(row);
            }
            for (number, rows) in windows {
                let part = take_record_batch(&batch, &UInt32Array::from(rows)).unwrap();
                parts.entry(number).or_default().push(part);
            }
        }
        let width = self.window_ns;
        let window =
            |number: &i64| Window { start_ns: number * width, end_ns: (number + 1) * width };
        let density = Density { rows: 0, min_time_ns: 0, max_time_ns: 0, now_ns: 0 };
        let windows = Windows::cover(
            parts.keys().map(window),
            PartitionWidth::Hour,
            density,
            std::iter::empty(),
        );
        let rows = MemtableRows::new(&view, &self.schema).unwrap();
        let mut wanted: BTreeMap<Window, Wanted> =
            rows.split(&windows).unwrap().into_iter().collect();
        for (number, parts) in parts {
            self.counter += 1;
            let gathered = (&rows, wanted.remove(&window(&number)).unwrap());
            let meta = Arc::new(self.write_segment(number, &parts, &view, gathered));
            let file = Arc::new(SegmentFile::new(Arc::clone(&meta), &self.access));
            self.segments.push(Segment { meta, deleted: None, file });
        }
    }

    fn write_segment(
        &self,
        number: i64,
        parts: &[RecordBatch],
        view: &MemtableView,
        (rows, wanted): (&MemtableRows<'_>, Wanted),
    ) -> SegmentMeta {
        let width = self.window_ns;
        let database = Name::literal("default");
        let id = SegmentId { epoch: 1, counter: self.counter };
        let draft = || SegmentDraft {
            id,
            database: &database,
            schema: &self.schema,
            window: Window { start_ns: number * width, end_ns: (number + 1) * width },
            first: view.first,
            last: view.last,
            written_ns: 0,
            level: 0,
        };
        let hot = match self.formats {
            Formats::Cold => false,
            Formats::Hot => true,
            Formats::Mixed => !self.counter.is_multiple_of(3),
        };
        if hot {
            let options = HotOptions { block_rows: 1_024, ..HotOptions::default() };
            let mut writer = HotWriter::new(draft(), options.clone());
            parts.iter().for_each(|part| writer.write(part).unwrap());
            let object = hot_object(&database, &self.schema, id);
            let batched = writer.finish().unwrap().unwrap();
            let mut writer = HotWriter::new(draft(), options);
            rows.write(&wanted, &mut writer).unwrap();
            let draft = writer.finish().unwrap().unwrap();
            assert_eq!(draft.bytes, batched.bytes, "rows in batches make the same segment");
            let (bytes, mut metas) = crate::segment::place(vec![draft], &object);
            self.store.put_if_absent(&object, &bytes).unwrap();
            return metas.remove(0);
        }
        let mut writer = SegmentWriter::new(draft(), self.layout, &*self.store).unwrap();
        parts.iter().for_each(|part| writer.write(part).unwrap());
        writer.finish().unwrap().unwrap()
    }

    /// What a flush does to older segments: deletes the rows whose ids came again.
    fn delete_replaced(&mut self, view: &MemtableView) {
        let user = view.chunks.iter().filter(|chunk| chunk.user_ids);
        let mut ids: Vec<u64> =
            user.flat_map(|chunk| chunk.ids.iter().flat_map(|ids| ids.iter().copied())).collect();
        ids.sort_unstable();
        ids.dedup();
        for segment in &mut self.segments {
            let replaced = replaced_rows(segment, &ids).unwrap();
            add_deleted(segment, replaced);
        }
    }

    /// Deletes some rows of a segment, in it and in the model.
    pub fn delete(&mut self, random: &mut Random) {
        if self.segments.is_empty() {
            return;
        }
        let number = random.below(self.segments.len() as u64) as usize;
        let scan = crate::read::Scan {
            time: crate::read::TimeRange {
                start_ns: self.segments[number].meta.window.start_ns,
                end_ns: self.segments[number].meta.window.end_ns - 1,
            },
            ..crate::read::Scan::all(self.schema.id)
        };
        // Only the segment, without what is deleted already.
        let (segments, sealed) = (self.segments.clone(), std::mem::take(&mut self.sealed));
        self.segments = vec![Segment { deleted: None, ..segments[number].clone() }];
        let next = Memtable::new(self.schema.id, 0, 0, &self.registry);
        let open = std::mem::replace(&mut self.open, next);
        let plan = self.snapshot().scan(&scan).unwrap();
        (self.segments, self.sealed, self.open) = (segments, sealed, open);
        let batches: Vec<RecordBatch> =
            plan.streams.into_iter().flatten().collect::<Result<_, _>>().unwrap();
        let mut gone = RoaringBitmap::new();
        let meta = Arc::clone(&self.segments[number].meta);
        let mut row_number = 0;
        for batch in batches {
            for row in 0..batch.num_rows() {
                if random.chance(20) {
                    gone.insert(row_number);
                    self.forget(&batch, row, &meta.first, &meta.last);
                }
                row_number += 1;
            }
        }
        let already = self.segments[number].deleted.clone().unwrap_or_default();
        add_deleted(&mut self.segments[number], gone - &*already);
    }

    /// Removes from the model what a row of a segment stands for.
    fn forget(&mut self, batch: &RecordBatch, row: usize, first: &Sequence, last: &Sequence) {
        let of = |name: &str| value(batch.column_by_name(name).unwrap(), row);
        let tags: Vec<Option<String>> = self
            .schema
            .tags()
            .map(|tag| match of(&tag.name) {
                Value::Text(text) => Some(text),
                _ => None,
            })
            .collect();
        let (time, serial) = (of("time"), of("field1"));
        let upsert = self.schema.mode == Mode::Upsert;
        self.rows.retain(|candidate| {
            let inside = (first.0..=last.0).contains(&candidate.sequence);
            let same_key = candidate.tags == tags && Value::Int(candidate.time) == time;
            let same_row = candidate.fields.get(&ColumnId(21)) == Some(&serial);
            !(inside && same_key && (upsert || same_row))
        });
    }

    /// The present state, as queries see it.
    pub fn snapshot(&self) -> Snapshot {
        let schema = self.schema.clone();
        let catalog = Catalog::default()
            .apply(&CatalogChange::CreateTable { schema: schema.clone() })
            .unwrap();
        let mut views = self.sealed.clone();
        if self.open.rows() > 0 {
            views.push(Arc::new(self.open.view(false)));
        }
        let mut version = Version::default();
        let segments = version.tables.entry(schema.id).or_default();
        Arc::make_mut(segments).segments = self.segments.clone();
        Snapshot {
            now_ns: 0,
            published: Arc::new(Published {
                catalog: Arc::new(catalog),
                version: Arc::new(version),
                memtables: Arc::new(HashMap::from([(schema.id, views)])),
                visible: Sequence(self.sequence),
            }),
            index: Arc::new(KeyRanges),
        }
    }

    /// The rows that a query must see, in arrival order (upsert: in order of the first arrival).
    pub fn expected(&self) -> Vec<Row> {
        if self.schema.row_id().is_some() {
            let mut last: HashMap<u64, usize> = HashMap::new();
            for (position, row) in self.rows.iter().enumerate() {
                last.insert(row.id.unwrap(), position);
            }
            let live = self.rows.iter().enumerate();
            let live = live.filter(|(position, row)| last[&row.id.unwrap()] == *position);
            return live.map(|(_, row)| row.clone()).collect();
        }
        if self.schema.mode == Mode::Append {
            return self.rows.clone();
        }
        let mut folded: Vec<Row> = Vec::new();
        let mut by_key: HashMap<(Vec<Option<String>>, i64), usize> = HashMap::new();
        for row in &self.rows {
            let position = *by_key.entry((row.tags.clone(), row.time)).or_insert(folded.len());
            if position == folded.len() {
                folded.push(row.clone());
                continue;
            }
            for (field, value) in &row.fields {
                if *value != Value::Null {
                    folded[position].fields.insert(*field, value.clone());
                }
            }
        }
        folded
    }
}

fn add_deleted(segment: &mut Segment, rows: RoaringBitmap) {
    if !rows.is_empty() {
        let before = segment.deleted.clone().unwrap_or_default();
        segment.deleted = Some(Arc::new(&*before | &rows));
    }
}

/// A store that counts the bytes that are read by range.
struct CountingStore {
    store: LocalStore,
    bytes: Arc<AtomicU64>,
}

impl Store for CountingStore {
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.store.put_if_absent(name, bytes)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn ObjectWriter>> {
        self.store.create(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = self.store.open(name)?;
        Ok(Arc::new(CountingFile { file, bytes: Arc::clone(&self.bytes) }))
    }

    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        self.store.get(name)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.store.delete(name)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<(String, u64)>> {
        self.store.list(prefix)
    }
}

struct CountingFile {
    file: Arc<dyn File>,
    bytes: Arc<AtomicU64>,
}

impl File for CountingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.file.read_at(buf, offset)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.allocate(offset, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}
