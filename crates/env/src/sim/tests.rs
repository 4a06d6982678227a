//! What the simulation keeps and loses, and that equal seeds give equal runs.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{OpKind, PAGE_BYTES, Simulation};
use crate::{Env, Files, LocalStore, Step, Store, TaskHandle, read_all};

const PAGES: usize = 6;
const FILE_BYTES: usize = PAGES * PAGE_BYTES;

/// An operation on one file.
#[derive(Clone, Debug)]
enum Op {
    Write { offset: usize, len: usize, fill: u8 },
    SetLen(usize),
    Allocate { offset: usize, len: usize },
    Sync,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..FILE_BYTES, 0..2 * PAGE_BYTES, 1..=255u8)
            .prop_map(|(offset, len, fill)| Op::Write { offset, len: len.min(FILE_BYTES - offset), fill }),
        1 => (0..=FILE_BYTES).prop_map(Op::SetLen),
        1 => (0..FILE_BYTES, 0..FILE_BYTES)
            .prop_map(|(offset, len)| Op::Allocate { offset, len: len.min(FILE_BYTES - offset) }),
        2 => Just(Op::Sync),
    ]
}

/// What one file may hold after a crash: for each page and for the length every state since the last
/// sync, that one included.
struct Model {
    now: Vec<u8>,
    pages: Vec<BTreeSet<Vec<u8>>>,
    lens: BTreeSet<usize>,
}

impl Model {
    fn new() -> Model {
        let mut model = Model { now: Vec::new(), pages: Vec::new(), lens: BTreeSet::new() };
        model.sync();
        model
    }

    /// The bytes of a page, with zeros past the end.
    fn page(bytes: &[u8], page: usize) -> Vec<u8> {
        let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
        (page * PAGE_BYTES..(page + 1) * PAGE_BYTES).map(at).collect()
    }

    fn sync(&mut self) {
        self.pages = vec![BTreeSet::new(); PAGES];
        self.lens.clear();
        self.note();
    }

    fn note(&mut self) {
        for (page, states) in self.pages.iter_mut().enumerate() {
            states.insert(Model::page(&self.now, page));
        }
        self.lens.insert(self.now.len());
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            // A write is as many as it touches pages.
            Op::Write { offset, len, fill } => {
                let (mut at, end) = (offset, offset + len);
                while at < end {
                    let page_end = end.min((at / PAGE_BYTES + 1) * PAGE_BYTES);
                    self.now.resize(self.now.len().max(page_end), 0);
                    self.now[at..page_end].fill(fill);
                    self.note();
                    at = page_end;
                }
            }
            Op::SetLen(len) => self.now.resize(len, 0),
            Op::Allocate { len: 0, .. } => {}
            Op::Allocate { offset, len } => {
                let len = self.now.len().max(offset + len);
                self.now.resize(len, 0);
            }
            Op::Sync => return self.sync(),
        }
        self.note();
    }

    /// Panics if `found` could not be left by a crash.
    fn check(&self, found: &[u8]) {
        assert!(self.lens.contains(&found.len()), "length {} of {:?}", found.len(), self.lens);
        for (page, states) in self.pages.iter().enumerate() {
            let end = (page + 1) * PAGE_BYTES;
            let page = Model::page(found, page);
            let kept = found.len().saturating_sub(end - PAGE_BYTES).min(PAGE_BYTES);
            let possible = states.iter().any(|state| state[..kept] == page[..kept]);
            assert!(possible, "the page up to {end} was never like this");
        }
    }
}

fn run(env: &Env, ops: &[Op], model: &mut Model) {
    let path = Path::new("/f");
    let file = env.files.create(path).unwrap();
    env.files.sync_dir(Path::new("/")).unwrap();
    for op in ops {
        let done = match *op {
            Op::Write { offset, len, fill } => file.write_at(&vec![fill; len], offset as u64),
            Op::SetLen(len) => file.set_len(len as u64),
            Op::Allocate { offset, len } => file.allocate(offset as u64, len as u64),
            Op::Sync => file.sync_data(),
        };
        done.unwrap();
        model.apply(op);
        assert_eq!(read_all(&*env.files, path).unwrap(), model.now);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn each_page_and_the_length_are_of_some_moment_since_the_last_sync(
        ops in vec(op(), 0..24), seed: u64
    ) {
        let sim = Simulation::new(seed);
        let mut model = Model::new();
        run(&sim.env(), &ops, &mut model);
        sim.restart();
        let found = read_all(&*sim.env().files, Path::new("/f")).unwrap();
        model.check(&found);

        // What has survived is durable.
        sim.restart();
        prop_assert_eq!(read_all(&*sim.env().files, Path::new("/f")).unwrap(), found);
    }

    #[test]
    fn names_are_whole_and_synced_ones_stay(ops in vec((0..5u8, 0..4u8, 0..4u8), 0..30), seed: u64) {
        let sim = Simulation::new(seed);
        let root = Path::new("/");
        let env = sim.env();
        let mut durable = Names::new();
        let mut touched = BTreeSet::new();
        for (index, (kind, a, b)) in ops.iter().enumerate() {
            let (from, to) = (format!("/{a}"), format!("/{b}"));
            let changed = match kind {
                0 => env.files.create(from.as_ref()).and_then(|file| {
                    file.write_at(&[index as u8 + 1; 8], 0)?;
                    file.sync_data()
                }),
                1 => env.files.link(from.as_ref(), to.as_ref()),
                2 => env.files.unlink(from.as_ref()),
                3 => env.files.rename(from.as_ref(), to.as_ref()),
                _ => env.files.sync_dir(root),
            };
            if changed.is_ok() {
                touched.extend([format!("{a}"), format!("{b}")]);
            }
            if *kind == 4 {
                durable = names(&*env.files);
                touched.clear();
            }
        }
        sim.restart();
        let found = names(&*sim.env().files);
        for (name, bytes) in &found {
            prop_assert!(bytes.len() == 8 && bytes[0] > 0, "{} points to nothing", name);
        }
        for name in ["0", "1", "2", "3"].iter().filter(|name| !touched.contains(**name)) {
            let of = |names: &Names| names.iter().find(|(found, _)| found == name).cloned();
            prop_assert_eq!(of(&found), of(&durable));
        }
    }
}

/// Names in the root with the bytes of each file.
type Names = Vec<(String, Vec<u8>)>;

fn names(files: &dyn Files) -> Names {
    let entries = files.list(Path::new("/")).unwrap();
    let read = |name: String| {
        let bytes = read_all(files, Path::new(&name)).unwrap();
        (name, bytes)
    };
    entries.into_iter().map(|entry| read(entry.name)).collect()
}

/// The states, as text, that a crash after `act` leaves over many seeds.
fn outcomes(act: impl Fn(&Env)) -> BTreeSet<String> {
    let outcome = |seed| {
        let sim = Simulation::new(seed);
        act(&sim.env());
        sim.restart();
        let names = names(&*sim.env().files);
        let text = names.iter().map(|(name, bytes)| {
            let pages = bytes.chunks(PAGE_BYTES).map(|page| char::from(page[0].max(b'0')));
            format!("{name}={}", pages.collect::<String>())
        });
        text.collect::<Vec<_>>().join(" ")
    };
    (0..400).map(outcome).collect()
}

fn put(files: &dyn Files, name: &str, pages: &[u8]) {
    let file = files.create(Path::new(name)).unwrap();
    for (page, fill) in pages.iter().enumerate() {
        file.write_at(&[*fill; PAGE_BYTES], (page * PAGE_BYTES) as u64).unwrap();
    }
    file.sync_data().unwrap();
}

fn set(expect: &[&str]) -> BTreeSet<String> {
    expect.iter().map(|state| (*state).to_owned()).collect()
}

#[test]
fn every_subset_of_unsynced_pages_is_met() {
    let found = outcomes(|env| {
        put(&*env.files, "a", b"xyz");
        env.files.sync_dir(Path::new("/")).unwrap();
        let file = env.files.open(Path::new("a")).unwrap();
        file.write_at(&[b'N'; 3 * PAGE_BYTES], 0).unwrap();
    });
    let all = ["xyz", "Nyz", "xNz", "xyN", "NNz", "NyN", "xNN", "NNN"].map(|s| format!("a={s}"));
    assert_eq!(found, all.into_iter().collect());
}

#[test]
fn bytes_without_a_durable_name_are_gone_and_a_name_does_not_need_bytes() {
    let found = outcomes(|env| put(&*env.files, "a", b"x"));
    assert_eq!(found, set(&["", "a=x"]));
    let found = outcomes(|env| {
        let file = env.files.create(Path::new("a")).unwrap();
        env.files.sync_dir(Path::new("/")).unwrap();
        file.write_at(b"x", 0).unwrap();
    });
    assert_eq!(found, set(&["a=", "a=0", "a=x"]));
}

#[test]
fn a_rename_happens_or_not() {
    let found = outcomes(|env| {
        put(&*env.files, "a", b"x");
        put(&*env.files, "b", b"y");
        env.files.sync_dir(Path::new("/")).unwrap();
        env.files.rename(Path::new("a"), Path::new("b")).unwrap();
    });
    assert_eq!(found, set(&["a=x b=y", "b=x"]));
}

#[test]
fn a_name_that_is_used_again_never_costs_the_file_that_had_it() {
    let found = outcomes(|env| {
        put(&*env.files, "a", b"x");
        env.files.sync_dir(Path::new("/")).unwrap();
        env.files.rename(Path::new("a"), Path::new("b")).unwrap();
        put(&*env.files, "a", b"y");
    });
    assert_eq!(found, set(&["a=x", "b=x", "a=y b=x"]));
}

#[test]
fn names_are_lost_one_by_one() {
    let found = outcomes(|env| {
        put(&*env.files, "a", b"x");
        env.files.link(Path::new("a"), Path::new("b")).unwrap();
        env.files.unlink(Path::new("a")).unwrap();
    });
    assert_eq!(found, set(&["", "a=x", "a=x b=x", "b=x"]));
}

#[test]
fn a_kill_loses_nothing_and_makes_nothing_durable() {
    let mut found = BTreeSet::new();
    for seed in 0..100 {
        let sim = Simulation::new(seed);
        put(&*sim.env().files, "a", b"x");
        sim.restart_after_kill();
        assert_eq!(names(&*sim.env().files).len(), 1);
        sim.restart();
        found.insert(names(&*sim.env().files).len());
    }
    assert_eq!(found, BTreeSet::from([0, 1]));
}

#[test]
fn a_page_whose_sync_failed_needs_to_be_written_again() {
    let write_and_fail = |env: &Env, sim: &Simulation| {
        let file = env.files.create(Path::new("a")).unwrap();
        env.files.sync_dir(Path::new("/")).unwrap();
        file.write_at(b"x", 0).unwrap();
        sim.files.fail_next_sync();
        assert!(file.sync_data().is_err());
        file
    };
    let (mut trusting, mut careful) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..100 {
        let sim = Simulation::new(seed);
        write_and_fail(&sim.env(), &sim).sync_data().unwrap();
        sim.restart();
        trusting.insert(names(&*sim.env().files));

        let sim = Simulation::new(seed);
        let file = write_and_fail(&sim.env(), &sim);
        file.write_at(b"x", 0).unwrap();
        file.sync_data().unwrap();
        sim.restart();
        careful.insert(names(&*sim.env().files));
    }
    assert!(trusting.len() > 1, "the bytes must be lost sometimes");
    assert_eq!(careful, BTreeSet::from([vec![("a".to_owned(), b"x".to_vec())]]));
}

#[test]
fn a_crash_falls_on_the_operation_asked_for_and_ends_everything() {
    let sim = Simulation::new(3);
    let env = sim.env();
    let file = env.files.create(Path::new("/wal")).unwrap();
    let _held = env.files.lock(Path::new("/LOCK")).unwrap();
    sim.files.crash_after(2);
    file.write_at(b"1", 0).unwrap();
    assert!(!sim.files.crashed());
    assert_eq!(file.sync_data().unwrap_err().to_string(), "simulated crash");
    assert!(sim.files.crashed());
    assert_eq!(sim.files.last_op(), Some((OpKind::SyncData, "/wal".into())));
    assert!(file.read_at(&mut [0], 0).is_err() && !env.files.exists(Path::new("/wal")));
    assert!(env.files.create(Path::new("/b")).is_err());

    sim.restart();
    assert!(!sim.files.crashed());
    assert!(
        file.len().is_err() && env.files.list(Path::new("/")).is_err(),
        "old handles stay dead"
    );
    sim.env().files.lock(Path::new("/LOCK")).unwrap();
}

#[test]
fn a_lock_is_held_once_until_it_is_dropped() {
    let env = Simulation::new(3).env();
    let held = env.files.lock(Path::new("/LOCK")).unwrap();
    assert_eq!(env.files.lock(Path::new("/LOCK")).err().unwrap().kind(), ErrorKind::WouldBlock);
    drop(held);
    env.files.lock(Path::new("/LOCK")).unwrap();
}

#[test]
fn a_failed_write_leaves_some_of_its_pages() {
    let mut found = BTreeSet::new();
    for seed in 0..100 {
        let sim = Simulation::new(seed);
        let env = sim.env();
        put(&*env.files, "a", b"xy");
        sim.files.fail_next_write();
        let file = env.files.open(Path::new("a")).unwrap();
        assert!(file.write_at(&[b'N'; 2 * PAGE_BYTES], 0).is_err());
        let bytes = read_all(&*env.files, Path::new("a")).unwrap();
        found.insert([bytes[0], bytes[PAGE_BYTES]]);
    }
    assert_eq!(found, BTreeSet::from([*b"xy", *b"Ny", *b"xN", *b"NN"]));
}

#[test]
fn a_full_disk_refuses_growth_and_nothing_else() {
    let sim = Simulation::new(3);
    let env = sim.env();
    sim.files.set_capacity(2 * PAGE_BYTES as u64);
    let file = env.files.create(Path::new("a")).unwrap();
    file.allocate(0, 8192).unwrap();
    assert_eq!(env.files.free_bytes(Path::new("/")).unwrap(), 0);
    file.write_at(&[1; 8192], 0).unwrap();
    let other = env.files.create(Path::new("b")).unwrap();
    for refused in [file.allocate(8192, 1), file.set_len(8193), other.write_at(b"x", 0)] {
        assert_eq!(refused.err().unwrap().kind(), ErrorKind::StorageFull);
    }
    file.set_len(4096).unwrap();
    other.write_at(b"x", 0).unwrap();
    env.files.unlink(Path::new("b")).unwrap();
    assert_eq!(env.files.free_bytes(Path::new("/")).unwrap(), 0, "an open file takes its space");
    drop(other);
    assert_eq!(env.files.free_bytes(Path::new("/")).unwrap(), 4096);
}

#[test]
fn time_passes_when_told_and_with_operations() {
    let sim = Simulation::new(3);
    let env = sim.env();
    let wall = env.clock.wall_ns();
    sim.clock.advance(5);
    assert_eq!((env.clock.monotonic_ns(), env.clock.wall_ns()), (5, wall + 5));
    sim.clock.shift_wall(-1000);
    assert_eq!((env.clock.monotonic_ns(), env.clock.wall_ns()), (5, wall - 995));
    env.files.exists(Path::new("/"));
    assert!(env.clock.monotonic_ns() > 5);
}

/// A run with files, a store, tasks and a crash.
fn busy(seed: u64) -> u64 {
    let sim = Simulation::new(seed);
    sim.files.crash_after(60);
    for _ in 0..3 {
        let env = sim.env();
        let store = LocalStore::new("/data", &env);
        for worker in 0..3 {
            let (store, mut left) = (store.clone(), 5);
            let step = move || {
                left -= 1;
                let name = format!("{worker}/{left}");
                match store.put_if_absent(&name, name.as_bytes()) {
                    Err(error) if error.kind() != ErrorKind::AlreadyExists => Step::Done,
                    _ if left == 0 => Step::Done,
                    _ => Step::Again,
                }
            };
            env.tasks.spawn(&format!("worker {worker}"), Box::new(step));
        }
        sim.tasks.run_until_idle(1000);
        sim.restart();
    }
    sim.trace_hash()
}

#[test]
fn equal_seeds_give_equal_runs_and_others_others() {
    let hashes: Vec<u64> = (0..20).map(busy).collect();
    assert_eq!(hashes, (0..20).map(busy).collect::<Vec<_>>());
    assert_eq!(hashes.iter().collect::<BTreeSet<_>>().len(), 20);
}

/// Starts a task that counts its steps and parks for `wait` after each.
fn counter(env: &Env, wait: Option<Duration>) -> (TaskHandle, Arc<AtomicU64>) {
    let steps = Arc::new(AtomicU64::new(0));
    let inside = steps.clone();
    let task = move || {
        inside.fetch_add(1, Ordering::Relaxed);
        Step::Wait(wait)
    };
    (env.tasks.spawn("counter", Box::new(task)), steps)
}

#[test]
fn a_task_runs_when_woken_or_when_its_time_has_come() {
    let sim = Simulation::new(3);
    let (parked, parked_steps) = counter(&sim.env(), None);
    let (_, timed_steps) = counter(&sim.env(), Some(Duration::from_secs(1)));
    let steps = || (parked_steps.load(Ordering::Relaxed), timed_steps.load(Ordering::Relaxed));
    assert_eq!((sim.tasks.run_until_idle(100), steps()), (2, (1, 1)));
    parked.wake();
    assert_eq!((sim.tasks.run_until_idle(100), steps()), (1, (2, 1)));
    assert_eq!(sim.tasks.next_deadline(), Some(1_000_000_000));
    sim.clock.advance(999_999_999);
    assert!(!sim.tasks.run_one());
    sim.clock.advance(1);
    assert_eq!((sim.tasks.run_until_idle(100), steps()), (1, (2, 2)));
    assert!(!parked.is_finished());
    sim.tasks.clear();
    assert!(parked.is_finished() && !sim.tasks.run_one());
}

#[test]
fn a_step_may_start_and_wake_tasks_and_a_wake_of_itself_counts() {
    let sim = Simulation::new(3);
    let env = sim.env();
    let (other, steps) = counter(&env, None);
    let inside = env.clone();
    let me: Arc<Mutex<Option<TaskHandle>>> = Arc::default();
    let (myself, mut first) = (me.clone(), true);
    let task = move || {
        if !std::mem::take(&mut first) {
            return Step::Done;
        }
        other.wake();
        other.wait_finished();
        inside.tasks.spawn("inner", Box::new(|| Step::Done));
        myself.lock().unwrap().as_ref().unwrap().wake();
        Step::Wait(None)
    };
    let handle = env.tasks.spawn("outer", Box::new(task));
    *me.lock().unwrap() = Some(handle.clone());
    sim.tasks.run_until_idle(100);
    assert!(handle.is_finished());
    assert_eq!(steps.load(Ordering::Relaxed), 2);
}

#[test]
fn waiting_for_a_task_runs_it_and_lets_time_pass() {
    let sim = Simulation::new(3);
    let mut left = 3;
    let task = move || {
        left -= 1;
        if left == 0 { Step::Done } else { Step::Wait(Some(Duration::from_secs(60))) }
    };
    let handle = sim.env().tasks.spawn("slow", Box::new(task));
    handle.wait_finished();
    assert!(handle.is_finished() && !handle.panicked());
    assert_eq!(sim.env().clock.monotonic_ns(), 120_000_000_000);
}

#[test]
fn a_task_that_panics_is_reported() {
    let sim = Simulation::new(3);
    let handle = sim.env().tasks.spawn("panics", Box::new(|| panic!("on purpose")));
    sim.tasks.run_until_idle(10);
    assert!(handle.is_finished() && handle.panicked());
    assert_eq!(sim.tasks.panicked(), ["panics"]);
}

#[test]
fn a_join_runs_both_sides_in_either_order() {
    let mut orders = BTreeSet::new();
    for seed in 0..20 {
        let order = Mutex::new(String::new());
        let env = Simulation::new(seed).env();
        env.tasks.join(&mut || order.lock().unwrap().push('a'), &mut || {
            order.lock().unwrap().push('b');
        });
        orders.insert(order.into_inner().unwrap());
    }
    assert_eq!(orders, BTreeSet::from(["ab".to_owned(), "ba".to_owned()]));
}

#[test]
fn others_work_while_a_task_pauses() {
    let mut met = [false; 2];
    for seed in 0..20 {
        let world = Simulation::new(seed);
        let env = world.env();
        let steps = Arc::new(AtomicU64::new(0));
        let (count, tasks) = (steps.clone(), env.tasks.clone());
        env.tasks.spawn("pauses", {
            let steps = steps.clone();
            Box::new(move || {
                let before = steps.load(Ordering::Relaxed);
                tasks.pause(Duration::ZERO);
                let meanwhile = steps.load(Ordering::Relaxed) - before;
                steps.fetch_max(meanwhile << 32, Ordering::Relaxed);
                Step::Done
            })
        });
        env.tasks.spawn("counts", {
            let mut left = 10;
            Box::new(move || {
                left -= 1;
                count.fetch_add(1, Ordering::Relaxed);
                if left == 0 { Step::Done } else { Step::Again }
            })
        });
        assert!(world.tasks.run_until_idle(100) < 100);
        met[usize::from(steps.load(Ordering::Relaxed) >> 32 > 0)] = true;
    }
    assert_eq!(met, [true; 2], "a pause is a chance for others, not an order");
}
