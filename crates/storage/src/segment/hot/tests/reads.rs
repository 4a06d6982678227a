//! Reads of a hot segment give what was written, and what reads of the same rows in Parquet give.

use std::ops::Bound;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, TimestampNanosecondType, UInt32Type};
use fastrand::Rng;
use pulsora_codec::Codecs;
use pulsora_model::{Column, ColumnId, ColumnKind, ColumnType};
use roaring::RoaringBitmap;

use super::world::{World, open, plain, read, special_float};
use crate::read::{FieldPredicate, FieldTest, FieldValue, ScanCounters, TagPredicate, TimeRange};
use crate::segment::open::Opened;
use crate::segment::{ReadSpec, RowChoice, Segment, SegmentAccess, SegmentFormat, place};

#[test]
fn what_is_written_is_read() {
    for seed in 0..60 {
        let world = World::random(seed);
        let hot = world.hot();
        assert_eq!(hot.meta.format, SegmentFormat::Hot);
        assert_eq!(read(&hot, world.all()).unwrap(), plain(&world.rows), "seed {seed}");
        hot.file.hot().unwrap().verify(Some(hot.meta.crc)).unwrap();
        let by_ranges = world.hot_by_ranges([0, 10_000, 1 << 20][seed as usize % 3]);
        assert_eq!(read(&by_ranges, world.all()).unwrap(), plain(&world.rows), "seed {seed}");
        by_ranges.file.hot().unwrap().verify(None).unwrap();
    }
}

#[test]
fn the_manifest_says_the_same_of_both_formats() {
    for seed in 0..60 {
        let world = World::random(seed);
        let (hot, cold) = (world.hot().meta, world.cold().meta);
        assert_eq!(
            (hot.rows, hot.min_time_ns, hot.max_time_ns, &hot.min_key, &hot.max_key),
            (cold.rows, cold.min_time_ns, cold.max_time_ns, &cold.min_key, &cold.max_key)
        );
        assert_eq!(hot.int_bounds, cold.int_bounds);
        let bounds = |ids: &crate::segment::IdIndexMeta| (ids.min_id, ids.max_id);
        assert_eq!(hot.ids.as_ref().map(bounds), cold.ids.as_ref().map(bounds));
    }
}

fn time_range(rng: &mut Rng, world: &World) -> TimeRange {
    let times = world.rows.column(0).as_primitive::<TimestampNanosecondType>().values();
    let near = |rng: &mut Rng| times[rng.usize(..times.len())].saturating_add(rng.i64(-1..=1));
    match rng.usize(..5) {
        0 => TimeRange::ALL,
        1 => TimeRange { start_ns: near(rng), end_ns: i64::MAX },
        2 => TimeRange { start_ns: i64::MIN, end_ns: near(rng) },
        _ => TimeRange { start_ns: near(rng), end_ns: near(rng) },
    }
}

fn tag_predicates(rng: &mut Rng, world: &World) -> Vec<TagPredicate> {
    let tags: Vec<&Column> = world.schema.tags().collect();
    let mut predicates = Vec::new();
    for (number, tag) in tags.iter().enumerate().filter(|_| rng.usize(..3) == 0).collect::<Vec<_>>()
    {
        let values = (0..rng.usize(1..4))
            .map(|_| (rng.usize(..4) > 0).then(|| format!("{number}{}", rng.u32(..14))));
        predicates.push(TagPredicate { column: tag.id, values: values.collect() });
    }
    if rng.usize(..12) == 0 {
        let values = if rng.bool() { vec![None] } else { vec![Some("x".to_owned())] };
        predicates.push(TagPredicate { column: ColumnId(99), values });
    }
    predicates
}

fn value(rng: &mut Rng, ty: ColumnType) -> FieldValue {
    match ty {
        ColumnType::F64 => FieldValue::F64(special_float(rng)),
        ColumnType::U64 => FieldValue::U64(rng.u64(..1200)),
        ColumnType::Bool => FieldValue::Bool(rng.bool()),
        ColumnType::Utf8 => FieldValue::Utf8(["", "a", "ß", "z", "05"][rng.usize(..5)].to_owned()),
        ColumnType::Timestamp => FieldValue::Time(rng.i64(-60..1100)),
        _ => FieldValue::I64([rng.i64(-60..1100), i64::MIN, i64::MAX][rng.usize(..3).min(2)]),
    }
}

fn field_predicates(rng: &mut Rng, world: &World) -> Vec<(Column, FieldPredicate)> {
    let count = [0, 0, 1, 1, 2][rng.usize(..5)];
    (0..count)
        .map(|_| {
            let columns = &world.schema.columns;
            let mut column = columns[rng.usize(..columns.len())].clone();
            if column.ty == ColumnType::I64 && rng.bool() {
                // Widened since the segment was written.
                column.ty = ColumnType::F64;
            }
            let ty = if column.kind == ColumnKind::Id { ColumnType::U64 } else { column.ty };
            let mut bound = || match rng.usize(..3) {
                0 => Bound::Unbounded,
                1 => Bound::Included(value(rng, ty)),
                _ => Bound::Excluded(value(rng, ty)),
            };
            let (min, max) = (bound(), bound());
            let test = match rng.usize(..6) {
                0 => FieldTest::IsNull,
                1 => FieldTest::IsNotNull,
                _ => FieldTest::Range { min, max },
            };
            let predicate = FieldPredicate { column: column.id, test };
            (column, predicate)
        })
        .collect()
}

fn some_rows(rng: &mut Rng, rows: usize) -> RoaringBitmap {
    let share = [1, 30, 99][rng.usize(..3)];
    (0..rows as u32).filter(|_| rng.usize(..100) < share).collect()
}

fn spec(rng: &mut Rng, world: &World) -> ReadSpec {
    let mut columns = world.schema.columns.clone();
    rng.shuffle(&mut columns);
    columns.truncate(rng.usize(..=columns.len()));
    for column in &mut columns {
        if column.ty == ColumnType::I64 && rng.usize(..3) == 0 {
            column.ty = ColumnType::F64;
        }
    }
    let rows = world.rows.num_rows();
    let start = rng.usize(..4);
    ReadSpec {
        columns,
        time: time_range(rng, world),
        tags: tag_predicates(rng, world),
        fields: field_predicates(rng, world),
        rows: match rng.usize(..3) {
            0 => RowChoice::LiveExcept(Arc::new(some_rows(rng, rows))),
            1 => RowChoice::Only(Arc::new(some_rows(rng, rows))),
            _ => RowChoice::Live,
        },
        groups: (rng.usize(..4) == 0).then(|| start..start + rng.usize(..3)),
        batch_rows: 1 << rng.usize(..13),
        counters: Arc::default(),
        ..world.all()
    }
}

#[test]
fn random_reads_of_both_formats_are_equal() {
    let (mut read_rows, mut filtered) = (0, 0);
    for seed in 0..30 {
        let world = World::random(seed);
        let mut rng = Rng::with_seed(seed + 1000);
        let gone = rng.bool().then(|| Arc::new(some_rows(&mut rng, world.rows.num_rows())));
        let segments: Vec<Segment> = [world.hot(), world.hot_by_ranges(50_000), world.cold()]
            .into_iter()
            .map(|segment| Segment { deleted: gone.clone(), ..segment })
            .collect();
        for round in 0..20 {
            let spec = spec(&mut rng, &world);
            let asked = (spec.time, &spec.tags, &spec.fields, spec.groups.clone(), spec.batch_rows);
            let expected =
                read(&segments[2], ReadSpec { counters: Arc::default(), ..spec.clone() });
            let expected = expected.unwrap();
            for hot in &segments[..2] {
                let found =
                    read(hot, ReadSpec { counters: Arc::default(), ..spec.clone() }).unwrap();
                assert_eq!(found, expected, "seed {seed}, round {round}: {asked:?}");
            }
            read_rows += expected.num_rows();
            filtered += usize::from(expected.num_rows() > 0 && !spec.fields.is_empty());
        }
    }
    assert!(read_rows > 50_000 && filtered > 30, "{read_rows} rows, {filtered} filtered");
}

#[test]
fn a_read_touches_no_more_rows_than_it_must() {
    let world = World::large();
    let hot = world.hot();
    let series = Arc::clone(hot.file.hot().unwrap().series());
    assert!(series.len() > 3 && hot.meta.rows > 5_000, "the seed makes a table of some size");
    let one = series.len() / 2;
    let predicates: Vec<TagPredicate> = series
        .tags()
        .iter()
        .map(|tag| TagPredicate {
            column: tag.column,
            values: vec![tag.value(one).map(str::to_owned)],
        })
        .collect();
    let spec = ReadSpec { tags: predicates, ..world.all() };
    let counters = Arc::clone(&spec.counters);
    let found = read(&hot, spec).unwrap();
    let rows = hot.file.hot().unwrap().rows_of(one).len();
    assert_eq!(found.num_rows(), rows);
    assert_eq!(ScanCounters::value(&counters.rows_read), rows as u64);

    // A limit stops early.
    let spec = ReadSpec { batch_rows: 16, ..world.all() };
    let counters = Arc::clone(&spec.counters);
    hot.read(spec).unwrap().next().unwrap().unwrap();
    assert_eq!(ScanCounters::value(&counters.rows_read), 16);
    assert_eq!(ScanCounters::value(&counters.blocks_read), 1);
}

#[test]
fn segments_with_the_same_series_share_them_and_their_dictionaries() {
    let world = World::large();
    let database = pulsora_model::Name::literal("default");
    let drafts = (1..=2).map(|counter| {
        let draft = world.draft(&database, counter);
        let mut writer = super::super::HotWriter::new(draft, world.options());
        writer.write(&world.rows).unwrap();
        writer.finish().unwrap().unwrap()
    });
    let (bytes, metas) = place(drafts.collect(), "hot/both.hot");
    world.store.put_if_absent("hot/both.hot", &bytes).unwrap();
    let access = SegmentAccess::new(Arc::clone(&world.store));
    let both: Vec<Segment> = metas.into_iter().map(|meta| open(meta, &access)).collect();
    let [a, b] = [0, 1].map(|i| Arc::clone(both[i].file.hot().unwrap().series()));
    assert!(Arc::ptr_eq(&a, &b));
    for segment in &both {
        assert_eq!(read(segment, world.all()).unwrap(), plain(&world.rows));
        assert!(segment.file.id_index().unwrap().is_some() == world.schema.row_id().is_some());
        let mut spec = world.all();
        spec.columns.retain(|column| column.kind == ColumnKind::Tag);
        for batch in segment.read(spec).unwrap() {
            let batch = batch.unwrap();
            let tag = batch.column(0).as_dictionary::<UInt32Type>();
            assert!(Arc::ptr_eq(tag.values(), &a.tags()[0].dictionary));
        }
    }
    // The object goes with the last of its segments, and not before.
    both[0].file.doom();
    let last = Arc::clone(&both[1].file);
    drop((both, a, b));
    assert!(world.store.get("hot/both.hot").is_ok());
    last.doom();
    drop(last);
    assert!(world.store.get("hot/both.hot").is_err());
}

#[test]
fn rows_out_of_order_are_refused() {
    let world = World::large();
    let database = pulsora_model::Name::literal("default");
    let rows = world.rows.num_rows();
    let mut writer = super::super::HotWriter::new(world.draft(&database, 1), world.options());
    writer.write(&world.rows.slice(rows / 2, rows - rows / 2)).unwrap();
    let later =
        writer.write(&world.rows.slice(0, rows / 2)).and_then(|()| writer.finish().map(drop));
    assert!(later.is_err());
}

#[test]
fn row_ids_lead_to_their_rows() {
    let world = (0..20).map(World::random).find(|world| world.schema.row_id().is_some()).unwrap();
    let hot = world.hot();
    let index = hot.file.id_index().unwrap().unwrap();
    let ids = world.rows.column_by_name("id").unwrap();
    let ids = ids.as_primitive::<arrow::datatypes::UInt64Type>().values();
    for (row, id) in ids.iter().enumerate().step_by(7) {
        assert_eq!(index.lookup(*id).unwrap(), Some(row as u32));
    }
}

#[test]
fn integers_are_read_as_floats_once_the_column_is_wider() {
    let world = World::random(3);
    let mut spec = world.all();
    spec.columns.retain(|column| column.id == ColumnId(4));
    let integers = read(&world.hot(), spec.clone()).unwrap();
    spec.columns[0].ty = ColumnType::F64;
    let floats = world.hot_by_ranges(0);
    let floats = read(&floats, spec).unwrap();
    let integers = integers.column(0).as_primitive::<arrow::datatypes::Int64Type>();
    let floats = floats.column(0).as_primitive::<Float64Type>();
    assert!(integers.iter().map(|n| n.map(|n| n as f64)).eq(floats.iter()));
}

#[test]
fn segments_stay_open_within_their_bound() {
    let world = World::large();
    let sizes = world.hot().file.hot().unwrap();
    // Room for the series that all share, and for two segments; half of it is for what was decoded.
    let bytes_max = 2 * (sizes.series().size_bytes() + sizes.own_bytes() * 5 / 2);
    let codecs = Arc::new(Codecs::builtin().clone());
    let access = SegmentAccess::with(Arc::clone(&world.store), codecs, bytes_max as u64, false);
    let mut segments = [11, 12, 13].map(|number| {
        let (bytes, meta) = world.hot_bytes(number);
        world.store.put_if_absent(&meta.object, &bytes).unwrap();
        Some(open(meta, &access))
    });
    let open =
        |segment: &Option<Segment>| Arc::downgrade(&segment.as_ref().unwrap().file.hot().unwrap());
    let held = segments[0].as_ref().unwrap().file.hot().unwrap();
    let first = Arc::downgrade(&held);
    let [second, third] = [1, 2].map(|number| open(&segments[number]));
    assert!(first.upgrade().is_some(), "a reader holds it");
    drop(held);
    let is_open = || [&first, &second, &third].map(|weak| weak.upgrade().is_some());
    assert_eq!(is_open(), [false, true, true], "the oldest goes");
    // One that is used stays longer.
    open(&segments[1]);
    let again = open(&segments[0]);
    assert_eq!((is_open(), again.upgrade().is_some()), ([false, true, false], true));
    segments[1].take();
    assert_eq!(is_open(), [false; 3], "what is kept open ends with its segment");
    open(&segments[2]);
    assert!(again.upgrade().is_some(), "its room is free");
}
