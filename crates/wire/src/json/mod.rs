//! JSON rows: an array of objects, one object, or one object per line (NDJSON).
//!
//! Each object is a row, each key a column; a key that a row lacks, or whose value is null, is null
//! in it. Values are numbers, text, booleans or null; nested values are refused. A key may stand in
//! an object once. Numbers are exact: integers up to u64, everything else the nearest double. Text
//! is text, also where it looks like a number; date-time text makes timestamp columns. A new column
//! that mixes booleans, numbers and text becomes text, with the numbers as they were written.
//!
//! In NDJSON a line that is not JSON is a bad row like any other; in an array it spoils the body.
//!
//! Reading order: [`parse_rows`], [`parse_ndjson`] (two passes: infer, then store) → `source` (where
//! rows come from) → `keys` (names to columns) → `cells` (a value into its column).

mod cells;
mod keys;
mod parse;
mod source;

pub use parse::{parse_ndjson, parse_rows};

#[cfg(test)]
mod tests;
