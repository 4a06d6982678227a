//! The real implementations on a temporary directory.

use std::io::ErrorKind;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Advice, Env, Step, read_all, read_exact_at};

fn world() -> (TempDir, Env) {
    (tempfile::tempdir().unwrap(), Env::real())
}

#[test]
fn a_new_file_must_be_new_and_an_old_one_must_be_there() {
    let (dir, env) = world();
    let path = dir.path().join("a");
    assert_eq!(env.files.open(&path).err().unwrap().kind(), ErrorKind::NotFound);
    let file = env.files.create(&path).unwrap();
    assert_eq!(env.files.create(&path).err().unwrap().kind(), ErrorKind::AlreadyExists);

    file.write_at(b"hello", 3).unwrap();
    file.sync_data().unwrap();
    assert_eq!(read_all(&*env.files, &path).unwrap(), b"\0\0\0hello");
    assert_eq!(&env.files.map(&path).unwrap()[..], b"\0\0\0hello");

    let mut two = [0; 2];
    read_exact_at(&*file, &mut two, 6).unwrap();
    assert_eq!(&two, b"lo");
    let past = read_exact_at(&*file, &mut two, 7).err().unwrap();
    assert_eq!(past.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_map_shows_the_file_and_outlives_its_name() {
    let (dir, env) = world();
    let path = dir.path().join("a");
    assert_eq!(env.files.map(&path).err().unwrap().kind(), ErrorKind::NotFound);
    let file = env.files.create(&path).unwrap();
    assert_eq!(env.files.map(&path).unwrap().len(), 0);

    let expect: Vec<u8> = (0..300_000u32).map(|n| (n / 7) as u8).collect();
    file.write_at(&expect, 0).unwrap();
    let map = env.files.map(&path).unwrap();
    let part = map.slice(100_000..200_000);
    drop((map, file));
    env.files.unlink(&path).unwrap();
    assert_eq!(&part[..], &expect[100_000..200_000]);
}

#[test]
fn advice_changes_no_byte() {
    let (dir, env) = world();
    let path = dir.path().join("a");
    let expect: Vec<u8> = (0..100_000u32).map(|n| (n / 3) as u8).collect();
    env.files.create(&path).unwrap().write_at(&expect, 0).unwrap();
    let map = env.files.map(&path).unwrap();
    for advice in [Advice::Random, Advice::Sequential, Advice::WillNeed] {
        for part in [0..0, 0..100_000, 1..2, 4_095..4_097, 50_001..99_999] {
            env.files.advise(&map[part], advice);
        }
        assert_eq!(&map[..], expect);
    }
    // What is not mapped at all is left alone as well.
    let copy = expect.clone();
    env.files.advise(&copy[10..20_000], Advice::WillNeed);
    assert_eq!(copy, expect);
}

#[test]
fn a_link_is_a_second_name_and_is_made_once() {
    let (dir, env) = world();
    let [a, b, c] = ["a", "b", "c"].map(|name| dir.path().join(name));
    env.files.create(&a).unwrap().write_at(b"x", 0).unwrap();
    env.files.link(&a, &b).unwrap();
    assert_eq!(env.files.link(&a, &b).err().unwrap().kind(), ErrorKind::AlreadyExists);
    env.files.unlink(&a).unwrap();
    env.files.rename(&b, &c).unwrap();
    env.files.sync_dir(dir.path()).unwrap();
    assert_eq!(read_all(&*env.files, &c).unwrap(), b"x");
    assert!(!env.files.exists(&a) && !env.files.exists(&b));
}

#[test]
fn a_listing_is_sorted_and_tells_directories_from_files() {
    let (dir, env) = world();
    env.files.create_dir_all(&dir.path().join("m/n")).unwrap();
    env.files.create_dir_all(&dir.path().join("m/n")).unwrap();
    env.files.create(&dir.path().join("z")).unwrap().set_len(7).unwrap();
    env.files.create(&dir.path().join("a")).unwrap();
    let list = env.files.list(dir.path()).unwrap();
    let text: Vec<String> =
        list.iter().map(|entry| format!("{} {} {}", entry.name, entry.is_dir, entry.len)).collect();
    assert_eq!(text, ["a false 0", "m true 0", "z false 7"]);

    let missing = env.files.list(&dir.path().join("q")).err().unwrap();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let full = env.files.remove_dir(&dir.path().join("m")).err().unwrap();
    assert_eq!(full.kind(), ErrorKind::DirectoryNotEmpty);
    env.files.remove_dir(&dir.path().join("m/n")).unwrap();
    assert!(env.files.create_dir_all(&dir.path().join("z/y")).is_err());
}

#[test]
fn allocated_space_reads_as_zeros_and_keeps_what_was_there() {
    let (dir, env) = world();
    let path = dir.path().join("a");
    let file = env.files.create(&path).unwrap();
    file.write_at(b"abc", 0).unwrap();
    file.allocate(0, 8192).unwrap();
    assert_eq!(file.len().unwrap(), 8192);
    file.allocate(0, 100).unwrap();
    file.allocate(0, 0).unwrap();
    let bytes = read_all(&*env.files, &path).unwrap();
    assert_eq!(bytes.len(), 8192);
    assert_eq!(&bytes[..3], b"abc");
    assert!(bytes[3..].iter().all(|byte| *byte == 0));
    assert!(env.files.free_bytes(dir.path()).unwrap() > 0);
}

#[test]
#[cfg(target_os = "linux")]
fn space_that_is_not_there_is_a_full_disk() {
    let full = Env::real().files.open("/dev/full".as_ref()).unwrap();
    assert_eq!(full.write_at(b"x", 0).err().unwrap().kind(), ErrorKind::StorageFull);
}

#[test]
fn a_lock_is_held_once_until_it_is_dropped() {
    let (dir, env) = world();
    let path = dir.path().join("LOCK");
    let held = env.files.lock(&path).unwrap();
    assert_eq!(env.files.lock(&path).err().unwrap().kind(), ErrorKind::WouldBlock);
    drop(held);
    drop(env.files.lock(&path).unwrap());
}

#[test]
fn time_goes_on() {
    let clock = Env::real().clock;
    let (first, second) = (clock.monotonic_ns(), clock.monotonic_ns());
    assert!(first <= second);
    // 2020-01-01 UTC: earlier than this code.
    assert!(clock.wall_ns() > 1_577_836_800_000_000_000);
}

#[test]
fn a_parked_task_runs_again_for_every_wake() {
    let env = Env::real();
    let (report, steps) = mpsc::channel();
    let mut count = 0;
    let task = env.tasks.spawn(
        "counts",
        Box::new(move || {
            count += 1;
            report.send(count).unwrap();
            if count == 4 { Step::Done } else { Step::Wait(None) }
        }),
    );
    assert_eq!(steps.recv(), Ok(1));
    for expect in 2..=4 {
        // Whether the task is parked yet or not: the wake counts.
        task.wake();
        assert_eq!(steps.recv(), Ok(expect));
    }
    task.wait_finished();
    assert!(task.is_finished() && !task.panicked());
    assert!(steps.recv().is_err(), "what a task owns is dropped before it is finished");
}

#[test]
fn a_task_runs_again_when_its_time_has_passed_or_at_once() {
    let env = Env::real();
    let mut left = vec![Step::Done, Step::Wait(Some(Duration::from_micros(10))), Step::Again];
    let task = env.tasks.spawn("waits", Box::new(move || left.pop().unwrap()));
    task.wait_finished();
    assert!(!task.panicked());
}

#[test]
fn a_task_that_panics_is_finished() {
    let task = Env::real().tasks.spawn("panics", Box::new(|| panic!("on purpose")));
    task.wait_finished();
    assert!(task.is_finished() && task.panicked());
}

#[test]
fn both_sides_of_a_join_run_at_the_same_time() {
    let env = Env::real();
    let ran = AtomicU32::new(0);
    let meet = Barrier::new(2);
    let side = || {
        // Ends only if the other side has come here too.
        meet.wait();
        ran.fetch_add(1, Ordering::Relaxed);
    };
    env.tasks.join(&mut || side(), &mut || side());
    assert_eq!(ran.load(Ordering::Relaxed), 2);
}

#[test]
fn joins_borrow_what_they_work_on_and_may_be_nested() {
    let env = Env::real();
    let (mut left, mut inner, mut right) = (0, 0, 0);
    for _ in 0..1000 {
        env.tasks.join(&mut || left += 1, &mut || {
            env.tasks.join(&mut || inner += 1, &mut || right += 1);
        });
    }
    assert_eq!((left, inner, right), (1000, 1000, 1000));
}

#[test]
fn a_panic_in_a_join_is_passed_on_after_the_other_side_has_ended() {
    let tasks = Env::real().tasks;
    for side in ["a", "b"] {
        let ended = AtomicU32::new(0);
        let act = |name: &str| {
            if name == side {
                panic!("on purpose");
            }
            ended.fetch_add(1, Ordering::Relaxed);
        };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            tasks.join(&mut || act("a"), &mut || act("b"));
        }));
        assert!(outcome.is_err());
        assert_eq!(ended.load(Ordering::Relaxed), 1);
    }
}
