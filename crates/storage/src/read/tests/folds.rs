//! Random folds over random tables: every answer is what the model says.

use std::collections::BTreeMap;

use pulsora_model::{ColumnId, ColumnKind, ColumnType, Mode};

use super::scans::{KINDS, matches, model_value, random_scan, random_world};
use super::world::{Formats, Random, Row, TIME, Value, World, value};
use crate::read::{
    Aggregate, Bucket, Fold, FoldPlan, Function, Scan, ScanCounters, TagPredicate, TimeRange,
};

const FUNCTIONS: [Function; 10] = [
    Function::CountRows,
    Function::Count,
    Function::Sum,
    Function::Mean,
    Function::Min,
    Function::Max,
    Function::First,
    Function::Last,
    Function::FirstRow,
    Function::LastRow,
];

fn random_fold(world: &World, random: &mut Random) -> Fold {
    let scan = random_scan(world, random);
    let mut fold =
        Fold { time: scan.time, tags: scan.tags, fields: scan.fields, ..Fold::all(scan.table) };
    for tag in world.schema.tags() {
        if random.chance(40) {
            fold.by.push(tag.id);
        }
    }
    if random.chance(60) {
        let width_ns = [1, 7, 50, 333, 1_000, 5_000, 1 << 40][random.below(7) as usize];
        let origin_ns = [0, 3, -777, 1_000_000][random.below(4) as usize];
        fold.bucket = Some(Bucket { width_ns, origin_ns });
        if fold.by.is_empty() && random.chance(40) {
            fold.newest_buckets = Some(random.below(5) as usize);
        }
    }
    let columns = &world.schema.columns;
    for _ in 0..1 + random.below(6) {
        let column = &columns[random.below(columns.len() as u64) as usize];
        let function = FUNCTIONS[random.below(10) as usize];
        let numeric = matches!(
            (column.kind, column.ty),
            (ColumnKind::Id, _)
                | (ColumnKind::Field, ColumnType::I64 | ColumnType::F64 | ColumnType::Untyped)
        );
        // Sums of the large unsigned field overflow; they have a test of their own.
        if numeric || !matches!(function, Function::Sum | Function::Mean) {
            fold.aggregates.push(Aggregate { function, column: column.id });
        }
    }
    fold
}

type Answer = Vec<Vec<Value>>;

fn run(plan: FoldPlan) -> Answer {
    let FoldPlan { tasks, .. } = &plan;
    assert!(!tasks.is_empty());
    let mut plan = plan;
    let tasks = std::mem::take(&mut plan.tasks);
    let parts = tasks.into_iter().map(|task| task.run(&|| false).unwrap()).collect();
    let mut rows = Vec::new();
    for batch in plan.finish(parts).unwrap() {
        assert_eq!(batch.schema(), plan.schema);
        rows.extend((0..batch.num_rows()).map(|row| {
            batch.columns().iter().map(|column| value(column, row)).collect::<Vec<_>>()
        }));
    }
    rows
}

/// What a value may be: one of these (rows of equal times are told apart by nothing).
type Accepted = Vec<Value>;

/// Bucket number, and the tags with the absent ones last.
type Key = (i64, Vec<(bool, Value)>);

fn model(world: &World, fold: &Fold) -> Vec<Vec<Accepted>> {
    let scan = Scan {
        time: fold.time,
        tags: fold.tags.clone(),
        fields: fold.fields.clone(),
        ..Scan::all(fold.table)
    };
    let mut groups: BTreeMap<Key, Vec<Row>> = BTreeMap::new();
    for row in world.expected().into_iter().filter(|row| matches(world, row, &scan)) {
        let tags = fold.by.iter().map(|tag| model_value(world, &row, *tag));
        let tags = tags.map(|tag| (tag == Value::Null, tag)).collect();
        let bucket = fold
            .bucket
            .map_or(0, |bucket| (row.time - bucket.origin_ns).div_euclid(bucket.width_ns));
        groups.entry((bucket, tags)).or_default().push(row);
    }
    if fold.by.is_empty() && fold.bucket.is_none() {
        groups.entry((0, Vec::new())).or_default();
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    if let Some(buckets) = fold.newest_buckets {
        groups.drain(..groups.len().saturating_sub(buckets));
    }
    groups
        .into_iter()
        .map(|((bucket, tags), rows)| {
            let mut given: Vec<Accepted> = tags.into_iter().map(|(_, tag)| vec![tag]).collect();
            if let Some(shape) = fold.bucket {
                given.push(vec![Value::Int(shape.origin_ns + bucket * shape.width_ns)]);
            }
            given.extend(
                fold.aggregates.iter().map(|aggregate| aggregate_of(world, &rows, aggregate)),
            );
            given
        })
        .collect()
}

fn aggregate_of(world: &World, rows: &[Row], aggregate: &Aggregate) -> Accepted {
    let value = |row: &Row| model_value(world, row, aggregate.column);
    let all: Vec<(i64, Value)> = rows.iter().map(|row| (row.time, value(row))).collect();
    let some: Vec<(i64, Value)> =
        all.iter().filter(|(_, value)| *value != Value::Null).cloned().collect();
    let at = |of: &[(i64, Value)], time: Option<i64>| -> Accepted {
        let same = of.iter().filter(|(t, _)| Some(*t) == time).map(|(_, value)| value.clone());
        let found: Accepted = same.collect();
        if found.is_empty() { vec![Value::Null] } else { found }
    };
    let times = |of: &[(i64, Value)]| of.iter().map(|(time, _)| *time).collect::<Vec<_>>();
    let unsigned = {
        let column = world.schema.column_by_id(aggregate.column).unwrap();
        column.ty == ColumnType::U64
    };
    let order = |a: &&Value, b: &&Value| match (a, b) {
        (Value::Float(a), Value::Float(b)) => f64::from_bits(*a).total_cmp(&f64::from_bits(*b)),
        (Value::Int(a), Value::Int(b)) if unsigned => (*a as u64).cmp(&(*b as u64)),
        (a, b) => a.cmp(b),
    };
    let or_null = |value: Option<&Value>| vec![value.cloned().unwrap_or(Value::Null)];
    let values = || some.iter().map(|(_, value)| value);
    let float = || -> f64 {
        let float = |value: &Value| match value {
            Value::Float(bits) => f64::from_bits(*bits),
            Value::Int(value) => *value as f64,
            other => panic!("{other:?} has no sum"),
        };
        values().map(float).sum()
    };
    match aggregate.function {
        Function::CountRows => vec![Value::Int(rows.len() as i64)],
        Function::Count => vec![Value::Int(some.len() as i64)],
        Function::Sum | Function::Mean if some.is_empty() => vec![Value::Null],
        Function::Sum => match &some[0].1 {
            Value::Int(_) => vec![Value::Int(float() as i64)],
            _ => vec![Value::float(float())],
        },
        Function::Mean => vec![Value::float(float() / some.len() as f64)],
        Function::Min => or_null(values().min_by(order)),
        Function::Max => or_null(values().max_by(order)),
        Function::First => at(&some, times(&some).into_iter().min()),
        Function::Last => at(&some, times(&some).into_iter().max()),
        Function::FirstRow => at(&all, times(&all).into_iter().min()),
        Function::LastRow => at(&all, times(&all).into_iter().max()),
    }
}

fn close(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Float(a), Value::Float(b)) => {
            let (a, b) = (f64::from_bits(*a), f64::from_bits(*b));
            a.to_bits() == b.to_bits()
                || (a.is_nan() && b.is_nan())
                || (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
        }
        (a, b) => a == b,
    }
}

fn check_fold(world: &World, fold: &Fold, context: &str) -> usize {
    let wanted = model(world, fold);
    let found = run(world.snapshot().fold(fold).unwrap());
    assert_eq!(found.len(), wanted.len(), "{context}: {found:?}");
    for (found, wanted) in found.iter().zip(&wanted) {
        let fits = found.len() == wanted.len()
            && found
                .iter()
                .zip(wanted)
                .all(|(found, accepted)| accepted.iter().any(|wanted| close(found, wanted)));
        assert!(fits, "{context}: {found:?} but {wanted:?}");
    }
    found.len()
}

#[test]
fn random_folds_of_random_tables_answer_as_the_model() {
    let mut rows = 0;
    for seed in 0..8 {
        for kind in KINDS {
            let mut random = Random::new(seed * 1000 + u64::from(kind.tags));
            let world = random_world(kind, &mut random);
            for _ in 0..40 {
                let fold = random_fold(&world, &mut random);
                let context = format!("seed {seed} {kind:?} {fold:?}");
                rows += check_fold(&world, &fold, &context);
            }
        }
    }
    assert!(rows > 5_000, "{rows}");
}

fn row(time: i64, tag: &str, value: i64) -> Row {
    Row {
        sequence: 0,
        tags: vec![Some(tag.to_owned())],
        time,
        id: None,
        fields: [(ColumnId(20), Value::Int(value))].into(),
    }
}

#[test]
fn an_integer_sum_outside_its_type_is_an_error_and_its_mean_is_not() {
    let mut world = World::new(Mode::Append, false, 1);
    world.write(vec![row(1, "a", i64::MAX), row(2, "a", i64::MAX), row(3, "b", i64::MIN)]);
    let fold = |function, by: &[ColumnId]| {
        let plan = world.snapshot().fold(&Fold {
            by: by.to_vec(),
            aggregates: vec![Aggregate { function, column: ColumnId(20) }],
            ..Fold::all(world.schema.id)
        });
        let mut plan = plan.unwrap();
        let tasks = std::mem::take(&mut plan.tasks);
        let parts = tasks.into_iter().map(|task| task.run(&|| false).unwrap()).collect();
        plan.finish(parts).map(|batches| value(batches[0].columns().last().unwrap(), 0))
    };
    // Together they fit, though not on the way.
    assert_eq!(fold(Function::Sum, &[]).unwrap(), Value::Int(i64::MAX - 1));
    let error = fold(Function::Sum, &[ColumnId(10)]).unwrap_err();
    assert_eq!(error.code().name(), "sql_invalid");
    assert!(error.message().contains("field0"), "{error}");
    assert_eq!(fold(Function::Mean, &[ColumnId(10)]).unwrap(), Value::float(i64::MAX as f64));
}

#[test]
fn what_cannot_be_folded_is_an_error_that_says_so() {
    let world = World::new(Mode::Append, false, 1);
    let code = |fold: &Fold| world.snapshot().fold(fold).err().map(|error| error.code().name());
    let all = Fold::all(world.schema.id);
    assert_eq!(code(&all), None);
    let of =
        |function, column| Fold { aggregates: vec![Aggregate { function, column }], ..all.clone() };
    assert_eq!(code(&of(Function::Max, ColumnId(99))), Some("column_not_found"));
    assert_eq!(code(&of(Function::Sum, ColumnId(22))), Some("sql_invalid"));
    assert_eq!(code(&of(Function::Mean, TIME)), Some("sql_invalid"));
    assert_eq!(code(&Fold { by: vec![TIME], ..all.clone() }), Some("invalid_request"));
    let bucket = Some(Bucket { width_ns: 0, origin_ns: 0 });
    assert_eq!(code(&Fold { bucket, ..all.clone() }), Some("invalid_request"));
    assert_eq!(code(&Fold { newest_buckets: Some(1), ..all }), Some("invalid_request"));
}

const HOUR: i64 = 3_600_000_000_000;
const MINUTE: i64 = HOUR / 60;

/// Several hours of a few hosts, a row a minute, mostly in hot segments of one or two hours: flushes
/// that overlap, late rows, missing values, deleted rows, rows in memory.
fn world_of_hours(mode: Mode, random: &mut Random) -> World {
    let mut world = World::new(mode, false, 2);
    world.formats = if random.chance(70) { Formats::Hot } else { Formats::Mixed };
    world.window_ns = HOUR * (1 + random.below(2) as i64);
    let nulls = random.chance(30);
    let mut serial = 0;
    let mut row = |host: u64, time: i64, random: &mut Random| {
        let mut fields = std::collections::HashMap::new();
        for (id, value) in [
            (20, Value::Int(random.below(2_000) as i64 - 1_000)),
            (21, Value::float(f64::from(serial))),
            (25, Value::Int(random.below(1 << 40) as i64)),
            (26, Value::Int(random.below(1_000) as i64)),
            (27, Value::float(random.below(1_000) as f64 / 7.0)),
        ] {
            if id == 21 || !nulls || random.chance(95) {
                fields.insert(ColumnId(id), value);
            }
        }
        serial += 1;
        let tags =
            vec![Some(format!("host{host}")), (host > 1).then(|| format!("rack{}", host / 2))];
        Row { sequence: 0, tags, time, id: None, fields }
    };
    let start = -2 * HOUR + random.below(2 * HOUR as u64) as i64;
    let mut at = start;
    for _ in 0..4 {
        let minutes = 40 + random.below(100) as i64;
        let times = || (0..minutes).map(|minute| at + minute * MINUTE);
        let mut rows: Vec<Row> = times()
            .flat_map(|time| (0..5).map(move |host| (host, time)))
            .map(|(host, time)| row(host, time, random))
            .collect();
        if random.chance(50) {
            rows.push(row(3, start + random.below(100) as i64 * MINUTE, random));
        }
        world.write(rows);
        // The next flush overlaps this one by a few rows, or not.
        at += (minutes - random.below(3) as i64) * MINUTE;
        world.seal();
        world.flush();
        if random.chance(15) {
            world.delete(random);
        }
    }
    let rows: Vec<Row> = (0..5).map(|host| row(host, at + host as i64, random)).collect();
    world.write(rows);
    world
}

fn random_fold_of_hours(world: &World, random: &mut Random) -> Fold {
    let mut fold = Fold::all(world.schema.id);
    if random.chance(60) {
        let start_ns = (random.below(8) as i64 - 3) * HOUR / 2;
        fold.time.start_ns = start_ns;
        fold.time.end_ns = start_ns + (1 + random.below(8) as i64) * HOUR / 2;
    }
    if random.chance(30) {
        let values = (0..1 + random.below(2)).map(|_| Some(format!("host{}", random.below(6))));
        fold.tags.push(TagPredicate { column: ColumnId(10), values: values.collect() });
    }
    fold.by = [vec![], vec![10], vec![11], vec![11, 10]][random.below(4) as usize]
        .iter()
        .map(|id| ColumnId(*id))
        .collect();
    if random.chance(70) {
        let width_ns = [MINUTE, 7 * MINUTE, HOUR, 3 * HOUR][random.below(4) as usize];
        let origin_ns = if random.chance(70) { 0 } else { 13 * MINUTE };
        fold.bucket = Some(Bucket { width_ns, origin_ns });
        if fold.by.is_empty() && random.chance(40) {
            fold.newest_buckets = Some(1 + random.below(5) as usize);
        }
    }
    if random.chance(15) {
        fold.fields = super::scans::random_fields(world, random);
    }
    let last_rows = fold.bucket.is_none() && random.chance(30);
    for _ in 0..1 + random.below(4) {
        let column = ColumnId([20, 21, 25, 26, 27, 1][random.below(6) as usize]);
        let function = match last_rows {
            true => Function::LastRow,
            false => FUNCTIONS[random.below(10) as usize],
        };
        let sum = matches!(function, Function::Sum | Function::Mean);
        if !sum || ![ColumnId(26), TIME].contains(&column) {
            fold.aggregates.push(Aggregate { function, column });
        }
    }
    fold
}

#[test]
fn folds_of_hours_answer_as_the_model() {
    for seed in 0..12 {
        for mode in [Mode::Append, Mode::Upsert] {
            let mut random = Random::new(seed);
            let world = world_of_hours(mode, &mut random);
            for _ in 0..60 {
                let fold = random_fold_of_hours(&world, &mut random);
                check_fold(&world, &fold, &format!("seed {seed} {mode:?} {fold:?}"));
            }
        }
    }
}

fn rows_read(world: &World, fold: &Fold) -> u64 {
    let mut plan = world.snapshot().fold(fold).unwrap();
    let tasks = std::mem::take(&mut plan.tasks);
    let parts = tasks.into_iter().map(|task| task.run(&|| false).unwrap()).collect();
    plan.finish(parts).unwrap();
    ScanCounters::value(&plan.counters.rows_read)
}

/// A segment for each hour, with a row a minute of each of ten hosts.
fn hours(mode: Mode, formats: Formats, hours: i64) -> World {
    let mut world = World::new(mode, false, 1);
    (world.formats, world.window_ns) = (formats, HOUR);
    for hour in 0..hours {
        let rows = (0..600).map(|at| Row {
            tags: vec![Some(format!("host{}", at % 10))],
            ..row(hour * HOUR + at / 10 * MINUTE, "", at)
        });
        world.write(rows.collect());
        world.seal();
        world.flush();
    }
    world
}

#[test]
fn stored_sums_and_kept_last_rows_read_no_rows() {
    let mut world = hours(Mode::Upsert, Formats::Hot, 4);
    let table = world.schema.id;
    let of = |function| Fold {
        by: vec![ColumnId(10)],
        aggregates: vec![Aggregate { function, column: ColumnId(20) }],
        ..Fold::all(table)
    };
    let hourly = Some(Bucket { width_ns: HOUR, origin_ns: 0 });
    for function in FUNCTIONS[..8].iter().copied() {
        let fold = Fold { bucket: hourly, ..of(function) };
        assert_eq!(rows_read(&world, &fold), 0, "{function:?}");
        assert_eq!(check_fold(&world, &fold, "hours"), 40);
        assert_eq!(rows_read(&world, &of(function)), 0, "{function:?}");
    }
    // Half an hour at each end is decoded, for its series alone.
    let time = TimeRange { start_ns: HOUR / 2, end_ns: 3 * HOUR + HOUR / 2 - 1 };
    let part = Fold { bucket: hourly, time, ..of(Function::Max) };
    assert_eq!(rows_read(&world, &part), 600);
    check_fold(&world, &part, "part");
    let minutes = Some(Bucket { width_ns: MINUTE, origin_ns: 0 });
    let newest = Fold { bucket: minutes, by: vec![], newest_buckets: Some(5), ..of(Function::Max) };
    assert_eq!(rows_read(&world, &newest), 50);
    assert_eq!(check_fold(&world, &newest, "newest"), 5);
    let last = of(Function::LastRow);
    assert_eq!(rows_read(&world, &last), 10, "of the newest segment only");
    assert_eq!(rows_read(&world, &last), 0, "the second time");
    assert_eq!(check_fold(&world, &last, "last"), 10);
    // One series in memory is not yet all of them.
    world.write(vec![Row { tags: vec![Some("host3".into())], ..row(5 * HOUR, "", 7) }]);
    assert_eq!(check_fold(&world, &of(Function::LastRow), "last, one newer"), 10);
    let all = (0..10)
        .map(|host| Row { tags: vec![Some(format!("host{host}"))], ..row(6 * HOUR, "", host) });
    world.write(all.collect());
    assert_eq!(check_fold(&world, &of(Function::LastRow), "last, all newer"), 10);
}

#[test]
fn last_rows_of_parquet_are_kept_and_are_those_of_their_time() {
    let world = hours(Mode::Append, Formats::Cold, 2);
    let last = |by: &[ColumnId], time| Fold {
        by: by.to_vec(),
        time,
        aggregates: vec![Aggregate { function: Function::LastRow, column: ColumnId(20) }],
        ..Fold::all(world.schema.id)
    };
    let by = [ColumnId(10)];
    let all = last(&by, TimeRange::ALL);
    assert!(rows_read(&world, &all) > 0);
    assert_eq!(rows_read(&world, &all), 0, "the second time");
    assert_eq!(check_fold(&world, &all, "all"), 10);
    // Other groups have other last rows.
    assert_eq!(check_fold(&world, &last(&[], TimeRange::ALL), "one group"), 1);
    // The last rows of a segment are before the range, in it, or after it.
    for (start_ns, end_ns) in [
        (2 * HOUR, 3 * HOUR),
        (HOUR + 59 * MINUTE, 2 * HOUR),
        (HOUR + 30 * MINUTE, 2 * HOUR),
        (0, HOUR + 30 * MINUTE),
        (30 * MINUTE, HOUR - 1),
    ] {
        check_fold(&world, &last(&by, TimeRange { start_ns, end_ns }), "a range");
    }
}
