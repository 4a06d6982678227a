//! Bodies of requests, one file for each protocol.
//!
//! [`body`](Body) holds the bytes and where the times stand in them · `line.rs`, `csv.rs`, `msgpack.rs`,
//! `arrow.rs` write them · `digits.rs` numbers as text.

mod arrow;
mod bytes;
mod csv;
mod digits;
mod line;
mod msgpack;

pub use bytes::{Bodies, Body};
