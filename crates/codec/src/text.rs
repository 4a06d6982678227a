//! Codecs of text.
//!
//! Responsible for `plain`, `dictionary`, `fsst` and `zstd`. Not responsible for `raw` ([`crate::raw`])
//! and for the tags of series, whose dictionary the segment keeps.
//!
//! [`strings`] is what three of them share: the lengths of the strings and their bytes by vectors, in
//! some form. [`plain`], [`fsst`] and [`zstandard`] are forms; [`dictionary`] stores codes.
//!
//! Invariant: what is decoded is UTF-8, string by string, also from bytes that no encoder wrote.

pub(crate) mod dictionary;
pub(crate) mod fsst;
pub(crate) mod plain;
mod strings;
#[cfg(test)]
mod tests;
pub(crate) mod zstandard;
