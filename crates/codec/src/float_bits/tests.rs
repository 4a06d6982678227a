use super::{ConstantFloats, DictionaryFloats, RunLengthFloats};
use crate::codec::{Codec, Values};
use crate::float_series::{check_damage, check_round_trip, each_series};
use crate::typed::{FloatCodec, OfFloats};
use crate::{Choice, Codecs, Level, encode_block};

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
    let distinct: Vec<f64> = (0..3000).map(f64::from).collect();
    assert!(!DictionaryFloats::encode(&distinct, &mut out));
}

#[test]
fn a_block_is_chosen_for_the_dictionary_by_all_of_it() {
    // 4,000 prices of 20 bits: a code takes 12, and the table 4 more in a block but 27 in eight vectors.
    let mut random = fastrand::Rng::with_seed(4);
    let distinct: Vec<f64> = (0..4000).map(|_| f64::from(random.u32(0..1 << 20)) / 100.0).collect();
    let values: Vec<f64> = (0..65_536).map(|_| distinct[random.usize(0..4000)]).collect();
    let choice = Choice { level: Level::Hot, forced: None };
    let mut out = Vec::new();
    let id = encode_block(Codecs::builtin(), Values::Floats(&values), choice, &mut out);
    assert_eq!(id, DictionaryFloats::ID);
    assert!(out.len() < 65_536 * 16 / 8, "{} bytes", out.len());
}
