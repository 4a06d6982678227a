use std::mem::MaybeUninit;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{LANES, VECTOR_VALUES, pack, packed_len, unpack, unpack_lanes, unpack_words};

fn round_trip(values: &[i64], reference: i64, width: u32) -> Vec<i64> {
    let mut bytes = vec![0xaa];
    pack(values, reference, width, &mut bytes);
    assert_eq!(bytes.len(), 1 + packed_len(values.len(), width));
    bytes.push(0xbb);
    let mut source = &bytes[1..];
    let mut out = vec![7];
    unpack(&mut source, values.len(), reference, width, &mut out).unwrap();
    assert_eq!(source, [0xbb]);
    assert_eq!(out.remove(0), 7);
    out
}

/// Values of `width` bits above `reference`.
fn random(n: usize, reference: i64, width: u32, seed: u64) -> Vec<i64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mask = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
    (0..n).map(|_| reference.wrapping_add((random.u64(..) & mask) as i64)).collect()
}

#[test]
fn every_width_comes_back() {
    for width in 0..=64 {
        for n in [0, 1, 15, 16, 17, 1000, 1023, VECTOR_VALUES] {
            for reference in [0, -5, i64::MAX, i64::MIN] {
                let values = random(n, reference, width, u64::from(width));
                assert_eq!(round_trip(&values, reference, width), values, "{n} at {width} bits");
            }
        }
    }
}

#[test]
fn the_lanes_lie_as_documented() {
    for width in [1, 3, 10, 33, 63, 64] {
        let values = random(VECTOR_VALUES, 0, width, 1);
        let mut bytes = Vec::new();
        pack(&values, 0, width, &mut bytes);
        let bit = |lane: usize, at: usize| {
            let word = at / 64 * LANES + lane;
            bytes[word * 8 + at % 64 / 8] >> (at % 8) & 1
        };
        for (i, value) in values.iter().enumerate() {
            let first = i / LANES * width as usize;
            let found = (0..width as usize)
                .fold(0, |found, at| found | u64::from(bit(i % LANES, first + at)) << at);
            assert_eq!(found, *value as u64, "value {i} at {width} bits");
        }
    }
}

#[test]
fn all_kernels_agree() {
    for width in 1..=64 {
        let values = random(VECTOR_VALUES, -77, width, 5);
        let mut bytes = Vec::new();
        pack(&values, -77, width, &mut bytes);
        let words = bytes.as_chunks::<8>().0.as_chunks::<LANES>().0;
        for kernel in [unpack_words, unpack_lanes] {
            let mut out = [MaybeUninit::new(0); VECTOR_VALUES];
            kernel(words, -77, width, &mut out);
            // SAFETY: they were initialised above.
            let out = out.map(|slot| unsafe { slot.assume_init() });
            assert_eq!(out[..], values, "{width} bits");
        }
    }
}

#[test]
fn short_bytes_and_wide_widths_are_errors() {
    let mut out = vec![1];
    assert!(unpack(&mut &[0; 127][..], VECTOR_VALUES, 0, 1, &mut out).is_err());
    assert!(unpack(&mut &[0; 3][..], 5, 0, 5, &mut out).is_err());
    assert!(unpack(&mut &[0; 9000][..], VECTOR_VALUES, 0, 65, &mut out).is_err());
    assert_eq!(out, [1]);
}

proptest! {
    #[test]
    fn bits_above_the_width_are_cut(values in vec(any::<i64>(), 0..40), width in 1u32..64) {
        let back = round_trip(&values, 0, width);
        for (back, value) in back.iter().zip(&values) {
            prop_assert_eq!(*back as u64, *value as u64 & u64::MAX >> (64 - width));
        }
    }
}
