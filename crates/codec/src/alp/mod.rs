//! Decimals in floats, losslessly: ALP (Afroozeh, Kuffo and Boncz, SIGMOD 2024).
//!
//! Responsible for the codecs `alp`, `alp-delta` and `alp-rd` of floats. Not responsible for choosing
//! among them. Reading order: [`decimals`] turns floats into integers, [`kernels`] and [`vector`] store
//! the integers of a vector, [`block`] is the codecs; [`rd`] stores floats that are no decimals.
//!
//! A block of `n` values, `v = ceil(n / 1024)` vectors (little-endian, version 1):
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 4 `v` | end of each vector, counted from the byte after this table |
//! | 4 `v` | – | the vectors, end to end |
//!
//! A vector of `k` values in `alp` and `alp-delta`:
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 1 | `e`, 0 to 18: a float is `integer * 10^f * 10^-e`, in this order |
//! | 1 | 1 | `f`, 0 to `e`; with `e = 0` up to 9 |
//! | 2 | 1 | width `w` of an offset in bits, 0 to 53 |
//! | 3 | 1 | form: 0 frame of reference, 1 steps |
//! | 4 | 1 | width `u` of a correction in bits, 0 to 8 |
//! | 5 | 1 | lowest correction `l` (i8) |
//! | 6 | 2 | exceptions `x` |
//! | 8 | 8 | base: in form 0 an integer, in form 1 a step is base + offset |
//! | 16 | 8 | form 1 only: the integer before the first step |
//! | 24 | 2 | form 1 only: long steps `s`, otherwise 0 |
//! | | `packed(w)` | the offsets |
//! | | `packed(u)` | the corrections less `l`: a value's bits are its float's bits + correction |
//! | | 2 `s`, 8 `s` | positions of long steps; the steps, instead of base + offset |
//! | | 2 `x`, 8 `x` | positions of exceptions; their bits |
//!
//! `packed(w)` is [`crate::lanes::pack`]: a whole vector in lanes, a shorter one end to end.
//!
//! Corrections are an addition to the paper: what was computed (`100 * 0.32392`) is often one unit in
//! the last place beside its decimal, and 2 bits for each value are less than 80 for every third.
//!
//! A value that no correction of the width reaches (NaN, infinities, -0.0, long mantissas), or whose
//! integer lies outside of what the offsets hold, is an exception.
//!
//! Invariants: integers are below 2^51 either way, so that their floats are exact; bytes that no
//! encoder writes give an error or some floats, the same on every machine.

pub(crate) mod block;
mod decimals;
mod kernels;
pub(crate) mod rd;
mod sample;
mod scattered;
#[cfg(test)]
mod tests;
mod vector;
mod window;
