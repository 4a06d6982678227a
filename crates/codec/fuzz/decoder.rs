//! The fuzz target of every decoder: the name of the binary says which, as `<kind>-<name of the codec>`.
//!
//! Input: number of values of the block (u16, little-endian; 0 stands for 65,536), vector (u8, of 64), bytes of
//! the block. Any bytes must end in an error or in as many values as the vector has.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulsora_codec::{BLOCK_VALUES_MAX, Codecs, Kind, Sink, VECTOR_VALUES};

fuzz_target!(|input: &[u8]| {
    if let Some((&[low, high, vector], bytes)) = input.split_first_chunk() {
        let n = match usize::from(u16::from_le_bytes([low, high])) {
            0 => BLOCK_VALUES_MAX,
            n => n,
        };
        decode(bytes, n, usize::from(vector % 64));
    }
});

fn decode(bytes: &[u8], n: usize, vector: usize) {
    let (kind, name) = env!("CARGO_BIN_NAME").split_once('-').expect("kind and name");
    let kind = match kind {
        "integers" => Kind::Integers,
        "floats" => Kind::Floats,
        "booleans" => Kind::Booleans,
        _ => Kind::Text,
    };
    let codec = Codecs::builtin().by_name(kind, name).expect("a built-in codec");
    let (mut integers, mut floats, mut booleans) = (Vec::new(), Vec::new(), Vec::new());
    let (mut offsets, mut text) = (vec![0], Vec::new());
    let sink = match kind {
        Kind::Integers => Sink::Integers(&mut integers),
        Kind::Floats => Sink::Floats(&mut floats),
        Kind::Booleans => Sink::Booleans(&mut booleans),
        Kind::Text => Sink::Text { offsets: &mut offsets, bytes: &mut text },
    };
    if codec.decode_vector(bytes, n, vector, sink).is_ok() {
        let found = integers.len() + floats.len() + booleans.len() + offsets.len() - 1;
        assert_eq!(found, (n - vector * VECTOR_VALUES).min(VECTOR_VALUES));
        for range in offsets.windows(2) {
            let value = &text[range[0] as usize..range[1] as usize];
            assert!(std::str::from_utf8(value).is_ok());
        }
    }
}
