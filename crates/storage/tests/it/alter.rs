//! Tables that are changed after they were made.

use pulsora_model::schema::{SchemaLookup, TableOptions};
use pulsora_model::{Code, ColumnKind, ColumnType, PartitionWidth};
use pulsora_storage::{
    Change, Command, CompactFilter, NewColumn, Selection, TableChange, TableSetting, TimeRange,
};

use crate::corrections::{cold, correction, set};
use crate::machine::Machine;
use crate::rows::{Row, name, read, request, requests, table_write, with_ids};

fn alter(change: TableChange) -> Command {
    Command::AlterTable { database: name("default"), table: name("t"), change }
}

fn rename(from: &str, to: &str) -> Command {
    alter(TableChange::RenameColumn { from: name(from), to: name(to) })
}

fn drop_column(column: &str) -> Command {
    alter(TableChange::DropColumn { name: name(column), if_exists: false })
}

fn add(column: &str, kind: ColumnKind, ty: ColumnType) -> Command {
    let column = NewColumn { name: name(column), kind, ty };
    alter(TableChange::AddColumn { column, if_not_exists: false })
}

/// What `check` sees after a merge of memory and log with the disk: at once, after a kill, flushed, and
/// after a power cut.
fn through(machine: &mut Machine, expected: &[&str]) {
    assert_eq!(read(&machine.engine, "t"), expected, "at once");
    machine.kill();
    assert_eq!(read(&machine.engine, "t"), expected, "from the log");
    machine.flush();
    assert_eq!(read(&machine.engine, "t"), expected, "flushed");
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected, "from segments");
}

#[test]
fn a_column_made_again_shows_no_old_value() {
    for flushed in [false, true] {
        let mut machine = Machine::new();
        machine.rows("t", &[Row::at(1).field("v", 1).field("w", 10)]);
        if flushed {
            machine.flush();
        }
        machine.execute(drop_column("w")).unwrap();
        assert_eq!(read(&machine.engine, "t"), ["time=1 v=1"]);
        machine.rows("t", &[Row::at(2).field("v", 2).field("w", "text now")]);
        machine.rows("t", &[Row::at(3).field("v", 3)]);
        through(&mut machine, &["time=1 v=1", "time=2 v=2 w=\"text now\"", "time=3 v=3"]);
        machine.execute(drop_column("v")).unwrap();
        machine.execute(drop_column("w")).unwrap();
        through(&mut machine, &["time=1", "time=2", "time=3"]);
    }
}

#[test]
fn columns_keep_their_values_under_another_name() {
    for options in [TableOptions::default(), TableOptions::upsert(), with_ids()] {
        let mut machine = Machine::new();
        let row = |at: i64, tag: &str, field: &str| Row::at(at).tag(tag, "a").field(field, at);
        let write = |machine: &Machine, row: Row| {
            // As parsers do: with the registry of the moment, which remembers tags by their text.
            let known = machine.engine.catalog().lookup("default").known("t");
            machine.write(requests(vec![table_write("t", &options, known, &[row])]));
        };
        write(&machine, row(1, "host", "v"));
        machine.flush();
        write(&machine, row(2, "host", "v"));
        machine.execute(rename("host", "node")).unwrap();
        machine.execute(rename("v", "load")).unwrap();
        write(&machine, row(3, "node", "load"));
        // The old names are new columns now.
        write(&machine, row(4, "host", "v"));
        let id = |id: u64| if options.row_ids { format!("id={id}u ") } else { String::new() };
        let expected = [
            format!("{}load=1 node=a time=1", id(1)),
            format!("{}load=2 node=a time=2", id(2)),
            format!("{}load=3 node=a time=3", id(3)),
            match options.row_ids {
                true => "host=a id=4u time=4 v=4".to_owned(),
                false => "host=a time=4 v=4".to_owned(),
            },
        ];
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        through(&mut machine, &expected);
        let time = machine.execute(rename("time", "at"));
        time.unwrap();
        let renamed: Vec<String> = read(&machine.engine, "t");
        assert!(renamed[0].contains("at=1"), "{renamed:?}");
        machine.power_cut();
        assert_eq!(read(&machine.engine, "t"), renamed);
    }
}

#[test]
fn a_tag_that_is_dropped_is_seen_no_more_and_merges_no_rows() {
    for options in [TableOptions::default(), with_ids()] {
        let mut machine = Machine::new();
        let write = |machine: &Machine, row: Row| {
            // As parsers do: with the registry of the moment, which remembers tags by their text.
            let known = machine.engine.catalog().lookup("default").known("t");
            machine.write(requests(vec![table_write("t", &options, known, &[row])]));
        };
        let row = |at: i64, rack: &str| {
            Row::at(at).tag("host", "a").tag("rack", rack).tag("zone", "z").field("v", at)
        };
        for at in 1..=4 {
            write(&machine, row(at, "r1"));
            write(&machine, row(at, "r2"));
            match at {
                1 => drop(machine.answer(machine.engine.flush(cold())).unwrap()),
                2 | 3 => drop(machine.flush()),
                _ => {}
            }
        }
        machine.execute(drop_column("rack")).unwrap();
        let old = |at: i64| {
            let ids = [at * 2 - 1, at * 2].map(|id| format!("id={id}u "));
            ids.map(|id| match options.row_ids {
                true => format!("host=a {id}time={at} v={at} zone=z"),
                false => format!("host=a time={at} v={at} zone=z"),
            })
        };
        let mut expected: Vec<String> = (1..=4).flat_map(old).collect();
        let all = |machine: &mut Machine, expected: &[String]| {
            let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            through(machine, &expected);
        };
        all(&mut machine, &expected);
        let id = machine.engine.catalog().table("default", "t").unwrap().id;
        let snapshot = machine.engine.snapshot();
        if let Some(row) = snapshot.row(id, 1).unwrap() {
            let names: Vec<&str> =
                row.schema_ref().fields().iter().map(|f| f.name().as_str()).collect();
            assert_eq!(names, ["id", "time", "host", "zone", "v"]);
        }
        assert_eq!(snapshot.row(id, 1).unwrap().is_some(), options.row_ids);
        drop(snapshot);
        // Another tag of that name, a field of that name, and the name that is taken.
        assert_eq!(machine.execute(drop_column("rack")).unwrap_err().code(), Code::ColumnNotFound);
        write(&machine, row(5, "r1"));
        let new = if options.row_ids { "host=a id=9u rack=r1" } else { "host=a rack=r1" };
        expected.push(format!("{new} time=5 v=5 zone=z"));
        all(&mut machine, &expected);
        machine.execute(drop_column("rack")).unwrap();
        expected.pop();
        expected.push(expected[7].replace("id=8u", "id=9u").replace('4', "5"));
        let kept = add("dropped_tag_3", ColumnKind::Field, ColumnType::F64);
        let kept_id = add("dropped_tag_4", ColumnKind::Field, ColumnType::F64);
        let refused = [kept, kept_id].map(|add| machine.execute(add).map_err(|e| e.code()).err());
        assert!(refused.contains(&Some(Code::AlreadyExists)), "{refused:?}");
        all(&mut machine, &expected);
        // Merged, changed, deleted, as Parquet.
        let compact = machine.engine.compact(&CompactFilter::default()).unwrap();
        machine.answer(compact).unwrap();
        let segments = machine.engine.stats().segments;
        assert!(segments <= 2, "{segments} segments");
        all(&mut machine, &expected);
        let select = |at: i64| Selection {
            time: TimeRange { start_ns: at, end_ns: at },
            ..Selection::all()
        };
        let correct = |rows, change| {
            machine.answer(machine.engine.correct(correction(rows, change))).unwrap().rows
        };
        assert_eq!(correct(select(3), set("v", Some(30))), 2);
        assert_eq!(correct(select(4), Change::Delete), 2);
        let expected: Vec<String> = expected
            .iter()
            .filter(|line| !line.contains("time=4"))
            .map(|line| line.replace("v=3", "v=30"))
            .collect();
        all(&mut machine, &expected);
        machine.answer(machine.engine.flush(cold())).unwrap();
        all(&mut machine, &expected);
        assert_eq!(machine.engine.snapshot().count(id, TimeRange::ALL).unwrap(), 7);
    }
}

#[test]
fn columns_are_added_with_their_type() {
    let mut machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("v", 1)]);
    machine.execute(add("x", ColumnKind::Field, ColumnType::F64)).unwrap();
    machine.execute(add("host", ColumnKind::Tag, ColumnType::Utf8)).unwrap();
    let code = machine.refused("t", &[Row::at(2).field("x", "text")]).code();
    assert_eq!(code, Code::SchemaMoved, "whoever sent it knew no table");
    machine.rows("t", &[Row::at(2).tag("host", "a").field("x", 2)]);
    through(&mut machine, &["time=1 v=1", "host=a time=2 x=2.0"]);
}

#[test]
fn a_table_is_found_under_its_new_name_only() {
    let mut machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("v", 1)]);
    machine.rows("u", &[Row::at(1).field("v", 1)]);
    machine.flush();
    let to = |to: &str| alter(TableChange::Rename { to: name(to) });
    assert_eq!(machine.execute(to("u")).unwrap_err().code(), Code::AlreadyExists);
    machine.execute(to("w")).unwrap();
    assert!(machine.engine.catalog().table("default", "t").is_err());
    assert_eq!(read(&machine.engine, "w"), ["time=1 v=1"]);
    machine.rows("t", &[Row::at(2).field("v", "a new table")]);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "w"), ["time=1 v=1"]);
    assert_eq!(read(&machine.engine, "t"), ["time=2 v=\"a new table\""]);
}

#[test]
fn settings_are_changed_and_kept() {
    let mut machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("v", 1)]);
    let set = |setting| alter(TableChange::Set(vec![setting]));
    let codec = |codec: &str| set(TableSetting::Codec(Some(name(codec))));
    assert_eq!(machine.execute(codec("none such")).unwrap_err().code(), Code::InvalidRequest);
    machine.execute(codec("gorilla")).unwrap();
    machine.execute(set(TableSetting::Partition(PartitionWidth::Month))).unwrap();
    machine.execute(set(TableSetting::Retention(Some(i64::MAX)))).unwrap();
    machine.power_cut();
    let schema = machine.engine.catalog().table("default", "t").unwrap();
    assert_eq!(schema.codec.as_deref(), Some("gorilla"));
    assert_eq!(schema.partition, PartitionWidth::Month);
    assert_eq!(schema.retention_ns, Some(i64::MAX));
    assert_eq!(read(&machine.engine, "t"), ["time=1 v=1"]);
}

#[test]
fn what_cannot_be_altered_says_why() {
    let machine = Machine::new();
    let rows = [Row::at(1).tag("host", "a").field("v", 1)];
    machine.write(request("t", &TableOptions::upsert(), &rows));
    let refused = |command| machine.execute(command).unwrap_err().code();
    assert_eq!(refused(drop_column("time")), Code::SchemaConflict);
    assert_eq!(refused(drop_column("host")), Code::SchemaConflict);
    assert_eq!(refused(drop_column("w")), Code::ColumnNotFound);
    assert_eq!(refused(rename("v", "host")), Code::AlreadyExists);
    assert_eq!(refused(rename("w", "x")), Code::ColumnNotFound);
    assert_eq!(refused(add("v", ColumnKind::Field, ColumnType::F64)), Code::AlreadyExists);
    assert_eq!(refused(add("id", ColumnKind::Id, ColumnType::U64)), Code::SchemaConflict);
    let if_exists = TableChange::DropColumn { name: name("w"), if_exists: true };
    assert!(!machine.execute(alter(if_exists)).unwrap().changed);
    let absent = Command::AlterTable {
        database: name("default"),
        table: name("nowhere"),
        change: TableChange::Rename { to: name("u") },
    };
    assert_eq!(refused(absent), Code::TableNotFound);
    let absent = Command::AlterDatabase { name: name("nowhere"), retention_ns: None };
    assert_eq!(refused(absent), Code::DatabaseNotFound);
}
