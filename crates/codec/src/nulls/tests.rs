//! The three answers, and that no bitmap means no nulls.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn round_trip(valid: Option<&[u8]>, n: usize) -> Validity {
    let mut bytes = Vec::new();
    encode(valid, n, &mut bytes);
    let mut source = &bytes[..];
    let decoded = decode(&mut source, n).unwrap();
    assert!(source.is_empty());
    decoded
}

#[test]
fn constants() {
    for n in 0..50 {
        assert_eq!(round_trip(None, n), Validity::AllValid);
        assert_eq!(round_trip(Some(&[0xff; 7]), n), Validity::AllValid);
    }
    for n in 1..50 {
        assert_eq!(round_trip(Some(&[0; 7]), n), Validity::AllNull);
    }
}

#[test]
fn no_values_take_no_bytes_and_a_full_column_takes_one() {
    let mut bytes = Vec::new();
    encode(None, 0, &mut bytes);
    assert_eq!(bytes, []);
    encode(None, 1_000_000, &mut bytes);
    assert_eq!(bytes, [1]);
}

#[test]
fn a_cut_bitmap_is_refused() {
    assert!(decode(&mut &[2, 0xff][..], 9).is_err());
    assert!(decode(&mut &[][..], 1).is_err());
}

proptest! {
    #[test]
    fn any_bitmap(bits in vec(any::<u8>(), 2..100)) {
        let n = bits.len() * 8;
        let mixed = bits.iter().any(|&byte| byte != 0) && bits.iter().any(|&byte| byte != 0xff);
        prop_assume!(mixed);
        prop_assert_eq!(round_trip(Some(&bits), n), Validity::Mixed(bits));
    }
}
