//! Tables and databases that are made and dropped.

use pulsora_model::schema::TableOptions;
use pulsora_model::{Code, ColumnKind, ColumnType, Mode, PartitionWidth};
use pulsora_storage::{Command, FlushFilter, NewColumn, NewTable, Scan, WriteRequest};

use crate::machine::Machine;
use crate::rows::{Row, lines, name, read, request};

fn drop_table(table: &str) -> Command {
    Command::DropTable { database: name("default"), table: name(table), if_exists: false }
}

#[test]
fn a_table_made_again_shows_no_old_row_and_its_files_are_gone() {
    let mut machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("v", 1)]);
    machine.flush();
    machine.rows("t", &[Row::at(2).field("v", 2)]);
    assert_eq!(machine.objects().len(), 1);
    machine.execute(drop_table("t")).unwrap();
    let error = machine.execute(drop_table("t")).unwrap_err();
    assert_eq!(error.code(), Code::TableNotFound);
    assert_eq!(machine.objects().len(), 0, "nobody holds the segment");
    machine.rows("t", &[Row::at(3).field("v", "another type")]);
    let expected = ["time=3 v=\"another type\""];
    assert_eq!(read(&machine.engine, "t"), expected);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected);
    machine.flush();
    machine.kill();
    assert_eq!(read(&machine.engine, "t"), expected);
    assert_eq!(machine.objects().len(), 1);
}

#[test]
fn rows_and_a_drop_in_one_group_leave_nothing() {
    let mut machine = Machine::new();
    let options = TableOptions::default();
    let first = machine.engine.write(request("t", &options, &[Row::at(1).field("v", 1)]));
    let dropped = machine.engine.execute(drop_table("t"));
    machine.rows("t", &[Row::at(2).field("v", 2)]);
    machine.answer(first).unwrap();
    machine.answer(dropped).unwrap();
    assert_eq!(read(&machine.engine, "t"), ["time=2 v=2"]);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), ["time=2 v=2"]);
}

#[test]
fn a_snapshot_keeps_reading_a_dropped_table() {
    let machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("v", 1)]);
    machine.flush();
    let snapshot = machine.engine.snapshot();
    let scan = Scan::all(snapshot.table("default", "t").unwrap().id);
    machine.execute(drop_table("t")).unwrap();
    assert_eq!(lines(&snapshot, &scan).unwrap(), ["time=1 v=1"]);
    assert_eq!(machine.objects().len(), 1);
    drop(snapshot);
    assert_eq!(machine.objects().len(), 0);
}

#[test]
fn databases_are_made_by_the_first_write_and_dropped_with_their_tables() {
    let mut machine = Machine::new();
    let rows = [Row::at(1).field("v", 1)];
    let into = |database: &str| WriteRequest {
        key: None,
        database: name(database),
        ..request("t", &TableOptions::default(), &rows)
    };
    machine.write(into("metrics"));
    machine.write(into("default"));
    machine.flush();
    let drop_it = |database: &str| Command::DropDatabase { name: name(database) };
    let error = machine.execute(drop_it("default")).unwrap_err();
    assert_eq!(error.code(), Code::StatementRefused);
    machine.execute(drop_it("metrics")).unwrap();
    let error = machine.execute(drop_it("metrics")).unwrap_err();
    assert_eq!(error.code(), Code::DatabaseNotFound);
    assert_eq!(machine.objects().len(), 1);
    machine.power_cut();
    assert!(machine.engine.catalog().database("metrics").is_err());
    let create = |if_not_exists| Command::CreateDatabase { name: name("metrics"), if_not_exists };
    assert!(machine.execute(create(false)).unwrap().changed);
    assert!(!machine.execute(create(true)).unwrap().changed);
    assert_eq!(machine.execute(create(false)).unwrap_err().code(), Code::AlreadyExists);
    machine.power_cut();
    assert!(machine.engine.catalog().tables_of("metrics").is_empty());
    assert_eq!(read(&machine.engine, "t"), ["time=1 v=1"]);
}

fn new_table(mode: Mode, columns: &[(&str, ColumnKind)]) -> Command {
    let columns = columns.iter().map(|(column, kind)| NewColumn {
        name: name(column),
        kind: *kind,
        ty: ColumnType::F64,
    });
    let table = NewTable {
        name: name("t"),
        columns: columns.collect(),
        mode,
        partition: PartitionWidth::Month,
        codec: None,
        retention_ns: None,
    };
    Command::CreateTable { database: name("default"), table, if_not_exists: false }
}

#[test]
fn a_table_made_by_command_is_there_before_its_rows() {
    let mut machine = Machine::new();
    let columns = [("ts", ColumnKind::Time), ("host", ColumnKind::Tag), ("v", ColumnKind::Field)];
    let receipt = machine.execute(new_table(Mode::Upsert, &columns)).unwrap();
    assert!(receipt.changed);
    assert!(!machine.execute(new_table(Mode::Upsert, &columns)).unwrap().changed, "same shape");
    let error = machine.execute(new_table(Mode::Append, &columns)).unwrap_err();
    assert_eq!(error.code(), Code::AlreadyExists);
    machine.power_cut();
    let schema = machine.engine.catalog().table("default", "t").unwrap();
    assert_eq!((schema.mode, schema.partition), (Mode::Upsert, PartitionWidth::Month));
    assert_eq!(schema.time().name, name("ts"));
    let two_times = [("a", ColumnKind::Time), ("b", ColumnKind::Time)];
    let error = machine.execute(new_table(Mode::Append, &two_times)).unwrap_err();
    assert_eq!(error.code(), Code::SchemaConflict);
}

#[test]
fn a_codec_that_a_table_asks_for_must_exist_and_is_kept() {
    let mut machine = Machine::new();
    let with = |codec: &str| TableOptions { codec: Some(name(codec)), ..TableOptions::default() };
    let rows = [Row::at(1).field("v", 1)];
    let error = machine.try_write(request("t", &with("gorila"), &rows)).unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    assert_eq!(error.message(), "there is no codec \"gorila\"");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("raw")), "it names those there are");
    assert!(machine.engine.catalog().find_table("default", "t").is_none());
    let Command::CreateTable { database, table, if_not_exists } =
        new_table(Mode::Append, &[("ts", ColumnKind::Time)])
    else {
        panic!("it makes a table")
    };
    let bad = NewTable { codec: Some(name("none")), ..table };
    let command = Command::CreateTable { database, table: bad, if_not_exists };
    assert_eq!(machine.execute(command).unwrap_err().code(), Code::InvalidRequest);

    machine.write(request("t", &with("raw"), &rows));
    machine.power_cut();
    let codec =
        |machine: &Machine| machine.engine.catalog().table("default", "t").unwrap().codec.clone();
    assert_eq!(codec(&machine), Some(name("raw")));
    machine.flush();
    machine.reopen();
    assert_eq!(codec(&machine), Some(name("raw")));
}

#[test]
fn a_flush_takes_only_what_it_names() {
    let machine = Machine::new();
    for table in ["a", "b"] {
        machine.rows(table, &[Row::at(1).field("v", 1)]);
    }
    let only = |table: &str| FlushFilter { table: Some(name(table)), ..FlushFilter::default() };
    let receipt = machine.answer(machine.engine.flush(only("a"))).unwrap();
    assert_eq!((receipt.rows, receipt.changed), (1, true));
    let stats = machine.engine.stats();
    let segments: Vec<_> = stats.tables.iter().map(|t| (&*t.table, t.segments)).collect();
    assert_eq!(segments, [("a", 1), ("b", 0)]);
    let again = machine.answer(machine.engine.flush(only("a"))).unwrap();
    assert_eq!((again.rows, again.changed), (0, false));
    let error = machine.answer(machine.engine.flush(only("c"))).unwrap_err();
    assert_eq!(error.code(), Code::TableNotFound);
}
