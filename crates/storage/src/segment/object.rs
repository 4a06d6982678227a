//! An object of the store that holds segments: one of them, or all the small ones of a flush.
//!
//! Invariant: the object is removed when every segment of it that was opened here is doomed and the
//! last version or snapshot that holds one of them is gone, never earlier.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use pulsora_env::{File, Store};
use pulsora_model::{Error, Result};

/// An object, shared by its segments.
pub(super) struct Object {
    pub name: String,
    store: Arc<dyn Store>,
    /// What mapping it gave.
    map: OnceLock<Option<Bytes>>,
    /// Segments of it that are not doomed.
    live: AtomicUsize,
}

impl Object {
    /// The object `name`, not yet opened.
    pub fn new(name: &str, store: &Arc<dyn Store>) -> Object {
        Object {
            name: name.to_owned(),
            store: Arc::clone(store),
            map: OnceLock::new(),
            live: AtomicUsize::new(0),
        }
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
        self.store.open(&self.name).map_err(|error| self.open_error(error))
    }

    /// All its bytes in memory; `None` where the store cannot map. One map serves all segments.
    ///
    /// # Errors
    /// As [`Object::open`].
    pub fn map(&self) -> Result<Option<Bytes>> {
        if let Some(map) = self.map.get() {
            return Ok(map.clone());
        }
        let map = self.store.map(&self.name).map_err(|error| self.open_error(error))?;
        Ok(self.map.get_or_init(|| map).clone())
    }

    fn open_error(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::NotFound {
            return self.corrupt("the object is missing");
        }
        Error::io(format!("open segment object {:?}", self.name), error)
    }

    /// `corrupt` for a read beyond the end, else `io_error`.
    pub fn read_error(&self, error: io::Error) -> Error {
        read_error(&self.name, error)
    }

    /// `corrupt`, naming the object.
    pub fn corrupt(&self, what: &str) -> Error {
        corrupt_object(&self.name, what)
    }
}

/// `corrupt` for a read of the object `name` beyond its end, else `io_error`.
pub(super) fn read_error(name: &str, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return corrupt_object(name, &error.to_string());
    }
    Error::io(format!("read segment object {name:?}"), error)
}

/// `corrupt`, naming the object.
pub(super) fn corrupt_object(name: &str, what: &str) -> Error {
    Error::corrupt(format!("segment object {name:?}: {what}"))
        .hint("restore the object from a backup, or drop the table")
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
