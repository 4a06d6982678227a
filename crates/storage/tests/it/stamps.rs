//! Stamps of tables: where two moments have the same stamp of a table, they have the same rows of it.

use pulsora_model::{Name, TableId};
use pulsora_storage::{
    Change, Command, Correction, FlushFilter, Scan, Selection, Snapshot, TableStamp, TimeRange,
};

use crate::machine::Machine;
use crate::rows::{Row, lines, name};

/// The rows of a table as text, with its columns.
fn rows(snapshot: &Snapshot, table: TableId) -> Vec<String> {
    let scan = snapshot.scan(&Scan::all(table)).unwrap();
    let columns = scan.schema.fields().iter().map(|column| column.name().clone());
    columns.chain(lines(snapshot, &Scan::all(table)).unwrap()).collect()
}

fn id(machine: &Machine, table: &str) -> Option<TableId> {
    machine.engine.catalog().find_table("default", table).map(|schema| schema.id)
}

fn stamp(machine: &Machine, table: &str) -> TableStamp {
    machine.engine.snapshot().stamp(id(machine, table).unwrap()).unwrap()
}

fn drop_table(table: &str) -> Command {
    Command::DropTable { database: name("default"), table: name(table), if_exists: true }
}

fn delete(table: &str, time: TimeRange) -> Correction {
    Correction {
        database: Name::literal("default"),
        table: name(table),
        planned_for: None,
        rows: Selection { time, ..Selection::all() },
        change: Change::Delete,
    }
}

#[test]
fn a_stamp_holds_as_long_as_nothing_happens_to_its_table() {
    let machine = Machine::new();
    machine.rows("a", &[Row::at(1).field("v", 1)]);
    machine.rows("b", &[Row::at(1).field("v", 1)]);
    let (a, b) = (stamp(&machine, "a"), stamp(&machine, "b"));
    let holds = |stamp: &TableStamp| machine.engine.snapshot().is_as_stamped(stamp);
    machine.rows("b", &[Row::at(2).field("v", 2)]);
    machine.answer(machine.engine.correct(delete("b", TimeRange::ALL))).unwrap();
    assert!(holds(&a) && !holds(&b));
    machine.rows("a", &[Row::at(2).field("v", 2)]);
    assert!(!holds(&a));
    let a = stamp(&machine, "a");
    machine.execute(drop_table("b")).unwrap();
    machine.rows("c", &[Row::at(1).field("v", 1)]);
    // A table of the same database came: a name may mean it from now on.
    assert!(!holds(&a));
    let a = stamp(&machine, "a");
    machine.execute(drop_table("a")).unwrap();
    assert!(!holds(&a));
    machine.rows("a", &[Row::at(1).field("v", 1)]);
    assert!(!holds(&a), "the same name is not the same table");
}

#[test]
fn moments_with_the_same_stamp_have_the_same_rows() {
    let mut held = 0;
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let machine = Machine::new();
        let mut known: Vec<(TableId, TableStamp, Vec<String>)> = Vec::new();
        for step in 0..80 {
            let table = ["a", "b"][random.usize(..2)];
            match random.u32(..12) {
                0..4 => {
                    let row = Row::at(random.i64(1..50)).tag("host", ["x", "y"][random.usize(..2)]);
                    let field = ["v", "w"][random.usize(..2)];
                    machine.rows(table, &[row.field(field, random.i64(0..9))]);
                }
                4 => drop(machine.flush()),
                5 => {
                    let filter = FlushFilter { cold: true, ..FlushFilter::default() };
                    machine.answer(machine.engine.flush(filter)).unwrap();
                }
                6 if id(&machine, table).is_some() => {
                    let start_ns = random.i64(1..50);
                    let time = TimeRange { start_ns, end_ns: start_ns + 5 };
                    machine.answer(machine.engine.correct(delete(table, time))).unwrap();
                }
                7 if random.u32(..4) == 0 => drop(machine.execute(drop_table(table)).unwrap()),
                8 => machine.pass(std::time::Duration::from_secs(700)),
                _ => {}
            }
            let snapshot = machine.engine.snapshot();
            for (table, stamp, before) in &known {
                if snapshot.is_as_stamped(stamp) {
                    held += 1;
                    assert_eq!(rows(&snapshot, *table), *before, "seed {seed}, step {step}");
                }
            }
            for table in ["a", "b"].iter().filter_map(|table| id(&machine, table)) {
                known.push((table, snapshot.stamp(table).unwrap(), rows(&snapshot, table)));
            }
        }
        machine.close().unwrap();
    }
    assert!(held > 3_000, "{held} stamps held");
}
