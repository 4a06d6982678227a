//! MessagePack bodies into batches, in four forms.
//!
//! Responsible for the items of a body, in columns or as rows. Not responsible for tables of rows in
//! MessagePack (row API), nor for results.
//!
//! Invariants: a body that is not whole MessagePack stores nothing; a bad item is listed with its
//! index (from 0) and never loses a good one; no length in the body is believed before the bytes are
//! there; nesting is at most [`DEPTH_MAX`].
//!
//! ```text
//! body     = item+ | [item*] | {"batch": [item*]}
//! item     = columnar | row                                        keys in any order, others ignored
//! columnar = {"m": table, "columns": {name: [value*]}, "tags": [name*]?}     arrays of equal length
//! row      = {"m": table, "t": time?, "h": text | int?, "fields": {name: value}?, "f": [value*]?,
//!             "tags": {name: text | number | boolean | nil}?}
//! table    = text | int n, which is measurement_n
//! value    = nil | boolean | int | float | text | timestamp extension
//! time     = int | whole float | time text | timestamp extension
//! ```
//!
//! The column `time` (or the one that bears the name of the table's time column) holds the times; if
//! it is missing, now. `h` is the tag `host` (an int n is `host_n`), `f` are the fields `field_0`,
//! `field_1`, … `name` and `time` mean `m` and `t` where those are missing, as Telegraf sends them.
//! Items that declare tags make upsert tables, others append tables.
//!
//! | first byte | type | then |
//! |---|---|---|
//! | 00-7f, e0-ff | small int | – |
//! | 80-8f, de, df | map | length in the low bits, or u16, u32; big-endian like all numbers |
//! | 90-9f, dc, dd | array | as map |
//! | a0-bf, d9, da, db | text | length in the low bits, or u8, u16, u32; bytes |
//! | c0, c2, c3 | nil, false, true | – |
//! | c4, c5, c6 | bytes | length u8, u16, u32; bytes |
//! | c7, c8, c9 | extension | length u8, u16, u32; type i8; bytes |
//! | ca, cb | float | f32, f64 |
//! | cc-cf, d0-d3 | int | u8, u16, u32, u64, i8, i16, i32, i64 |
//! | d4-d8 | extension | type i8; 1, 2, 4, 8, 16 bytes |
//!
//! Extension -1 is a timestamp: u32 seconds; or u30 nanoseconds and u34 seconds; or u32 nanoseconds
//! and i64 seconds. Source: the MessagePack specification, 2017.

mod columns;
mod item;
mod parser;
mod reader;
mod rows;
mod runs;
mod series;

pub use parser::{MsgpackOptions, parse};
pub use reader::{DEPTH_MAX, MsgpackError, MsgpackReader, Token};

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;
