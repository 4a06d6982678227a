//! `pulsora check`: a sound directory is ok, a flipped byte in any kind of file is found, and nothing
//! changes.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::run::{Server, example, pulsora, pulsora_with};

/// A directory with everything in it: hot and Parquet segments, with and without row ids, edits, and a
/// log that a killed server left.
fn directory(data: &Path) -> u64 {
    let place = ["--data-dir", data.to_str().unwrap()];
    let rows: String = (1..=100).map(|n| format!("{n},{},x\n", 1_700_000_000 + n)).collect();
    let csv = format!("id,time,v\n{rows}");
    let args = ["import", "-", "--format", "csv", "--table", "with_ids"];
    let parquet = [("PULSORA_STORAGE__HOT_FOR", "0s")];
    pulsora_with(&[&args, &place[..]].concat(), &parquet, csv.as_bytes()).ok();
    let stocks = example("stocks.csv");
    let args = ["import", stocks.to_str().unwrap(), "--table", "stocks", "--tags", "Ticker"];
    pulsora(&[&args, &place[..]].concat()).ok();
    let server = Server::start(data);
    for n in 0..5 {
        let line = format!("cpu n={n}i {n}\n");
        let args = ["import", "-", "--format", "line", "--url", &server.url];
        pulsora_with(&args, &[], line.as_bytes()).ok();
    }
    server.kill();
    12_154 + 100 + 5
}

fn check(data: &Path) -> crate::run::Ran {
    pulsora(&["check", "--data-dir", data.to_str().unwrap()])
}

/// Every file below `dir`, sorted.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Name, length and time of change of every file but `LOCK`, which tells who holds it.
fn state(dir: &Path) -> Vec<(PathBuf, u64, std::time::SystemTime)> {
    let of = |path: PathBuf| {
        let metadata = fs::metadata(&path).unwrap();
        (path, metadata.len(), metadata.modified().unwrap())
    };
    files(dir).into_iter().filter(|path| !path.ends_with("LOCK")).map(of).collect()
}

fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

#[test]
fn every_kind_of_file_is_checked_and_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let rows = directory(&data);
    let before = state(&data);
    let sound = check(&data).ok();
    assert!(sound.contains("\nok: ") || sound.starts_with("ok: "), "{sound}");
    assert!(sound.contains(" 12,259 rows\n"), "{rows}: {sound}");
    assert!(state(&data) == before, "a check changes nothing");

    let last = |suffix: &str| {
        let found = files(&data).into_iter().rfind(|path| path.to_str().unwrap().ends_with(suffix));
        found.unwrap_or_else(|| panic!("there is no {suffix}"))
    };
    let middle = |path: &Path| fs::metadata(path).unwrap().len() / 2;
    let (wal, edit, parquet, ids) = (last(".wal"), last(".edit"), last(".parquet"), last(".ids"));
    let hot = last(".hot");
    // In the log: the payload of the first group, which later groups say was synced; and the header.
    for (path, offset) in [
        (&wal, 4096 + 64 + 9),
        (&wal, 20),
        (&edit, middle(&edit)),
        (&parquet, middle(&parquet)),
        (&parquet, 1),
        (&ids, middle(&ids)),
        (&hot, middle(&hot)),
        (&hot, 1),
    ] {
        flip(path, offset);
        let found = check(&data);
        let name = path.strip_prefix(&data).unwrap().to_str().unwrap();
        assert_eq!(found.code, Some(1), "{name}, byte {offset}: {found:?}");
        assert!(found.out.contains(&format!("damaged: {name}: ")), "{name}: {found:?}");
        flip(path, offset);
    }
    fs::remove_file(&ids).unwrap();
    let missing = check(&data);
    assert!(missing.out.contains(".ids\": the object is missing"), "{missing:?}");
}

#[test]
fn objects_that_nothing_names_are_noted() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let args = ["import", "-", "--format", "line", "--data-dir", data.to_str().unwrap()];
    pulsora_with(&args, &[], b"cpu n=1i 1\n").ok();
    let orphan = data.join("cold/orphan.parquet");
    fs::create_dir_all(data.join("cold")).unwrap();
    fs::write(&orphan, b"left by a crash").unwrap();
    let noted = check(&data).ok();
    assert!(noted.starts_with("note: cold/orphan.parquet: 15 bytes that nothing names"), "{noted}");
    assert!(orphan.exists());
}

#[test]
fn what_cannot_be_checked_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = check(&dir.path().join("nothing")).failed();
    assert!(nothing.contains("is not a data directory"), "{nothing}");
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let busy = check(&data).failed();
    assert!(busy.contains("in use by another process"), "{busy}");
    server.kill();
    check(&data).ok();
}
