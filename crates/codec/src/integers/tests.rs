//! Round trips of every shape a column takes, the sizes they promise, and exact bytes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Encodes, decodes among other bytes and values, and returns the bytes.
fn check(values: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_i64(values, &mut bytes);
    let mut framed = bytes.clone();
    framed.extend([1, 2, 3]);
    let mut source = &framed[..];
    let mut out = vec![9];
    decode_i64(&mut source, values.len(), &mut out).unwrap();
    assert_eq!(out[0], 9);
    assert_eq!(&out[1..], values);
    assert_eq!(source, [1, 2, 3]);
    check_u64(values, &bytes);
    bytes
}

fn check_u64(values: &[i64], expected: &[u8]) {
    let unsigned: Vec<u64> = values.iter().map(|&value| value as u64).collect();
    let mut bytes = Vec::new();
    encode_u64(&unsigned, &mut bytes);
    assert_eq!(bytes, expected);
    let mut out = Vec::new();
    decode_u64(&mut &bytes[..], unsigned.len(), &mut out).unwrap();
    assert_eq!(out, unsigned);
}

fn check_u32(values: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_u32(values, &mut bytes);
    let mut source = &bytes[..];
    let mut out = Vec::new();
    decode_u32(&mut source, values.len(), &mut out).unwrap();
    assert_eq!(out, values);
    assert!(source.is_empty());
    bytes
}

#[test]
fn exact_bytes() {
    assert_eq!(check(&[]), []);
    assert_eq!(check(&[7; 1000]), [0, 14]);
    assert_eq!(check(&[5, 6, 8, 5]), [2, 10, 0b0011_0100]);
    // Order 1: the first value, the step.
    assert_eq!(check(&[3, 6, 9, 12, 15, 18]), [65, 6, 6]);
    // Order 2: the first value, the first difference, the second difference.
    assert_eq!(check(&[0, 1, 4, 9, 16, 25, 36]), [130, 0, 2, 4]);
    // A factor of 1,000 (varint e8 07) over order 0 with width 2.
    assert_eq!(check(&[0, 3000, 1000, 2000, 0, 0, 3000, 1000]), [195, 0xe8, 7, 2, 0, 0x9c, 0x70]);
}

#[test]
fn a_regular_time_axis_takes_bytes_per_block_not_per_value() {
    let start = 1_767_225_600_000_000_000;
    let times: Vec<i64> = (0..10_000).map(|i| start + i * 10_000_000_000).collect();
    assert!(check(&times).len() <= 10 * 16);
}

#[test]
fn whole_seconds_in_nanoseconds_cost_their_seconds() {
    let mut random = fastrand::Rng::with_seed(2);
    let times: Vec<i64> = (0..1024).map(|_| random.i64(0..256) * 1_000_000_000).collect();
    assert!(check(&times).len() <= 1024 + 16);
}

#[test]
fn hosts_that_report_together_cost_a_bit_per_row() {
    let times: Vec<i64> =
        (0..1000).map(|i| 1_767_225_600_000_000_000 + i / 100 * 10_000_000_000).collect();
    assert!(check(&times).len() <= 1000 / 8 + 24);
}

#[test]
fn an_outlier_costs_only_its_block() {
    let mut values: Vec<i64> = (0..10 * 1024).map(|i| i * 7919 % 100).collect();
    let before = check(&values).len();
    values[5000] = i64::MAX;
    assert!(check(&values).len() < before + 1024 * 8);
    assert!(check(&values).len() > before);
}

#[test]
fn a_walk_packs_its_steps() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut value = 1i64 << 40;
    let walk: Vec<i64> = (0..1024)
        .map(|_| {
            value += random.i64(-4..4);
            value
        })
        .collect();
    assert!(check(&walk).len() <= 1024 * 3 / 8 + 16);
}

#[test]
fn the_ends_of_the_range() {
    let ends = [i64::MIN, i64::MAX, 0, -1, 1, i64::MIN + 1, i64::MAX - 1];
    for a in ends {
        check(&[a]);
        for b in ends {
            check(&[a, b]);
            check(&[a, b, a, b, b]);
            for c in ends {
                check(&[a, b, c]);
            }
        }
    }
    check_u32(&[0, u32::MAX, 0, u32::MAX, 1]);
    check_u32(&[u32::MAX]);
}

#[test]
fn a_value_outside_u32_is_refused() {
    for value in [-1, 1 << 32, i64::MIN] {
        let mut bytes = Vec::new();
        encode_i64(&[0, value], &mut bytes);
        let mut out = vec![3];
        assert!(decode_u32(&mut &bytes[..], 2, &mut out).is_err());
        assert_eq!(out, [3]);
    }
}

#[test]
fn heads_that_no_encoder_writes_are_refused() {
    let wrong: [(&[u8], &str); 5] = [
        (&[196, 0], "integer tag: 196 is not valid"),
        (&[195, 1, 0, 0], "integer factor: 1 is not valid"),
        (&[195, 2, 195, 2, 0, 0], "integer tag after a factor: 195 is not valid"),
        (&[65, 0, 0], "difference order: 1 is not valid"),
        (&[64, 0, 1, 2, 3], "packed values: needs 8 bytes, 3 are left"),
    ];
    for (bytes, expected) in wrong {
        let error = decode_i64(&mut &bytes[..], 1, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

/// Columns of many shapes: noise of any width, walks, lines, curves, multiples, runs and outliers.
fn columns() -> impl Strategy<Value = Vec<i64>> {
    let noise = vec(any::<i64>(), 0..2200);
    (noise, 0u32..64, any::<i64>(), any::<i64>(), 0u32..5, 0usize..3).prop_map(
        |(noise, shift, base, factor, sums, outliers)| {
            let mut values: Vec<i64> = noise.iter().map(|value| value >> shift).collect();
            for _ in 0..sums % 3 {
                for i in 1..values.len() {
                    values[i] = values[i].wrapping_add(values[i - 1]);
                }
            }
            for value in &mut values {
                *value = if sums > 2 { value.wrapping_mul(factor >> 40) } else { *value };
                *value = value.wrapping_add(base);
            }
            for (i, _) in (0..outliers).enumerate() {
                let at = (i * 977) % values.len().max(1);
                if let Some(value) = values.get_mut(at) {
                    *value = !*value;
                }
            }
            values
        },
    )
}

proptest! {
    #[test]
    fn any_column(values in columns()) {
        let bytes = check(&values);
        let blocks = values.len().div_ceil(BLOCK_VALUES);
        prop_assert!(bytes.len() <= values.len() * 8 + blocks * 11);
    }

    #[test]
    fn any_codes(values in vec(any::<u32>(), 0..2200), shift in 0u32..32) {
        let values: Vec<u32> = values.iter().map(|value| value >> shift).collect();
        let bytes = check_u32(&values);
        let blocks = values.len().div_ceil(BLOCK_VALUES);
        prop_assert!(bytes.len() * 8 <= values.len() * (32 - shift as usize) + blocks * 7 * 8 + blocks * 8);
    }
}
