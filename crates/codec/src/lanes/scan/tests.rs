use proptest::collection::vec;
use proptest::prelude::*;

use super::{differences, extremes, ramp, running_sum, running_sum_from, scale};

proptest! {
    #[test]
    fn sums_undo_differences(values in vec(any::<i64>(), 1..100)) {
        let mut back = vec![values[0]; values.len()];
        differences(&values, &mut back[1..]);
        let mut by_one = back.clone();
        running_sum(&mut back);
        prop_assert_eq!(&back, &values);
        running_sum_from(0, &mut by_one);
        prop_assert_eq!(&by_one, &values);
    }

    #[test]
    fn ramps_are_sums_of_one_step(first: i64, step: i64, count in 0usize..70) {
        let mut found = vec![7];
        ramp(first, step, count, &mut found);
        let mut expected = vec![step; count];
        if let Some(start) = expected.first_mut() {
            *start = first;
        }
        running_sum_from(0, &mut expected);
        prop_assert_eq!(&found[1..], &expected[..]);
    }

    #[test]
    fn scaling_and_extremes(values in vec(any::<i64>(), 0..40), origin: i64, factor: i64) {
        let least = values.iter().min().copied().unwrap_or(0);
        let most = values.iter().max().copied().unwrap_or(0);
        prop_assert_eq!(extremes(&values), (least, most));
        let mut scaled = values.clone();
        scale(&mut scaled, origin, factor);
        for (scaled, value) in scaled.iter().zip(&values) {
            prop_assert_eq!(*scaled, value.wrapping_mul(factor).wrapping_add(origin));
        }
    }
}
