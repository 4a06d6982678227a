//! The log of requests. A group is what one `fdatasync` covers; a record is one request.
//!
//! `format.rs` bytes of files and groups · `record.rs` bytes of one request · `writer.rs` appends
//! groups · `reader.rs` finds every valid record, and tells a torn end from corruption.

mod format;
mod reader;
mod record;
mod writer;

pub(crate) use reader::replay;
pub(crate) use record::{Record, Section};
pub(crate) use writer::{Group, Wal, WalFile};

#[cfg(test)]
mod tests;
