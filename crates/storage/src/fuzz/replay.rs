//! What must hold for a log with any changes: no panic; opened, or refused as damaged; nothing shown that
//! was not written. By a strict start the rows of the first so many groups, whole; where damage is left
//! out, it opens in any case, and takes writes.

use std::path::PathBuf;

use pulsora_model::schema::TableOptions;
use pulsora_model::{Code, Scalar};

use super::damage::Damage;
use super::valid::{DROPPED, Opened, Shown, VALID, Valid, cells, request};
use crate::Recover;

/// Opens the valid directory with the changes of an input in its log.
///
/// # Panics
/// When recovery does, or shows what it must not.
pub fn wal_replay(input: &[u8]) {
    let damage = Damage::of(input);
    let (mut log, rest): (Vec<_>, Vec<_>) = VALID.files.iter().cloned().partition(is_log);
    damage.apply(&mut log);
    let files = [rest, log].concat();
    strict(&files, damage.forged);
    lenient(&files, damage.forged);
}

fn is_log((path, _): &(PathBuf, Vec<u8>)) -> bool {
    path.extension().is_some_and(|extension| extension == "wal")
}

fn strict(files: &[(PathBuf, Vec<u8>)], forged: bool) {
    match Opened::open(Valid::world(files), Recover::Strict) {
        Err(error) => assert_eq!(error.code(), Code::Corrupt, "{error}"),
        Ok(opened) => {
            opened.settle();
            let shown = opened.shown().expect("what was opened can be read");
            let prefix = || VALID.states.iter().any(|state| shows(&shown, state));
            assert!(forged || prefix(), "not a prefix: {shown:#?}");
        }
    }
}

/// Whether this is what is left if the log ends at `state`. The manifest knows the catalog up to the drop:
/// columns may be wider than they were then, and the dropped table is gone.
fn shows(shown: &Shown, state: &Shown) -> bool {
    let lines = |shown: &Shown, table: &str| -> Vec<String> {
        shown.get(table).into_iter().flatten().map(|line| line.replace(".0 ", " ")).collect()
    };
    let same = |table| lines(shown, table) == lines(state, table);
    same("m") && same("events") && (same(DROPPED) || !shown.contains_key(DROPPED))
}

fn lenient(files: &[(PathBuf, Vec<u8>)], forged: bool) {
    let opened = Opened::open(Valid::world(files), Recover::SkipCorrupt);
    let opened = opened.unwrap_or_else(|error| panic!("skip-corrupt always opens: {error}"));
    opened.settle();
    let shown = opened.shown().expect("what was opened can be read");
    if !forged {
        let strange: Vec<String> =
            cells(&shown).filter(|cell| !VALID.cells.contains(cell)).collect();
        assert!(strange.is_empty(), "never written: {strange:?}");
    }
    let rows: &[_] = &[(9, &[][..], &[("v", Scalar::Text("after"))][..])];
    let mut pending = opened.engine.write(request("after", TableOptions::default(), rows, &[]));
    opened.settle();
    let answer = pending.try_take().expect("an engine at rest has answered");
    answer.expect("an opened directory takes rows");
    assert_eq!(opened.shown().expect("they can be read")["after"].len(), 1);
}
