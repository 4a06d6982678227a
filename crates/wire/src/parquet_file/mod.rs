//! Parquet files as rows.
//!
//! Every column of a table type is read, whatever its encoding or compression; nested columns and
//! other types are refused by name. What a file unpacks to is bounded while it is read, not by what
//! its footer claims.

mod parse;

pub use parse::parse;

#[cfg(test)]
mod tests;
