//! Rows that meet: upsert folds by key, row ids replace.

use pulsora_model::Code;
use pulsora_model::schema::TableOptions;

use crate::machine::{Machine, no_rewrites};
use crate::rows::{Row, name, read, request, with_ids};

fn upsert(machine: &Machine, row: Row) {
    machine.write(request("t", &TableOptions::upsert(), &[row]));
}

#[test]
fn upsert_keeps_per_field_the_last_value_that_is_not_null() {
    let mut machine = Machine::new();
    let key = || Row::at(1).tag("host", "a");
    upsert(&machine, key().field("x", 1).field("y", 1).field("z", "first"));
    machine.flush();
    upsert(&machine, key().null("x").field("y", 2));
    machine.flush();
    upsert(&machine, key().field("x", 3));
    upsert(&machine, Row::at(1).tag("host", "b").field("x", 9));
    let expected = ["host=a time=1 x=3 y=2 z=\"first\"", "host=b time=1 x=9"];
    assert_eq!(read(&machine.engine, "t"), expected, "over segments and memtable");
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected, "after replay");
    machine.flush();
    assert_eq!(read(&machine.engine, "t"), expected, "over segments");
}

#[test]
fn of_equal_keys_in_one_request_the_later_row_wins() {
    let machine = Machine::new();
    let rows = [Row::at(1).field("x", 1).field("y", 1), Row::at(1).field("x", 2)];
    machine.write(request("t", &TableOptions::upsert(), &rows));
    assert_eq!(read(&machine.engine, "t"), ["time=1 x=2 y=1"]);
    machine.flush();
    assert_eq!(read(&machine.engine, "t"), ["time=1 x=2 y=1"]);
}

fn with_id(machine: &Machine, rows: &[Row]) {
    machine.write(request("t", &with_ids(), rows));
}

#[test]
fn a_given_id_replaces_the_row_wherever_it_lies() {
    let mut machine = Machine::with(no_rewrites());
    with_id(&machine, &[Row::at(1).id(7).field("v", 1), Row::at(2).id(8).field("v", 2)]);
    machine.flush();
    with_id(&machine, &[Row::at(9).id(7).field("w", "moved")]);
    let expected = ["id=8u time=2 v=2", "id=7u time=9 w=\"moved\""];
    assert_eq!(read(&machine.engine, "t"), expected, "memtable over segment");
    machine.flush();
    assert_eq!(read(&machine.engine, "t"), expected, "segment over segment");
    assert_eq!(machine.engine.stats().deleted_rows, 1);
    with_id(&machine, &[Row::at(3).id(8).field("v", 3), Row::at(4).id(8).field("v", 4)]);
    let expected = ["id=8u time=4 v=4", "id=7u time=9 w=\"moved\""];
    assert_eq!(read(&machine.engine, "t"), expected, "the later row of one request");
    with_id(&machine, &[Row::at(5).id(8).field("v", 5)]);
    let expected = ["id=8u time=5 v=5", "id=7u time=9 w=\"moved\""];
    assert_eq!(read(&machine.engine, "t"), expected, "memtable over memtable");
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected, "after replay");
    machine.reopen();
    assert_eq!(read(&machine.engine, "t"), expected, "bitmaps are in the manifest");
}

#[test]
fn ids_of_the_engine_go_on_after_a_restart() {
    let mut machine = Machine::new();
    with_id(&machine, &[Row::at(1), Row::at(2)]);
    machine.power_cut();
    with_id(&machine, &[Row::at(3)]);
    machine.reopen();
    with_id(&machine, &[Row::at(4), Row::at(5).id(10), Row::at(6)]);
    machine.reopen();
    with_id(&machine, &[Row::at(7)]);
    let ids: Vec<String> = read(&machine.engine, "t");
    let ids: Vec<&str> = ids.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(ids, ["id=1u", "id=2u", "id=3u", "id=11u", "id=10u", "id=12u", "id=13u"]);
}

#[test]
fn ids_that_cannot_be_are_refused() {
    let machine = Machine::new();
    let refused = |row| machine.try_write(request("t", &with_ids(), &[row])).unwrap_err().code();
    assert_eq!(refused(Row::at(1).id(0)), Code::InvalidRowId);
    with_id(&machine, &[Row::at(1).id(u64::MAX)]);
    assert_eq!(refused(Row::at(2)), Code::InvalidRowId, "there is no id above the highest");
    with_id(&machine, &[Row::at(3).id(5)]);
    let plain = request("plain", &TableOptions::default(), &[Row::at(1)]);
    machine.write(plain.clone());
    let mut given = request("t", &with_ids(), &[Row::at(1).id(5)]);
    given.tables[0].table = name("plain");
    given.tables[0].schema_version = Some(1);
    assert_eq!(machine.try_write(given).unwrap_err().code(), Code::SchemaConflict);
    assert_eq!(read(&machine.engine, "plain"), ["time=1"]);
}
