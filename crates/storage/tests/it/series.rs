//! Series by number: batches in numbers of a registry, registries that are given up, and the tag sets that
//! a log file defines.

use std::sync::Arc;

use pulsora_model::schema::{KnownTable, SchemaLookup, TableOptions};
use pulsora_model::{Code, SeriesLimits};
use pulsora_storage::{Catalog, Command, Options, Recover, WriteRequest};

use crate::machine::{Machine, small_options};
use crate::rows::{Row, name, read, request, requests, table_write};

const PAGE: u64 = 4096;

fn row(n: i64, host: &str) -> Row {
    Row::at(n).tag("host", host).tag("dc", "x").field("v", n)
}

fn expected(rows: &[(i64, &str)]) -> Vec<String> {
    rows.iter().map(|(n, host)| format!("dc=x host={host} time={n} v={n}")).collect()
}

fn known(catalog: &Arc<Catalog>) -> Option<KnownTable> {
    catalog.lookup("default").known("t")
}

/// A request of a parser that asked this catalog.
fn parsed(catalog: &Arc<Catalog>, rows: &[Row]) -> WriteRequest {
    requests(vec![table_write("t", &TableOptions::default(), known(catalog), rows)])
}

fn write(machine: &Machine, rows: &[Row]) {
    let request = parsed(&machine.engine.catalog(), rows);
    machine.write(request);
}

#[test]
fn rows_in_numbers_of_the_registry_are_the_rows_that_were_sent() {
    let mut machine = Machine::new();
    write(&machine, &[row(1, "b"), row(2, "a")]);
    write(&machine, &[row(3, "c"), row(4, "a"), row(5, "b")]);
    machine.write(request("t", &TableOptions::default(), &[row(6, "c"), row(7, "d")]));
    let rows = expected(&[(1, "b"), (2, "a"), (3, "c"), (4, "a"), (5, "b"), (6, "c"), (7, "d")]);
    assert_eq!(read(&machine.engine, "t"), rows);
    let registry = known(&machine.engine.catalog()).unwrap().registry.unwrap();
    assert_eq!(registry.len(), 4);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), rows);
    write(&machine, &[row(8, "a")]);
    let registry = known(&machine.engine.catalog()).unwrap().registry.unwrap();
    assert_eq!(registry.len(), 4, "recovery numbers into the same registry");
    machine.flush();
    machine.reopen();
    assert_eq!(read(&machine.engine, "t"), [rows, expected(&[(8, "a")])].concat());
}

#[test]
fn numbers_of_a_registry_that_was_given_up_are_translated() {
    let mut machine = Machine::with(Options { series_bytes: 0, ..small_options() });
    write(&machine, &[row(1, "a"), row(2, "b")]);
    let old = machine.engine.catalog();
    machine.flush();
    let new = machine.engine.catalog();
    let [old_registry, new_registry] =
        [&old, &new].map(|catalog| known(catalog).unwrap().registry.unwrap());
    assert!(!Arc::ptr_eq(&old_registry, &new_registry), "the seal gave the registry up");
    write(&machine, &[row(3, "z")]);
    machine.write(parsed(&old, &[row(4, "b"), row(5, "c"), row(6, "a"), row(7, "b")]));
    assert_eq!(new_registry.len(), 4);
    let rows = expected(&[(1, "a"), (2, "b"), (3, "z"), (4, "b"), (5, "c"), (6, "a"), (7, "b")]);
    assert_eq!(read(&machine.engine, "t"), rows);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), rows);
}

#[test]
fn rows_for_a_dropped_table_are_read_again() {
    let machine = Machine::new();
    write(&machine, &[row(1, "a")]);
    let old = machine.engine.catalog();
    let drop = Command::DropTable { database: name("default"), table: name("t"), if_exists: false };
    machine.execute(drop).unwrap();
    let error = machine.try_write(parsed(&old, &[row(2, "a")])).unwrap_err();
    assert_eq!(error.code(), Code::SchemaMoved);
    // The columns of the new table have other ids.
    machine.rows("t", &[Row::at(3).tag("dc", "x").tag("host", "b").field("v", 3)]);
    let error = machine.try_write(parsed(&old, &[row(4, "a")])).unwrap_err();
    assert_eq!(error.code(), Code::SchemaMoved);
    write(&machine, &[row(5, "b")]);
    assert_eq!(read(&machine.engine, "t"), expected(&[(3, "b"), (5, "b")]));
}

#[test]
fn the_limit_of_series_refuses_new_ones_only() {
    let series = SeriesLimits { series_max: 2, ..SeriesLimits::default() };
    let mut machine = Machine::with(Options { series, ..small_options() });
    machine.rows("t", &[row(1, "a"), row(2, "b")]);
    let error = machine.refused("t", &[row(3, "c")]);
    assert_eq!(error.code(), Code::LimitExceeded);
    assert!(error.message().contains("limits.series_per_table"), "{error}");
    machine.rows("t", &[row(4, "b")]);
    let rows = expected(&[(1, "a"), (2, "b"), (4, "b")]);
    assert_eq!(read(&machine.engine, "t"), rows);
    machine.options.series.series_max = 1;
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), rows, "what was accepted stays");
}

/// Each file of the log defines what it names.
#[test]
fn series_are_defined_anew_in_every_log_file() {
    let mut machine = Machine::with(Options {
        flush_bytes: 1 << 30,
        memtable_bytes: 1 << 30,
        wal_bytes: 1 << 30,
        ..small_options()
    });
    let text = "x".repeat(9_000);
    let with_text = |n: i64, host: &str| row(n, host).field("text", text.as_str());
    let hosts = ["a", "b", "c"];
    for n in 0..30 {
        write(&machine, &[with_text(n, hosts[n as usize % 3])]);
    }
    assert!(machine.list("wal").len() > 2, "{:?}", machine.list("wal"));
    machine.power_cut();
    let text = format!("{text:?}");
    let line = |n: i64| format!("dc=x host={} text={text} time={n} v={n}", hosts[n as usize % 3]);
    assert_eq!(read(&machine.engine, "t"), (0..30).map(line).collect::<Vec<_>>());
}

#[test]
fn a_series_is_written_once_per_file() {
    let machine = Machine::new();
    let tag = "x".repeat(3_000);
    let bytes = |n: i64| {
        let before = machine.engine.stats().wal_bytes_written;
        machine.rows("t", &[Row::at(n).tag("host", &tag).field("v", n)]);
        machine.engine.stats().wal_bytes_written - before
    };
    assert!(bytes(1) > 3_000);
    assert!(bytes(2) < 200, "the second record names it");
    assert_eq!(read(&machine.engine, "t").len(), 2);
}

#[test]
fn what_a_failed_group_defined_is_defined_again() {
    let mut machine = Machine::new();
    machine.rows("t", &[row(1, "a")]);
    machine.world.files.fail_next_write();
    machine.refused("t", &[row(2, "b"), row(3, "c")]);
    machine.rows("t", &[row(4, "c"), row(5, "a")]);
    machine.rows("t", &[row(6, "b"), row(7, "c")]);
    let rows = expected(&[(1, "a"), (4, "c"), (5, "a"), (6, "b"), (7, "c")]);
    assert_eq!(read(&machine.engine, "t"), rows);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), rows);
}

#[test]
fn what_a_torn_group_defined_is_not_there() {
    let mut machine = Machine::new();
    machine.rows("t", &[row(1, "a")]);
    machine.rows("t", &[row(2, "b")]);
    let files = machine.list("wal");
    machine.damage(&files[0], 2 * PAGE + 70);
    machine.kill();
    assert_eq!(read(&machine.engine, "t"), expected(&[(1, "a")]));
    write(&machine, &[row(3, "b"), row(4, "a")]);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected(&[(1, "a"), (3, "b"), (4, "a")]));
}

#[test]
fn skipping_loses_the_records_whose_series_were_defined_in_a_damaged_group() {
    let mut machine = Machine::new();
    for (n, host) in [(1, "a"), (2, "b"), (3, "b"), (4, "a"), (5, "c"), (6, "c")] {
        machine.rows("t", &[row(n, host)]);
    }
    let files = machine.list("wal");
    machine.damage(&files[0], 2 * PAGE + 70);
    machine.world.restart();
    assert_eq!(machine.open().unwrap_err().code(), Code::Corrupt);
    machine.options.recover = Recover::SkipCorrupt;
    machine.world.restart();
    machine.open().unwrap();
    let rows = expected(&[(1, "a"), (4, "a"), (5, "c"), (6, "c")]);
    assert_eq!(read(&machine.engine, "t"), rows);
    write(&machine, &[row(7, "b")]);
    machine.flush();
    machine.options.recover = Recover::Strict;
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), [rows, expected(&[(7, "b")])].concat());
}
