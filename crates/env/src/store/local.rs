//! Objects as files below one directory.
//!
//! An object is written to `<name>.<random>.tmp`, synced, linked to its name (which fails if the name
//! is taken), the temporary name removed, and the directory synced. New directories are durable
//! before anything is put into them.
//!
//! Invariant: a name without [`TEMPORARY_SUFFIX`] is only ever linked to a synced file.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{ObjectWriter, Store, TEMPORARY_SUFFIX};
use crate::Env;
use crate::files::{Advice, File, Files, read_all};
use crate::random::Random;

/// Pieces are gathered to this many bytes before they are written: few system calls for writers of
/// small pieces, and little beside the buffers of those writers.
const GATHER_BYTES: usize = 256 << 10;

/// An object that is written in pieces is synced each time it has grown by this: what a sync at its end
/// has left to do holds up the syncs of others, the log's among them, for a few hundred milliseconds at
/// most on a disk of 100 MB/s.
const SYNC_BYTES: u64 = 32 << 20;

/// A [`Store`] in a directory. Cheap to clone.
#[derive(Clone)]
pub struct LocalStore {
    root: PathBuf,
    files: Arc<dyn Files>,
    random: Arc<dyn Random>,
    /// Directories that this process has seen to be durable.
    durable_dirs: Arc<Mutex<HashSet<PathBuf>>>,
}

impl LocalStore {
    /// The store below `root`, which is created with the first object. The last part of a name may
    /// have at most 234 bytes where the file system allows 255: the temporary adds 21.
    pub fn new(root: impl Into<PathBuf>, env: &Env) -> LocalStore {
        LocalStore {
            root: root.into(),
            files: env.files.clone(),
            random: env.random.clone(),
            durable_dirs: Arc::default(),
        }
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        if name.split('/').all(is_part) { Ok(self.root.join(name)) } else { Err(bad_name(name)) }
    }

    fn start(&self, name: &str) -> io::Result<LocalWriter> {
        let dir = self.path(name)?.parent().unwrap_or(&self.root).to_path_buf();
        let random = self.random.next_u64();
        let temporary = self.path(&format!("{name}.{random:016x}{TEMPORARY_SUFFIX}"))?;
        let file = self.create_in(&dir, &temporary)?;
        Ok(LocalWriter {
            store: self.clone(),
            file,
            dir,
            temporary: Some(temporary),
            gathered: Vec::new(),
            written: 0,
            synced: 0,
        })
    }

    /// Creates the file `path` in `dir`, which is made durable first, once for each process.
    fn create_in(&self, dir: &Path, path: &Path) -> io::Result<Arc<dyn File>> {
        if self.durable_dirs.lock().contains(dir) {
            match self.files.create(path) {
                // An empty directory was removed.
                Err(error) if is_missing(&error) => {}
                created => return created,
            }
        }
        self.files.create_dir_all(dir)?;
        self.durable_dirs.lock().insert(dir.to_owned());
        self.files.create(path)
    }

    /// Appends the files below `dir` whose name starts with `prefix`; `dir_name` is the name of
    /// `dir`, empty or ending in `/`.
    fn walk(&self, dir_name: &str, prefix: &str, found: &mut Vec<(String, u64)>) -> io::Result<()> {
        let entries = match self.files.list(&self.root.join(dir_name)) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = format!("{dir_name}{}", entry.name);
            if entry.is_dir {
                let inner = format!("{name}/");
                if inner.starts_with(prefix) || prefix.starts_with(&inner) {
                    self.walk(&inner, prefix, found)?;
                }
            } else if name.starts_with(prefix) {
                found.push((name, entry.len));
            }
        }
        Ok(())
    }
}

impl Store for LocalStore {
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut writer = self.start(name)?;
        writer.append(bytes)?;
        writer.publish(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn ObjectWriter>> {
        Ok(Box::new(self.start(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.files.open(&self.path(name)?)
    }

    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        read_all(&*self.files, &self.path(name)?)
    }

    fn map(&self, name: &str) -> io::Result<Option<Bytes>> {
        self.files.map(&self.path(name)?).map(Some)
    }

    fn advise(&self, bytes: &[u8], advice: Advice) {
        self.files.advise(bytes, advice);
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.files.unlink(&self.path(name)?)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<(String, u64)>> {
        let (dir_name, _) = prefix.split_at(prefix.rfind('/').map_or(0, |at| at + 1));
        if !dir_name.is_empty() && !dir_name.trim_end_matches('/').split('/').all(is_part) {
            return Err(bad_name(prefix));
        }
        let mut found = Vec::new();
        self.walk(dir_name, prefix, &mut found)?;
        found.sort_unstable();
        Ok(found)
    }
}

/// The file behind an object that has no name yet.
struct LocalWriter {
    store: LocalStore,
    file: Arc<dyn File>,
    dir: PathBuf,
    /// Present while the temporary name exists.
    temporary: Option<PathBuf>,
    gathered: Vec<u8>,
    written: u64,
    /// Bytes that a sync has covered.
    synced: u64,
}

impl LocalWriter {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(bytes, self.written)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        self.append(&gathered)?;
        if self.written - self.synced >= SYNC_BYTES {
            self.file.sync_data()?;
            self.synced = self.written;
        }
        Ok(())
    }

    fn publish(&mut self, name: &str) -> io::Result<()> {
        let path = self.store.path(name)?;
        if path.parent() != Some(&self.dir) {
            return Err(bad_name(name));
        }
        self.file.sync_all()?;
        if let Some(temporary) = &self.temporary {
            self.store.files.link(temporary, &path)?;
        }
        self.discard_temporary()?;
        self.store.files.sync_dir(&self.dir)
    }

    fn discard_temporary(&mut self) -> io::Result<()> {
        match self.temporary.take() {
            Some(temporary) => self.store.files.unlink(&temporary),
            None => Ok(()),
        }
    }
}

impl ObjectWriter for LocalWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.gathered.len() + bytes.len() > GATHER_BYTES {
            self.flush()?;
        }
        if bytes.len() >= GATHER_BYTES {
            return self.append(bytes);
        }
        self.gathered.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(mut self: Box<Self>, name: &str) -> io::Result<u64> {
        self.flush()?;
        self.publish(name)?;
        Ok(self.written)
    }
}

impl Drop for LocalWriter {
    /// Best effort: whoever opens the store next removes what stays behind.
    fn drop(&mut self) {
        let _ = self.discard_temporary();
    }
}

fn is_part(part: &str) -> bool {
    !part.is_empty() && part != "." && part != ".." && !part.contains('\0')
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn bad_name(name: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{name:?} is not an object name: relative, `/` between parts, no `.` or `..`"),
    )
}
