use super::{decode_vector, encode_vector};

/// The bits behind the 64 of the first value, without those that fill the last byte up.
fn codes(values: &[i64]) -> String {
    let mut bytes = Vec::new();
    encode_vector(values, &mut bytes);
    let mut back = vec![0; values.len()];
    decode_vector(&bytes, &mut back).unwrap();
    assert_eq!(back, values);
    bytes[8..].iter().map(|byte| format!("{byte:08b}")).collect()
}

/// The code of one difference of differences.
#[track_caller]
fn check(number: i64, expected: &str) {
    let found = codes(&[5, 5i64.wrapping_add(number)]);
    let (code, fill) = found.split_at(expected.len());
    assert_eq!(code, expected, "{number}");
    assert!(fill.len() < 8 && !fill.contains('1'));
}

#[test]
fn the_codes_are_those_of_the_paper() {
    check(0, "0");
    check(1, "100000001");
    check(-1, "101111111");
    check(64, "101000000");
    check(-63, "101000001");
    check(65, "110001000001");
    check(-64, "110111000000");
    check(256, "110100000000");
    check(-255, "110100000001");
    check(257, "1110000100000001");
    check(2048, "1110100000000000");
    check(-2047, "1110100000000001");
    check(2049, &format!("1111{:032b}", 2049));
    check(-2048, &format!("1111{:032b}", -2048i32));
    check(i64::from(i32::MAX), &format!("1111{:032b}", i32::MAX));
    check(-i64::from(i32::MAX), &format!("1111{:032b}", -i32::MAX));
    for wide in [1 << 31, -1 << 31, i64::MAX, i64::MIN, 1 << 40] {
        check(wide, &format!("1111{:032b}{wide:064b}", i32::MIN));
    }
}

#[test]
fn a_regular_axis_is_one_bit_each() {
    let times: Vec<i64> = (0..1000).map(|i| i * 60).collect();
    let found = codes(&times);
    assert!(found.starts_with("100111100000000"));
    assert_eq!(found.len(), (9usize + 998).next_multiple_of(8));
    assert_eq!(found.matches('1').count(), 5);
}

#[test]
fn a_short_stream_is_an_error() {
    let mut bytes = Vec::new();
    encode_vector(&[1, 5000, 2], &mut bytes);
    for length in 0..bytes.len() {
        assert!(decode_vector(&bytes[..length], &mut [0; 3]).is_err());
    }
}
