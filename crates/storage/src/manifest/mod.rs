//! The manifest: the durable list of edits, and the version that they add up to.
//!
//! `version.rs` the immutable result in memory · `edit.rs` one atomic change and the state that edits
//! add up to · `keys.rs` what is remembered of idempotency keys · `format.rs` bytes of edits and checkpoints ·
//! `log.rs` the numbered files.

mod checkpoints;
mod edit;
mod format;
mod keys;
mod log;
mod version;

pub(crate) use checkpoints::Checkpoints;
pub(crate) use edit::{Bitmap, Edit, ManifestState};
pub(crate) use keys::{KeyWindows, KeysEdit, Known};
pub(crate) use log::ManifestLog;
pub(crate) use version::{TableSegments, Version};
