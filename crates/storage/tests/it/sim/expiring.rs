//! A table whose rows expire: what must be shown of it, may be, and must not.
//!
//! The wall clock of a run goes back now and then. A row that is older than the table keeps rows by the
//! latest clock so far may have been dropped; by the clock of the moment it must not be shown.

use std::collections::BTreeMap;

use fastrand::Rng;
use pulsora_model::{ColumnKind, ColumnType, Mode, PartitionWidth};
use pulsora_storage::{Command, NewColumn, NewTable, Order, Scan, Snapshot};

use super::model::{Expected, Kind, Model, Part};
use super::reads::Compared;
use super::workload::moment;
use crate::rows::{Row, line, lines, name};

/// The table.
pub const EXPIRING: &str = "expiring";

/// How long it keeps rows: within a run the clock passes it.
pub const KEPT_NS: i64 = 2 * 3_600_000_000_000;

/// Makes the table.
pub fn create() -> Command {
    let column = |text: &str, kind, ty| NewColumn { name: name(text), kind, ty };
    let table = NewTable {
        name: name(EXPIRING),
        columns: vec![
            column("time", ColumnKind::Time, ColumnType::Timestamp),
            column("v0", ColumnKind::Field, ColumnType::I64),
        ],
        mode: Mode::Append,
        partition: PartitionWidth::Hour,
        codec: None,
        retention_ns: Some(KEPT_NS),
    };
    Command::CreateTable { database: name("default"), table, if_not_exists: true }
}

/// Some rows.
pub fn rows(rng: &mut Rng) -> Part {
    let rows = (0..rng.usize(1..5)).map(|_| {
        let value = rng.i64(-9..9);
        Row::at(moment(rng)).field("v0", value)
    });
    Part { table: EXPIRING, kind: Kind::Append, rows: rows.collect() }
}

/// Compares what is shown at `now_ns`, if the clock was at most `latest_ns` so far.
pub fn compare(snapshot: &Snapshot, model: &Model, now_ns: i64, latest_ns: i64) -> Compared {
    let Ok(schema) = snapshot.table("default", EXPIRING) else { return Ok(()) };
    let scan = Scan { order: Order::TimeAscending, ..Scan::all(schema.id) };
    let mut shown: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines(snapshot, &scan).map_err(|error| error.to_string())? {
        *shown.entry(line).or_default() += 1;
    }
    let since = |clock_ns: i64| clock_ns - KEPT_NS;
    for (row, count) in counted(model.rows(EXPIRING)) {
        let seen = shown.remove(&line(&row.cells)).unwrap_or(0);
        let right = if row.time < since(now_ns) {
            seen == 0
        } else if row.time >= since(latest_ns) {
            seen == count
        } else {
            seen <= count
        };
        if !right {
            return Err(format!(
                "{row:?} is shown {seen} times of {count}, at {now_ns}, {latest_ns}"
            ));
        }
    }
    if shown.is_empty() { Ok(()) } else { Err(format!("nobody wrote {shown:?}")) }
}

fn counted(rows: Vec<Expected>) -> BTreeMap<Expected, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row).or_default() += 1;
    }
    counts
}
