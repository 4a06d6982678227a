//! Which values stand for the others.
//!
//! Responsible for places that are spread over a slice and miss no pattern that repeats in it: equal
//! steps would see one value of every period that divides them.

/// 2^64 divided by the golden ratio, and odd: its multiples fall apart evenly, modulo 2^64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// `count` places below `length`, or all of them where they are fewer.
pub(super) fn places(length: usize, count: usize) -> impl Iterator<Item = usize> {
    let spread = move |index: u64| {
        let fraction = u128::from(index.wrapping_mul(GOLDEN));
        ((fraction * length as u128) >> 64) as usize
    };
    let all = length <= count;
    (0..length.min(count)).map(move |index| if all { index } else { spread(index as u64) })
}
