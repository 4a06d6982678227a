//! The local store on real files, and on simulated ones that lose power at every operation.

use std::io::{self, ErrorKind};
use std::sync::Barrier;

use crate::sim::Simulation;
use crate::{Env, LocalStore, Store};

#[test]
fn of_many_racers_one_wins_and_its_bytes_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::new(dir.path(), &Env::real());
    let start = Barrier::new(4);
    let outcomes: Vec<io::Result<()>> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..4u8)
            .map(|racer| {
                let (store, start) = (&store, &start);
                scope.spawn(move || {
                    start.wait();
                    store.put_if_absent("manifest/1.edit", &[racer; 9000])
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    let winners: Vec<usize> = (0..4).filter(|racer| outcomes[*racer].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    for lost in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert_eq!(lost.kind(), ErrorKind::AlreadyExists);
    }
    assert_eq!(store.get("manifest/1.edit").unwrap(), [winners[0] as u8; 9000]);
    assert_eq!(store.list("").unwrap(), [("manifest/1.edit".to_owned(), 9000)]);
}

#[test]
fn an_object_written_in_pieces_is_there_only_when_finished() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::new(dir.path(), &Env::real());
    let mut writer = store.create("hot/t/1.hot").unwrap();
    let mut expect = Vec::new();
    for (piece, len) in [10, 300_000, 200_000, 100_000, 0, 1].into_iter().enumerate() {
        let piece = vec![piece as u8; len];
        writer.write(&piece).unwrap();
        expect.extend(piece);
    }
    assert_eq!(store.get("hot/t/1.hot").err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(writer.finish("hot/t/1.hot").unwrap(), expect.len() as u64);
    assert_eq!(store.get("hot/t/1.hot").unwrap(), expect);

    let mut late = store.create("hot/t/1.hot").unwrap();
    late.write(b"late").unwrap();
    assert_eq!(late.finish("hot/t/1.hot").err().unwrap().kind(), ErrorKind::AlreadyExists);
    let mut other = store.create("hot/t/name to come").unwrap();
    other.write(b"other").unwrap();
    assert_eq!(other.finish("hot/t/2.hot").unwrap(), 5);
    assert_eq!(store.get("hot/t/2.hot").unwrap(), b"other");
    let beside = store.create("hot/t/3.hot").unwrap().finish("hot/3.hot").err().unwrap();
    assert_eq!(beside.kind(), ErrorKind::InvalidInput, "a name in another directory");
    assert_eq!(store.list("").unwrap().len(), 2, "no temporary is left");
    assert_eq!(store.get("hot/t/1.hot").unwrap(), expect);
}

#[test]
fn an_unfinished_object_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::new(dir.path(), &Env::real());
    let mut writer = store.create("a/b").unwrap();
    writer.write(&[1; 300_000]).unwrap();
    assert_eq!(store.list("a/").unwrap().len(), 1, "the temporary");
    drop(writer);
    assert_eq!(store.list("").unwrap(), []);
}

#[test]
fn a_list_is_recursive_sorted_and_cut_to_the_prefix() {
    let store = LocalStore::new("/data", &Simulation::new(1).env());
    assert_eq!(store.list("nowhere/").unwrap(), []);
    for name in ["b/2", "b/1/x", "b", "a", "ba/1", "b/10"].iter().filter(|name| **name != "b") {
        store.put_if_absent(name, name.as_bytes()).unwrap();
    }
    let names = |prefix: &str| -> Vec<String> {
        store.list(prefix).unwrap().into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(""), ["a", "b/1/x", "b/10", "b/2", "ba/1"]);
    assert_eq!(names("b"), ["b/1/x", "b/10", "b/2", "ba/1"]);
    assert_eq!(names("b/1"), ["b/1/x", "b/10"]);
    assert_eq!(names("b/1/"), ["b/1/x"]);
    store.delete("b/10").unwrap();
    assert_eq!(names("b/1"), ["b/1/x"]);
    assert_eq!(store.delete("b/10").err().unwrap().kind(), ErrorKind::NotFound);
}

#[test]
fn a_name_cannot_leave_the_store() {
    let store = LocalStore::new("/data", &Simulation::new(1).env());
    for name in ["", "/a", "a//b", "a/", "..", "../a", "a/../b", "./a", "a\0"] {
        let error = store.put_if_absent(name, b"x").err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}");
    }
    assert_eq!(store.list("../").err().unwrap().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_directory_that_was_removed_is_made_again() {
    let env = Simulation::new(1).env();
    let store = LocalStore::new("/data", &env);
    store.put_if_absent("d/1", b"x").unwrap();
    store.delete("d/1").unwrap();
    env.files.remove_dir("/data/d".as_ref()).unwrap();
    store.put_if_absent("d/2", b"y").unwrap();
    assert_eq!(store.get("d/2").unwrap(), b"y");
}

const BYTES: [u8; 10_000] = [7; 10_000];

/// Puts three objects, of which two race for one name; returns for each whether it was acknowledged.
fn put_three(store: &LocalStore) -> [io::Result<()>; 3] {
    ["db/t/1", "db/t/2", "db/t/1"].map(|name| store.put_if_absent(name, &BYTES))
}

/// Whether `name` is there. It must be whole.
fn is_there(store: &LocalStore, name: &str) -> bool {
    match store.get(name) {
        Ok(bytes) => {
            assert_eq!(bytes, BYTES, "{name} is torn");
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotFound);
            false
        }
    }
}

/// How a process ends.
#[derive(Clone, Copy, Debug)]
enum End {
    PowerCut,
    /// It is killed; the next one puts the same objects, then the power fails.
    KillThenPowerCut,
}

/// Ends a process at its `n`-th operation; returns whether it came to that.
fn crash_at(seed: u64, n: u64, end: End) -> bool {
    let sim = Simulation::new(seed);
    sim.files.crash_after(n);
    let mut acknowledged = put_three(&LocalStore::new("/data", &sim.env()));
    let crashed = sim.files.crashed();
    if let End::KillThenPowerCut = end {
        sim.restart_after_kill();
        acknowledged = put_three(&LocalStore::new("/data", &sim.env()));
    }
    sim.restart();

    let store = LocalStore::new("/data", &sim.env());
    let found = ["db/t/1", "db/t/2"].map(|name| is_there(&store, name));
    for (found, acknowledged) in found.iter().zip(&acknowledged) {
        let context = format!("seed {seed}, operation {n}, {end:?}: {acknowledged:?}");
        assert!(*found || acknowledged.is_err(), "lost: {context}");
    }
    for (name, _) in store.list("").unwrap() {
        assert!(name.ends_with(".tmp") || name == "db/t/1" || name == "db/t/2", "{name}");
    }
    // The store works on whatever was left.
    for (found, put) in found.iter().zip(put_three(&store)) {
        assert_eq!(put.is_err(), *found);
    }
    crashed
}

#[test]
fn an_object_survives_every_crash_whole_or_not_at_all_and_if_acknowledged_it_does() {
    for end in [End::PowerCut, End::KillThenPowerCut] {
        for seed in 0..40 {
            let operations = (1..).take_while(|n| crash_at(seed, *n, end)).count();
            assert!(operations >= 15, "only {operations} operations: are they counted?");
        }
    }
}

#[test]
fn a_failed_sync_is_never_an_acknowledgement() {
    for seed in 0..20 {
        let sim = Simulation::new(seed);
        let store = LocalStore::new("/data", &sim.env());
        store.put_if_absent("db/t/0", &BYTES).unwrap();
        sim.files.fail_next_sync();
        assert!(store.put_if_absent("db/t/1", &BYTES).is_err());
        sim.restart();
        assert!(!is_there(&LocalStore::new("/data", &sim.env()), "db/t/1"));
    }
}

#[test]
fn a_full_disk_leaves_no_part_of_an_object() {
    let sim = Simulation::new(1);
    let store = LocalStore::new("/data", &sim.env());
    sim.files.set_capacity(8192);
    let error = store.put_if_absent("a", &BYTES).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(store.list("").unwrap(), []);
    sim.files.set_capacity(12288);
    store.put_if_absent("a", &BYTES).unwrap();
    assert_eq!(sim.env().files.free_bytes("/data".as_ref()).unwrap(), 0);
}
