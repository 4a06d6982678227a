//! The fuzz body in a seeded loop, and how much memory an input may take.

use pulsora_env::sim::Simulation;

use super::valid::{Opened, VALID, Valid};
use super::wal_replay;
use crate::Recover;

/// Counts what this thread holds; the tests of the parsers hold theirs against the same.
#[path = "../../../wire/src/fuzz/heap.rs"]
mod heap;

/// Inputs of one seed: half of them with checksums that fit.
const INPUTS: usize = 400;

/// Bytes that recovery may take, whatever stands in the log: the two worlds of an input hold the files of
/// the directory (200 KiB) twice, and its engines a few hundred kilobytes.
const BYTES_MAX: usize = 16 << 20;

#[test]
fn any_log_opens_or_is_refused() {
    let seeds = std::env::var("PULSORA_SEEDS").map_or(1, |seeds| seeds.parse().unwrap());
    assert_eq!(VALID.states.len(), 10, "the valid directory is made before it is measured");
    for seed in 0..seeds {
        let mut random = fastrand::Rng::with_seed(seed);
        for number in 0..INPUTS {
            let mut input = vec![0; random.usize(1..=4) * 6];
            random.fill(&mut input);
            input.insert(0, (number % 2) as u8);
            let peak = heap::peak_bytes(|| wal_replay(&input));
            assert!(peak <= BYTES_MAX, "{peak} bytes for seed {seed}, input {input:?}");
        }
    }
}

#[test]
fn the_valid_directory_shows_its_last_state() {
    wal_replay(&[]);
    let opened = Opened::open(Valid::world(&VALID.files), Recover::Strict).unwrap();
    assert_eq!(Some(&opened.shown().unwrap()), VALID.states.last());
    let empty = Opened::open(Simulation::new(3), Recover::Strict).unwrap();
    assert!(empty.shown().unwrap().is_empty());
}
