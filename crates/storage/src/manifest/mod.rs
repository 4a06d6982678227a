//! The manifest: the durable list of edits, and the version that they add up to.
//!
//! `version.rs` the immutable result in memory · `edit.rs` one atomic change · `format.rs` bytes of
//! edits and checkpoints · `log.rs` the numbered files.

mod version;

pub(crate) use version::{TableSegments, Version};
