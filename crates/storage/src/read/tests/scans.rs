//! Random tables and random scans: every answer is what the model says.

use std::ops::Bound;

use pulsora_model::{ColumnId, ColumnKind, ColumnType, Mode};

use super::world::{Formats, Random, Row, TIME, Value, WINDOW_NS, World, value};
use crate::read::{
    FieldPredicate, FieldTest, FieldValue, Order, Scan, ScanCounters, TagPredicate, TimeRange,
};

/// One kind of table.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub mode: Mode,
    pub row_ids: bool,
    pub tags: u32,
}

/// Float field with zeros of both signs, infinities and NaN.
const SPECIAL: ColumnId = ColumnId(27);

fn special_float(random: &mut Random) -> Value {
    let special = [0.0, -0.0, 1.5, -1.5, f64::INFINITY, f64::NAN, -f64::NAN];
    Value::float(special[random.below(7) as usize])
}

pub const KINDS: [Kind; 6] = [
    Kind { mode: Mode::Append, row_ids: false, tags: 2 },
    Kind { mode: Mode::Append, row_ids: false, tags: 0 },
    Kind { mode: Mode::Append, row_ids: true, tags: 1 },
    Kind { mode: Mode::Append, row_ids: true, tags: 0 },
    Kind { mode: Mode::Upsert, row_ids: false, tags: 2 },
    Kind { mode: Mode::Upsert, row_ids: false, tags: 0 },
];

pub fn random_tag(random: &mut Random) -> Option<String> {
    match random.below(5) {
        0 => None,
        n => Some(format!("v{n}")),
    }
}

fn random_rows(world: &World, random: &mut Random, serial: &mut u64) -> Vec<Row> {
    let base = random.below(6) as i64 * WINDOW_NS / 2 - WINDOW_NS;
    let width = 1 + random.below(3 * WINDOW_NS as u64);
    let has_ids = world.schema.row_id().is_some();
    let user_ids = random.chance(60);
    let count = 1 + random.below(40);
    let mut row = || {
        let mut fields = std::collections::HashMap::new();
        for field in world.schema.fields() {
            let value = match field.ty {
                ColumnType::I64 => Value::Int(random.below(100) as i64 - 50),
                ColumnType::F64 if field.id == ColumnId(21) => Value::float(*serial as f64),
                ColumnType::F64 if field.id == SPECIAL => special_float(random),
                ColumnType::F64 => Value::float(random.below(1000) as f64 / 8.0),
                ColumnType::U64 => Value::Int((u64::MAX / 100 * random.below(100)) as i64),
                ColumnType::Timestamp => Value::Int(random.below(1000) as i64 - 500),
                ColumnType::Utf8 => Value::Text(format!("text {}", random.below(9))),
                ColumnType::Bool => Value::Bool(random.chance(50)),
                _ => continue,
            };
            if field.id == ColumnId(21) || random.chance(60) {
                fields.insert(field.id, value);
            }
        }
        *serial += 1;
        Row {
            sequence: 0,
            tags: world.schema.tags().map(|_| random_tag(random)).collect(),
            // Few different times, so that keys repeat.
            time: base + (random.below(width) / 50 * 50) as i64,
            id: (has_ids && user_ids && random.chance(80)).then(|| 1 + random.below(300)),
            fields,
        }
    };
    (0..count).map(|_| row()).collect()
}

pub fn random_world(kind: Kind, random: &mut Random) -> World {
    let mut world = World::new(kind.mode, kind.row_ids, kind.tags);
    world.formats = [Formats::Cold, Formats::Hot, Formats::Mixed][random.below(3) as usize];
    let mut serial = 0;
    for step in 0..30 {
        match random.below(12) {
            0 | 1 => world.seal(),
            2 | 3 => world.flush(),
            4 if !kind.row_ids => world.delete(random),
            5 if step == 15 && kind.tags > 0 => world.add_tag(),
            6 if step > 10 => world.widen(),
            _ => {
                let rows = random_rows(&world, random, &mut serial);
                world.write(rows);
            }
        }
    }
    world
}

pub fn random_scan(world: &World, random: &mut Random) -> Scan {
    let mut scan = Scan::all(world.schema.id);
    if random.chance(60) {
        let mut columns: Vec<ColumnId> = world.schema.columns.iter().map(|c| c.id).collect();
        for i in (1..columns.len()).rev() {
            columns.swap(i, random.below(i as u64 + 1) as usize);
        }
        columns.truncate(random.below(columns.len() as u64 + 1) as usize);
        scan.columns = Some(columns);
    }
    if random.chance(60) {
        let start_ns = random.below(5 * WINDOW_NS as u64) as i64 - WINDOW_NS;
        let width = [0, 60, WINDOW_NS, 3 * WINDOW_NS][random.below(4) as usize];
        scan.time = TimeRange { start_ns, end_ns: start_ns + width };
    }
    for tag in world.schema.tags() {
        if random.chance(30) {
            let values = (0..1 + random.below(3)).map(|_| random_tag(random)).collect();
            scan.tags.push(TagPredicate { column: tag.id, values });
        }
    }
    if random.chance(40) {
        scan.fields = random_fields(world, random);
    }
    scan.order =
        [Order::Any, Order::TimeAscending, Order::TimeDescending][random.below(3) as usize];
    if random.chance(50) {
        scan.limit = Some([0, 1, 7, 50, 100_000][random.below(5) as usize]);
    }
    scan
}

/// A value of any column of a model row.
pub fn model_value(world: &World, row: &Row, column: ColumnId) -> Value {
    let found = world.schema.column_by_id(column).unwrap();
    match found.kind {
        ColumnKind::Time => Value::Int(row.time),
        ColumnKind::Id => Value::Int(row.id.unwrap() as i64),
        ColumnKind::Field => row.fields.get(&column).cloned().unwrap_or(Value::Null),
        ColumnKind::Tag => {
            let position = world.schema.tags().position(|tag| tag.id == column).unwrap();
            row.tags[position].clone().map_or(Value::Null, Value::Text)
        }
    }
}

fn random_bound(ty: ColumnType, random: &mut Random) -> Bound<FieldValue> {
    let value = match ty {
        ColumnType::I64 => FieldValue::I64(random.below(100) as i64 - 50),
        ColumnType::U64 => FieldValue::U64(u64::MAX / 100 * random.below(100)),
        ColumnType::F64 if random.chance(50) => match special_float(random) {
            Value::Float(bits) => FieldValue::F64(f64::from_bits(bits)),
            _ => unreachable!(),
        },
        ColumnType::F64 => FieldValue::F64(random.below(1000) as f64 / 8.0),
        ColumnType::Bool => FieldValue::Bool(random.chance(50)),
        ColumnType::Utf8 => FieldValue::Utf8(format!("text {}", random.below(9))),
        ColumnType::Timestamp => FieldValue::Time(random.below(1000) as i64 - 500),
        ColumnType::Untyped => return Bound::Unbounded,
    };
    match random.below(3) {
        0 => Bound::Included(value),
        1 => Bound::Excluded(value),
        _ => Bound::Unbounded,
    }
}

/// Predicates on one or two columns, mostly fields.
pub fn random_fields(world: &World, random: &mut Random) -> Vec<FieldPredicate> {
    let columns: Vec<_> =
        world.schema.columns.iter().filter(|c| c.kind != ColumnKind::Id).collect();
    let predicate = |random: &mut Random| {
        let column = columns[random.below(columns.len() as u64) as usize];
        let test = match random.below(6) {
            0 => FieldTest::IsNull,
            1 => FieldTest::IsNotNull,
            _ => FieldTest::Range {
                min: random_bound(column.ty, random),
                max: random_bound(column.ty, random),
            },
        };
        FieldPredicate { column: column.id, test }
    };
    (0..1 + random.below(2)).map(|_| predicate(random)).collect()
}

fn passes(world: &World, row: &Row, predicate: &FieldPredicate) -> bool {
    let ty = world.schema.column_by_id(predicate.column).unwrap().ty;
    let value = model_value(world, row, predicate.column);
    let (min, max) = match &predicate.test {
        FieldTest::IsNull => return value == Value::Null,
        FieldTest::IsNotNull => return value != Value::Null,
        FieldTest::Range { min, max } => (min, max),
    };
    let compare = |bound: &FieldValue| match (&value, bound) {
        (Value::Int(a), FieldValue::U64(b)) => (*a as u64).cmp(b),
        (Value::Int(a), FieldValue::I64(b) | FieldValue::Time(b)) => a.cmp(b),
        (Value::Float(a), FieldValue::F64(b)) => f64::from_bits(*a).total_cmp(b),
        (Value::Bool(a), FieldValue::Bool(b)) => a.cmp(b),
        (Value::Text(a), FieldValue::Utf8(b)) => a.cmp(b),
        _ => panic!("{value:?} of {ty:?} is compared with {bound:?}"),
    };
    value != Value::Null
        && match min {
            Bound::Included(min) => compare(min).is_ge(),
            Bound::Excluded(min) => compare(min).is_gt(),
            Bound::Unbounded => true,
        }
        && match max {
            Bound::Included(max) => compare(max).is_le(),
            Bound::Excluded(max) => compare(max).is_lt(),
            Bound::Unbounded => true,
        }
}

pub fn matches(world: &World, row: &Row, scan: &Scan) -> bool {
    scan.time.contains(row.time)
        && scan.fields.iter().all(|predicate| passes(world, row, predicate))
        && scan.tags.iter().all(|predicate| {
            let value = model_value(world, row, predicate.column);
            predicate.values.iter().any(|wanted| match wanted {
                None => value == Value::Null,
                Some(text) => value == Value::Text(text.clone()),
            })
        })
}

/// The rows that match, in time order (ties: tags, then id or arrival).
fn expected(world: &World, scan: &Scan) -> Vec<Row> {
    let mut rows = world.expected();
    rows.retain(|row| matches(world, row, scan));
    rows.sort_by(|a, b| (a.time, &a.tags, a.id).cmp(&(b.time, &b.tags, b.id)));
    if scan.order == Order::TimeDescending {
        rows.reverse();
    }
    rows
}

type Answer = Vec<Vec<Value>>;

fn run(world: &World, scan: &Scan) -> (Vec<Answer>, Vec<usize>) {
    let plan = world.snapshot().scan(scan).unwrap();
    let asked: Vec<ColumnId> = match &scan.columns {
        Some(columns) => columns.clone(),
        None => world.schema.columns.iter().map(|column| column.id).collect(),
    };
    let sorted_by = plan.sorted_by.iter().map(|id| asked.iter().position(|a| a == id).unwrap());
    let sorted_by = sorted_by.collect();
    let mut returned = 0;
    let mut streams = Vec::new();
    for stream in plan.streams {
        let mut rows = Vec::new();
        for batch in stream {
            let batch = batch.unwrap();
            assert_eq!(batch.schema(), plan.schema);
            assert!(batch.num_rows() > 0);
            returned += batch.num_rows() as u64;
            rows.extend((0..batch.num_rows()).map(|row| {
                batch.columns().iter().map(|column| value(column, row)).collect::<Vec<_>>()
            }));
        }
        streams.push(rows);
    }
    assert!(!streams.is_empty());
    assert_eq!(ScanCounters::value(&plan.counters.rows_returned), returned);
    (streams, sorted_by)
}

/// Compares an answer with the model; gives the number of streams.
fn check_scan(world: &World, scan: &Scan, context: &str) -> usize {
    let asked = scan
        .columns
        .clone()
        .unwrap_or_else(|| world.schema.columns.iter().map(|column| column.id).collect());
    let wanted: Answer = expected(world, scan)
        .iter()
        .map(|row| asked.iter().map(|column| model_value(world, row, *column)).collect())
        .collect();
    let (streams, sorted_by) = run(world, scan);
    for stream in &streams {
        let key = |row: &Vec<Value>| -> Vec<Value> {
            sorted_by.iter().map(|i| row[*i].clone()).collect()
        };
        assert!(stream.is_sorted_by_key(key), "{context}: not sorted by {sorted_by:?}");
    }
    let count = streams.len();
    let mut found: Answer = streams.into_iter().flatten().collect();
    let limit = scan.limit.unwrap_or(usize::MAX);
    if scan.order == Order::Any {
        assert_eq!(found.len(), wanted.len().min(limit), "{context}");
        let mut wanted = wanted;
        wanted.sort();
        found.sort();
        if scan.limit.is_none() {
            assert_eq!(found, wanted, "{context}");
        }
        for row in found {
            let position = wanted.binary_search(&row);
            wanted.remove(position.unwrap_or_else(|_| panic!("{context}: {row:?} is too many")));
        }
    } else {
        assert_eq!(found, wanted[..wanted.len().min(limit)], "{context}");
    }
    count
}

fn check_statistics(world: &World, scan: &Scan, context: &str) -> bool {
    let snapshot = world.snapshot();
    let wanted = expected(world, scan);
    let limit = scan.limit.unwrap_or(usize::MAX);
    let known = snapshot.statistics(scan).unwrap();
    if let Some(rows) = known.rows {
        assert_eq!(rows as usize, wanted.len().min(limit), "{context}");
    }
    let times = || wanted.iter().map(|row| row.time);
    for (known, wanted) in [(known.min_time_ns, times().min()), (known.max_time_ns, times().max())]
    {
        assert!(known.is_none() || known == wanted, "{context}: {known:?} {wanted:?}");
    }
    let in_time = Scan { tags: Vec::new(), fields: Vec::new(), ..scan.clone() };
    let count = snapshot.count(world.schema.id, scan.time).unwrap();
    assert_eq!(count as usize, expected(world, &in_time).len(), "{context}");
    known.rows.is_some()
}

fn check_rows_by_id(world: &World, random: &mut Random) {
    let live = world.expected();
    let snapshot = world.snapshot();
    for _ in 0..20 {
        let id = random.below(400);
        let wanted = live.iter().find(|row| row.id == Some(id));
        let found = snapshot.row(world.schema.id, id).unwrap();
        assert_eq!(found.is_some(), wanted.is_some(), "id {id}");
        if let (Some(found), Some(wanted)) = (found, wanted) {
            for (column, values) in world.schema.columns.iter().zip(found.columns()) {
                assert_eq!(value(values, 0), model_value(world, wanted, column.id), "id {id}");
            }
        }
    }
}

#[test]
fn random_scans_of_random_tables_answer_as_the_model() {
    let (mut multi_streams, mut statistics) = (0, 0);
    for seed in 0..10 {
        for kind in KINDS {
            let mut random = Random::new(seed * 100 + u64::from(kind.tags));
            let world = random_world(kind, &mut random);
            for _ in 0..25 {
                let scan = random_scan(&world, &mut random);
                let context = format!("seed {seed} {kind:?} {scan:?}");
                multi_streams += usize::from(check_scan(&world, &scan, &context) > 1);
                statistics += usize::from(check_statistics(&world, &scan, &context));
            }
            if kind.row_ids {
                check_rows_by_id(&world, &mut random);
            }
        }
    }
    assert!(multi_streams > 50, "{multi_streams}");
    assert!(statistics > 100, "{statistics}");
}

#[test]
fn what_does_not_exist_is_an_error_that_says_so() {
    let world = World::new(Mode::Append, false, 1);
    let snapshot = world.snapshot();
    let code = |scan: &Scan| snapshot.scan(scan).err().map(|error| error.code().name());
    let all = Scan::all(world.schema.id);
    assert_eq!(code(&all), None);
    let columns = Some(vec![TIME, ColumnId(999)]);
    assert_eq!(code(&Scan { columns, ..all.clone() }), Some("column_not_found"));
    let tags = vec![TagPredicate { column: ColumnId(999), values: vec![None] }];
    assert_eq!(code(&Scan { tags, ..all.clone() }), Some("column_not_found"));
    let table = pulsora_model::TableId(77);
    assert_eq!(code(&Scan { table, ..all }), Some("table_not_found"));
    assert!(snapshot.row(world.schema.id, 1).unwrap().is_none());
}
