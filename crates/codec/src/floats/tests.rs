//! Bit-exact round trips, the form each kind of column takes, and exact bytes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Encodes, decodes among other bytes and values, compares bits, and returns the bytes.
fn check(values: &[f64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_f64(values, &mut bytes);
    let mut framed = bytes.clone();
    framed.extend([1, 2, 3]);
    let mut source = &framed[..];
    let mut out = vec![0.5];
    decode_f64(&mut source, values.len(), &mut out).unwrap();
    assert_eq!(out.remove(0), 0.5);
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&out), bits(values));
    assert_eq!(source, [1, 2, 3]);
    bytes
}

fn random_bits(n: usize, seed: u64) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..n).map(|_| f64::from_bits(random.u64(..))).collect()
}

#[test]
fn exact_bytes() {
    assert_eq!(check(&[]), []);
    assert_eq!(check(&[1.0; 1000]), [0, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
    // Decimal, exponent 1, then the integers 15, 25, 20.
    assert_eq!(check(&[1.5, 2.5, 2.0]), [2, 1, 4, 30, 0xa0, 5]);
    // Xor, 6 zero bytes; -0.0, 1.0 and -0.0 again leave 2 bytes each; the lengths are 2 and 2.
    let xored = [3, 6, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x22, 0xf0, 0xbf, 0xf0, 0xbf];
    assert_eq!(check(&[-0.0, 1.0, -0.0]), xored);
    let noise = random_bits(2, 4);
    let raw: Vec<u8> =
        [RAW].into_iter().chain(noise.iter().flat_map(|v| v.to_le_bytes())).collect();
    assert_eq!(check(&noise), raw);
}

#[test]
fn nan_payloads_infinities_and_the_sign_of_zero_survive() {
    let odd = [
        f64::NAN,
        -f64::NAN,
        f64::from_bits(0x7ff0_0000_0000_0001),
        f64::from_bits(0xffff_ffff_ffff_ffff),
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        f64::MAX,
        f64::MIN,
        (1u64 << 51) as f64,
        (1u64 << 53) as f64,
        1e22,
        1e23,
    ];
    check(&odd);
    for value in odd {
        check(&[value]);
        check(&[value, 1.25]);
        check(&[1.25, value]);
        let mut column: Vec<f64> = (0..3000).map(|i| f64::from(i) / 100.0).collect();
        column[1500] = value;
        check(&column);
    }
}

#[test]
fn prices_are_stored_as_integers() {
    let mut random = fastrand::Rng::with_seed(5);
    let prices: Vec<f64> =
        (0..1024).map(|_| f64::from(random.u32(10_000..26_384)) / 100.0).collect();
    let bytes = check(&prices);
    assert_eq!(bytes[..2], [DECIMAL, 2]);
    assert!(bytes.len() <= 1024 * 14 / 8 + 8);
}

#[test]
fn a_longer_decimal_outside_the_sample_raises_the_exponent() {
    let mut values: Vec<f64> = (0..1024).map(|i| f64::from(i % 100)).collect();
    values[1] = 0.125;
    assert_eq!(check(&values)[..2], [DECIMAL, 3]);
}

#[test]
fn one_misfit_in_a_block_does_not_cost_the_others() {
    let mut values: Vec<f64> = (0..4096).map(|i| f64::from(i * 37 % 100) / 10.0).collect();
    let before = check(&values).len();
    values[2001] = f64::NAN;
    assert!(check(&values).len() < before + 8 * 1024);
}

#[test]
fn single_precision_drops_its_zero_bytes() {
    let mut random = fastrand::Rng::with_seed(6);
    let values: Vec<f64> = (0..1024).map(|_| f64::from(random.f32())).collect();
    let bytes = check(&values);
    assert_eq!(bytes[..2], [XOR, 3]);
    assert!(bytes.len() <= 1024 * 11 / 2 + 16);
}

#[test]
fn noise_is_raw_and_costs_a_byte_per_block() {
    assert_eq!(check(&random_bits(4096, 7)).len(), 8 * 4096 + 4);
}

#[test]
fn heads_that_no_encoder_writes_are_refused() {
    let wrong: [(&[u8], &str); 4] = [
        (&[4], "float tag: 4 is not valid"),
        (&[2, 23, 0, 0], "decimal exponent: 23 is not valid"),
        (&[3, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0], "xor zero bytes: 8 is not valid"),
        (&[3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 8], "xor length: 8 is not valid"),
    ];
    for (bytes, expected) in wrong {
        let mut out = vec![1.0];
        let error = decode_f64(&mut &bytes[..], 2, &mut out).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(out, [1.0]);
    }
}

proptest! {
    #[test]
    fn any_bits(bits in vec(any::<u64>(), 0..1500), kept in 0u32..=64) {
        let mask = u64::MAX.checked_shl(64 - kept).unwrap_or(0);
        let values: Vec<f64> = bits.iter().map(|bits| f64::from_bits(bits & mask)).collect();
        let bytes = check(&values);
        prop_assert!(bytes.len() <= values.len() * 8 + values.len().div_ceil(BLOCK_VALUES));
    }

    #[test]
    fn any_decimals(integers in vec(any::<i64>(), 0..1500), shift in 0u32..64, exponent in 0usize..25, misfit in any::<f64>()) {
        let text = |integer: &i64| format!("{}e-{exponent}", integer >> shift).parse::<f64>().unwrap();
        let mut values: Vec<f64> = integers.iter().map(text).collect();
        check(&values);
        values.push(misfit);
        check(&values);
    }

    #[test]
    fn decimals_of_fifteen_digits_are_found(integers in vec(-(1i64 << 49)..1 << 49, 40..300), exponent in 0usize..15) {
        let text = |integer: &i64| format!("{integer}e-{exponent}").parse::<f64>().unwrap();
        let values: Vec<f64> = integers.iter().map(text).filter(|value| *value != 0.0).collect();
        let mut bytes = Vec::new();
        encode_f64(&values, &mut bytes);
        prop_assert_eq!(bytes[0], DECIMAL);
    }
}
