//! Every push-down reads less than the scan without it, on figures of rows, blocks, segments and bytes.

use std::sync::atomic::Ordering;

use pulsora_model::{ColumnId, Mode};

use super::world::{Formats, Random, Row, TIME, Value, WINDOW_NS, World};
use crate::read::pieces::Piece;
use crate::read::table_scan::TableScan;
use crate::read::{Order, Scan, ScanCounters, TagPredicate, TimeRange};
use crate::segment::Layout;

const WINDOWS: u64 = 4;
const HOSTS: u64 = 20;
const ROWS: u64 = 40_000;
const TAG: ColumnId = ColumnId(10);

/// Figures of one scan.
#[derive(Clone, Copy, Debug)]
struct Figures {
    returned: u64,
    rows: u64,
    blocks: u64,
    segments: u64,
    bytes: u64,
}

/// Four segments of 10,000 rows with 20 hosts each, in row groups of 1,024 and pages of 128.
fn world(mode: Mode) -> World {
    world_of(mode, Formats::Cold)
}

fn world_of(mode: Mode, formats: Formats) -> World {
    let mut world = World::new(mode, false, 1);
    world.formats = formats;
    world.layout = Layout { row_group_rows: 1_024, page_rows: 128, ..Layout::default() };
    let mut random = Random::new(1);
    let row = |number: u64, random: &mut Random| Row {
        sequence: 0,
        tags: vec![Some(format!("host{:02}", number % HOSTS))],
        time: (number / HOSTS * WINDOWS * WINDOW_NS as u64 * HOSTS / ROWS) as i64,
        id: None,
        fields: [
            (ColumnId(20), Value::Int(random.below(1 << 40) as i64)),
            (ColumnId(21), Value::float(random.below(1 << 40) as f64)),
            (ColumnId(22), Value::Text(format!("text {}", random.below(1 << 40)))),
        ]
        .into(),
    };
    world.write((0..ROWS).map(|number| row(number, &mut random)).collect());
    world.seal();
    world.flush();
    assert_eq!(world.segments.len() as u64, WINDOWS);
    // Footers and checksums are read once; they are not what is measured.
    figures(&world, &Scan::all(world.schema.id));
    world
}

fn figures(world: &World, scan: &Scan) -> Figures {
    let before = world.bytes_read.load(Ordering::Relaxed);
    let plan = world.snapshot().scan(scan).unwrap();
    for stream in plan.streams {
        stream.for_each(|batch| assert!(batch.unwrap().num_rows() > 0));
    }
    Figures {
        returned: ScanCounters::value(&plan.counters.rows_returned),
        rows: ScanCounters::value(&plan.counters.rows_read),
        blocks: ScanCounters::value(&plan.counters.blocks_read),
        segments: ScanCounters::value(&plan.counters.segments_read),
        bytes: world.bytes_read.load(Ordering::Relaxed) - before,
    }
}

fn tags(values: &[&str]) -> Vec<TagPredicate> {
    let values = values.iter().map(|value| Some((*value).to_owned())).collect();
    vec![TagPredicate { column: TAG, values }]
}

#[test]
fn every_push_down_reads_less() {
    for mode in [Mode::Append, Mode::Upsert] {
        let world = world(mode);
        let all = Scan::all(world.schema.id);
        let whole = figures(&world, &all);
        assert_eq!((whole.returned, whole.rows, whole.segments), (ROWS, ROWS, WINDOWS), "{mode:?}");
        let of = |scan: Scan| figures(&world, &scan);

        let columns = Some(vec![TIME]);
        let projected = of(Scan { columns, ..all.clone() });
        assert_eq!(projected.returned, ROWS);
        assert!(projected.bytes * 5 < whole.bytes, "{projected:?} of {whole:?}");
        let nothing = of(Scan { columns: Some(Vec::new()), ..all.clone() });
        assert_eq!((nothing.returned, nothing.bytes), (ROWS, 0), "{nothing:?}");

        let time = TimeRange { start_ns: 2_000, end_ns: 2_999 };
        // Without columns that have dictionaries: those are read whole with the first page.
        let plain = Some(vec![TIME, ColumnId(20)]);
        let one_window = of(Scan { time, columns: plain.clone(), ..all.clone() });
        assert_eq!((one_window.returned, one_window.rows), (ROWS / 4, ROWS / 4));
        assert_eq!(one_window.segments, 1);
        let time = TimeRange { start_ns: 2_000, end_ns: 2_019 };
        let moment = of(Scan { time, columns: plain, ..all.clone() });
        assert_eq!(moment.returned, 200);
        assert!(moment.rows * 2 < one_window.rows, "{moment:?} of {one_window:?}");
        assert!(moment.bytes * 2 < one_window.bytes, "{moment:?} of {one_window:?}");

        let one_host = of(Scan { tags: tags(&["host07"]), ..all.clone() });
        assert_eq!(one_host.returned, ROWS / HOSTS);
        assert!(one_host.rows < ROWS / HOSTS * 2, "{one_host:?}");
        assert!(one_host.blocks * 4 < whole.blocks, "{one_host:?} of {whole:?}");
        let three = of(Scan { tags: tags(&["host01", "host07", "none"]), ..all.clone() });
        assert_eq!(three.returned, 2 * ROWS / HOSTS);
        assert!(three.rows < ROWS / HOSTS * 4, "{three:?}");
        let nobody = of(Scan { tags: tags(&["zzz"]), ..all.clone() });
        assert_eq!((nobody.returned, nobody.rows, nobody.segments), (0, 0, 0));

        let few = of(Scan { limit: Some(10), ..all.clone() });
        assert_eq!((few.returned, few.segments, few.blocks), (10, 1, 1));
        assert!(few.rows <= 64, "{few:?}");
    }
}

#[test]
fn the_newest_rows_are_found_without_reading_the_others() {
    for mode in [Mode::Append, Mode::Upsert] {
        let world = world(mode);
        let columns = Some(vec![ColumnId(20)]);
        let newest = Scan {
            order: Order::TimeDescending,
            limit: Some(40),
            columns: columns.clone(),
            ..Scan::all(world.schema.id)
        };
        let found = figures(&world, &newest);
        assert_eq!((found.returned, found.segments), (40, 2), "the last window, twice: {found:?}");
        let window = TimeRange { start_ns: 3_000, end_ns: 3_999 };
        let last_window =
            figures(&world, &Scan { time: window, columns, ..Scan::all(world.schema.id) });
        assert!(found.bytes < last_window.bytes, "{found:?} of {last_window:?}");
    }
}

#[test]
fn the_newest_rows_of_hot_segments_are_found_by_their_newest_vectors() {
    for mode in [Mode::Append, Mode::Upsert] {
        let world = world_of(mode, Formats::Hot);
        let newest = |order, tags| Scan {
            order,
            tags,
            limit: Some(40),
            columns: Some(vec![ColumnId(20)]),
            ..Scan::all(world.schema.id)
        };
        for order in [Order::TimeDescending, Order::TimeAscending] {
            let of_all = figures(&world, &newest(order, Vec::new()));
            assert_eq!(of_all.returned, 40);
            assert!(of_all.rows < 400, "of 10,000 in the last window: {of_all:?}");
            let of_one = figures(&world, &newest(order, tags(&["host07"])));
            assert_eq!(of_one.returned, 40);
            assert!(of_one.rows <= 540, "of 2,000 of the host: {of_one:?}");
        }
    }
}

#[test]
fn counts_and_bounds_of_whole_segments_read_nothing() {
    let world = world(Mode::Append);
    let snapshot = world.snapshot();
    let before = world.bytes_read.load(Ordering::Relaxed);
    let known = snapshot.statistics(&Scan::all(world.schema.id)).unwrap();
    assert_eq!(
        (known.rows, known.min_time_ns, known.max_time_ns),
        (Some(ROWS), Some(0), Some(3998))
    );
    assert_eq!(snapshot.count(world.schema.id, TimeRange::ALL).unwrap(), ROWS);
    assert_eq!(world.bytes_read.load(Ordering::Relaxed), before);
}

#[test]
fn a_big_segment_is_read_by_several_streams() {
    let mut world = World::new(Mode::Append, false, 0);
    world.layout = Layout { row_group_rows: 65_536, page_rows: 8_192, ..Layout::default() };
    let rows = 400_000;
    let row = |number: i64| Row {
        sequence: 0,
        tags: Vec::new(),
        time: number * WINDOW_NS / rows,
        id: None,
        fields: [(ColumnId(20), Value::Int(number))].into(),
    };
    world.write((0..rows).map(row).collect());
    world.seal();
    world.flush();
    let plan = world.snapshot().scan(&Scan::all(world.schema.id)).unwrap();
    assert!(plan.streams.len() >= 2, "{}", plan.streams.len());
    assert_eq!(plan.sorted_by, [TIME]);
    let counts: Vec<usize> = plan
        .streams
        .into_iter()
        .map(|stream| stream.map(|batch| batch.unwrap().num_rows()).sum())
        .collect();
    assert_eq!(counts.iter().sum::<usize>(), rows as usize);
    assert!(counts.iter().all(|count| *count > 60_000), "{counts:?}");

    // More rows than are sorted at once: slices follow each other in both directions.
    for order in [Order::TimeAscending, Order::TimeDescending] {
        let plan = world.snapshot().scan(&Scan { order, ..Scan::all(world.schema.id) }).unwrap();
        let mut next = if order == Order::TimeAscending { 0 } else { rows - 1 };
        for batch in plan.streams.into_iter().flatten() {
            let batch = batch.unwrap();
            let numbers = batch.column_by_name("field0").unwrap();
            for row in 0..batch.num_rows() {
                assert_eq!(super::world::value(numbers, row), Value::Int(next), "{order:?}");
                next += if order == Order::TimeAscending { 1 } else { -1 };
            }
        }
        assert_eq!(next, if order == Order::TimeAscending { rows } else { -1 });
    }
}

#[test]
fn only_the_times_at_which_sources_overlap_are_merged() {
    let mut world = World::new(Mode::Upsert, false, 1);
    let rows = |times: std::ops::Range<i64>| -> Vec<Row> {
        let hosts = ["a", "b"];
        let row = |time: i64, host: &str| Row {
            sequence: 0,
            tags: vec![Some(host.to_owned())],
            time,
            id: None,
            fields: [(ColumnId(20), Value::Int(time))].into(),
        };
        times.flat_map(|time| hosts.map(|host| row(time, host))).collect()
    };
    let pieces = |world: &World| -> Vec<(usize, i64, i64)> {
        let table =
            TableScan::new(&world.snapshot(), world.schema.id, TimeRange::ALL, &[], &[]).unwrap();
        let pieces = table.pieces(TimeRange::ALL);
        let bounds = |piece: &Piece| (piece.sources.len(), piece.time.start_ns, piece.time.end_ns);
        pieces.iter().map(bounds).collect()
    };
    // Flushes that overlap by a few moments.
    for times in [0..300, 295..600, 600..800] {
        world.write(rows(times));
        world.seal();
        world.flush();
    }
    assert_eq!(pieces(&world), [(1, 0, 294), (2, 295, 299), (1, 300, 599), (1, 600, 799)]);
    // One late row beside new ones, in a memtable.
    world.write([rows(800..900), rows(120..121)].concat());
    let wanted = [
        (1, 0, 119),
        (2, 120, 120),
        (1, 121, 294),
        (2, 295, 299),
        (1, 300, 599),
        (1, 600, 799),
        (1, 800, 899),
    ];
    assert_eq!(pieces(&world), wanted);
    let plan = world.snapshot().scan(&Scan::all(world.schema.id)).unwrap();
    let count: usize =
        plan.streams.into_iter().flatten().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(count, 1_800);
    // Many overlaps are taken together.
    for time in (0..800).step_by(40) {
        world.write([rows(time..time + 1), rows(2_000 + time..2_001 + time)].concat());
        world.seal();
        world.flush();
    }
    assert!(pieces(&world).len() < 60, "{:?}", pieces(&world));
    assert_eq!(world.snapshot().count(world.schema.id, TimeRange::ALL).unwrap(), 1_840);
}
