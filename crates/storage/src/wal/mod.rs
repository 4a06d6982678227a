//! The log of requests. A group is what one `fdatasync` covers; a record is one request.
//!
//! `format.rs` bytes of files and groups · `record.rs` bytes of one request, `dictionary.rs` and `sets.rs` the tag sets that a
//! file defines · `writer.rs` appends groups · `reader.rs` finds every valid record, and tells a torn end from corruption.

mod dictionary;
mod format;
mod reader;
mod record;
mod sets;
mod writer;

pub(crate) use dictionary::Dictionary;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) use format::{PAGE, reseal};
pub(crate) use reader::replay;
pub(crate) use record::{LoggedRows, Record, Section};
pub(crate) use sets::FileSets;
pub(crate) use writer::{Group, Wal, WalFile};

#[cfg(test)]
mod tests;
