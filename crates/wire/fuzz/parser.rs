//! The fuzz target of every parser: the name of the binary says which.
//!
//! Input: a byte that chooses options (`pulsora_wire::fuzz::Choice`), and a body. Any bytes must end
//! in an error or a whole result, and in the same one when read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulsora_wire::fuzz::Target;

fuzz_target!(|input: &[u8]| {
    Target::by_name(env!("CARGO_BIN_NAME")).expect("a target of this name").fuzz(input);
});
