//! Immutable named objects: written once, whole or not at all, then read by range.
//!
//! Reading order: this trait → `local.rs`, objects as files below one directory.
//!
//! Invariants
//! - A name is a relative path with `/` between non-empty parts, none of which is `.` or `..`.
//! - Of several writers of one name exactly one succeeds; nobody ever sees a part of an object.
//! - An object is durable when the call that wrote it has returned.

mod local;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::files::{Advice, File};

pub use local::LocalStore;

/// Ends the name of an object that is being written. A crash leaves such names behind; nobody but
/// their writer reads them.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// A place for immutable objects.
pub trait Store: Send + Sync {
    /// Writes the object `name`, durable when this returns.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken (the race is lost), `InvalidInput` for a bad name. After
    /// any other error the object may exist or not, but never a part of it.
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Starts an object, to be written piece by piece. `name` is where it is gathered: beside it, and
    /// seen by nobody; the name that it gets comes with [`ObjectWriter::finish`], since it may tell what
    /// is known only then.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name.
    fn create(&self, name: &str) -> io::Result<Box<dyn ObjectWriter>>;

    /// Opens an object for reading by range.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput`.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// A whole object.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput`.
    fn get(&self, name: &str) -> io::Result<Vec<u8>>;

    /// A whole object as memory that is read when it is touched (see [`crate::Files::map`]); `None`
    /// where this store cannot map, so that the object has to be read by range.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput`.
    fn map(&self, name: &str) -> io::Result<Option<Bytes>> {
        let _ = name;
        Ok(None)
    }

    /// Says how `bytes`, a part of what [`Store::map`] gave, will be read next. Changes speed and
    /// nothing else.
    fn advise(&self, bytes: &[u8], advice: Advice) {
        let _ = (bytes, advice);
    }

    /// Removes an object. It may be there again after a power cut.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput`.
    fn delete(&self, name: &str) -> io::Result<()>;

    /// Names and lengths in bytes of all objects whose name starts with `prefix`, sorted by name;
    /// abandoned temporaries (see [`TEMPORARY_SUFFIX`]) are among them. Empty if there are none.
    ///
    /// # Errors
    /// `InvalidInput` for a prefix that could not start a name.
    fn list(&self, prefix: &str) -> io::Result<Vec<(String, u64)>>;
}

/// An object that is being written. Dropping it unfinished leaves nothing behind.
pub trait ObjectWriter: Send {
    /// Appends `bytes`.
    ///
    /// # Errors
    /// `StorageFull` and those of the device; the object can then only be dropped.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Gives the object its `name`, beside the one it was started with; durable when this returns.
    /// Returns its length in bytes.
    ///
    /// # Errors
    /// As [`Store::put_if_absent`].
    fn finish(self: Box<Self>, name: &str) -> io::Result<u64>;
}
