//! Data directories of earlier versions open for ever.
//!
//! `tests/golden/<n>/` holds the files of a directory as version n of the formats wrote them: a log
//! file with rows of every type, a checkpoint with delete bitmaps, an edit, segments and row id
//! indexes. In 1 all segments are Parquet, in 2 all are hot, most of them
//! in shared objects; from 3 on a log file defines a tag set once. A change of a format adds a directory
//! and leaves the old ones alone.
//! `PULSORA_BLESS=1` writes the newest anew, while it is not released.

use std::fs;
use std::path::{Path, PathBuf};

use pulsora_env::sim::Simulation;
use pulsora_model::schema::TableOptions;
use pulsora_storage::{Engine, Options};

use crate::machine::{DIR, Machine, small_options};
use crate::rows::{Row, Value, read, request, with_ids};

const NEWEST: &str = "3";

fn golden_dir(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version)
}

fn options() -> Options {
    Options { wal_file_bytes: 16 << 10, reserve_bytes: 0, checkpoint_edits: 4, ..small_options() }
}

fn every_type(n: i64) -> Row {
    Row::at(n)
        .tag("host", "a")
        .field("int", -n)
        .field("float", n as f64 / 4.0)
        .field("flag", n % 2 == 0)
        .field("text", format!("row {n}").as_str())
        .field("widened", Value::Int(n))
        .null("never")
}

/// A directory with every kind of file, as a killed process leaves it.
fn written() -> Machine {
    let machine = Machine::with(options());
    let ids = |rows: &[Row]| {
        machine.write(request("with ids", &with_ids(), rows));
    };
    let upsert = |row: Row| {
        machine.write(request("upsert/ü", &TableOptions::upsert(), &[row]));
    };
    machine.rows("append", &[every_type(1), every_type(2)]);
    ids(&[Row::at(1).field("v", 1), Row::at(2).id(9).field("v", 2), Row::at(3)]);
    upsert(Row::at(1).tag("host", "a").field("x", 1).field("y", 1));
    machine.flush();
    ids(&[Row::at(4).id(9).field("v", 4)]);
    machine.flush();
    upsert(Row::at(1).tag("host", "a").field("y", 2));
    machine.flush();
    machine.rows("append", &[Row::at(3).field("widened", 0.5)]);
    machine.flush();
    machine.rows("append", &[every_type(4), Row::at(5).tag("rack", "r")]);
    ids(&[Row::at(5), Row::at(6).id(1).field("v", 6)]);
    upsert(Row::at(1).tag("host", "a").field("x", 3).field("z", true));
    machine
}

const APPEND: [&str; 5] = [
    "flag=false float=0.25 host=a int=-1 text=\"row 1\" time=1 widened=1.0",
    "flag=true float=0.5 host=a int=-2 text=\"row 2\" time=2 widened=2.0",
    "time=3 widened=0.5",
    "flag=true float=1.0 host=a int=-4 text=\"row 4\" time=4 widened=4.0",
    "rack=r time=5",
];
const WITH_IDS: [&str; 4] =
    ["id=11u time=3", "id=9u time=4 v=4", "id=12u time=5", "id=1u time=6 v=6"];
const WITH_IDS_FIRST: &str = "id=10u time=1 v=1";
const UPSERT: [&str; 1] = ["host=a time=1 x=3 y=2 z=true"];

fn check(engine: &Engine) {
    assert_eq!(read(engine, "append"), APPEND);
    let with_ids = read(engine, "with ids");
    assert_eq!(with_ids[0], WITH_IDS_FIRST);
    assert_eq!(with_ids[1..], WITH_IDS);
    assert_eq!(read(engine, "upsert/ü"), UPSERT);
}

/// Copies the files of the data directory, without those that mean nothing to a reader.
fn bless(machine: &Machine) {
    let root = golden_dir(NEWEST);
    let _absent = fs::remove_dir_all(&root);
    for dir in ["wal", "manifest", "cold", "hot"] {
        for path in machine.list(dir) {
            let to = root.join(path.strip_prefix(DIR).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, machine.bytes(&path)).unwrap();
        }
    }
}

/// A world whose disk holds the files below `from`.
fn restored(from: &Path) -> Simulation {
    let world = Simulation::new(7);
    copy(&world, from, Path::new(DIR));
    world
}

fn copy(world: &Simulation, from: &Path, to: &Path) {
    let files = world.files.mount();
    files.create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(world, &from, &to);
        } else {
            files.create(&to).unwrap().write_at(&fs::read(&from).unwrap(), 0).unwrap();
        }
    }
}

#[test]
fn directories_of_every_version_open() {
    let fresh = written();
    check(&fresh.engine);
    if std::env::var_os("PULSORA_BLESS").is_some() {
        bless(&fresh);
    }
    for version in fs::read_dir(golden_dir("")).unwrap() {
        let dir = version.unwrap().path();
        let world = restored(&dir);
        let engine = Engine::open(world.env(), options()).unwrap();
        let machine = Machine { world, options: options(), engine };
        check(&machine.engine);
        let stats = machine.engine.stats();
        assert!(stats.memtable_rows > 0 && stats.segments > 0 && stats.deleted_rows > 0, "{dir:?}");
        machine.flush();
        check(&machine.engine);
    }
}
