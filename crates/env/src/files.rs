//! The traits of the file system, and what each operation promises after a power cut.
//!
//! Invariants every implementation keeps, and every caller may rely on
//! - Bytes and length of a file are durable after [`File::sync_data`] or [`File::sync_all`] returns.
//! - A name (created, linked, renamed, unlinked) is durable after [`Files::sync_dir`] of its
//!   directory returns. Neither implies the other.
//! - What was not synced may survive or not, each 4 KiB page and each name by itself.
//! - [`Files::link`] creates its name for exactly one of several racers.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The last part of the path. Bytes that are not UTF-8 are shown as U+FFFD.
    pub name: String,
    /// Whether it is a directory (links are followed).
    pub is_dir: bool,
    /// Length in bytes; 0 for a directory.
    pub len: u64,
}

/// How mapped bytes will be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Here and there: reading ahead would only fill memory.
    Random,
    /// From the start to the end: read far ahead, and let go of what lies behind.
    Sequential,
    /// All of it, soon: start reading now.
    WillNeed,
}

/// A file system. All methods may be called from any thread.
pub trait Files: Send + Sync {
    /// Creates a new, empty file for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken, `NotFound` if the directory is missing.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// The names in `dir`, sorted.
    ///
    /// # Errors
    /// `NotFound` if there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// Creates `dir` and its missing parents. Its path is durable when this returns, even if it was
    /// there before (another process may have died between making and syncing it); so this syncs
    /// at least one directory each time.
    ///
    /// # Errors
    /// `NotADirectory` or `AlreadyExists` if a file is in the way.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Gives the file `from` the name `to`, replacing a file of that name in one step.
    ///
    /// # Errors
    /// `NotFound` if `from` or the directory of `to` is missing.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Adds `to` as a second name of the file `from` (hard link).
    ///
    /// # Errors
    /// `AlreadyExists` if `to` is taken, `NotFound` if `from` is missing.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes the name of a file. Open handles go on working.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `DirectoryNotEmpty`, `NotFound`, `NotADirectory`.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes every change of names in `dir` durable.
    ///
    /// # Errors
    /// Any failure means that nothing is known about those names.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Whether `path` names a file or a directory.
    fn exists(&self, path: &Path) -> bool;

    /// Bytes an unprivileged process may still write on the file system of `dir`.
    ///
    /// # Errors
    /// `NotFound` if there is no such directory.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;

    /// Takes the exclusive lock on `path`, creating the file if needed. Released when the guard is
    /// dropped or the process ends, however it ends.
    ///
    /// # Errors
    /// `WouldBlock` if anyone, this process included, holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;

    /// The whole file as shared bytes, for files that do not change any more; they stay readable
    /// after the name is removed. The machine maps the file into memory, so that bytes are read when
    /// they are first touched: a device that fails then ends the process, and so does a file that was
    /// cut short meanwhile. Others give a copy.
    ///
    /// # Errors
    /// As [`Files::open`] and [`File::read_at`].
    fn map(&self, path: &Path) -> io::Result<Bytes> {
        read_whole(&*self.open(path)?).map(Bytes::from)
    }

    /// Says how `bytes`, a part of what [`Files::map`] gave, will be read next. Changes speed and
    /// nothing else.
    fn advise(&self, bytes: &[u8], advice: Advice) {
        let _ = (bytes, advice);
    }
}

/// An open file. Offsets and lengths are in bytes. All methods may be called from any thread.
pub trait File: Send + Sync {
    /// Reads up to `buf.len()` bytes at `offset`; 0 means the end of the file.
    ///
    /// # Errors
    /// Those of the device.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`, extending the file if needed; a gap reads as zeros.
    ///
    /// # Errors
    /// `StorageFull` and those of the device; a part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// The length.
    ///
    /// # Errors
    /// Those of the device.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// As [`File::len`].
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Cuts the file, or extends it with zeros that may not have space reserved.
    ///
    /// # Errors
    /// Those of the device.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves space for `len` bytes at `offset` and extends the file to cover them; new bytes read
    /// as zeros, old ones stay. Where the file system cannot reserve, the file is only extended.
    ///
    /// # Errors
    /// `StorageFull` if there is not enough space.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Makes all bytes written so far, and the length, durable.
    ///
    /// # Errors
    /// After a failure nothing is known about what was written since the last success, and a later
    /// success does not cover it: write it again or stop.
    fn sync_data(&self) -> io::Result<()>;

    /// As [`File::sync_data`], with all other attributes of the file.
    ///
    /// # Errors
    /// As [`File::sync_data`].
    fn sync_all(&self) -> io::Result<()>;
}

/// Fills `buf` with the bytes at `offset`.
///
/// # Errors
/// `UnexpectedEof` if the file ends before; those of [`File::read_at`].
pub fn read_exact_at(file: &dyn File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buf.len() {
        let count = file.read_at(&mut buf[done..], offset + done as u64)?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "file ends at {}, {} bytes at {offset} were asked for",
                    offset + done as u64,
                    buf.len()
                ),
            ));
        }
        done += count;
    }
    Ok(())
}

/// The whole content of the file `path`.
///
/// # Errors
/// As [`Files::open`] and [`File::read_at`].
pub fn read_all(files: &dyn Files, path: &Path) -> io::Result<Vec<u8>> {
    read_whole(&*files.open(path)?)
}

/// Reads `file` from its start to the length it has now.
pub(crate) fn read_whole(file: &dyn File) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    read_exact_at(file, &mut bytes, 0)?;
    Ok(bytes)
}
