use super::{PcoFloats, PcoIntegers};
use crate::codec::{Codec, Sink, Values};
use crate::float_series::{check_damage, check_round_trip, each_series};
use crate::typed::{OfFloats, OfIntegers};

#[test]
fn every_series_comes_back_bit_for_bit() {
    each_series(|name, values| assert!(check_round_trip(&OfFloats(PcoFloats), name, values)));
}

#[test]
fn no_bytes_make_the_decoder_panic() {
    each_series(|_, values| {
        if values.len() <= 3000 {
            check_damage(&OfFloats(PcoFloats), values);
        }
    });
}

#[test]
fn a_table_of_any_size_is_refused() {
    let values: Vec<i64> = (0..2000).map(|i| i * i % 97).collect();
    let codec = OfIntegers(PcoIntegers);
    let mut bytes = Vec::new();
    assert!(codec.encode(Values::Integers(&values), &mut bytes));
    let mut out = Vec::new();
    codec.decode_vector(&bytes, 2000, 1, Sink::Integers(&mut out)).unwrap();
    assert_eq!(out, values[1024..]);
    // Mode 4: a dictionary, with its length in the bits that follow.
    let mode_at = 4 + 2;
    bytes[mode_at..mode_at + 4].copy_from_slice(&[0xf4, 0xff, 0xff, 0x1f]);
    let error = codec.decode_vector(&bytes, 2000, 0, Sink::Integers(&mut out)).unwrap_err();
    assert_eq!(error.to_string(), "pcodec mode: 4 is not valid");
}
