use proptest::collection::vec;
use proptest::prelude::*;

use super::Scale;

fn multiples(values: &[i64]) -> (i64, Vec<i64>) {
    let scale = Scale::of(values);
    let mut out = Vec::new();
    scale.divide(values, &mut out);
    let mut bytes = Vec::new();
    scale.encode(&mut bytes);
    let mut back = out.clone();
    Scale::take(&mut &bytes[..]).unwrap().multiply(&mut back);
    assert_eq!(back, values);
    (scale.factor, out)
}

#[test]
fn times_are_multiples_of_their_step() {
    let second = 1_000_000_000;
    let start = 1_700_000_000 * second + 123;
    let times: Vec<i64> = (0..500).map(|i| start + i % 360 * 10 * second).collect();
    let (factor, found) = multiples(&times);
    assert_eq!(factor, 10 * second);
    assert_eq!(found[..3], [0, 1, 2]);
    // A late value that fits only a divisor.
    let mut times = times;
    times[400] += 4 * second;
    assert_eq!(multiples(&times).0, 2 * second);
    times[401] += 1;
    assert_eq!(multiples(&times).0, 1);
}

#[test]
fn values_without_a_factor_stay() {
    assert_eq!(multiples(&[]), (1, vec![]));
    assert_eq!(multiples(&[5, 5, 5]), (1, vec![5, 5, 5]));
    assert_eq!(multiples(&[4, 6, 9]), (1, vec![4, 6, 9]));
    // The difference wraps.
    assert_eq!(multiples(&[i64::MIN, i64::MAX - 1]), (1, vec![i64::MIN, i64::MAX - 1]));
    assert_eq!(multiples(&[i64::MAX, 0]), (i64::MAX, vec![0, -1]));
    assert_eq!(multiples(&[0, i64::MIN]), (1, vec![0, i64::MIN]));
}

proptest! {
    #[test]
    fn any_values_come_back(
        small in vec(-1000i64..1000, 0..60),
        factor in 1i64..1_000_000,
        origin: i64,
    ) {
        let values: Vec<i64> =
            small.iter().map(|value| origin.wrapping_add(value * factor)).collect();
        multiples(&values);
    }
}
