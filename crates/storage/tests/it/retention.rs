//! Rows that leave when they are old.

use std::time::Duration;

use pulsora_model::PartitionWidth;
use pulsora_model::schema::TableOptions;
use pulsora_storage::{Command, FlushFilter, Options, TableChange, TableSetting, TimeRange};

use crate::machine::{Machine, small_options};
use crate::rows::{Row, name, read, request, with_ids};

const HOUR: i64 = 3_600_000_000_000;

fn machine() -> Machine {
    Machine::with(Options { retention_interval: Duration::from_secs(60), ..small_options() })
}

fn keep(machine: &Machine, hours: Option<i64>) {
    let change = TableChange::Set(vec![TableSetting::Retention(hours.map(|hours| hours * HOUR))]);
    let (database, table) = (name("default"), name("t"));
    machine.execute(Command::AlterTable { database, table, change }).unwrap();
}

fn now(machine: &Machine) -> i64 {
    machine.world.env().clock.wall_ns()
}

/// Rows of the last three hours and the two before, `v` = age in hours.
fn ages(machine: &Machine, options: &TableOptions) {
    let now = now(machine);
    let rows: Vec<Row> = (1..=5).map(|age| Row::at(now - age * HOUR).field("v", age)).collect();
    machine.write(request("t", options, &rows));
}

fn values(machine: &Machine) -> Vec<String> {
    let lines = read(&machine.engine, "t");
    lines.iter().map(|line| line.rsplit("v=").next().unwrap().to_owned()).collect()
}

fn count(machine: &Machine) -> u64 {
    let snapshot = machine.engine.snapshot();
    let table = snapshot.table("default", "t").unwrap().id;
    snapshot.count(table, TimeRange::ALL).unwrap()
}

#[test]
fn expired_rows_are_not_shown_from_the_moment_on_wherever_they_lie() {
    for options in [TableOptions::default(), TableOptions::upsert(), with_ids()] {
        for flushed in [false, true] {
            let machine = machine();
            ages(&machine, &options);
            if flushed {
                machine.flush();
            }
            keep(&machine, Some(3));
            assert_eq!(
                values(&machine),
                ["2", "1"],
                "the one of three hours ago is a moment too old"
            );
            assert_eq!(count(&machine), 2);
            machine.world.clock.advance(HOUR as u64);
            assert_eq!(values(&machine), ["1"]);
            assert_eq!(count(&machine), 1);
            if options.row_ids {
                let snapshot = machine.engine.snapshot();
                let table = snapshot.table("default", "t").unwrap().id;
                let there = |id| snapshot.row(table, id).unwrap().is_some();
                assert_eq!([there(1), there(2), there(5)], [true, false, false]);
            }
            keep(&machine, None);
            assert_eq!(count(&machine), 5, "nothing has been dropped yet");
        }
    }
}

#[test]
fn a_database_says_for_all_its_tables_and_a_table_for_itself() {
    let mut machine = machine();
    ages(&machine, &TableOptions::default());
    let alter = |retention_ns| Command::AlterDatabase { name: name("default"), retention_ns };
    assert!(machine.execute(alter(Some(2 * HOUR))).unwrap().changed);
    assert!(!machine.execute(alter(Some(2 * HOUR))).unwrap().changed);
    assert_eq!(values(&machine), ["1"]);
    keep(&machine, Some(4));
    assert_eq!(values(&machine), ["3", "2", "1"]);
    machine.power_cut();
    assert_eq!(values(&machine), ["3", "2", "1"]);
    keep(&machine, None);
    machine.reopen();
    assert_eq!(values(&machine), ["1"]);
}

#[test]
fn segments_that_hold_nothing_else_are_dropped_in_time_and_on_demand() {
    let mut machine = machine();
    let hourly = TableOptions { partition: PartitionWidth::Hour, ..TableOptions::default() };
    for age in [30, 20, 2] {
        let rows = [Row::at(now(&machine) - age * HOUR).field("v", age)];
        machine.write(request("t", &hourly, &rows));
        machine.flush();
    }
    assert_eq!(machine.objects().len(), 3);
    keep(&machine, Some(25));
    let all = FlushFilter::default();
    let planned = machine.engine.expired(&all);
    assert_eq!((planned.len(), planned[0].segments.len(), planned[0].rows), (1, 1, 1));
    assert_eq!(machine.objects().len(), 3, "nobody has looked yet");
    machine.pass(Duration::from_secs(61));
    assert_eq!(machine.objects().len(), 2);
    keep(&machine, Some(10));
    let other = FlushFilter { table: Some(name("u")), ..FlushFilter::default() };
    assert!(!machine.answer(machine.engine.expire(other)).unwrap().changed);
    let receipt = machine.answer(machine.engine.expire(all)).unwrap();
    assert_eq!((receipt.rows, receipt.changed), (1, true));
    assert_eq!(machine.objects().len(), 1);
    let runs = machine.engine.retention_runs();
    assert_eq!(runs.iter().map(|run| run.rows).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(&*runs[0].table, "t");
    machine.power_cut();
    keep(&machine, None);
    assert_eq!(values(&machine), ["2"], "what was dropped stays away");
}

#[test]
fn a_rewrite_leaves_expired_rows_out() {
    let machine = machine();
    for n in 0..2 {
        let old = now(&machine) - 3 * HOUR;
        let rows = [Row::at(old + n).field("v", 3), Row::at(old + HOUR + n).field("v", 2)];
        machine.write(request("t", &TableOptions::default(), &rows));
        machine.flush();
    }
    keep(&machine, Some(3));
    machine.pass(Duration::from_secs(20));
    assert_eq!(machine.engine.stats().merges, 1);
    keep(&machine, None);
    assert_eq!(values(&machine), ["2", "2"]);
}

#[test]
fn a_power_cut_while_segments_are_dropped_drops_all_or_none() {
    for operations in 1.. {
        let mut machine = machine();
        for age in [30, 20] {
            let rows = [Row::at(now(&machine) - age * HOUR).field("v", age)];
            machine.write(request("t", &TableOptions::default(), &rows));
            machine.flush();
        }
        keep(&machine, Some(10));
        machine.world.files.crash_after(operations);
        let mut pending = machine.engine.expire(FlushFilter::default());
        machine.world.tasks.run_until_idle(100_000);
        let crashed = machine.world.files.crashed();
        let done = !crashed && matches!(pending.try_take(), Some(Ok(_)));
        machine.power_cut();
        keep(&machine, None);
        let left = values(&machine).len();
        assert!(left == 0 || (left == 2 && !done), "{left} rows after {operations} operations");
        if !crashed {
            assert!(operations > 2);
            break;
        }
    }
}
