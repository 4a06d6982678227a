//! Random tables, and their rows as a hot and as a Parquet segment.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::array::{
    BooleanArray, Float64Array, Int64Array, StringArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::Schema;
use fastrand::Rng;
use pulsora_codec::Codecs;
use pulsora_env::sim::Simulation;
use pulsora_env::{LocalStore, Store};
use pulsora_model::partition::{HOUR_NS, PartitionWidth, Window};
use pulsora_model::types::UTC;
use pulsora_model::{
    Column, ColumnId, ColumnKind, ColumnType, DatabaseId, Mode, Name, Result, SegmentId, Sequence,
    TableId, TableSchema,
};

use crate::read::TimeRange;
use crate::segment::hot::{HotOptions, HotWriter};
use crate::segment::{
    Layout, ReadSpec, RowChoice, Segment, SegmentAccess, SegmentDraft, SegmentFile, SegmentMeta,
    SegmentWriter,
};

pub const TIME: ColumnId = ColumnId(1);
pub const ALL_TIME: Window = Window { start_ns: i64::MIN, end_ns: i64::MAX };

/// A table, its rows in segment order, and where its segments are.
pub struct World {
    pub schema: TableSchema,
    pub rows: RecordBatch,
    pub store: Arc<dyn Store>,
    pub block_rows: usize,
}

fn column(id: u32, name: &'static str, kind: ColumnKind, ty: ColumnType) -> Column {
    Column { id: ColumnId(id), name: Name::literal(name), kind, ty }
}

pub fn schema(tags: usize, row_ids: bool) -> TableSchema {
    let mut columns = vec![column(1, "time", ColumnKind::Time, ColumnType::Timestamp)];
    let tag_names = [(2, "host"), (3, "zone"), (9, "rack")];
    for (id, name) in &tag_names[..tags] {
        columns.push(column(*id, name, ColumnKind::Tag, ColumnType::Utf8));
    }
    columns.extend([
        column(4, "n", ColumnKind::Field, ColumnType::I64),
        column(5, "u", ColumnKind::Field, ColumnType::U64),
        column(6, "load.1m", ColumnKind::Field, ColumnType::F64),
        column(7, "up", ColumnKind::Field, ColumnType::Bool),
        column(8, "note", ColumnKind::Field, ColumnType::Utf8),
        column(10, "seen", ColumnKind::Field, ColumnType::Timestamp),
        column(11, "never", ColumnKind::Field, ColumnType::Untyped),
    ]);
    if row_ids {
        columns.push(column(12, "id", ColumnKind::Id, ColumnType::U64));
    }
    TableSchema {
        id: TableId(3),
        database: DatabaseId(1),
        name: Name::literal("cpu.load"),
        version: 1,
        columns,
        next_column: ColumnId(13),
        mode: Mode::Append,
        partition: PartitionWidth::Day,
        dropped: Vec::new(),
        created_at_ns: 0,
        codec: None,
        retention_ns: None,
    }
}

/// How many of a hundred values are null, one figure per column and table.
fn nulls(rng: &mut Rng) -> usize {
    [0, 0, 1, 50, 99, 100][rng.usize(..6)]
}

fn optional<T>(
    rng: &mut Rng,
    rows: usize,
    mut value: impl FnMut(&mut Rng, usize) -> T,
) -> Vec<Option<T>> {
    let share = nulls(rng);
    (0..rows).map(|row| (rng.usize(..100) >= share).then(|| value(rng, row))).collect()
}

pub fn special_float(rng: &mut Rng) -> f64 {
    let special = [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX];
    match rng.usize(..30) {
        i if i < special.len() => special[i],
        _ => (rng.i32(-1000..1000) as f64) / 100.0,
    }
}

fn field(rng: &mut Rng, ty: ColumnType, rows: usize) -> ArrayRef {
    let wide = rng.bool();
    let int = move |rng: &mut Rng| match rng.usize(..40) {
        0 if wide => i64::MIN,
        1 if wide => i64::MAX,
        _ => rng.i64(-50..1000),
    };
    match ty {
        ColumnType::I64 => Arc::new(Int64Array::from(optional(rng, rows, |rng, _| int(rng)))),
        ColumnType::U64 => {
            Arc::new(UInt64Array::from(optional(rng, rows, |rng, _| int(rng).unsigned_abs())))
        }
        ColumnType::F64 => {
            Arc::new(Float64Array::from(optional(rng, rows, |rng, _| special_float(rng))))
        }
        ColumnType::Bool => Arc::new(BooleanArray::from(optional(rng, rows, |rng, _| rng.bool()))),
        ColumnType::Utf8 => Arc::new(StringArray::from(optional(rng, rows, |rng, _| {
            ["", "ß", "a", "some longer text", "日本"][rng.usize(..5)].repeat(rng.usize(..3))
        }))),
        _ => Arc::new(
            TimestampNanosecondArray::from(optional(rng, rows, |rng, _| int(rng)))
                .with_timezone(UTC),
        ),
    }
}

impl World {
    /// Series of random lengths with times of mixed density.
    pub fn random(seed: u64) -> World {
        let mut rng = Rng::with_seed(seed);
        let (tags, row_ids) = (rng.usize(..4), rng.bool());
        let schema = schema(tags, row_ids);
        let mut keys: Vec<Vec<Option<String>>> = (0..if tags == 0 { 1 } else { rng.usize(1..40) })
            .map(|_| {
                (0..tags)
                    .map(|tag| rng.bool().then(|| format!("{}{}", tag, rng.u32(..12))))
                    .collect()
            })
            .collect();
        keys.sort();
        keys.dedup();
        let longest = [3, 100, 3000][rng.usize(..3)];
        let (mut times, mut series) = (Vec::new(), Vec::new());
        for number in 0..keys.len() {
            let step = [1, 1_000_000_000, 10_000_000_000, HOUR_NS][rng.usize(..4)];
            let mut time = rng.i64(-5 * HOUR_NS..5 * HOUR_NS);
            for _ in 0..rng.usize(1..=longest) {
                times.push(time);
                series.push(number);
                time += if rng.usize(..10) == 0 { 0 } else { step };
            }
        }
        World::of(schema, &keys, &series, times, &mut rng)
    }

    /// A random table of some size, with tags and row ids.
    pub fn large() -> World {
        let wanted = |world: &World| {
            let (rows, tags) = (world.rows.num_rows(), world.schema.tags().count());
            rows > 5_000 && tags > 1 && world.schema.row_id().is_some()
        };
        (0..).map(World::random).find(wanted).unwrap()
    }

    /// A table that is the same for ever: three series, an hour with sums, values of every type.
    pub fn fixed() -> World {
        let schema = schema(2, true);
        let rows = 2_500;
        let series = |row: usize| [0, 0, 1, 1, 2][row / 500];
        let tags = [(None, Some("z")), (Some("a"), None), (Some("b"), Some("ü"))];
        let every = |row: usize, of: usize| !row.is_multiple_of(of);
        let columns = schema.columns.iter().map(|column| -> ArrayRef {
            let numbers = (0..rows).map(|row| every(row, 3).then_some(row as i64 * 7 - 500));
            match column.name.as_str() {
                "time" => Arc::new(
                    TimestampNanosecondArray::from_iter_values(
                        (0..rows)
                            .map(|row| (row % 500 + row / 500 % 2 * 500) as i64 * 10_000_000_000),
                    )
                    .with_timezone(UTC),
                ),
                "host" => tag((0..rows).map(|row| tags[series(row)].0)),
                "zone" => tag((0..rows).map(|row| tags[series(row)].1)),
                "n" => Arc::new(Int64Array::from_iter(numbers)),
                "u" => Arc::new(UInt64Array::from_iter_values(
                    (0..rows as u64).map(|row| u64::MAX - row),
                )),
                "load.1m" => Arc::new(Float64Array::from_iter_values(
                    (0..rows).map(|row| if row == 7 { f64::NAN } else { row as f64 / 4.0 }),
                )),
                "up" => Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(every(row, 5))))),
                "note" => Arc::new(StringArray::from_iter(
                    (0..rows).map(|row| every(row, 2).then(|| format!("row {}", row % 10))),
                )),
                "id" => {
                    Arc::new(UInt64Array::from_iter_values((0..rows as u64).map(|row| row * 3)))
                }
                // `seen` is null everywhere, `never` has no type.
                _ => arrow::array::new_null_array(&column.arrow_type(), rows),
            }
        });
        let columns = columns.collect();
        let rows = RecordBatch::try_new(schema.arrow(), columns).unwrap();
        World { schema, rows, store: store(), block_rows: 2048 }
    }

    fn of(
        schema: TableSchema,
        keys: &[Vec<Option<String>>],
        series: &[usize],
        times: Vec<i64>,
        rng: &mut Rng,
    ) -> World {
        let rows = times.len();
        let mut tag = 0;
        let columns = schema.columns.iter().map(|column| -> (String, ArrayRef) {
            let values: ArrayRef = match column.kind {
                ColumnKind::Time => {
                    Arc::new(TimestampNanosecondArray::from(times.clone()).with_timezone(UTC))
                }
                ColumnKind::Tag => {
                    let position = tag;
                    tag += 1;
                    let values = series.iter().map(|series| keys[*series][position].clone());
                    let values: ArrayRef = Arc::new(StringArray::from_iter(values));
                    cast(&values, &column.arrow_type()).unwrap()
                }
                ColumnKind::Id => Arc::new(UInt64Array::from_iter_values(
                    (0..rows as u64).map(|row| row * 7919 % 1_000_003),
                )),
                ColumnKind::Field if column.ty == ColumnType::Untyped => {
                    arrow::array::new_null_array(&column.arrow_type(), rows)
                }
                ColumnKind::Field => field(rng, column.ty, rows),
            };
            (column.name.to_string(), values)
        });
        let columns: Vec<_> = columns.collect();
        let (names, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let fields: Vec<_> = schema.columns.iter().map(Column::arrow_field).collect();
        assert_eq!(names.len(), fields.len());
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        World { schema, rows, store: store(), block_rows: 1024 << rng.usize(..3) }
    }

    pub fn draft<'a>(&'a self, database: &'a Name, counter: u32) -> SegmentDraft<'a> {
        SegmentDraft {
            id: SegmentId { epoch: 1, counter },
            database,
            schema: &self.schema,
            written_ns: 5,
            level: 0,
            window: ALL_TIME,
            first: Sequence(4),
            last: Sequence(9),
        }
    }

    pub fn options(&self) -> HotOptions {
        HotOptions { block_rows: self.block_rows, ..HotOptions::default() }
    }

    /// Parts of the rows, as a flush would give them.
    fn parts(&self, rng: &mut Rng) -> Vec<RecordBatch> {
        let (mut parts, mut start) = (Vec::new(), 0);
        while start < self.rows.num_rows() {
            let count = rng.usize(1..=4000).min(self.rows.num_rows() - start);
            parts.push(self.rows.slice(start, count));
            start += count;
        }
        parts
    }

    pub fn hot_bytes(&self, counter: u32) -> (Vec<u8>, SegmentMeta) {
        let database = Name::literal("default");
        let mut writer = HotWriter::new(self.draft(&database, counter), self.options());
        for part in self.parts(&mut Rng::with_seed(counter.into())) {
            writer.write(&part).unwrap();
        }
        assert_eq!(writer.rows(), self.rows.num_rows() as u64);
        let draft = writer.finish().unwrap().unwrap();
        let (bytes, mut metas) = crate::segment::place(vec![draft], &format!("hot/{counter}.hot"));
        (bytes, metas.remove(0))
    }

    pub fn hot(&self) -> Segment {
        let (bytes, meta) = self.hot_bytes(1);
        self.store.put_if_absent(&meta.object, &bytes).unwrap();
        open(meta, &SegmentAccess::new(Arc::clone(&self.store)))
    }

    /// The same segment, read by ranges and with a cache of this size.
    pub fn hot_by_ranges(&self, cache_bytes: u64) -> Segment {
        let (bytes, meta) = self.hot_bytes(2);
        self.store.put_if_absent(&meta.object, &bytes).unwrap();
        let codecs = Arc::new(Codecs::builtin().clone());
        open(meta, &SegmentAccess::with(Arc::clone(&self.store), codecs, cache_bytes, false))
    }

    pub fn cold(&self) -> Segment {
        let database = Name::literal("default");
        let layout =
            Layout { row_group_rows: self.block_rows, page_rows: 512, ..Layout::default() };
        let draft = self.draft(&database, 3);
        let mut writer = SegmentWriter::new(draft, layout, &*self.store).unwrap();
        writer.write(&self.rows).unwrap();
        let meta = writer.finish().unwrap().unwrap();
        open(meta, &SegmentAccess::new(Arc::clone(&self.store)))
    }

    pub fn all(&self) -> ReadSpec {
        ReadSpec {
            columns: self.schema.columns.clone(),
            time_column: TIME,
            time: TimeRange::ALL,
            tags: Vec::new(),
            fields: Vec::new(),
            rows: RowChoice::Live,
            groups: None,
            batch_rows: 1024,
            counters: Arc::default(),
        }
    }
}

fn tag<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let values: ArrayRef = Arc::new(StringArray::from_iter(values));
    cast(&values, &pulsora_model::types::tag_type()).unwrap()
}

pub fn store() -> Arc<dyn Store> {
    Arc::new(LocalStore::new("/data", &Simulation::new(1).env()))
}

pub fn open(meta: SegmentMeta, access: &Arc<SegmentAccess>) -> Segment {
    let meta = Arc::new(meta);
    let file = Arc::new(SegmentFile::new(Arc::clone(&meta), access));
    Segment { meta, deleted: None, file }
}

/// The rows of a read in one batch, tags as plain text so that dictionaries do not matter.
pub fn read(segment: &Segment, spec: ReadSpec) -> Result<RecordBatch> {
    let fields: Vec<_> = spec.columns.iter().map(Column::arrow_field).collect();
    let schema = Arc::new(Schema::new(fields));
    let batches = segment.read(spec)?.collect::<Result<Vec<_>>>()?;
    for batch in &batches {
        assert_eq!(batch.schema(), schema);
        assert!(batch.num_rows() > 0);
    }
    Ok(plain(&concat_batches(&schema, &batches).unwrap()))
}

pub fn plain(batch: &RecordBatch) -> RecordBatch {
    let columns = batch
        .schema()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, values)| {
            let values = match values.data_type() {
                arrow::datatypes::DataType::Dictionary(_, value) => cast(values, value).unwrap(),
                _ => Arc::clone(values),
            };
            (field.name().clone(), values, true)
        })
        .collect::<Vec<_>>();
    if columns.is_empty() {
        return batch.clone();
    }
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}
