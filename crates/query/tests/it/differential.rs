//! Random aggregates over random tables: the fold answers what the planner's operators answer.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::array_value_to_string;
use fastrand::Rng;
use pulsora_query::{Folds, SqlRequest};

use crate::world::World;

const TABLES: usize = 6;
const STATEMENTS: usize = 60;
const SECOND_NS: i64 = 1_000_000_000;

/// Makes table `t<number>`: half of them upsert, rows in segments and in memory, times on both sides
/// of 1970, nulls everywhere.
fn fill(world: &World, number: usize, rng: &mut Rng) {
    let mode = if number.is_multiple_of(2) { "append" } else { "upsert" };
    world.sql(&format!(
        "CREATE TABLE t{number} (time TIMESTAMP, host TAG, dc TAG, i BIGINT, u BIGINT UNSIGNED, \
         f DOUBLE, b BOOLEAN, s TEXT, at TIMESTAMP) WITH (mode = '{mode}')"
    ));
    // A time belongs to one series, so that the first and the last row are never in doubt.
    let width = *rng.choice([1, 60, 3_000].iter()).unwrap();
    for chunk in 0..3 {
        let rows: Vec<String> =
            (0..rng.usize(20..150)).map(|_| row(rng, mode, chunk, width)).collect();
        world.sql(&format!("INSERT INTO t{number} VALUES {}", rows.join(", ")));
        if rng.bool() {
            world.flush();
        }
    }
}

fn row(rng: &mut Rng, mode: &str, chunk: i64, width: i64) -> String {
    let step = match mode {
        // Append tables keep rows of one time apart, so each is taken once.
        "append" => rng.i64(0..1 << 40) * 3 + chunk,
        _ => rng.i64(0..120),
    };
    let time_ns = (step % 200_000) * width * SECOND_NS / 3 - 40_000 * SECOND_NS + step / 200_000;
    let series = (step * 7) % 12;
    let null = |rng: &mut Rng, text: String| if rng.u8(0..5) == 0 { "NULL".into() } else { text };
    let tag = |number: i64, name: &str| match number {
        0 => "NULL".to_owned(),
        number => format!("'{name}{number}'"),
    };
    let f = match rng.u8(0..20) {
        0 => "CAST('-Infinity' AS DOUBLE)".to_owned(),
        1 => "0.0".to_owned(),
        _ => format!("{:?}", (rng.f64() - 0.5) * 1e3),
    };
    let (i, u) = (rng.i64(-50..50).to_string(), rng.i64(0..1000).to_string());
    let (b, s) = (rng.bool().to_string(), format!("'s{}'", rng.u8(0..9)));
    let at = format!(
        "arrow_cast({}, 'Timestamp(Nanosecond, Some(\"UTC\"))')",
        rng.i64(-1000..1000) * SECOND_NS
    );
    let values = [i, u, f, b, s, at].map(|value| null(rng, value));
    format!(
        "(arrow_cast({time_ns}, 'Timestamp(Nanosecond, Some(\"UTC\"))'), {}, {}, {})",
        tag(series / 3, "h"),
        tag(series % 3, "d"),
        values.join(", ")
    )
}

const BUCKETS: &[&str] = &[
    "time_bucket('7s', time)",
    "time_bucket('1h', time, '2024-01-01T00:20:00Z')",
    "date_bin(INTERVAL '1 minute', time)",
    "date_bin(INTERVAL '13 minutes', time, TIMESTAMP '2000-01-01T00:00:05Z')",
    "date_trunc('hour', time)",
    "date_trunc('day', time)",
    "date_trunc('week', time)",
    "time_bucket('1 week', time)",
];

const AGGREGATES: &[&str] = &[
    "count(*)",
    "count(f)",
    "count(host)",
    "count(time)",
    "sum(i)",
    "sum(u)",
    "sum(f)",
    "avg(i)",
    "avg(u)",
    "avg(f)",
    "min(i)",
    "min(u)",
    "min(f)",
    "min(b)",
    "min(s)",
    "min(at)",
    "min(time)",
    "min(host)",
    "max(i)",
    "max(u)",
    "max(f)",
    "max(b)",
    "max(s)",
    "max(at)",
    "max(time)",
    "max(dc)",
    "first(i, time)",
    "last(u, time)",
    "first(f, time)",
    "last(b, time)",
    "first(s, time)",
    "last(at, time)",
    "last(host, time)",
    "first_value(i ORDER BY time)",
    "last_value(f ORDER BY time)",
    "first_value(s ORDER BY time DESC)",
    "last_value(dc ORDER BY time DESC)",
    "last_value(b ORDER BY time, i)",
    "last_value(u ORDER BY time) IGNORE NULLS",
    "first_value(at ORDER BY time)",
    "last_value(time ORDER BY time)",
];

const CONDITIONS: &[&str] = &[
    "time >= '1969-12-31T18:00:00Z'",
    "time < '1970-01-01T00:00:00Z'",
    "time BETWEEN '1969-12-31T12:00:00Z' AND '1970-01-02'",
    "host IN ('h1', 'h2')",
    "host IS NULL",
    "dc = 'd1'",
    "(dc = 'd2' OR dc IS NULL)",
    "i > 3",
    "i >= -10.5",
    "i BETWEEN -20 AND 20",
    "u < 500.5",
    "f > 0",
    "f <= 100.25",
    "b",
    "NOT b",
    "s >= 's4'",
    "s IS NULL",
    "at IS NOT NULL",
    "at > '1970-01-01'",
    "i = 2.5",
];

fn statement(rng: &mut Rng) -> String {
    let mut keys: Vec<&str> = ["host", "dc"].into_iter().filter(|_| rng.bool()).collect();
    rng.shuffle(&mut keys);
    let bucket = rng.u8(0..3) > 0;
    if bucket {
        let at = rng.usize(0..=keys.len());
        keys.insert(at, rng.choice(BUCKETS.iter()).unwrap());
    }
    let aggregates: Vec<&str> =
        (0..rng.usize(1..6)).map(|_| *rng.choice(AGGREGATES.iter()).unwrap()).collect();
    let conditions: Vec<&str> =
        (0..rng.usize(0..4)).map(|_| *rng.choice(CONDITIONS.iter()).unwrap()).collect();
    let columns = keys.iter().chain(&aggregates).enumerate();
    let columns: Vec<String> = columns.map(|(i, column)| format!("{column} AS c{i}")).collect();
    let mut sql = format!("SELECT {} FROM t{}", columns.join(", "), rng.usize(0..TABLES));
    if !conditions.is_empty() {
        sql += &format!(" WHERE {}", conditions.join(" AND "));
    }
    if keys.is_empty() {
        return sql;
    }
    let numbers: Vec<String> = (1..=keys.len()).map(|key| key.to_string()).collect();
    sql += &format!(" GROUP BY {}", numbers.join(", "));
    if rng.u8(0..4) == 0 {
        sql += " HAVING count(*) > 1";
    }
    let order = numbers.iter().map(|key| match rng.u8(0..4) {
        0 => format!("{key} DESC"),
        1 => format!("{key} NULLS FIRST"),
        _ => key.clone(),
    });
    sql += &format!(" ORDER BY {}", order.collect::<Vec<_>>().join(", "));
    if rng.u8(0..3) == 0 {
        sql += &format!(" LIMIT {}", rng.u8(0..6));
    }
    sql
}

/// Cells of all rows, by column within a row.
fn cells(batches: &[RecordBatch]) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            rows.push(batch.columns().iter().map(|column| cell(column, row)).collect());
        }
    }
    rows
}

#[derive(Debug)]
enum Cell {
    Float(f64),
    Other(String),
}

fn cell(column: &arrow::array::ArrayRef, row: usize) -> Cell {
    match column.data_type() {
        DataType::Float64 if column.is_valid(row) => {
            Cell::Float(column.as_primitive::<Float64Type>().value(row))
        }
        _ if column.is_null(row) => Cell::Other("null".into()),
        _ => Cell::Other(array_value_to_string(column, row).unwrap()),
    }
}

impl PartialEq for Cell {
    fn eq(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Float(a), Cell::Float(b)) => {
                // Sums that cancel out are compared with what was added up, at most 1e3 · 450 rows.
                a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-12 * a.abs().max(4.5e5)
            }
            (Cell::Other(a), Cell::Other(b)) => a == b,
            _ => false,
        }
    }
}

#[test]
fn folds_answer_what_the_general_path_answers() {
    let mut rng = Rng::with_seed(20_240_817);
    let world = World::new();
    (0..TABLES).for_each(|number| fill(&world, number, &mut rng));
    let mut folds = 0;
    for _ in 0..STATEMENTS {
        let sql = statement(&mut rng);
        let ask = |folds| {
            let request = SqlRequest { folds, ..SqlRequest::new("default", &sql) };
            world.ask(request).unwrap_or_else(|error| panic!("{sql}: {error:?}")).0
        };
        let (folded, general) = (ask(Folds::Found), ask(Folds::Off));
        assert_eq!(folded[0].schema(), general[0].schema(), "{sql}");
        assert_eq!(cells(&folded), cells(&general), "{sql}\n{}", world.plan(&sql));
        folds += usize::from(world.plan(&sql).contains("FoldExec"));
    }
    assert!(folds * 10 >= STATEMENTS * 9, "{folds} of {STATEMENTS} were folds");
}
