//! The log after crashes and damage, and when its files go.

use std::path::PathBuf;
use std::time::Duration;

use pulsora_model::Code;
use pulsora_model::schema::TableOptions;
use pulsora_storage::{Durability, Options, Recover, WriteRequest};

use crate::machine::{Machine, small_options};
use crate::rows::{Row, read, request};

/// The unit of the log.
const PAGE: u64 = 4096;

fn row(n: i64) -> [Row; 1] {
    [Row::at(n).field("v", n)]
}

fn written(count: i64) -> Machine {
    let machine = Machine::new();
    for n in 1..=count {
        machine.rows("t", &row(n));
    }
    machine
}

fn log_files(machine: &Machine) -> Vec<PathBuf> {
    machine.list("wal")
}

fn expected(numbers: impl IntoIterator<Item = i64>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("time={n} v={n}")).collect()
}

#[test]
fn a_torn_end_starts_cleanly() {
    let mut machine = written(3);
    let files = log_files(&machine);
    // The third group, behind the header and two others; nothing says that it had been on disk.
    machine.damage(&files[0], 3 * PAGE + 70);
    machine.kill();
    assert_eq!(read(&machine.engine, "t"), expected(1..=2));
    let stats = machine.engine.stats();
    assert_eq!((stats.torn_groups, stats.skipped_groups), (1, 0));
    machine.rows("t", &row(4));
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected([1, 2, 4]), "a torn end stays behind");
}

#[test]
fn damage_before_a_group_that_proves_it_is_refused() {
    let mut machine = written(3);
    let files = log_files(&machine);
    machine.damage(&files[0], 2 * PAGE + 70);
    machine.world.restart();
    let error = machine.open().unwrap_err();
    assert_eq!(error.code(), Code::Corrupt);
    assert!(error.message().contains("log file 1") && error.message().contains("8192"), "{error}");
    assert!(error.hint_text().unwrap().contains("--recover=skip-corrupt"), "{error}");

    machine.options.recover = Recover::SkipCorrupt;
    machine.world.restart();
    machine.open().unwrap();
    assert_eq!(read(&machine.engine, "t"), expected([1, 3]));
    assert_eq!(machine.engine.stats().skipped_groups, 1);
    machine.rows("t", &row(4));
    machine.flush();
    machine.options.recover = Recover::Strict;
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected([1, 3, 4]), "the damaged file has gone");
}

#[test]
fn damage_in_an_older_file_is_refused_even_at_its_end() {
    let mut machine = written(2);
    machine.kill();
    machine.rows("t", &row(3));
    let files = log_files(&machine);
    assert_eq!(files.len(), 2);
    machine.damage(&files[0], 2 * PAGE);
    machine.world.restart();
    assert_eq!(machine.open().unwrap_err().code(), Code::Corrupt);
    machine.options.recover = Recover::SkipCorrupt;
    machine.world.restart();
    machine.open().unwrap();
    assert_eq!(read(&machine.engine, "t"), expected([1, 3]));
}

#[test]
fn a_missing_file_in_the_middle_is_refused() {
    let mut machine = written(1);
    for n in 2..=3 {
        machine.kill();
        machine.rows("t", &row(n));
    }
    let files = log_files(&machine);
    assert_eq!(files.len(), 3);
    machine.remove(&files[1]);
    machine.world.restart();
    assert_eq!(machine.open().unwrap_err().code(), Code::Corrupt);
}

#[test]
fn skipping_goes_on_when_the_making_of_a_table_is_lost() {
    let mut machine = written(1);
    machine.rows("t", &[Row::at(2).field("new", 2)]);
    machine.rows("u", &row(3));
    let files = log_files(&machine);
    machine.damage(&files[0], PAGE + 70);
    machine.options.recover = Recover::SkipCorrupt;
    machine.world.restart();
    machine.open().unwrap();
    assert!(machine.engine.catalog().find_table("default", "t").is_none());
    assert_eq!(read(&machine.engine, "u"), expected([3]));
    assert!(machine.engine.stats().skipped_groups >= 1);
    machine.rows("t", &row(4));
    assert_eq!(read(&machine.engine, "t"), expected([4]));
}

#[test]
fn log_files_go_when_their_rows_are_flushed() {
    let mut machine = written(2);
    machine.kill();
    assert_eq!(log_files(&machine).len(), 1, "its rows are in memory only");
    machine.flush();
    assert_eq!(log_files(&machine).len(), 0);
    machine.rows("t", &row(3));
    machine.close().unwrap();
    assert_eq!(log_files(&machine).len(), 0, "a clean end leaves no log");
}

#[test]
fn a_large_log_flushes_what_pins_its_oldest_file() {
    let machine =
        Machine::with(Options { flush_bytes: 1 << 30, memtable_bytes: 1 << 30, ..small_options() });
    machine.rows("slow", &row(1));
    let bytes = machine.options.wal_bytes;
    for n in 0..200 {
        let text = "x".repeat(4_000);
        machine.rows("fast", &[Row::at(n).field("text", text.as_str())]);
    }
    machine.pass(Duration::from_secs(2));
    let stats = machine.engine.stats();
    assert!(stats.wal_bytes_written > 2 * bytes, "{} bytes were logged", stats.wal_bytes_written);
    assert!(
        stats.wal_bytes <= bytes + machine.options.wal_file_bytes,
        "{} bytes are left",
        stats.wal_bytes
    );
    assert_eq!(read(&machine.engine, "slow"), expected([1]));
    assert_eq!(read(&machine.engine, "fast").len(), 200);
}

#[test]
fn a_table_without_rows_pins_nothing() {
    let machine = Machine::with(Options { flush_bytes: 1 << 30, ..small_options() });
    machine.rows("empty", &[]);
    machine.rows("flushed", &row(1));
    machine.flush();
    for n in 0..40 {
        let text = "x".repeat(4_000);
        machine.rows("fast", &[Row::at(n).field("text", text.as_str())]);
    }
    machine.flush();
    assert_eq!(log_files(&machine).len(), 1, "the file that is being written");
}

fn weaker(durability: Durability, n: i64) -> WriteRequest {
    WriteRequest { durability, ..request("t", &TableOptions::default(), &row(n)) }
}

#[test]
fn async_rows_are_visible_at_once_and_synced_by_the_timer() {
    let mut machine = written(1);
    let before = machine.engine.stats().syncs;
    machine.pass(Duration::from_secs(2));
    machine.write(weaker(Durability::Async, 2));
    assert_eq!(read(&machine.engine, "t"), expected(1..=2));
    assert_eq!(machine.engine.stats().syncs, before, "no request waited for a disk");
    machine.kill();
    assert_eq!(
        read(&machine.engine, "t"),
        expected(1..=2),
        "a kill takes nothing that was written"
    );
    machine.write(weaker(Durability::Async, 3));
    machine.pass(Duration::from_secs(2));
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected(1..=3), "the timer has synced it");
}

#[test]
fn async_rows_are_synced_as_often_as_asked() {
    let mut machine =
        Machine::with(Options { sync_interval: Duration::from_millis(50), ..small_options() });
    machine.rows("t", &row(1));
    machine.write(weaker(Durability::Async, 2));
    machine.world.clock.advance(60_000_000);
    machine.settle();
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected(1..=2));
}

#[test]
fn rows_that_are_not_logged_are_lost_with_the_process_unless_flushed() {
    let mut machine = written(1);
    machine.write(weaker(Durability::Off, 2));
    assert_eq!(read(&machine.engine, "t"), expected(1..=2));
    machine.kill();
    assert_eq!(read(&machine.engine, "t"), expected(1..=1));
    machine.write(weaker(Durability::Off, 3));
    machine.flush();
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected([1, 3]));
    machine.write(weaker(Durability::Off, 4));
    machine.reopen();
    assert_eq!(read(&machine.engine, "t"), expected([1, 3, 4]), "a clean end flushes them");
}
