//! The manifest: checkpoints, gaps, damage; and what a start does with files that it does not name.

use std::path::Path;

use pulsora_model::Code;

use crate::machine::{DIR, Machine, no_rewrites};
use crate::rows::{Row, read};

/// An engine that has committed `count` flushes, crashed after the last.
fn flushed(count: i64) -> Machine {
    let machine = Machine::with(no_rewrites());
    for n in 1..=count {
        machine.rows("t", &[Row::at(n).field("v", n)]);
        machine.flush();
    }
    machine
}

fn names(machine: &Machine) -> Vec<String> {
    let name = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    machine.list("manifest").iter().map(name).collect()
}

#[test]
fn checkpoints_replace_edits() {
    // The first edit is the opening; a checkpoint comes with every fifth.
    let mut machine = flushed(5);
    assert_eq!(names(&machine), ["00000000000000000005.checkpoint", "00000000000000000006.edit"]);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t").len(), 5);
    assert_eq!(machine.engine.stats().segments, 5);
}

fn refusal(machine: &mut Machine) -> pulsora_model::Error {
    machine.world.restart();
    machine.open().unwrap_err()
}

#[test]
fn a_missing_edit_is_refused() {
    let mut machine = flushed(3);
    machine.remove(&Path::new(DIR).join("manifest/00000000000000000002.edit"));
    let error = refusal(&mut machine);
    assert_eq!(error.code(), Code::Corrupt);
    assert!(error.message().contains("edit 2 is missing"), "{error}");
}

#[test]
fn a_missing_checkpoint_is_refused() {
    let mut machine = flushed(5);
    machine.remove(&Path::new(DIR).join("manifest/00000000000000000005.checkpoint"));
    assert_eq!(refusal(&mut machine).code(), Code::Corrupt);
}

#[test]
fn every_damaged_byte_of_the_manifest_is_refused() {
    for file in ["00000000000000000005.checkpoint", "00000000000000000006.edit"] {
        let path = Path::new(DIR).join("manifest").join(file);
        for part in 0..10 {
            let mut machine = flushed(5);
            let len = machine.bytes(&path).len() as u64;
            machine.damage(&path, part * (len - 1) / 9);
            let error = refusal(&mut machine);
            assert_eq!(error.code(), Code::Corrupt, "{file}, part {part}: {error}");
        }
    }
}

#[test]
fn objects_that_nothing_names_are_removed_at_start() {
    let mut machine = flushed(1);
    let [segment] = &machine.objects()[..] else { panic!("one segment") };
    let dir = segment.parent().unwrap().to_owned();
    for name in ["lost.parquet", "half.parquet.0123.tmp"] {
        let file = machine.files().create(&dir.join(name)).unwrap();
        file.write_at(b"bytes", 0).unwrap();
        file.sync_all().unwrap();
    }
    machine.files().sync_dir(&dir).unwrap();
    machine.kill();
    assert_eq!(machine.objects().len(), 1);
    assert_eq!(read(&machine.engine, "t").len(), 1);
}
