//! Segments through the store: what is written is read, damage is an error, ids are found, names are
//! safe.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int64Type, UInt64Type};
use pulsora_env::sim::Simulation;
use pulsora_env::{LocalStore, Store};
use pulsora_model::partition::{PartitionWidth, Window};
use pulsora_model::time::parse_time;
use pulsora_model::types::UTC;
use pulsora_model::{
    Code, Column, ColumnId, ColumnKind, ColumnType, DatabaseId, Mode, Name, SegmentId, Sequence,
    TableId, TableSchema,
};
use roaring::RoaringBitmap;

use super::ids::{IdIndex, encode};
use super::path::segment_object;
use super::{
    IntBounds, Layout, ReadSpec, RowChoice, Segment, SegmentAccess, SegmentDraft, SegmentFile,
    SegmentMeta, SegmentWriter,
};
use crate::read::{ScanCounters, TagPredicate, TimeRange};

const ROWS: usize = 1000;
const DAY: Window = Window { start_ns: 0, end_ns: 86_400_000_000_000 };

fn column(id: u32, name: &'static str, kind: ColumnKind, ty: ColumnType) -> Column {
    Column { id: ColumnId(id), name: Name::literal(name), kind, ty }
}

fn schema() -> TableSchema {
    TableSchema {
        id: TableId(3),
        database: DatabaseId(1),
        name: Name::literal("cpu.load"),
        version: 1,
        columns: vec![
            column(1, "id", ColumnKind::Id, ColumnType::U64),
            column(2, "time", ColumnKind::Time, ColumnType::Timestamp),
            column(3, "host", ColumnKind::Tag, ColumnType::Utf8),
            column(4, "zone", ColumnKind::Tag, ColumnType::Utf8),
            column(5, "n", ColumnKind::Field, ColumnType::I64),
            column(6, "load.1m", ColumnKind::Field, ColumnType::F64),
            column(7, "up", ColumnKind::Field, ColumnType::Bool),
            column(8, "note", ColumnKind::Field, ColumnType::Utf8),
            column(9, "later", ColumnKind::Field, ColumnType::Untyped),
        ],
        next_column: ColumnId(10),
        mode: Mode::Append,
        partition: PartitionWidth::Day,
        dropped: Vec::new(),
        created_at_ns: 0,
        codec: None,
        retention_ns: None,
    }
}

/// Ten hosts with 100 rows each; the zone is absent on odd hosts.
fn rows() -> RecordBatch {
    let host = |row: usize| row / 100;
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new(UInt64Array::from_iter_values((0..ROWS as u64).map(|row| row * 7 % 1000 + 5))),
        ),
        (
            "time",
            Arc::new(
                TimestampNanosecondArray::from_iter_values((0..ROWS as i64).map(|row| row % 100))
                    .with_timezone(UTC),
            ),
        ),
        (
            "host",
            Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("h{}", host(row))))),
        ),
        (
            "zone",
            Arc::new(StringArray::from_iter(
                (0..ROWS).map(|row| (host(row) % 2 == 0).then_some("z")),
            )),
        ),
        (
            "n",
            Arc::new(Int64Array::from_iter(
                (0..ROWS as i64).map(|row| (row % 3 > 0).then_some(500 - row)),
            )),
        ),
        (
            "load.1m",
            Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| row as f64 / 3.0))),
        ),
        ("up", Arc::new(BooleanArray::from_iter((0..ROWS).map(|row| Some(row % 2 == 0))))),
        (
            "note",
            Arc::new(StringArray::from_iter((0..ROWS).map(|row| (row % 9 == 0).then_some("ß")))),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

fn store() -> Arc<dyn Store> {
    Arc::new(LocalStore::new("/data", &Simulation::new(1).env()))
}

fn write(store: &dyn Store) -> SegmentMeta {
    let schema = schema();
    let draft = SegmentDraft {
        id: SegmentId { epoch: 1, counter: 2 },
        database: &Name::literal("default"),
        schema: &schema,
        window: DAY,
        first: Sequence(4),
        last: Sequence(9),
        written_ns: 7,
        level: 0,
    };
    let layout = Layout { row_group_rows: 256, page_rows: 64, ..Layout::default() };
    let mut writer = SegmentWriter::new(draft, layout, store).unwrap();
    for start in [0, 300, 600] {
        writer.write(&rows().slice(start, 400.min(if start == 600 { 400 } else { 300 }))).unwrap();
    }
    writer.finish().unwrap().unwrap()
}

fn open(store: &Arc<dyn Store>, meta: SegmentMeta) -> Segment {
    let meta = Arc::new(meta);
    let file =
        Arc::new(SegmentFile::new(Arc::clone(&meta), &SegmentAccess::new(Arc::clone(store))));
    Segment { meta, deleted: None, file }
}

fn spec(names: &[&str]) -> ReadSpec {
    let schema = schema();
    ReadSpec {
        columns: names.iter().map(|name| schema.column(name).unwrap().clone()).collect(),
        time_column: ColumnId(2),
        time: TimeRange::ALL,
        tags: Vec::new(),
        fields: Vec::new(),
        rows: RowChoice::Live,
        groups: None,
        batch_rows: 128,
        counters: Arc::default(),
    }
}

fn read(segment: &Segment, spec: ReadSpec) -> pulsora_model::Result<RecordBatch> {
    let fields: Vec<_> = spec.columns.iter().map(Column::arrow_field).collect();
    let batches = segment.read(spec)?.collect::<pulsora_model::Result<Vec<_>>>()?;
    Ok(concat_batches(&Arc::new(arrow::datatypes::Schema::new(fields)), &batches).unwrap())
}

fn numbers(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().iter().collect()
}

#[test]
fn what_is_written_is_read() {
    let store = store();
    let meta = write(&*store);
    assert_eq!(
        meta.object,
        "cold/default~1/cpu.load~3/1970/01/01/cpu.load_19700101_000000_1000_0000000100000002.parquet"
    );
    assert_eq!((meta.rows, meta.min_time_ns, meta.max_time_ns), (1000, 0, 99));
    assert_eq!(meta.min_key, [(ColumnId(3), "h0".into()), (ColumnId(4), "z".into())]);
    assert_eq!(meta.max_key, [(ColumnId(3), "h9".into())]);
    assert_eq!(meta.int_bounds, [IntBounds { column: ColumnId(5), magnitude_max: 499 }]);
    let ids = meta.ids.clone().unwrap();
    assert_eq!((ids.min_id, ids.max_id), (5, 1004));

    let segment = open(&store, meta);
    let names = ["later", "note", "up", "load.1m", "n", "zone", "host", "time", "id"];
    let found = read(&segment, spec(&names)).unwrap();
    let written = rows();
    assert_eq!(found.num_rows(), ROWS);
    assert_eq!(found.column(0).logical_null_count(), ROWS);
    for name in &names[1..] {
        let wanted = schema().column(name).unwrap().arrow_type();
        let expected =
            arrow::compute::cast(written.column_by_name(name).unwrap(), &wanted).unwrap();
        let plain = |array: &ArrayRef| match name {
            &"host" | &"zone" => {
                arrow::compute::cast(array, &arrow::datatypes::DataType::Utf8).unwrap()
            }
            _ => Arc::clone(array),
        };
        assert_eq!(&plain(found.column_by_name(name).unwrap()), &plain(&expected), "{name}");
    }
    let none = segment.read(spec(&[])).unwrap();
    assert_eq!(none.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), ROWS);
}

#[test]
fn predicates_and_gone_rows_are_exact_and_skip_what_they_can() {
    let store = store();
    let mut segment = open(&store, write(&*store));
    let all = numbers(&read(&segment, spec(&["n"])).unwrap(), "n");
    let wanted = |keep: &dyn Fn(usize) -> bool| -> Vec<Option<i64>> {
        all.iter().enumerate().filter(|(row, _)| keep(*row)).map(|(_, n)| *n).collect()
    };
    let tag = |id, values: &[Option<&str>]| TagPredicate {
        column: ColumnId(id),
        values: values.iter().map(|value| value.map(str::to_owned)).collect(),
    };
    type Case = (TimeRange, Vec<TagPredicate>, Box<dyn Fn(usize) -> bool>, u64);
    let some_time = TimeRange { start_ns: 40, end_ns: 59 };
    let cases: Vec<Case> = vec![
        (some_time, vec![], Box::new(|row| (40..60).contains(&(row % 100))), 4),
        (TimeRange::ALL, vec![tag(3, &[Some("h7")])], Box::new(|row| row / 100 == 7), 2),
        (
            TimeRange::ALL,
            vec![tag(3, &[Some("h0"), Some("h9"), Some("x")])],
            Box::new(|row| !(100..900).contains(&row)),
            2,
        ),
        (TimeRange::ALL, vec![tag(4, &[None])], Box::new(|row| row / 100 % 2 == 1), 4),
        (
            some_time,
            vec![tag(3, &[Some("h7")]), tag(4, &[None])],
            Box::new(|row| (740..760).contains(&row)),
            2,
        ),
        (TimeRange::ALL, vec![tag(3, &[Some("i")])], Box::new(|_| false), 0),
        (TimeRange::ALL, vec![tag(77, &[Some("added later")])], Box::new(|_| false), 0),
        (TimeRange { start_ns: 5, end_ns: 4 }, vec![], Box::new(|_| false), 0),
    ];
    let gone: RoaringBitmap =
        (0..1000).filter(|row| row % 11 == 0 || (256..512).contains(row)).collect();
    for (time, tags, keep, blocks) in &cases {
        for names in [&["n"][..], &["n", "host", "time"]] {
            let mut ask = ReadSpec { time: *time, tags: tags.clone(), ..spec(names) };
            segment.deleted = None;
            let found = read(&segment, ask.clone()).unwrap();
            assert_eq!(numbers(&found, "n"), wanted(&**keep), "{time:?} {tags:?}");
            assert_eq!(ask.counters.blocks_read.load(Ordering::Relaxed), *blocks, "{tags:?}");

            segment.deleted = Some(Arc::new(gone.clone()));
            let live = |row: usize| keep(row) && !gone.contains(row as u32);
            assert_eq!(numbers(&read(&segment, ask.clone()).unwrap(), "n"), wanted(&live));
            ask.rows = RowChoice::LiveExcept(Arc::new((0..100).collect()));
            let found = read(&segment, ask.clone()).unwrap();
            assert_eq!(numbers(&found, "n"), wanted(&|row| live(row) && row >= 100));
            ask.rows = RowChoice::Only(Arc::new([3, 44, 745, 300, 999].into_iter().collect()));
            let found = read(&segment, ask).unwrap();
            assert_eq!(
                numbers(&found, "n"),
                wanted(&|row| keep(row) && [3, 44, 745, 300, 999].contains(&row))
            );
        }
    }
    // One host of ten: its rows fill at most three pages of 64 in two row groups.
    segment.deleted = None;
    let ask = ReadSpec { tags: vec![tag(3, &[Some("h7")])], ..spec(&["n"]) };
    read(&segment, ask.clone()).unwrap();
    let rows_read = ScanCounters::value(&ask.counters.rows_read);
    assert!((100..=192).contains(&rows_read), "{rows_read}");
}

#[test]
fn integers_are_read_as_floats_once_the_column_is_wider() {
    let store = store();
    let segment = open(&store, write(&*store));
    let mut ask = spec(&["n"]);
    ask.columns[0].ty = ColumnType::F64;
    let found = read(&segment, ask).unwrap();
    let floats = found.column(0).as_primitive::<arrow::datatypes::Float64Type>();
    assert_eq!((floats.value(1), floats.value(4)), (499.0, 496.0));
}

#[test]
fn damaged_bytes_are_an_error_and_never_a_panic() {
    let store = store();
    let meta = write(&*store);
    let good = store.get(&meta.object).unwrap();
    let mut seed = 7u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    let names = ["id", "time", "host", "zone", "n", "load.1m", "up", "note"];
    let mut errors = 0;
    for round in 0..600 {
        let mut bytes = good.clone();
        // A third of the rounds damage the footer, where most of the structure is.
        let from = if round % 3 == 0 { bytes.len() - 4000 } else { 0 };
        for _ in 0..=round % 4 {
            let at = from + next(bytes.len() - from);
            bytes[at] = next(256) as u8;
        }
        if round % 10 == 9 {
            bytes.truncate(next(bytes.len()));
        }
        let object = format!("damaged/{round}.parquet");
        store.put_if_absent(&object, &bytes).unwrap();
        let damaged = SegmentMeta { object: object.clone(), ids: None, ..meta.clone() };
        // The checksum notices, unless the damage changed nothing.
        let checked = read(&open(&store, damaged.clone()), spec(&names));
        if bytes != good {
            let error = checked.unwrap_err();
            assert_eq!(error.code(), Code::Corrupt);
            assert!(error.message().contains(&object), "{error}");
        }
        // Without its help the reader sees the damage itself.
        let crc = crc32c::crc32c(&bytes);
        let unchecked = SegmentMeta { crc, length: bytes.len() as u64, ..damaged };
        let mut ask = spec(&names);
        if round % 2 == 0 {
            ask.time = TimeRange { start_ns: 10, end_ns: 60 };
            ask.tags = vec![TagPredicate { column: ColumnId(3), values: vec![Some("h3".into())] }];
        }
        if let Err(error) = read(&open(&store, unchecked), ask) {
            assert_eq!(error.code(), Code::Corrupt, "{error}");
            errors += 1;
        }
    }
    assert!(errors > 100, "only {errors} rounds were noticed");

    let missing = SegmentMeta { object: "nowhere".into(), ..meta };
    assert_eq!(read(&open(&store, missing), spec(&names)).unwrap_err().code(), Code::Corrupt);
}

#[test]
fn a_segment_may_start_inside_its_object() {
    let store = store();
    let meta = write(&*store);
    let bytes = store.get(&meta.object).unwrap();
    let shared = [&[1u8; 100][..], &bytes, &[2; 50]].concat();
    store.put_if_absent("shared", &shared).unwrap();
    let segment = open(&store, SegmentMeta { object: "shared".into(), offset: 100, ..meta });
    assert_eq!(read(&segment, spec(&["n"])).unwrap().num_rows(), ROWS);
}

#[test]
fn an_empty_segment_is_not_written() {
    let store = store();
    let schema = schema();
    let draft = SegmentDraft {
        id: SegmentId { epoch: 1, counter: 1 },
        database: &Name::literal("default"),
        schema: &schema,
        window: DAY,
        first: Sequence(1),
        last: Sequence(1),
        written_ns: 7,
        level: 0,
    };
    assert!(
        SegmentWriter::new(draft, Layout::default(), &*store).unwrap().finish().unwrap().is_none()
    );
    assert_eq!(store.list("").unwrap(), []);
}

#[test]
fn every_id_is_found_and_no_other() {
    let id = SegmentId { epoch: 1, counter: 1 };
    let shapes: Vec<Vec<u64>> = vec![
        vec![0],
        vec![u64::MAX, 0, 7],
        (5..6005).collect(),
        (0..5000u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect(),
        (0..3000u64).rev().map(|i| i * i + 1).collect(),
    ];
    for ids in shapes {
        let bytes = encode(id, &ids);
        let index = IdIndex::parse(bytes.clone().into()).unwrap();
        for (row, id) in ids.iter().enumerate() {
            assert_eq!(index.lookup(*id).unwrap(), Some(row as u32));
        }
        let mut present = ids.clone();
        present.sort_unstable();
        let mut probes: Vec<u64> = present
            .iter()
            .flat_map(|id| [id.wrapping_sub(1), *id, id.wrapping_add(1)])
            .chain([0, u64::MAX, 12_345_678])
            .collect();
        probes.sort_unstable();
        probes.dedup();
        let expected: Vec<u32> = probes
            .iter()
            .filter_map(|probe| ids.iter().position(|id| id == probe).map(|row| row as u32))
            .collect();
        assert_eq!(index.lookup_many(&probes).unwrap(), expected);
        for absent in probes.iter().filter(|probe| present.binary_search(probe).is_err()) {
            assert_eq!(index.lookup(*absent).unwrap(), None);
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(IdIndex::parse(damaged.into()).is_err(), "byte {at}");
            if at > 5000 {
                break;
            }
        }
        assert!(IdIndex::parse(bytes[..bytes.len() - 1].to_vec().into()).is_err());
    }
}

#[test]
fn the_index_of_a_segment_leads_to_its_rows() {
    let store = store();
    let segment = open(&store, write(&*store));
    let index = segment.file.id_index().unwrap().unwrap();
    let row = index.lookup(12).unwrap().unwrap();
    let ask =
        ReadSpec { rows: RowChoice::Only(Arc::new([row].into_iter().collect())), ..spec(&["id"]) };
    let found = read(&segment, ask).unwrap();
    assert_eq!(found.column(0).as_primitive::<UInt64Type>().values().to_vec(), [12]);
    assert_eq!(index.lookup(4).unwrap(), None);
}

#[test]
fn object_names_are_safe_and_deep_enough() {
    let name_of = |database: &str, table: &str, width: PartitionWidth| {
        let schema = TableSchema { name: Name::new(table).unwrap(), ..schema() };
        let window = width.window(parse_time("2024-02-03T04:05:06Z").unwrap());
        let id = SegmentId { epoch: 0xab, counter: 0xcd };
        segment_object(&Name::new(database).unwrap(), &schema, window, 42, id)
    };
    let end = "42_000000ab000000cd.parquet";
    assert_eq!(
        name_of("default", "cpu", PartitionWidth::Hour),
        format!("cold/default~1/cpu~3/2024/02/03/04/cpu_20240203_040000_{end}")
    );
    assert_eq!(
        name_of("default", "cpu", PartitionWidth::Day),
        format!("cold/default~1/cpu~3/2024/02/03/cpu_20240203_000000_{end}")
    );
    assert_eq!(
        name_of("../../etc", ".hidden \"x\".y", PartitionWidth::Month),
        format!(
            "cold/%2E.%2F..%2Fetc~1/%2Ehidden%20%22x%22.y~3/2024/02/%2Ehidden%20%22x%22.y_20240201_000000_{end}"
        )
    );
    assert_eq!(
        name_of("数据", "a'b", PartitionWidth::Year),
        format!("cold/%E6%95%B0%E6%8D%AE~1/a%27b~3/2024/a%27b_20240101_000000_{end}")
    );
    let long = name_of(&"ü".repeat(127), &"x".repeat(255), PartitionWidth::Day);
    for part in long.split('/') {
        assert!(part.len() <= 133, "{part}");
        assert!(part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.%~-".contains(&b)), "{part}");
    }
    // 16 whole `%C3%BC` and one `%C3` are 99 bytes: the cut never splits an escape.
    assert!(long.starts_with(&format!("cold/{}%C3~1/", "%C3%BC".repeat(16))), "{long}");
}

/// A segment of the columns time, host, zone, `load.1m` and `n`, in row groups of 4,096 rows.
fn columns_of(store: &Arc<dyn Store>, columns: Vec<(&str, ArrayRef)>) -> Segment {
    let schema = TableSchema {
        columns: schema().columns.into_iter().filter(|c| c.kind != ColumnKind::Id).collect(),
        ..schema()
    };
    let draft = SegmentDraft {
        id: SegmentId { epoch: 1, counter: 9 },
        database: &Name::literal("default"),
        schema: &schema,
        window: DAY,
        first: Sequence(1),
        last: Sequence(1),
        written_ns: 7,
        level: 1,
    };
    let layout = Layout { row_group_rows: 4_096, page_rows: 1_024, ..Layout::default() };
    let mut writer = SegmentWriter::new(draft, layout, &**store).unwrap();
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)));
    writer.write(&batch.unwrap()).unwrap();
    let meta = writer.finish().unwrap().unwrap();
    open(store, meta)
}

fn times(rows: i64) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from_iter_values(0..rows).with_timezone(UTC))
}

#[test]
fn a_bloom_filter_leaves_out_row_groups_that_the_bounds_of_a_tag_do_not() {
    let store = store();
    let zone = |row: i64| ["a", "c", "e"][row as usize % 3];
    let segment = columns_of(
        &store,
        vec![
            ("time", times(16_384)),
            ("zone", Arc::new(StringArray::from_iter_values((0..16_384).map(zone)))),
            ("n", Arc::new(Int64Array::from_iter_values(0..16_384))),
        ],
    );
    let blocks = |values: &[&str]| {
        let values = values.iter().map(|value| Some((*value).to_owned())).collect();
        let tags = vec![TagPredicate { column: ColumnId(4), values }];
        let ask = ReadSpec { tags, ..spec(&["n"]) };
        let counters = Arc::clone(&ask.counters);
        let rows = read(&segment, ask).unwrap().num_rows();
        (rows, counters.blocks_read.load(Ordering::Relaxed))
    };
    assert_eq!(blocks(&["c"]), (5_461, 4));
    assert_eq!(blocks(&["b"]), (0, 0), "between the bounds of every row group");
    assert_eq!(blocks(&["b", "e"]), (5_461, 4));
    assert_eq!(blocks(&["b", "d"]), (0, 0));
}

#[test]
fn every_column_has_the_encoding_that_is_smallest_for_its_rows() {
    let rng = std::cell::RefCell::new(fastrand::Rng::with_seed(7));
    let rows = 8_192;
    let integers = |next: &dyn Fn(i64) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values((0..rows).map(next)))
    };
    let floats = |next: &dyn Fn(i64) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values((0..rows).map(next)))
    };
    let random = || rng.borrow_mut().f64();
    let few: Vec<f64> = (0..20).map(|_| random()).collect();
    let price = std::cell::Cell::new(10_000);
    let cents = |_| {
        price.set(price.get() + rng.borrow_mut().i64(-40..=40));
        price.get() as f64 / 100.0
    };
    let codes = [200, 204, 404, 1_500_000_000, -7];
    let cases: [(&str, ArrayRef, &str); 6] = [
        ("n", integers(&|row| row * 1_000 + 7), "DELTA_BINARY_PACKED"),
        ("n", integers(&|_| codes[rng.borrow_mut().usize(0..5)]), "RLE_DICTIONARY"),
        ("load.1m", floats(&|_| random() * 1e3), "BYTE_STREAM_SPLIT"),
        ("load.1m", floats(&|_| few[rng.borrow_mut().usize(0..20)]), "RLE_DICTIONARY"),
        ("load.1m", floats(&cents), "RLE_DICTIONARY"),
        ("load.1m", floats(&|row| 20.0 + random() * 1e-3 * row as f64), "BYTE_STREAM_SPLIT"),
    ];
    for (name, values, expected) in cases {
        let store = store();
        let segment = columns_of(&store, vec![("time", times(rows)), (name, Arc::clone(&values))]);
        let found = read(&segment, spec(&[name])).unwrap();
        assert_eq!(found.column(0), &values);
        let footer = parquet::arrow::arrow_reader::ArrowReaderMetadata::load(
            &bytes::Bytes::from(store.get(&segment.meta.object).unwrap()),
            Default::default(),
        );
        let footer = footer.unwrap();
        let columns = footer.metadata().row_group(0).columns();
        let column = columns.iter().find(|c| c.column_path().parts() == [name.to_owned()]);
        let encodings: Vec<String> = column.unwrap().encodings().map(|e| e.to_string()).collect();
        let dictionary = encodings.iter().any(|e| e == "RLE_DICTIONARY");
        let is_there = encodings.iter().any(|e| e == expected);
        let right = if expected == "RLE_DICTIONARY" { dictionary } else { is_there && !dictionary };
        assert!(right, "{name}: {encodings:?}, not {expected}");
    }
}

#[test]
fn a_read_verifies_the_pieces_that_it_touches_and_the_check_all_of_them() {
    let sim = Simulation::new(1);
    let store: Arc<dyn Store> = Arc::new(LocalStore::new("/data", &sim.env()));
    let mut rng = fastrand::Rng::with_seed(3);
    // Two row groups of 4,096 texts of 600 bytes that do not compress.
    let mut text =
        || -> String { std::iter::repeat_with(|| rng.alphanumeric()).take(600).collect() };
    let texts: Vec<String> = (0..8_192).map(|_| text()).collect();
    let segment = columns_of(
        &store,
        vec![("time", times(8_192)), ("note", Arc::new(StringArray::from_iter_values(&texts)))],
    );
    let pieces = segment.meta.length.div_ceil(1 << 20) as usize;
    assert!(pieces > 3 && segment.meta.piece_crcs.len() == pieces);
    let path = std::path::Path::new("/data").join(&segment.meta.object);
    let file = sim.files.mount().open(&path).unwrap();
    file.write_at(&[0xff; 16], 500_000).unwrap();
    let read = |groups| {
        let fresh = open(&store, (*segment.meta).clone());
        read(&fresh, ReadSpec { groups: Some(groups), ..spec(&["note"]) }).map(|b| b.num_rows())
    };
    assert_eq!(read(1..2).unwrap(), 4_096, "its pieces are sound");
    let error = read(0..1).unwrap_err();
    assert_eq!(error.code(), Code::Corrupt);
    assert!(error.message().contains("from 0 on"), "{error}");
    let fresh = open(&store, (*segment.meta).clone());
    assert_eq!(fresh.file.verify_parquet().unwrap_err().code(), Code::Corrupt);
    // Without checksums of pieces, as older versions wrote it, the whole is looked at first.
    let old = SegmentMeta { piece_crcs: Vec::new(), ..(*segment.meta).clone() };
    let groups = Some(1..2);
    let ask = ReadSpec { groups, ..spec(&["note"]) };
    let outcome = open(&store, old).read(ask).map(|_| ());
    assert_eq!(outcome.unwrap_err().code(), Code::Corrupt);
}
