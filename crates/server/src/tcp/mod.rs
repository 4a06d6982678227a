//! Line protocol over plain TCP, where `tcp.listen` is set.
//!
//! `accept.rs` takes connections in · `connection.rs` gathers the lines of one · `batch.rs` stores what was
//! gathered · `report.rs` tells of lines that could not be stored.
//!
//! There is no acknowledgement: what the client hands to its socket may be lost with either process. What a
//! query has shown is as durable as `tcp.durability` says, as with any other write.
//!
//! Invariants: bytes that wait are bounded per connection (`tcp.buffer`) and hold room in the queue of
//! writes, which bounds them in all; where there is none, nothing is read; a bad line never costs a good one.

mod accept;
mod batch;
mod connection;
mod report;

pub(crate) use accept::serve;
