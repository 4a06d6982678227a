//! Round trips, exact bytes, and the two ways a varint can be wrong.

use proptest::prelude::*;

use super::*;

fn round_trip(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_u64(&mut bytes, value);
    bytes.push(0xab);
    let mut source = &bytes[..];
    assert_eq!(take_u64(&mut source), Ok(value));
    assert_eq!(source, [0xab]);
    bytes.pop();
    bytes
}

#[test]
fn bytes_are_those_of_leb128() {
    assert_eq!(round_trip(0), [0]);
    assert_eq!(round_trip(127), [127]);
    assert_eq!(round_trip(128), [0x80, 1]);
    assert_eq!(round_trip(300), [0xac, 2]);
    assert_eq!(round_trip(u64::MAX), [255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
}

#[test]
fn small_magnitudes_of_either_sign_are_short() {
    for (value, expected) in [(0, 0), (-1, 1), (1, 2), (-64, 127)] {
        let mut bytes = Vec::new();
        put_i64(&mut bytes, value);
        assert_eq!(bytes, [expected]);
    }
}

#[test]
fn eleven_bytes_or_seventy_bits_are_refused() {
    let mut source: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
    let error = take_u64(&mut source).unwrap_err();
    assert_eq!(error.to_string(), "tenth byte of a varint: 2 is not valid");
    assert!(take_u64(&mut &[0x80; 11][..]).is_err());
}

#[test]
fn a_cut_varint_says_so() {
    let error = take_u64(&mut &[0x80, 0x80][..]).unwrap_err();
    assert_eq!(error.to_string(), "varint: needs 1 bytes, 0 are left");
}

#[test]
fn a_count_over_the_limit_is_refused() {
    let mut bytes = Vec::new();
    put_u64(&mut bytes, 1 << 40);
    let error = take_count(&mut &bytes[..], 1000).unwrap_err();
    assert_eq!(error.to_string(), "count: 1099511627776 is over the limit of 1000");
    assert_eq!(take_count(&mut &bytes[..], 1 << 40), Ok(1 << 40));
}

#[test]
fn a_length_beyond_the_input_is_refused() {
    let mut bytes = Vec::new();
    put_u64(&mut bytes, u64::MAX);
    assert!(matches!(take_bytes(&mut &bytes[..]), Err(DecodeError::Truncated { .. })));
}

proptest! {
    #[test]
    fn any_u64(shift in 0u32..64, value in any::<u64>()) {
        let value = value >> shift;
        prop_assert_eq!(round_trip(value).len(), len_u64(value));
    }

    #[test]
    fn any_i64(shift in 0u32..64, value in any::<i64>()) {
        let value = value >> shift;
        let mut bytes = Vec::new();
        put_i64(&mut bytes, value);
        prop_assert_eq!(bytes.len(), len_i64(value));
        let mut source = &bytes[..];
        prop_assert_eq!(take_i64(&mut source), Ok(value));
        prop_assert!(source.is_empty());
    }

    #[test]
    fn any_bytes(value in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = Vec::new();
        put_bytes(&mut bytes, &value);
        bytes.push(7);
        let mut source = &bytes[..];
        prop_assert_eq!(take_bytes(&mut source), Ok(&value[..]));
        prop_assert_eq!(source, [7]);
    }
}
