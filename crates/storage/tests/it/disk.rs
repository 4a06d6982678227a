//! A full disk and a disk that fails.

use std::path::Path;
use std::time::Duration;

use pulsora_model::{Code, Error};
use pulsora_storage::{Engine, FlushFilter, Options};

use crate::machine::{DIR, Machine, small_options};
use crate::rows::{Row, read};

const CAPACITY: u64 = 1 << 40;

/// Leaves `bytes` free on the disk.
fn leave_free(machine: &Machine, bytes: u64) {
    let free = machine.files().free_bytes(Path::new(DIR)).unwrap();
    machine.world.files.set_capacity(CAPACITY - free + bytes);
}

/// A row that takes some log.
fn wide(n: i64) -> [Row; 1] {
    [Row::at(n).field("text", "x".repeat(3_000).as_str())]
}

/// Writes until a write is refused; gives how many were taken, and the error.
fn fill(machine: &Machine) -> (i64, Error) {
    for n in 0..1_000 {
        let write = crate::rows::request("t", &Default::default(), &wide(n));
        if let Err(error) = machine.try_write(write) {
            return (n, error);
        }
    }
    panic!("the disk never fills");
}

fn tight() -> Options {
    Options {
        reserve_bytes: 1 << 20,
        flush_bytes: 1 << 30,
        memtable_bytes: 1 << 30,
        ..small_options()
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_space_again() {
    let mut machine = Machine::with(tight());
    leave_free(&machine, 200 << 10);
    let (taken, error) = fill(&machine);
    assert_eq!(error.code(), Code::DiskFull);
    assert!(machine.engine.stats().disk_full);
    assert_eq!(read(&machine.engine, "t").len() as i64, taken, "reads go on");
    assert_eq!(machine.refused("t", &wide(-1)).code(), Code::DiskFull);

    // What comes from the reserve: a flush, and a drop.
    let receipt = machine.answer(machine.engine.flush(FlushFilter::default())).unwrap();
    assert_eq!(receipt.rows as i64, taken);
    assert_eq!(machine.engine.stats().memtable_rows, 0);
    assert_eq!(read(&machine.engine, "t").len() as i64, taken);

    machine.world.files.set_capacity(CAPACITY);
    machine.pass(Duration::from_secs(3));
    assert!(!machine.engine.stats().disk_full);
    machine.rows("t", &wide(taken));
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t").len() as i64, taken + 1);
}

#[test]
fn a_flush_takes_the_reserve_itself() {
    let machine = Machine::with(Options { wal_file_bytes: 4 << 20, ..tight() });
    machine.rows("t", &wide(1));
    leave_free(&machine, 0);
    let receipt = machine.answer(machine.engine.flush(FlushFilter::default())).unwrap();
    assert_eq!(receipt.rows, 1);
    assert_eq!(machine.refused("t", &wide(2)).code(), Code::DiskFull, "the reserve is not whole");
}

#[test]
fn a_full_disk_can_be_opened_read_and_freed() {
    let mut machine = Machine::with(tight());
    leave_free(&machine, 200 << 10);
    let (taken, _) = fill(&machine);
    machine.world.restart_after_kill();
    leave_free(&machine, 0);
    machine.open().unwrap();
    assert_eq!(read(&machine.engine, "t").len() as i64, taken);
    let command = pulsora_storage::Command::DropTable {
        database: crate::rows::name("default"),
        table: crate::rows::name("t"),
        if_exists: false,
    };
    machine.execute(command).unwrap();
    assert!(machine.engine.catalog().find_table("default", "t").is_none());
}

#[test]
fn a_failed_sync_refuses_all_writes_and_shows_none_of_them() {
    let mut machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("v", 1)]);
    machine.world.files.fail_next_sync();
    let error = machine.refused("t", &[Row::at(2).field("v", 2)]);
    assert_eq!(error.code(), Code::WritesRefused);
    assert_eq!(read(&machine.engine, "t"), ["time=1 v=1"]);
    let refused = |machine: &Machine| machine.refused("t", &[Row::at(3).field("v", 3)]).code();
    assert_eq!(refused(&machine), Code::WritesRefused);
    machine.pass(Duration::from_secs(5_000));
    assert_eq!(read(&machine.engine, "t"), ["time=1 v=1"], "no seal shows refused rows");
    assert_eq!(refused(&machine), Code::WritesRefused);
    let flush = machine.answer(machine.engine.flush(FlushFilter::default()));
    assert_eq!(flush.unwrap_err().code(), Code::WritesRefused);
    assert!(machine.engine.stats().poisoned.is_some());

    machine.power_cut();
    assert_eq!(read(&machine.engine, "t")[0], "time=1 v=1");
    machine.rows("t", &[Row::at(4).field("v", 4)]);
}

#[test]
fn what_is_seen_after_a_failed_sync_and_a_kill_stays() {
    for seed in 0..20 {
        let world = pulsora_env::sim::Simulation::new(seed);
        let engine = Engine::open(world.env(), small_options()).unwrap();
        let mut machine = Machine { world, options: small_options(), engine };
        machine.rows("t", &[Row::at(1).field("v", 1)]);
        machine.world.files.fail_next_sync();
        machine.refused("t", &[Row::at(2).field("v", 2)]);
        machine.kill();
        let seen = read(&machine.engine, "t");
        machine.rows("u", &[Row::at(1).field("v", 1)]);
        machine.power_cut();
        assert_eq!(read(&machine.engine, "t"), seen, "seed {seed}");
    }
}

#[test]
fn a_failed_write_is_refused_and_the_next_one_takes_its_place() {
    let mut machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("v", 1)]);
    machine.world.files.fail_next_write();
    let error = machine.refused("t", &[Row::at(2).field("new", "column")]);
    assert_eq!(error.code(), Code::Io);
    let schema = machine.engine.catalog().table("default", "t").unwrap();
    assert!(schema.column("new").is_none());
    machine.rows("t", &[Row::at(3).field("v", 3)]);
    let expected = ["time=1 v=1", "time=3 v=3"];
    assert_eq!(read(&machine.engine, "t"), expected);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected);
}

/// The header of the new file may be on disk although its write has failed; replay then ends the old
/// file where the new one begins.
#[test]
fn after_a_log_file_that_was_begun_in_vain_nothing_follows_in_the_old_one() {
    for seed in 0..20 {
        let world = pulsora_env::sim::Simulation::new(seed);
        let engine = Engine::open(world.env(), tight()).unwrap();
        let mut machine = Machine { world, options: tight(), engine };
        for n in 0..10 {
            machine.rows("t", &wide(n));
        }
        let large = "x".repeat(machine.options.wal_file_bytes as usize);
        machine.world.files.fail_next_write();
        machine.refused("t", &[Row::at(10).field("text", large.as_str())]);
        machine.rows("t", &wide(11));
        machine.kill();
        assert_eq!(read(&machine.engine, "t").len(), 11, "seed {seed}");
    }
}

#[test]
fn a_flush_that_fails_is_tried_again() {
    let machine = Machine::new();
    machine.rows("t", &[Row::at(1).field("v", 1)]);
    machine.world.files.fail_next_write();
    let error = machine.answer(machine.engine.flush(FlushFilter::default())).unwrap_err();
    assert_eq!(error.code(), Code::Io);
    assert_eq!(read(&machine.engine, "t"), ["time=1 v=1"]);
    machine.rows("t", &[Row::at(2).field("v", 2)]);
    machine.pass(Duration::from_secs(3));
    assert_eq!(machine.engine.stats().segments, 1);
    assert_eq!(machine.engine.stats().flush_errors, 1);
    assert_eq!(read(&machine.engine, "t"), ["time=1 v=1", "time=2 v=2"]);
}
