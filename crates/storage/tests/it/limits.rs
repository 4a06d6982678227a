//! The bounds of tables, columns, names and texts, each at its edge.

use pulsora_model::limits::Limits;
use pulsora_model::schema::TableOptions;
use pulsora_model::{Code, ColumnKind, ColumnType, Error, Mode, PartitionWidth};
use pulsora_storage::{Command, NewColumn, NewTable, Options};

use crate::machine::{Machine, small_options};
use crate::rows::{Row, name, read, request, requests, table_write};

fn machine() -> Machine {
    let limits = Limits {
        tables: 3,
        database_tables: 2,
        columns: 3,
        name_bytes: 10,
        text_bytes: 20,
        ..Limits::default()
    };
    Machine::with(Options { limits, ..small_options() })
}

fn row() -> Row {
    Row::at(1).field("v", 1)
}

fn says(error: &Error, key: &str, value: usize) {
    assert_eq!(error.code(), Code::LimitExceeded, "{error}");
    assert!(error.message().contains(&format!("{key} is {value}")), "{error}");
    assert!(error.hint_text().unwrap().contains(&format!("raise {key}")), "{error}");
}

#[test]
fn tables_are_bounded_per_database_and_in_all() {
    let mut machine = machine();
    machine.rows("a", &[row()]);
    machine.rows("b", &[row()]);
    says(&machine.refused("c", &[row()]), "limits.tables_per_database", 2);
    let into = |database: &str, table: &str| {
        let mut request = request(table, &TableOptions::default(), &[row()]);
        request.database = name(database);
        request
    };
    machine.write(into("other", "a"));
    says(&machine.try_write(into("other", "b")).unwrap_err(), "limits.tables", 3);
    says(&machine.try_write(into("third", "a")).unwrap_err(), "limits.tables", 3);
    assert!(machine.engine.catalog().database("third").is_err(), "nothing of it is left");
    let column = |name_: &str, kind, ty| NewColumn { name: name(name_), kind, ty };
    let table = NewTable {
        name: name("new"),
        columns: vec![column("time", ColumnKind::Time, ColumnType::Timestamp)],
        mode: Mode::Append,
        partition: PartitionWidth::Auto,
        codec: None,
        retention_ns: None,
    };
    let create = Command::CreateTable { database: name("other"), table, if_not_exists: false };
    says(&machine.execute(create.clone()).unwrap_err(), "limits.tables", 3);
    // What is there goes on, also after a restart; a drop makes room.
    machine.reopen();
    machine.rows("a", &[row()]);
    let (database, table) = (name("default"), name("b"));
    machine.execute(Command::DropTable { database, table, if_exists: false }).unwrap();
    machine.execute(create).unwrap();
}

#[test]
fn what_is_past_a_lowered_limit_stays_writable() {
    let mut machine = machine();
    machine.rows("a", &[row().field("w", 1)]);
    machine.rows("b", &[row()]);
    machine.close().unwrap();
    machine.options.limits =
        Limits { tables: 1, columns: 2, name_bytes: 1, ..machine.options.limits };
    machine.open().unwrap();
    machine.rows("a", &[row().field("w", 2)]);
    says(&machine.refused("b", &[row().field("w", 1)]), "limits.columns_per_table", 2);
    assert_eq!(read(&machine.engine, "b").len(), 1);
}

#[test]
fn columns_names_and_texts_are_bounded_and_a_request_is_refused_whole() {
    let machine = machine();
    machine.rows("t", &[row().field("w", 1)]);
    let wide = row().field("x", 1);
    says(&machine.refused("t", std::slice::from_ref(&wide)), "limits.columns_per_table", 3);
    says(&machine.refused("new", &[wide.field("w", 1)]), "limits.columns_per_table", 3);
    says(&machine.refused("a_long_name", &[row()]), "limits.name_bytes", 10);
    says(&machine.refused("u", &[row().field("a_long_name", 1)]), "limits.name_bytes", 10);
    let text = |bytes| Row::at(1).field("s", "x".repeat(bytes).as_str());
    machine.rows("u", &[text(20), text(20)]);
    says(&machine.refused("u", &[text(1), text(21)]), "limits.text_bytes", 20);
    let tag = Row::at(1).tag("g", &"x".repeat(21)).field("s", "");
    says(&machine.refused("u", &[tag]), "limits.text_bytes", 20);
    assert_eq!((read(&machine.engine, "t").len(), read(&machine.engine, "u").len()), (1, 2));
}

#[test]
fn series_are_bounded_by_name() {
    let limits = Limits { series: 2, ..Limits::default() };
    let machine = Machine::with(Options { limits, ..small_options() });
    let of = |host: &str| row().tag("host", host);
    let many = [of("a"), of("b"), of("c")];
    says(&machine.refused("t", &many), "limits.series_per_table", 2);
    machine.rows("t", &many[..2]);
}

#[test]
fn a_request_may_make_thousands_of_tables() {
    let machine =
        Machine::with(Options { flush_bytes: 1 << 30, memtable_bytes: 1 << 30, ..small_options() });
    let tables =
        (0..3_000).map(|n| table_write(&format!("t{n}"), &TableOptions::default(), None, &[row()]));
    machine.write(requests(tables.collect()));
    assert_eq!(machine.engine.catalog().tables().count(), 3_000);
}
