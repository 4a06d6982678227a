//! Opening, closing, and time.

use std::time::Duration;

use pulsora_model::Code;
use pulsora_model::schema::TableOptions;
use pulsora_storage::{Engine, FlushFilter};

use crate::machine::Machine;
use crate::rows::{Row, read, request};

fn row(n: i64) -> [Row; 1] {
    [Row::at(n).field("v", n)]
}

#[test]
fn a_second_engine_on_the_same_directory_is_refused() {
    let machine = Machine::new();
    let error = Engine::open(machine.world.env(), machine.options.clone()).err().unwrap();
    assert_eq!(error.code(), Code::Locked);
    assert!(error.message().contains("/data"), "{error}");
    machine.close().unwrap();
    Engine::open(machine.world.env(), machine.options.clone()).unwrap();
}

#[test]
fn a_close_flushes_what_was_accepted_and_refuses_what_comes_later() {
    let mut machine = Machine::new();
    let options = TableOptions::default();
    let accepted = machine.engine.write(request("t", &options, &row(1)));
    let closed = machine.engine.begin_close();
    let late = machine.engine.write(request("t", &options, &row(2)));
    let flush = machine.engine.flush(FlushFilter::default());
    let again = machine.engine.begin_close();
    machine.answer(accepted).unwrap();
    machine.answer(closed).unwrap();
    for late in [late, flush, again] {
        assert_eq!(machine.answer(late).unwrap_err().code(), Code::Closed);
    }
    machine.engine.close().unwrap();
    assert_eq!(read(&machine.engine, "t"), ["time=1 v=1"], "reads go on");
    assert_eq!(machine.engine.stats().memtable_rows, 0);
    assert!(machine.engine.is_closing());
    machine.open().unwrap();
    assert_eq!(read(&machine.engine, "t"), ["time=1 v=1"]);
}

#[test]
fn old_rows_are_flushed_by_age_and_small_ones_wait_longer() {
    let machine = Machine::new();
    machine.rows("t", &row(1));
    machine.pass(Duration::from_secs(700));
    assert_eq!(machine.engine.stats().segments, 0);
    machine.world.clock.advance(3_000 * 1_000_000_000);
    machine.pass(Duration::from_secs(2));
    assert_eq!(machine.engine.stats().segments, 1);
}

#[test]
fn a_clock_that_goes_back_is_harmless() {
    let mut machine = Machine::new();
    for n in 1..=4 {
        machine.rows("t", &row(n));
        machine.flush();
        machine.world.clock.shift_wall(-400 * 24 * 3_600 * 1_000_000_000);
        machine.power_cut();
    }
    assert_eq!(read(&machine.engine, "t").len(), 4);
    machine.reopen();
    assert_eq!(read(&machine.engine, "t").len(), 4);
}

#[test]
fn sequences_rise_over_restarts_whatever_is_left_of_the_log() {
    let mut machine = Machine::new();
    let mut last = 0;
    for n in 1..=6 {
        let receipt = machine.write(request("t", &TableOptions::default(), &row(n)));
        assert!(receipt.sequence.0 > last);
        last = receipt.sequence.0;
        if n % 2 == 0 { machine.reopen() } else { machine.power_cut() }
    }
}
