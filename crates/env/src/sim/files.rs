//! The simulated file system as the engine sees it.
//!
//! Invariant: handles belong to one process (generation); after a restart those of older ones fail
//! for ever.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::{Disk, OpKind, Verdict, hash_path, power_is_out};
use super::names::NodeId;
use super::trace::hash_bytes;
use crate::files::{DirEntry, File, Files};

/// The file system of `disk` for the process `generation`.
pub(super) fn mount(disk: Arc<Mutex<Disk>>, generation: u64) -> Arc<dyn Files> {
    Arc::new(Mount(Access { disk, generation }))
}

/// The disk as one process may use it.
#[derive(Clone)]
struct Access {
    disk: Arc<Mutex<Disk>>,
    generation: u64,
}

impl Access {
    /// Runs one operation; if the power fails at it, `act` takes place or not.
    fn run<T>(
        &self,
        kind: OpKind,
        path: &Path,
        detail: [u64; 3],
        act: impl FnOnce(&mut Disk) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut disk = self.disk.lock();
        if disk.generation != self.generation {
            return Err(power_is_out());
        }
        match disk.begin(kind, path, detail)? {
            Verdict::Run => act(&mut disk),
            Verdict::Crash => {
                if disk.rng.bool() {
                    // Its outcome reaches nobody.
                    let _ = act(&mut disk);
                }
                Err(power_is_out())
            }
        }
    }

    fn file(&self, id: NodeId, path: &Path) -> Arc<dyn File> {
        Arc::new(SimFile { access: self.clone(), id, path: path.to_owned() })
    }
}

/// The file system as one process sees it.
struct Mount(Access);

impl Files for Mount {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let id = self.0.run(OpKind::Create, path, [0; 3], |disk| {
            let id = disk.tree.create_file(path)?;
            disk.tree.opened(id);
            Ok(id)
        })?;
        Ok(self.0.file(id, path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let id = self.0.run(OpKind::Open, path, [0; 3], |disk| {
            let id = disk.tree.find(path)?;
            disk.tree.content(id)?;
            disk.tree.opened(id);
            Ok(id)
        })?;
        Ok(self.0.file(id, path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let names = self.0.run(OpKind::List, dir, [0; 3], |disk| disk.tree.list(dir))?;
        let entries = names.into_iter().map(|(name, len)| DirEntry {
            name,
            is_dir: len.is_none(),
            len: len.unwrap_or(0),
        });
        Ok(entries.collect())
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let found = self.0.run(OpKind::Exists, dir, [0; 3], |disk| disk.tree.list(dir));
        let Some(parent) = dir.parent() else {
            return found.map(drop);
        };
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.create_dir_all(parent)?;
                self.0.run(OpKind::CreateDir, dir, [0; 3], |disk| disk.tree.make_dir(dir))?;
            }
            found => drop(found?),
        }
        self.sync_dir(parent)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let detail = [hash_path(from), 0, 0];
        self.0.run(OpKind::Rename, to, detail, |disk| disk.tree.rename(from, to))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let detail = [hash_path(from), 0, 0];
        self.0.run(OpKind::Link, to, detail, |disk| disk.tree.link(from, to))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.0.run(OpKind::Unlink, path, [0; 3], |disk| disk.tree.unlink(path))
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.run(OpKind::RemoveDir, dir, [0; 3], |disk| disk.tree.remove_dir(dir))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.run(OpKind::SyncDir, dir, [0; 3], |disk| disk.sync_dir(dir))
    }

    fn exists(&self, path: &Path) -> bool {
        let found = self.0.run(OpKind::Exists, path, [0; 3], |disk| disk.tree.find(path));
        found.is_ok()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.0.run(OpKind::FreeBytes, dir, [0; 3], |disk| {
            disk.tree.find(dir)?;
            Ok(disk.free_bytes())
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        if !self.exists(path) {
            self.create(path)?;
        }
        self.0.run(OpKind::Lock, path, [0; 3], |disk| {
            if disk.locks.insert(path.to_owned()) {
                Ok(())
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            }
        })?;
        Ok(Box::new(Lock { access: self.0.clone(), path: path.to_owned() }))
    }
}

/// Releases a lock when dropped.
struct Lock {
    access: Access,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut disk = self.access.disk.lock();
        if disk.generation == self.access.generation {
            disk.locks.remove(&self.path);
        }
    }
}

/// An open simulated file.
struct SimFile {
    access: Access,
    id: NodeId,
    /// The name it was opened by.
    path: PathBuf,
}

impl SimFile {
    fn run<T>(
        &self,
        kind: OpKind,
        detail: [u64; 3],
        act: impl FnOnce(&mut Disk) -> io::Result<T>,
    ) -> io::Result<T> {
        self.access.run(kind, &self.path, detail, act)
    }
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.run(OpKind::Read, [offset, buf.len() as u64, 0], |disk| {
            let count = disk.tree.content(self.id)?.read(buf, offset);
            disk.trace.fold(&[hash_bytes(&buf[..count])]);
            Ok(count)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        end_of(offset, bytes.len() as u64)?;
        let detail = [offset, bytes.len() as u64, hash_bytes(bytes)];
        self.run(OpKind::Write, detail, |disk| {
            if disk.crashed {
                return disk.write_partly(self.id, bytes, offset);
            }
            disk.write(self.id, bytes, offset)
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.run(OpKind::Len, [0; 3], |disk| Ok(disk.tree.content(self.id)?.len()))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.run(OpKind::SetLen, [len, 0, 0], |disk| {
            disk.reserve(self.id, len)?.set_len(len);
            Ok(())
        })
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        let end = end_of(offset, len)?;
        self.run(OpKind::Allocate, [offset, len, 0], |disk| {
            disk.reserve(self.id, end)?.extend(end);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.run(OpKind::SyncData, [0; 3], |disk| disk.sync(self.id))
    }

    fn sync_all(&self) -> io::Result<()> {
        self.run(OpKind::SyncAll, [0; 3], |disk| disk.sync(self.id))
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut disk = self.access.disk.lock();
        if disk.generation == self.access.generation {
            disk.tree.closed(self.id);
        }
    }
}

/// The end of a range; files end before `i64::MAX` as they do on Linux.
fn end_of(offset: u64, len: u64) -> io::Result<u64> {
    let end = offset.checked_add(len);
    end.filter(|end| i64::try_from(*end).is_ok()).ok_or(io::ErrorKind::FileTooLarge.into())
}
