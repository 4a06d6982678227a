use super::{ZstdFloats, ZstdIntegers};
use crate::float_series::{check_damage, check_round_trip, each_series};
use crate::typed::{FloatCodec, IntegerCodec, OfFloats};

#[test]
fn every_series_comes_back_bit_for_bit() {
    each_series(|name, values| {
        check_round_trip(&OfFloats(ZstdFloats), name, values);
    });
}

#[test]
fn no_bytes_make_the_decoder_panic() {
    each_series(|_, values| {
        if values.len() <= 3000 {
            check_damage(&OfFloats(ZstdFloats), values);
        }
    });
}

#[test]
fn what_repeats_far_apart_is_small() {
    let mut random = fastrand::Rng::with_seed(1);
    let noise: Vec<i64> = (0..500).map(|_| random.i64(..)).collect();
    let values: Vec<i64> = noise.iter().copied().cycle().take(20_000).collect();
    let mut out = Vec::new();
    assert!(ZstdIntegers::encode(&values, &mut out));
    assert!(out.len() < 20_000, "{} bytes", out.len());
    // Noise alone is refused, and leaves nothing.
    out.clear();
    assert!(!ZstdIntegers::encode(&noise, &mut out) && out.is_empty());
    assert!(!ZstdFloats::encode(&[0.1], &mut out) && out.is_empty());
}
