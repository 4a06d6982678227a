//! A pull reader of JSON text (RFC 8259): the caller asks for what it expects, piece by piece.
//!
//! Responsible for syntax, exact numbers, escapes and positions of errors. Not responsible for what
//! the values mean, for duplicate keys, or for finding lines in NDJSON.
//!
//! Use: [`JsonReader::peek`] says what comes; [`JsonReader::begin_object`] and then
//! [`JsonReader::key`] until it gives `None`, reading or skipping one value after each key;
//! [`JsonReader::begin_array`] and [`JsonReader::element`] likewise. A `clone` is a mark to come back
//! to and costs nothing.
//!
//! Invariants: nothing is allocated except in the caller's scratch buffer, for strings with escapes;
//! nesting is at most [`DEPTH_MAX`]; no bytes make it panic; after an error the position is undefined.
//!
//! ```text
//! value  = object | array | string | number | "true" | "false" | "null"
//! number = -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
//! string = " (any but " \ and U+0000..U+001F | \["\/bfnrt] | \uXXXX)* "    lone surrogates are errors
//! ```

mod error;
mod number;
mod reader;

pub use error::JsonError;
pub use number::Number;
pub use reader::{DEPTH_MAX, JsonReader, Kind, Scalar};

#[cfg(test)]
mod tests;
