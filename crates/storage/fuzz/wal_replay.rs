//! The fuzz target of recovery. Input: changes of the log of a valid data directory.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| pulsora_storage::fuzz::wal_replay(input));
