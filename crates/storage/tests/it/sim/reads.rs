//! Compares what an engine shows with what the model says, by scans of many shapes.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use pulsora_model::{ColumnKind, TableSchema};
use pulsora_storage::{Order, Scan, Snapshot, TagPredicate, TimeRange};

use super::model::{AUDIT, Expected, Model, TABLES};
use crate::rows::{line, lines};

/// What differs, or nothing.
pub type Compared = Result<(), String>;

/// How many rows each request has in the audit table of a snapshot.
pub fn audited(snapshot: &Snapshot) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    let Ok(schema) = snapshot.table("default", AUDIT) else { return counts };
    let number = schema.column("n").map(|column| vec![column.id]);
    let scan = Scan { columns: number, ..Scan::all(schema.id) };
    for line in lines(snapshot, &scan).unwrap() {
        let number = line.strip_prefix("n=").and_then(|n| n.parse().ok());
        *counts.entry(number.expect("every row of the audit table has a number")).or_default() += 1;
    }
    counts
}

/// Compares every table.
pub fn compare(rng: &mut Rng, snapshot: &Snapshot, model: &Model) -> Compared {
    TABLES.iter().try_for_each(|(table, _)| compare_table(rng, snapshot, model, table))
}

fn compare_table(rng: &mut Rng, snapshot: &Snapshot, model: &Model, table: &str) -> Compared {
    let expected = model.rows(table);
    let Ok(schema) = snapshot.table("default", table) else {
        let empty = !model.has(table);
        return empty.then_some(()).ok_or_else(|| format!("table {table} is missing"));
    };
    if !model.has(table) {
        return Err(format!("table {table} is there"));
    }
    let scan = Scan { order: order(rng), ..Scan::all(schema.id) };
    check_scan(snapshot, &schema, &scan, &expected)?;
    check_scan(snapshot, &schema, &part_of(rng, &schema, &expected), &expected)?;
    let count = snapshot.count(schema.id, TimeRange::ALL).map_err(|e| e.to_string())?;
    if count != expected.len() as u64 {
        return Err(format!("table {table} counts {count} rows, {} expected", expected.len()));
    }
    Ok(())
}

fn order(rng: &mut Rng) -> Order {
    [Order::Any, Order::TimeAscending, Order::TimeDescending][rng.usize(0..3)]
}

/// A scan of some columns, some of time, some series.
fn part_of(rng: &mut Rng, schema: &TableSchema, rows: &[Expected]) -> Scan {
    let mut columns: Vec<_> = schema.columns.iter().map(|column| column.id).collect();
    rng.shuffle(&mut columns);
    columns.truncate(rng.usize(1..=columns.len()));
    let mut scan = Scan { order: order(rng), columns: Some(columns), ..Scan::all(schema.id) };
    if let (Some(a), Some(b)) = (rng.choice(rows), rng.choice(rows)) {
        scan.time = TimeRange { start_ns: a.time.min(b.time), end_ns: a.time.max(b.time) };
    }
    if let (true, Some(tag)) = (rng.bool(), schema.tags().next()) {
        let values = [None, Some("a"), Some("b"), Some("c")].map(|v| v.map(str::to_owned));
        let values = values.into_iter().filter(|_| rng.bool()).collect();
        scan.tags = vec![TagPredicate { column: tag.id, values }];
    }
    scan
}

fn check_scan(
    snapshot: &Snapshot,
    schema: &TableSchema,
    scan: &Scan,
    expected: &[Expected],
) -> Compared {
    let found = lines(snapshot, scan).map_err(|e| format!("{}: {e}", schema.name))?;
    let wanted = expected.iter().filter(|row| matches(schema, scan, row));
    let mut wanted: Vec<String> = wanted.map(|row| line(&projected(schema, scan, row))).collect();
    if scan.columns.is_none() {
        check_order(&found, scan.order)?;
    }
    let mut sorted = found;
    sorted.sort();
    wanted.sort();
    if sorted == wanted {
        return Ok(());
    }
    let (found, wanted): (BTreeSet<_>, BTreeSet<_>) =
        (sorted.iter().collect(), wanted.iter().collect());
    Err(format!(
        "table {} by {scan:?}:\n  {} lines, {} expected\n  too many: {:#?}\n  missing: {:#?}",
        schema.name,
        sorted.len(),
        wanted.len(),
        found.difference(&wanted).take(5).collect::<Vec<_>>(),
        wanted.difference(&found).take(5).collect::<Vec<_>>(),
    ))
}

fn matches(schema: &TableSchema, scan: &Scan, row: &Expected) -> bool {
    scan.time.contains(row.time)
        && scan.tags.iter().all(|predicate| {
            let name = &*schema.column_by_id(predicate.column).unwrap().name;
            let value = row.cells.get(name);
            predicate.values.iter().any(|wanted| wanted.as_ref() == value)
        })
}

fn projected(schema: &TableSchema, scan: &Scan, row: &Expected) -> BTreeMap<String, String> {
    let Some(columns) = &scan.columns else { return row.cells.clone() };
    let names: BTreeSet<&str> =
        columns.iter().map(|id| schema.column_by_id(*id).unwrap().name.as_str()).collect();
    let cells = row.cells.iter().filter(|(name, _)| names.contains(name.as_str()));
    cells.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn check_order(lines: &[String], order: Order) -> Compared {
    let time = |line: &String| -> i64 {
        let cell = line.split(' ').find_map(|cell| cell.strip_prefix("time="));
        cell.and_then(|time| time.parse().ok()).expect("every row has a time")
    };
    let sorted = match order {
        Order::Any => true,
        Order::TimeAscending => lines.is_sorted_by_key(time),
        Order::TimeDescending => lines.is_sorted_by_key(|line| -i128::from(time(line))),
    };
    sorted.then_some(()).ok_or_else(|| format!("rows are not in {order:?}"))
}

/// Every row of every table, to see later that a snapshot has not changed.
pub fn everything(snapshot: &Snapshot) -> Vec<String> {
    let mut schemas = snapshot.catalog().tables_of("default");
    schemas.sort_by_key(|schema| schema.id);
    let tables = schemas.iter().flat_map(|schema| {
        assert!(schema.columns.iter().any(|column| column.kind == ColumnKind::Time));
        let scan = Scan { order: Order::TimeAscending, ..Scan::all(schema.id) };
        lines(snapshot, &scan).unwrap()
    });
    tables.collect()
}
