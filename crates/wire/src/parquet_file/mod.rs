//! Parquet files as rows.
//!
//! `file.rs` a file whose columns have been looked at, and its rows in batches of bounded size ·
//! `columns.rs` which columns tables can have · `parse.rs` a whole file into a write.
//!
//! Every column of a table type is read, whatever its encoding or compression; nested columns and
//! other types are refused by name, all of them at once. Memory is bounded while a file is read, not by
//! what its footer claims: text is not unpacked before it has been measured.

mod columns;
mod file;
mod parse;

pub use file::{Batches, ParquetFile};
pub use parse::{parse, parse_batch};

#[cfg(test)]
mod tests;
