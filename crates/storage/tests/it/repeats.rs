//! Requests with idempotency keys: sent again they store nothing, also after crashes, and when the log
//! files with their records are gone.

use std::time::Duration;

use pulsora_model::schema::TableOptions;
use pulsora_model::{Code, Sequence};
use pulsora_storage::{
    Command, Durability, FlushFilter, IdempotencyKey, Options, Receipt, WriteRequest,
};

use crate::machine::{Machine, small_options};
use crate::rows::{Row, name, read, request};

fn keyed(key: &str, rows: &[Row]) -> WriteRequest {
    let key = Some(IdempotencyKey::parse(key).unwrap());
    WriteRequest { key, ..request("t", &TableOptions::default(), rows) }
}

fn row(n: i64) -> WriteRequest {
    keyed(&format!("client/{n}"), &[Row::at(n).field("v", n)])
}

fn expected(numbers: impl IntoIterator<Item = i64>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("time={n} v={n}")).collect()
}

#[test]
fn a_repeat_stores_nothing_and_is_answered_with_the_first_sequence() {
    let machine = Machine::new();
    let first = machine.write(row(1));
    machine.write(row(2));
    let again = machine.write(row(1));
    assert_eq!(again, Receipt { changed: false, duplicate: true, ..first });
    assert_eq!(read(&machine.engine, "t"), expected([1, 2]));
    let stats = machine.engine.stats();
    assert_eq!((stats.rows_written, stats.duplicate_writes), (2, 1));
    assert_eq!((stats.dedup_clients, stats.dedup_keys), (1, 2));
}

#[test]
fn a_repeat_in_the_group_of_its_first_waits_for_it() {
    let machine = Machine::new();
    let mut pending: Vec<_> = (0..3).map(|_| machine.engine.write(row(1))).collect();
    machine.settle();
    let receipts: Vec<Receipt> =
        pending.iter_mut().map(|p| p.try_take().unwrap().unwrap()).collect();
    assert!(!receipts[0].duplicate && receipts[1].duplicate && receipts[2].duplicate);
    assert!(receipts.iter().all(|receipt| receipt.sequence == receipts[0].sequence));
    assert_eq!(read(&machine.engine, "t"), expected([1]));
}

#[test]
fn a_repeat_of_what_failed_is_a_first() {
    let machine = Machine::new();
    machine.write(row(1));
    let mut unfit = machine.engine.write(keyed("client/2", &[Row::at(2).field("v", "text")]));
    let mut fit = machine.engine.write(row(2));
    machine.settle();
    assert_eq!(unfit.try_take().unwrap().unwrap_err().code(), Code::SchemaMoved);
    assert!(!fit.try_take().unwrap().unwrap().duplicate);
    machine.world.files.fail_next_write();
    let mut both = [machine.engine.write(row(3)), machine.engine.write(row(3))];
    machine.settle();
    assert!(both.iter_mut().all(|pending| pending.try_take().unwrap().is_err()));
    assert!(!machine.write(row(3)).duplicate);
    assert_eq!(read(&machine.engine, "t"), expected(1..=3));
}

#[test]
fn keys_are_recovered_from_the_log_and_from_the_manifest() {
    let mut machine = Machine::new();
    machine.write(row(1));
    machine.power_cut();
    assert!(machine.write(row(1)).duplicate, "from the log");
    machine.flush();
    machine.kill();
    machine.settle();
    assert_eq!(machine.list("wal").len(), 0, "rows and keys are in segments and manifest");
    assert!(machine.write(row(1)).duplicate, "from an edit");
    for n in 2..40 {
        machine.write(row(n));
        machine.flush();
    }
    machine.reopen();
    assert_eq!(machine.list("wal").len(), 0);
    for n in 1..40 {
        assert!(machine.write(row(n)).duplicate, "from a checkpoint: {n}");
    }
    assert_eq!(read(&machine.engine, "t"), expected(1..40));
}

#[test]
fn keys_alone_let_log_files_go() {
    let machine = Machine::with(Options { flush_bytes: 1 << 30, ..small_options() });
    for n in 0..60 {
        let text = "x".repeat(4_000);
        machine.write(keyed(&format!("c/{n}"), &[Row::at(n).field("text", text.as_str())]));
    }
    // The rows are dropped, so no flush needs an edit.
    let (database, table) = (name("default"), name("t"));
    machine.execute(Command::DropTable { database, table, if_exists: false }).unwrap();
    machine.settle();
    assert_eq!(machine.list("wal").len(), 1, "the file that is being written");
    assert!(machine.write(keyed("c/0", &[Row::at(0).field("text", "")])).duplicate);
}

#[test]
fn what_a_power_cut_takes_is_a_first_again() {
    let mut machine = Machine::new();
    machine.write(row(1));
    let mut lost = 0;
    for n in 2..20 {
        let weak = WriteRequest { durability: Durability::Async, ..row(n) };
        machine.write(weak.clone());
        assert!(machine.write(weak).duplicate);
        machine.power_cut();
        let there = read(&machine.engine, "t").len() as i64 == n;
        assert_eq!(machine.write(row(n)).duplicate, there, "row and key share their fate");
        assert_eq!(read(&machine.engine, "t"), expected(1..=n));
        lost += u32::from(!there);
    }
    assert!(lost > 0, "the power cuts took nothing");
}

#[test]
fn a_repeat_that_asks_for_a_sync_gets_it() {
    let mut machine = Machine::new();
    machine.write(row(1));
    machine.write(WriteRequest { durability: Durability::Async, ..row(2) });
    assert!(machine.write(row(2)).duplicate);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected([1, 2]));
}

#[test]
fn without_the_log_no_key_is_remembered() {
    let machine = Machine::new();
    let off = WriteRequest { durability: Durability::Off, ..row(1) };
    machine.write(off.clone());
    assert!(!machine.write(off).duplicate);
    assert_eq!(read(&machine.engine, "t").len(), 2);
}

#[test]
fn pieces_of_a_body_count_alone() {
    let machine = Machine::new();
    let piece = |piece: u32, n: i64| {
        let mut request = row(n);
        request.key = Some(IdempotencyKey::new("client", 9).unwrap().piece(piece));
        request
    };
    machine.write(piece(0, 1));
    machine.write(piece(1, 2));
    assert!(machine.write(piece(0, 1)).duplicate && machine.write(piece(1, 2)).duplicate);
    assert!(!machine.write(piece(2, 3)).duplicate);
    assert_eq!(read(&machine.engine, "t"), expected(1..=3));
}

#[test]
fn old_numbers_and_idle_clients_are_forgotten() {
    let mut machine = Machine::new();
    for n in [1, 2, 1_025] {
        machine.write(row(n));
    }
    assert_eq!(machine.try_write(row(1)).unwrap_err().code(), Code::KeyForgotten);
    assert!(machine.write(row(2)).duplicate);
    machine.pass(Duration::from_secs(601));
    assert_eq!(machine.engine.stats().dedup_clients, 0);
    machine.reopen();
    assert_eq!(machine.engine.stats().dedup_clients, 0, "the manifest forgets as well");
    assert!(!machine.write(row(2)).duplicate);
}

#[test]
fn a_client_too_many_is_refused_before_anything_is_stored() {
    let machine = Machine::with(Options { dedup_clients: 1, ..small_options() });
    machine.write(row(1));
    let other = keyed("other/1", &[Row::at(2).field("v", 2)]);
    assert_eq!(machine.try_write(other.clone()).unwrap_err().code(), Code::Overloaded);
    let mut unnamed = other;
    unnamed.key = None;
    assert!(machine.write(unnamed).sequence > Sequence(1));
    let flushed = machine.answer(machine.engine.flush(FlushFilter::default())).unwrap();
    assert!(!flushed.duplicate);
    assert_eq!(read(&machine.engine, "t"), expected([1, 2]));
}
