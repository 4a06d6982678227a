use super::block::{Alp, AlpDelta};
use super::rd::AlpRd;
use super::window::Window;
use crate::codec::{Codec, Values};
use crate::float_series::{check_damage, check_round_trip, each_series};
use crate::typed::OfFloats;

const CODECS: [&dyn Codec; 3] = [&OfFloats(Alp), &OfFloats(AlpDelta), &OfFloats(AlpRd)];

#[test]
fn every_series_comes_back_bit_for_bit() {
    each_series(|name, values| {
        for codec in CODECS {
            let taken = check_round_trip(codec, name, values);
            assert!(taken || ["any bits", "edges"].contains(&name) || values.len() < 4, "{name}");
        }
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
fn decimals_take_the_bits_of_their_range() {
    // Of 0 to 999 cents: 10 bits each, 4 bytes of table and 16 of header for each vector.
    let prices: Vec<f64> = (0..2048).map(|i| (i * 7919 % 1000) as f64 / 100.0).collect();
    assert_eq!(size(&Alp, &prices), 2 * (4 + 16 + 1280));
    // With one NaN: its position and its bits.
    let mut with_nan = prices.clone();
    with_nan[77] = f64::NAN;
    assert_eq!(size(&Alp, &with_nan), 2 * (4 + 16 + 1280) + 10);
    // Steps of 3 to 6 cents take 2 bits, whatever the range; a jump takes 10 bytes.
    let mut cents = 0;
    let walk: Vec<f64> = (0..1024)
        .map(|i| {
            cents += if i == 500 { 1_000_000 } else { 3 + i * i % 11 % 4 };
            cents as f64 / 100.0
        })
        .collect();
    assert_eq!(size(&AlpDelta, &walk), 4 + 26 + 256 + 10);
}

#[test]
fn values_one_unit_beside_a_decimal_take_two_bits_more() {
    let computed: Vec<f64> = (0..1024).map(|i| 100.0 * ((i * 7919 % 1024) as f64 / 1e5)).collect();
    let decimals: Vec<f64> =
        computed.iter().map(|value| (value * 1000.0).round() / 1000.0).collect();
    let beside = computed.iter().zip(&decimals).filter(|(a, b)| a != b).count();
    assert!(beside > 100, "{beside} of 1,024 are beside");
    assert!(size(&Alp, &computed) <= size(&Alp, &decimals) + 256);
}

fn size<T: crate::typed::FloatCodec>(_: &T, values: &[f64]) -> usize {
    let mut out = Vec::new();
    assert!(T::encode(values, &mut out));
    out.len()
}

#[test]
fn a_window_leaves_out_what_costs_more_than_it_saves() {
    let best = |values: &[i64]| Window::best(values, 80);
    assert_eq!(best(&[]), Window { base: 0, width: 0 });
    assert_eq!(best(&[-5]), Window { base: -5, width: 0 });
    assert_eq!(best(&[i64::MIN, i64::MAX]), Window { base: i64::MIN, width: 64 });
    let mut values: Vec<i64> = (0..1000).map(|i| 500 + i % 16).collect();
    assert_eq!(best(&values), Window { base: 500, width: 4 });
    // Outliers far above, far below and beside.
    values.extend([i64::MAX, i64::MIN, 0, 600]);
    assert_eq!(best(&values), Window { base: 500, width: 4 });
    // As many as are worth the width.
    values.extend(std::iter::repeat_n(0, 500));
    assert_eq!(best(&values).width, 10);
}

#[test]
fn refused_values_leave_nothing() {
    let nans = [f64::NAN; 100];
    let mut out = vec![7];
    assert!(!OfFloats(Alp).encode(Values::Floats(&nans), &mut out));
    assert_eq!(out, [7]);
}
