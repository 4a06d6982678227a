//! Codecs of integer blocks: counters, gauges, times, dictionary codes.
//!
//! [`constant`], [`run_length`] and [`varints`] are for values that hardly change; [`patched`] packs
//! values (`for`), differences (`delta`) or differences of differences (`delta-of-delta`) in lanes, with
//! outliers set aside; [`gorilla`] is the code of Pelkonen et al. [`directory`], [`factor`] and
//! [`window`] are what [`patched`] is made of.

pub(crate) mod constant;
mod directory;
mod factor;
pub(crate) mod gorilla;
pub(crate) mod patched;
pub(crate) mod run_length;
#[cfg(test)]
mod tests;
pub(crate) mod varints;
mod window;
