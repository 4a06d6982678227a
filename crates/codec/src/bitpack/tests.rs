//! Every width at every short length, against a bit-by-bit model.

use proptest::prelude::*;

use super::*;

/// The layout as the module head says it, one bit at a time.
fn pack_by_bits(values: &[u64], width: u32) -> Vec<u8> {
    let width = width as usize;
    let mut bytes = vec![0u8; (values.len() * width).div_ceil(8)];
    for (i, value) in values.iter().enumerate() {
        for bit in 0..width {
            let at = i * width + bit;
            bytes[at / 8] |= ((value >> bit & 1) as u8) << (at % 8);
        }
    }
    bytes
}

fn check(values: &[u64], width: u32) {
    let mut bytes = vec![0x55];
    pack_u64(values, width, &mut bytes);
    assert_eq!(bytes[1..], pack_by_bits(values, width), "width {width}");
    assert_eq!(bytes.len() - 1, packed_len(values.len(), width));
    bytes.push(0xaa);
    let mut source = &bytes[1..];
    let mut out = vec![42];
    unpack_u64(&mut source, values.len(), width, &mut out).unwrap();
    assert_eq!(out[0], 42);
    assert_eq!(&out[1..], values, "width {width}");
    assert_eq!(source, [0xaa]);
    if width <= 32 {
        check_u32(values, width, &bytes[1..]);
    }
}

fn check_u32(values: &[u64], width: u32, expected: &[u8]) {
    let short: Vec<u32> = values.iter().map(|&value| value as u32).collect();
    let mut bytes = Vec::new();
    pack_u32(&short, width, &mut bytes);
    assert_eq!(bytes, expected[..expected.len() - 1]);
    let mut out = Vec::new();
    unpack_u32(&mut &bytes[..], short.len(), width, &mut out).unwrap();
    assert_eq!(out, short);
}

#[test]
fn every_width_and_length() {
    let mut random = fastrand::Rng::with_seed(1);
    for width in 0..=64 {
        let mask = u64::MAX.checked_shr(64 - width).unwrap_or(0);
        for n in (0..70).chain([127, 128, 1024, 1025]) {
            let values: Vec<u64> = (0..n).map(|_| random.u64(..) & mask).collect();
            check(&values, width);
            check(&vec![mask; n], width);
        }
    }
}

#[test]
fn three_values_of_three_bits() {
    let mut bytes = Vec::new();
    pack_u64(&[1, 2, 7], 3, &mut bytes);
    assert_eq!(bytes, [0b1101_0001, 0b1]);
}

#[test]
fn wrong_widths_and_short_input_are_refused() {
    let bytes = [0u8; 100];
    assert!(unpack_u64(&mut &bytes[..], 1, 65, &mut Vec::new()).is_err());
    assert!(unpack_u32(&mut &bytes[..], 1, 33, &mut Vec::new()).is_err());
    assert!(unpack_u64(&mut &bytes[..], 101, 8, &mut Vec::new()).is_err());
    assert!(unpack_u64(&mut &bytes[..], usize::MAX, 64, &mut Vec::new()).is_err());
}

#[test]
#[should_panic(expected = "a value needs 4 bits, not 3")]
fn a_value_wider_than_the_width_is_a_fault_of_the_caller() {
    pack_u64(&[8], 3, &mut Vec::new());
}

proptest! {
    #[test]
    fn the_width_of_the_largest(values in proptest::collection::vec(any::<u64>(), 0..200), shift in 0u32..64) {
        let values: Vec<u64> = values.iter().map(|value| value >> shift).collect();
        let width = values.iter().map(|&value| width_of(value)).max().unwrap_or(0);
        check(&values, width);
    }
}
