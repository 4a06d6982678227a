use proptest::collection::vec;
use proptest::prelude::*;

use super::Window;

/// The width, and how many of the numbers are exceptions.
fn found(numbers: &[i64]) -> (u32, usize) {
    let window = Window::of(numbers);
    (window.width, numbers.iter().filter(|&&number| !window.holds(number)).count())
}

fn cycle(pattern: &[i64], n: usize) -> Vec<i64> {
    pattern.iter().copied().cycle().take(n).collect()
}

#[test]
fn outliers_do_not_widen_a_vector() {
    let mut steps = cycle(&[-3, 0, 2, 1, -1, 3, -2, 0], 1024);
    assert_eq!(found(&steps), (3, 0));
    (steps[100], steps[500], steps[900]) = (100, -77, 90_000);
    assert_eq!(found(&steps), (3, 3));
    (steps[100], steps[500], steps[900]) = (i64::MIN, i64::MAX, i64::MIN + 1);
    assert_eq!(found(&steps), (3, 3));
}

#[test]
fn constant_steps_take_no_bits_beside_their_jumps() {
    let mut steps = vec![10; 1024];
    assert_eq!(found(&steps), (0, 0));
    for at in (150..1024).step_by(150) {
        steps[at] = -3600;
    }
    assert_eq!(found(&steps), (0, 6));
}

#[test]
fn evenly_spread_numbers_have_no_exceptions() {
    let spread: Vec<i64> = (0..1024).map(|i| 500 + i * 3 % 1000).collect();
    assert_eq!(found(&spread), (10, 0));
    // The two are neighbours where arithmetic wraps.
    assert_eq!(found(&cycle(&[i64::MIN, i64::MAX], 1024)), (1, 0));
    assert_eq!(found(&[]), (0, 0));
    assert_eq!(found(&[7]), (0, 0));
}

proptest! {
    /// The cost is never above that of packing everything.
    #[test]
    fn narrow_numbers_are_counted_alike(
        numbers in vec(0i64..256, 1..1025),
        base in any::<i64>(),
    ) {
        let numbers: Vec<i64> = numbers.iter().map(|number| base.wrapping_add(*number)).collect();
        let pivot = super::middle(&numbers);
        prop_assert_eq!(super::count_narrow(&numbers, pivot), super::count_widths(&numbers, pivot));
    }

    #[test]
    fn a_window_is_no_worse_than_the_whole(numbers in vec(any::<i64>(), 0..300), shift in 0u32..64) {
        let numbers: Vec<i64> = numbers.iter().map(|number| number >> shift).collect();
        let whole = Window::around(&numbers);
        prop_assert!(numbers.iter().all(|&number| whole.holds(number)));
        let (width, exceptions) = found(&numbers);
        let cost = numbers.len() as u32 * width + exceptions as u32 * (whole.width + 10);
        prop_assert!(cost <= numbers.len() as u32 * whole.width);
    }
}
