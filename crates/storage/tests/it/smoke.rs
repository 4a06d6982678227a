//! The first complete path on real files.

use pulsora_env::Env;
use pulsora_model::schema::TableOptions;
use pulsora_storage::{Engine, FlushFilter, Options};

use crate::rows::{Row, read, request};

#[test]
fn rows_are_there_after_write_flush_close_and_open() {
    let dir = tempfile::tempdir().unwrap();
    let options =
        Options { reserve_bytes: 1 << 20, wal_file_bytes: 1 << 20, ..Options::new(dir.path()) };
    let engine = Engine::open(Env::real(), options.clone()).unwrap();
    let rows = [
        Row::at(2_000).tag("host", "b").field("load", 0.5),
        Row::at(1_000).tag("host", "a").field("load", 1.5).field("up", true),
    ];
    let receipt = engine.write(request("cpu", &TableOptions::default(), &rows)).wait().unwrap();
    assert_eq!((receipt.rows, receipt.changed), (2, true));
    let expected = ["host=a load=1.5 time=1000 up=true", "host=b load=0.5 time=2000"];
    assert_eq!(read(&engine, "cpu"), expected);

    let receipt = engine.flush(FlushFilter::default()).wait().unwrap();
    assert_eq!((receipt.rows, receipt.changed), (2, true));
    assert_eq!(engine.stats().segments, 1);
    assert_eq!(engine.stats().memtable_rows, 0);
    assert_eq!(read(&engine, "cpu"), expected);

    let late = [Row::at(3_000).tag("host", "a").field("load", 2.5)];
    engine.write(request("cpu", &TableOptions::default(), &late)).wait().unwrap();
    engine.close().unwrap();
    let engine = Engine::open(Env::real(), options).unwrap();
    assert_eq!(read(&engine, "cpu").len(), 3);
    assert_eq!(read(&engine, "cpu")[..2], expected);
    assert_eq!(read(&engine, "cpu")[2], "host=a load=2.5 time=3000");
    assert_eq!(engine.stats().segments, 2, "closing flushed what was left");
    engine.close().unwrap();
}
