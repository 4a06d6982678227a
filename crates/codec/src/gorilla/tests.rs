use super::GorillaFloats;
use crate::float_series::{check_damage, check_round_trip, each_series};
use crate::typed::{FloatCodec, OfFloats};

#[test]
fn every_series_comes_back_bit_for_bit() {
    each_series(|name, values| assert!(check_round_trip(&OfFloats(GorillaFloats), name, values)));
}

#[test]
fn no_bytes_make_the_decoder_panic() {
    each_series(|_, values| {
        if values.len() <= 3000 {
            check_damage(&OfFloats(GorillaFloats), values);
        }
    });
}

/// The codes of the paper's figure, written out by hand.
#[test]
fn the_bits_are_those_of_the_paper() {
    // 12 ^ 24 = 0x0010…: 11 leading zeros, one bit; 24 again; 24 ^ 15 = 0x0016…: 11 leading, 4 bits;
    // 15 ^ 12 = 0x0006…: 13 leading, 2 bits, which fit the last window.
    let values = [12.0, 24.0, 24.0, 15.0, 12.0];
    let mut out = Vec::new();
    assert!(GorillaFloats::encode(&values, &mut out));
    let (table, stream) = out.split_at(4);
    assert_eq!(table, (stream.len() as u32).to_le_bytes());
    assert_eq!(stream[..8], 12f64.to_bits().to_be_bytes());
    let bits: String = stream[8..].iter().map(|byte| format!("{byte:08b}")).collect();
    let expected =
        ["11", "01011", "000001", "1", "0", "11", "01011", "000100", "1011", "10", "0011"];
    assert_eq!(bits.trim_end_matches('0'), expected.concat().trim_end_matches('0'));
    assert_eq!(bits.len(), expected.concat().len().next_multiple_of(8));
}
