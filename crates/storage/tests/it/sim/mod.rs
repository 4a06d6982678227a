//! The whole engine in a simulated world: random requests, faults and crashes, and a model that says
//! what must be there.
//!
//! `workload.rs` random requests · `corrections.rs` random deletes and changes · `expiring.rs` a table with
//! retention · `model.rs` what must be there · `reads.rs` compares the two ·
//! `run.rs` one seed · `coverage.rs` what the seeds met.
//!
//! `PULSORA_SEEDS=n` runs more seeds, `PULSORA_SEED=n` one of them.

mod corrections;
mod coverage;
mod expiring;
mod model;
mod reads;
mod run;
mod workload;

use std::panic::catch_unwind;

use coverage::Coverage;
use run::Run;

/// Seeds of an ordinary run.
const SEEDS: u64 = 300;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Runs a seed; `None` when it failed, after its panic has said why.
fn tried(seed: u64) -> Option<(Coverage, u64)> {
    let outcome = catch_unwind(|| Run::seed(seed)).ok();
    if outcome.is_none() {
        println!(
            "seed {seed} failed; again: PULSORA_SEED={seed} cargo test -p pulsora-storage --test it sim"
        );
    }
    outcome
}

/// Every `threads`-th seed from `first` on: what they met, and which failed.
fn some(first: u64, threads: u64, seeds: u64) -> (Coverage, Vec<u64>) {
    let (mut sum, mut failed) = (Coverage::default(), Vec::new());
    for seed in (first..seeds).step_by(threads as usize) {
        match tried(seed) {
            Some((coverage, _)) => sum.add(&coverage),
            None => failed.push(seed),
        }
    }
    (sum, failed)
}

#[test]
fn promises_hold_through_crashes() {
    if let Some(seed) = setting("PULSORA_SEED") {
        println!("{:#?}", Run::seed(seed).0);
        return;
    }
    let seeds = setting("PULSORA_SEEDS").unwrap_or(SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let parts: Vec<_> =
        (0..threads).map(|first| std::thread::spawn(move || some(first, threads, seeds))).collect();
    let (mut coverage, mut failed) = (Coverage::default(), Vec::new());
    for part in parts {
        let (met, bad) = part.join().expect("panics are caught inside");
        coverage.add(&met);
        failed.extend(bad);
    }
    println!("{coverage:#?}");
    assert_eq!(failed, [0; 0], "seeds that failed");
    assert_eq!(coverage.missing(), [""; 0], "the seeds never met these");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [3, 4, 5] {
        assert_eq!(Run::seed(seed).1, Run::seed(seed).1, "seed {seed}");
    }
}
