//! Totals against a plain fold.

use proptest::collection::vec;
use proptest::prelude::*;

use super::Totals;

proptest! {
    #[test]
    fn totals_are_those_of_a_plain_fold(
        wide in vec(any::<i64>(), 0..200),
        narrow in vec(-3..4i64, 0..200),
    ) {
        for values in [wide, narrow] {
            let totals = Totals::of(&values);
            prop_assert_eq!(totals.min, values.iter().copied().min().unwrap_or(i64::MAX));
            prop_assert_eq!(totals.max, values.iter().copied().max().unwrap_or(i64::MIN));
            prop_assert_eq!(totals.sum(), values.iter().map(|value| i128::from(*value)).sum::<i128>());
        }
    }
}
