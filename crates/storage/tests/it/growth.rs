//! Schemas that grow: new columns, integers that become floats, columns without a type yet, and
//! requests that were parsed against an older schema.

use pulsora_model::schema::TableOptions;
use pulsora_model::{Code, ColumnType};

use crate::machine::Machine;
use crate::rows::{Row, read, request, requests, table_write};

fn column_type(machine: &Machine, table: &str, column: &str) -> ColumnType {
    let schema = machine.engine.catalog().table("default", table).unwrap();
    schema.column(column).unwrap().ty
}

#[test]
fn new_columns_are_null_in_old_rows() {
    let mut machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("a", 1)]);
    machine.flush();
    machine.rows("t", &[Row::at(2).field("b", "x").tag("host", "h")]);
    let expected = ["a=1 time=1", "b=\"x\" host=h time=2"];
    assert_eq!(read(&machine.engine, "t"), expected);
    machine.kill();
    assert_eq!(read(&machine.engine, "t"), expected);
    machine.reopen();
    assert_eq!(read(&machine.engine, "t"), expected);
}

#[test]
fn a_float_widens_integers_wherever_they_lie() {
    let mut machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("v", 1)]);
    machine.flush();
    machine.rows("t", &[Row::at(2).field("v", 2)]);
    // Both in one group, the integers first.
    let options = TableOptions::default();
    let ints = machine.engine.write(request("t", &options, &[Row::at(3).field("v", 3)]));
    machine.rows("t", &[Row::at(4).field("v", 4.5)]);
    machine.answer(ints).unwrap();
    machine.rows("t", &[Row::at(5).field("v", 5)]);
    let expected: Vec<String> = [(1, "1.0"), (2, "2.0"), (3, "3.0"), (4, "4.5"), (5, "5.0")]
        .map(|(time, v)| format!("time={time} v={v}"))
        .into();
    assert_eq!(read(&machine.engine, "t"), expected);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected);
    assert_eq!(column_type(&machine, "t", "v"), ColumnType::F64);
    machine.flush();
    assert_eq!(read(&machine.engine, "t"), expected);
}

/// 2^53 + 1: the first integer that no float is.
const INEXACT: i64 = (1 << 53) + 1;

#[test]
fn integers_beyond_2_to_53_in_a_memtable_forbid_to_widen() {
    let machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("v", INEXACT)]);
    let error = machine.refused("t", &[Row::at(2).field("v", 0.5)]);
    assert!(error.message().contains("\"v\"") && error.message().contains("2^53"), "{error}");
    assert_eq!(column_type(&machine, "t", "v"), ColumnType::I64);
    assert_eq!(read(&machine.engine, "t"), [format!("time=1 v={INEXACT}")]);
}

#[test]
fn integers_beyond_2_to_53_in_a_segment_forbid_to_widen() {
    let mut machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("v", -INEXACT)]);
    machine.flush();
    machine.reopen();
    machine.refused("t", &[Row::at(2).field("v", 0.5)]);
    assert_eq!(column_type(&machine, "t", "v"), ColumnType::I64);
}

#[test]
fn integers_beyond_2_to_53_in_the_same_group_forbid_to_widen() {
    let machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("v", 1)]);
    let options = TableOptions::default();
    let big = machine.engine.write(request("t", &options, &[Row::at(2).field("v", INEXACT)]));
    machine.refused("t", &[Row::at(3).field("v", 0.5)]);
    machine.answer(big).unwrap();
    assert_eq!(read(&machine.engine, "t").len(), 2);
}

#[test]
fn an_integer_that_is_no_float_is_refused_in_a_float_column() {
    let machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("v", 0.5)]);
    machine.rows("t", &[Row::at(2).field("v", 1 << 53)]);
    machine.refused("t", &[Row::at(3).field("v", INEXACT)]);
    assert_eq!(read(&machine.engine, "t").len(), 2);
}

#[test]
fn a_column_without_values_takes_the_type_of_the_first() {
    let mut machine = Machine::new();
    machine.rows("t", &[Row::at(1).null("v").field("a", true)]);
    assert_eq!(column_type(&machine, "t", "v"), ColumnType::Untyped);
    machine.flush();
    machine.rows("t", &[Row::at(2).field("v", "text")]);
    assert_eq!(column_type(&machine, "t", "v"), ColumnType::Utf8);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), ["a=true time=1", "time=2 v=\"text\""]);
}

#[test]
fn rows_parsed_against_an_older_schema_are_fitted_or_refused() {
    let machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("a", 1)]);
    let old = machine.engine.catalog().table("default", "t").unwrap();
    machine.rows("t", &[Row::at(2).field("a", 0.5).field("b", 1)]);
    let options = TableOptions::default();
    let write = |row| requests(vec![table_write("t", &options, Some(old.clone().into()), &[row])]);
    machine.write(write(Row::at(3).field("a", 3)));
    let error = machine.try_write(write(Row::at(4).field("b", "text"))).unwrap_err();
    assert_eq!(error.code(), Code::SchemaMoved, "{error}");
    let error = machine.try_write(write(Row::at(4).tag("b", "text"))).unwrap_err();
    assert_eq!(error.code(), Code::SchemaMoved, "{error}");
    assert_eq!(read(&machine.engine, "t"), ["a=1.0 time=1", "a=0.5 b=1 time=2", "a=3.0 time=3"]);
}

#[test]
fn a_request_for_several_tables_is_stored_whole_or_not_at_all() {
    let mut machine = Machine::new();
    machine.rows("b", &[Row::at(1).field("v", true)]);
    let options = TableOptions::default();
    let part = |table, row| table_write(table, &options, None, &[row]);
    let tables =
        vec![part("a", Row::at(2).field("v", 1)), part("b", Row::at(2).field("v", "no bool"))];
    machine.try_write(requests(tables)).unwrap_err();
    assert!(machine.engine.catalog().find_table("default", "a").is_none());
    assert_eq!(machine.engine.stats().memtable_rows, 1);
    let tables = vec![part("a", Row::at(3).field("v", 1)), part("b", Row::at(3).field("v", false))];
    assert_eq!(machine.write(requests(tables)).rows, 2);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "a"), ["time=3 v=1"]);
    assert_eq!(read(&machine.engine, "b"), ["time=1 v=true", "time=3 v=false"]);
}
