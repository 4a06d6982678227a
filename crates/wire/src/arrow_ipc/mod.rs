//! Arrow IPC streams as rows: a schema message, then dictionary and record batches.
//!
//! Integers, floats, booleans, text, dictionaries, dates, timestamps and nulls are read; other types
//! are refused by name. Buffers are used in place where their type is the table's.
//!
//! The library that decodes messages trusts the lengths in them, so `check` walks all messages
//! first: every length lies inside the body, and what compressed buffers unpack to is bounded. What
//! it asserts beyond that (buffers too short for their rows) is contained.
//!
//! ```text
//! stream  = message* (end marker: ffffffff 00000000, may be missing)
//! message = [ffffffff] length:u32le flatbuffer[length] body[bodyLength]
//! ```

mod check;
mod lz4;
mod parse;

pub use parse::parse;

#[cfg(test)]
mod tests;
