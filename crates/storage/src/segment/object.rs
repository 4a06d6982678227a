//! An object of the store that holds segments: one of them, or all the small ones of a flush.
//!
//! Invariant: the object is removed when every segment of it that was opened here is doomed and the
//! last version or snapshot that holds one of them is gone, never earlier.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pulsora_env::{File, Store};
use pulsora_model::{Error, Result};

/// An object, shared by its segments.
pub(super) struct Object {
    pub name: String,
    store: Arc<dyn Store>,
    /// Segments of it that are not doomed.
    live: AtomicUsize,
}

impl Object {
    /// The object `name`, not yet opened.
    pub fn new(name: &str, store: &Arc<dyn Store>) -> Object {
        Object { name: name.to_owned(), store: Arc::clone(store), live: AtomicUsize::new(0) }
    }

    /// Counts one more segment in it.
    pub fn hold(&self) {
        self.live.fetch_add(1, Ordering::AcqRel);
    }

    /// One of its segments is needed by nobody new.
    pub fn release(&self) {
        self.live.fetch_sub(1, Ordering::AcqRel);
    }

    /// # Errors
    /// `corrupt` when it is missing, `io_error`.
    pub fn open(&self) -> Result<Arc<dyn File>> {
        self.store.open(&self.name).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                return self.corrupt("the object is missing");
            }
            Error::io(format!("open segment object {:?}", self.name), error)
        })
    }

    /// `corrupt` for a read beyond the end, else `io_error`.
    pub fn read_error(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return self.corrupt(&error.to_string());
        }
        Error::io(format!("read segment object {:?}", self.name), error)
    }

    /// `corrupt`, naming the object.
    pub fn corrupt(&self, what: &str) -> Error {
        Error::corrupt(format!("segment object {:?}: {what}", self.name))
            .hint("restore the object from a backup, or drop the table")
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if *self.live.get_mut() > 0 {
            return;
        }
        if let Err(error) = self.store.delete(&self.name) {
            let object = self.name.as_str();
            tracing::warn!(object, %error, "a dropped segment could not be removed; the next start removes it");
        }
    }
}
