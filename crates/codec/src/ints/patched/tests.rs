use super::{Delta, DeltaOfDelta, FrameOfReference};
use crate::codec::{BLOCK_VALUES_MAX, VECTOR_VALUES};
use crate::typed::IntegerCodec;

/// Bits of each value, after a round trip.
fn bits<T: IntegerCodec>(values: &[i64]) -> f64 {
    let mut bytes = Vec::new();
    assert!(T::encode(values, &mut bytes));
    let mut back = Vec::new();
    for start in (0..values.len()).step_by(VECTOR_VALUES) {
        let range = start..values.len().min(start + VECTOR_VALUES);
        T::decode(&bytes, values.len(), range, &mut back).unwrap();
    }
    assert_eq!(back, values);
    bytes.len() as f64 * 8.0 / values.len() as f64
}

/// Times of series of `rows` rows each, one after the other.
fn times(rows: i64, step: i64) -> Vec<i64> {
    let start = 1_700_000_000_000_000_000;
    (0..BLOCK_VALUES_MAX as i64).map(|i| start + i % rows * step).collect()
}

/// Steps of a normal distribution in [0, 100], a new walk every 360 values.
fn walk() -> Vec<i64> {
    let mut random = fastrand::Rng::with_seed(3);
    let mut value = 0.0f64;
    let step = |i| {
        if i % 360 == 0 {
            value = random.f64() * 100.0;
        }
        // The sum of twelve uniform numbers has variance 1.
        let normal = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        value = (value + normal).clamp(0.0, 100.0);
        value as i64
    };
    (0..BLOCK_VALUES_MAX).map(step).collect()
}

#[test]
fn a_regular_axis_takes_under_a_tenth_of_a_bit() {
    for step in [10_000_000_000, 1_000_000_000, 1_000_003] {
        for rows in [150, 360, 100_000] {
            let found = bits::<Delta>(&times(rows, step));
            assert!(found < 0.1, "{rows} rows, step {step}: {found} bits");
        }
        let found = bits::<DeltaOfDelta>(&times(360, step));
        assert!(found < 0.2, "step {step}: {found} bits");
    }
}

#[test]
fn jumps_between_series_do_not_widen_a_walk() {
    let found = bits::<Delta>(&walk());
    assert!(found < 3.5, "{found} bits");
    let found = bits::<FrameOfReference>(&walk());
    assert!(found < 7.1, "{found} bits");
}

#[test]
fn a_slowly_changing_step_suits_delta_of_delta() {
    let squares: Vec<i64> = (0..20_000).map(|i| i * i).collect();
    let found = bits::<DeltaOfDelta>(&squares);
    // A block of 20 vectors holds the first difference of each.
    assert!(found < 0.2, "{found} bits");
}

#[test]
fn a_short_block_has_a_short_head() {
    let mut bytes = Vec::new();
    assert!(FrameOfReference::encode(&[1000, 1003, 1001], &mut bytes));
    assert!(bytes.len() <= 20, "{} bytes", bytes.len());
}
