use super::{ConstantFloats, DictionaryFloats, RunLengthFloats};
use crate::codec::Codec;
use crate::float_series::{check_damage, check_round_trip, each_series};
use crate::typed::{FloatCodec, OfFloats};

const CODECS: [&dyn Codec; 3] =
    [&OfFloats(ConstantFloats), &OfFloats(RunLengthFloats), &OfFloats(DictionaryFloats)];

#[test]
fn every_series_comes_back_bit_for_bit() {
    each_series(|name, values| {
        let taken = CODECS.map(|codec| check_round_trip(codec, name, values));
        let equal = values.windows(2).all(|pair| pair[0].to_bits() == pair[1].to_bits());
        assert_eq!(taken[0], equal, "{name}");
        let runs = ["constant", "runs"].contains(&name) && values.len() > 8;
        assert!(taken[1] || !runs, "{name}");
        let few = ["constant", "zeros of both signs", "few values", "edges"].contains(&name);
        assert!(taken[2] || !few, "{name}");
    });
}

#[test]
fn no_bytes_make_the_decoder_panic() {
    each_series(|_, values| {
        if values.len() <= 3000 {
            CODECS.iter().for_each(|codec| check_damage(*codec, values));
        }
    });
}

#[test]
fn rare_values_of_a_dictionary_do_not_widen_the_codes() {
    // Four frequent values, and two hundred rare ones: 2 bits each, and about 3 bytes for each rare one.
    let value =
        |i: usize| if i % 300 == 299 { i as f64 } else { [0.1, 0.2, 0.3, 0.4][i * i % 7 % 4] };
    let values: Vec<f64> = (0..65_536).map(value).collect();
    let mut out = Vec::new();
    assert!(DictionaryFloats::encode(&values, &mut out));
    let rare = 65_536 / 300;
    assert!(out.len() < 65_536 / 4 + rare * (8 + 3) + 1000, "{} bytes", out.len());
    // Values that do not repeat are not worth one.
    let distinct: Vec<f64> = (0..2000).map(f64::from).collect();
    assert!(!DictionaryFloats::encode(&distinct, &mut out));
}
