//! Every length around the byte borders, with rubbish in the spare bits.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn bit(bits: &[u8], i: usize) -> bool {
    bits[i / 8] >> (i % 8) & 1 == 1
}

fn check(bits: &[u8], n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(bits, n, &mut bytes);
    let mut framed = bytes.clone();
    framed.push(0xcc);
    let mut source = &framed[..];
    let decoded = decode(&mut source, n).unwrap();
    assert_eq!(source, [0xcc]);
    assert_eq!(decoded.len(), n.div_ceil(8));
    for i in 0..decoded.len() * 8 {
        assert_eq!(bit(&decoded, i), i < n && bit(bits, i), "bit {i} of {n}");
    }
    bytes
}

#[test]
fn exact_bytes() {
    assert_eq!(check(&[], 0), []);
    assert_eq!(check(&[0xf0], 4), [0]);
    assert_eq!(check(&[0x0f], 4), [1]);
    assert_eq!(check(&[0xff, 0xf5], 12), [2, 0xff, 0x05]);
}

#[test]
fn constants_of_every_length_take_one_byte() {
    for n in 1..100 {
        assert_eq!(check(&[0; 13], n), [0]);
        assert_eq!(check(&[0xff; 13], n), [1]);
    }
}

#[test]
fn one_odd_bit_anywhere() {
    for n in 2..40 {
        for odd in 0..n {
            let mut bits = [0u8; 5];
            bits[odd / 8] |= 1 << (odd % 8);
            check(&bits, n);
            check(&bits.map(|byte| !byte), n);
        }
    }
}

#[test]
fn wrong_tags_and_spare_bits_are_refused() {
    let unknown = decode(&mut &[3][..], 1).unwrap_err();
    assert_eq!(unknown.to_string(), "bitmap tag: 3 is not valid");
    let spare = decode(&mut &[2, 0x10][..], 4).unwrap_err();
    assert_eq!(spare.to_string(), "spare bits of a bitmap: 16 is not valid");
    assert!(decode(&mut &[2, 0x10][..], 9).is_err());
}

proptest! {
    #[test]
    fn any_bitmap(bits in vec(any::<u8>(), 1..100), spare in 0usize..8) {
        check(&bits, bits.len() * 8 - spare);
    }
}
