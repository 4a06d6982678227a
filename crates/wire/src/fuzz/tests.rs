//! Every target in a seeded loop, and how much memory an input may take. `PULSORA_SEEDS=n` runs more
//! seeds, `PULSORA_TARGET=name` one target.

use super::heap::peak_bytes;
use super::{TARGETS, Target};
use crate::mutate::for_each_mutation;

/// Bytes that any input may take: a builder, its tables, an error.
const BYTES_ALWAYS: usize = 256 << 10;

/// Bytes that each byte of an input may take beyond: a table of its own, with one column and one row,
/// comes with six bytes of line protocol and takes two kilobytes.
const BYTES_PER_BYTE: usize = 1 << 10;

fn check(target: &Target, input: &[u8]) {
    target.fuzz(input);
    let peak = peak_bytes(|| drop((target.parse)(input)));
    let most = BYTES_ALWAYS + BYTES_PER_BYTE * input.len();
    assert!(peak <= most, "{} took {peak} bytes for {} of input", target.name, input.len());
}

#[test]
fn any_bytes_end_in_a_whole_result_or_an_error() {
    let seed = std::env::var("PULSORA_SEEDS").map_or(1, |seeds| seeds.parse().unwrap());
    let wanted = std::env::var("PULSORA_TARGET");
    let is_wanted = |target: &&Target| wanted.as_ref().map_or(true, |name| name == target.name);
    for target in TARGETS.iter().filter(is_wanted) {
        for (number, valid) in target.valid.iter().enumerate() {
            let parsed = (target.parse)(valid).map(|parsed| parsed.rows);
            assert!(parsed.is_ok_and(|rows| rows > 0), "valid input {number} of {}", target.name);
            for seed in 0..seed {
                for_each_mutation(valid, seed, |input| check(target, input));
            }
        }
        (0..=255).for_each(|byte| check(target, &[byte]));
        check(target, &[]);
    }
}

#[test]
fn every_target_has_a_binary() {
    let binaries = include_str!("../../fuzz/Cargo.toml");
    for Target { name, .. } in TARGETS {
        assert!(
            binaries.contains(&format!("name = \"{name}\"\n")),
            "crates/wire/fuzz/Cargo.toml needs a [[bin]] {name}"
        );
    }
}
