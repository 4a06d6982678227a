//! The simulated disk in the hands of a test: faults, crashes, and the state behind them.
//!
//! Not responsible for what survives a crash: `names.rs` and `content.rs` decide that.
//!
//! Invariant: every operation passes [`Disk::begin`], which counts, traces, lets time pass and
//! refuses everything after a crash.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastrand::Rng;
use parking_lot::Mutex;

use super::clock::SimClock;
use super::content::{Content, PAGE_BYTES, survival_chance};
use super::files::mount;
use super::names::{NodeId, Tree};
use super::trace::{Trace, hash_bytes};
use crate::files::Files;

/// What [`Files::free_bytes`] starts from until a capacity is set: 1 TiB, more than a test writes.
const CAPACITY_BYTES: u64 = 1 << 40;

/// Linux, and most others: input/output error.
const EIO: i32 = 5;

/// The kinds of file operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OpKind {
    /// [`Files::open`].
    Open,
    /// [`Files::list`].
    List,
    /// [`Files::exists`].
    Exists,
    /// [`Files::free_bytes`].
    FreeBytes,
    /// [`Files::lock`]; a missing lock file is a [`OpKind::Create`] before it.
    Lock,
    /// [`crate::File::read_at`].
    Read,
    /// [`crate::File::len`].
    Len,
    /// [`Files::create`].
    Create,
    /// One directory of [`Files::create_dir_all`].
    CreateDir,
    /// [`Files::rename`].
    Rename,
    /// [`Files::link`].
    Link,
    /// [`Files::unlink`].
    Unlink,
    /// [`Files::remove_dir`].
    RemoveDir,
    /// [`Files::sync_dir`], alone or inside [`Files::create_dir_all`].
    SyncDir,
    /// [`crate::File::write_at`].
    Write,
    /// [`crate::File::set_len`].
    SetLen,
    /// [`crate::File::allocate`].
    Allocate,
    /// [`crate::File::sync_data`].
    SyncData,
    /// [`crate::File::sync_all`].
    SyncAll,
}

impl OpKind {
    /// Whether it changes the disk, or what the disk promises to keep.
    pub fn is_mutating(self) -> bool {
        self >= OpKind::Create
    }

    /// The longest an operation of this kind takes, in nanoseconds: about those of a flash disk.
    fn time_max_ns(self) -> u64 {
        match self {
            OpKind::SyncDir | OpKind::SyncData | OpKind::SyncAll => 2_000_000,
            kind if kind.is_mutating() => 50_000,
            _ => 10_000,
        }
    }
}

/// The simulated disk in the hands of a test. The engine gets a view of it, see [`SimFiles::mount`].
#[derive(Clone)]
pub struct SimFiles {
    disk: Arc<Mutex<Disk>>,
}

/// The state of the disk and of the process that uses it.
pub(super) struct Disk {
    pub(super) tree: Tree,
    pub(super) rng: Rng,
    clock: Arc<SimClock>,
    pub(super) trace: Arc<Trace>,
    /// The number of the running process.
    pub(super) generation: u64,
    pub(super) crashed: bool,
    /// Mutating operations up to and including the one at which the power fails.
    crash_in: Option<u64>,
    mutations: u64,
    last_op: Option<(OpKind, PathBuf)>,
    capacity_bytes: u64,
    fail_sync: bool,
    fail_write: bool,
    pub(super) locks: BTreeSet<PathBuf>,
}

impl SimFiles {
    pub(super) fn new(rng: Rng, clock: Arc<SimClock>, trace: Arc<Trace>) -> SimFiles {
        let disk = Disk {
            tree: Tree::new(),
            rng,
            clock,
            trace,
            generation: 0,
            crashed: false,
            crash_in: None,
            mutations: 0,
            last_op: None,
            capacity_bytes: CAPACITY_BYTES,
            fail_sync: false,
            fail_write: false,
            locks: BTreeSet::new(),
        };
        SimFiles { disk: Arc::new(Mutex::new(disk)) }
    }

    /// The file system as the present process sees it.
    pub fn mount(&self) -> Arc<dyn Files> {
        let generation = self.disk.lock().generation;
        mount(self.disk.clone(), generation)
    }

    /// Cuts the power at the `n`-th mutating operation from now (1 = the next): that one takes place
    /// wholly, partly or not at all, and fails, as does everything after it.
    pub fn crash_after(&self, n: u64) {
        self.disk.lock().crash_in = Some(n.max(1));
    }

    /// Cuts the power now.
    pub fn crash(&self) {
        self.disk.lock().crashed = true;
    }

    /// Whether the power is out.
    pub fn crashed(&self) -> bool {
        self.disk.lock().crashed
    }

    /// Power returns: decides what the disk has kept; a new process may [`SimFiles::mount`] it. Cuts
    /// the power first if that has not happened. Faults that have not struck yet are forgotten.
    pub fn restart(&self) {
        let mut disk = self.disk.lock();
        let Disk { tree, rng, .. } = &mut *disk;
        tree.lose_power(rng);
        disk.start_process();
    }

    /// A new process after the end of the last one, with nothing lost, as after `kill -9`.
    pub fn restart_after_kill(&self) {
        let mut disk = self.disk.lock();
        disk.tree.close_handles();
        disk.start_process();
    }

    /// How many mutating operations have begun since the world did: an upper bound for
    /// [`SimFiles::crash_after`] in a second run.
    pub fn mutations(&self) -> u64 {
        self.disk.lock().mutations
    }

    /// The last mutating operation and its path (the new one of a link or rename); after a crash by
    /// [`SimFiles::crash_after`] the one it fell on. Forgotten at a restart.
    pub fn last_op(&self) -> Option<(OpKind, PathBuf)> {
        self.disk.lock().last_op.clone()
    }

    /// Sets the size of the disk in bytes; less than what is in use leaves nothing free.
    pub fn set_capacity(&self, bytes: u64) {
        self.disk.lock().capacity_bytes = bytes;
    }

    /// Lets the next sync of a file or directory fail with an I/O error.
    pub fn fail_next_sync(&self) {
        self.disk.lock().fail_sync = true;
    }

    /// Lets the next write fail with an I/O error after a random part of its pages.
    pub fn fail_next_write(&self) {
        self.disk.lock().fail_write = true;
    }
}

/// What to do with an operation.
pub(super) enum Verdict {
    Run,
    /// The power fails at it.
    Crash,
}

impl Disk {
    fn start_process(&mut self) {
        self.generation += 1;
        self.crashed = false;
        self.crash_in = None;
        self.last_op = None;
        self.fail_sync = false;
        self.fail_write = false;
        self.locks.clear();
    }

    /// Admits an operation. `detail` are the numbers that describe it in the trace.
    pub(super) fn begin(
        &mut self,
        kind: OpKind,
        path: &Path,
        detail: [u64; 3],
    ) -> io::Result<Verdict> {
        if self.crashed {
            return Err(power_is_out());
        }
        let path_hash = hash_path(path);
        let [a, b, c] = detail;
        self.trace.fold(&[kind as u64, path_hash, a, b, c]);
        let time_ns = self.rng.u64(1_000..=kind.time_max_ns());
        self.clock.advance(time_ns);
        if !kind.is_mutating() {
            return Ok(Verdict::Run);
        }
        self.mutations += 1;
        self.last_op = Some((kind, path.to_owned()));
        if let Some(left) = &mut self.crash_in {
            *left -= 1;
            if *left == 0 {
                self.crashed = true;
                return Ok(Verdict::Crash);
            }
        }
        Ok(Verdict::Run)
    }

    /// Bytes that files may still grow by.
    pub(super) fn free_bytes(&self) -> u64 {
        self.capacity_bytes.saturating_sub(self.tree.space_bytes())
    }

    /// The length up to which a file of `len` bytes could grow; not worked out unless asked for
    /// growth.
    fn len_max(&mut self, id: NodeId, wanted: u64) -> io::Result<u64> {
        let space = self.tree.content(id)?.space_bytes();
        if wanted <= space {
            return Ok(space);
        }
        let free = self.free_bytes() / PAGE_BYTES as u64 * PAGE_BYTES as u64;
        Ok(space.saturating_add(free))
    }

    /// Writes a random part of the pages of `bytes`.
    pub(super) fn write_partly(&mut self, id: NodeId, bytes: &[u8], offset: u64) -> io::Result<()> {
        let len_max = self.len_max(id, offset + bytes.len() as u64)?;
        let fits = len_max.saturating_sub(offset).min(bytes.len() as u64) as usize;
        let Disk { tree, rng, .. } = self;
        let chance = survival_chance(rng);
        let content = tree.content(id)?;
        content.write(&bytes[..fits], offset, || rng.f64() < chance);
        Ok(())
    }

    /// Writes `bytes`, or as much of their start as there is space for.
    pub(super) fn write(&mut self, id: NodeId, bytes: &[u8], offset: u64) -> io::Result<()> {
        if std::mem::take(&mut self.fail_write) {
            self.write_partly(id, bytes, offset)?;
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let len_max = self.len_max(id, offset + bytes.len() as u64)?;
        let fits = len_max.saturating_sub(offset).min(bytes.len() as u64) as usize;
        let content = self.tree.content(id)?;
        content.write(&bytes[..fits], offset, || true);
        if fits < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Checks that a file may grow to `len`.
    pub(super) fn reserve(&mut self, id: NodeId, len: u64) -> io::Result<&mut Content> {
        if len > self.len_max(id, len)? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.tree.content(id)
    }

    pub(super) fn sync(&mut self, id: NodeId) -> io::Result<()> {
        let fails = std::mem::take(&mut self.fail_sync);
        let content = self.tree.content(id)?;
        if fails {
            content.fail_sync();
            return Err(io::Error::from_raw_os_error(EIO));
        }
        content.sync();
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        if std::mem::take(&mut self.fail_sync) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        self.tree.sync_dir(dir)
    }
}

/// A path as a number of the trace.
pub(super) fn hash_path(path: &Path) -> u64 {
    hash_bytes(path.as_os_str().as_encoded_bytes())
}

/// The error of every operation after a crash.
pub(super) fn power_is_out() -> io::Error {
    io::Error::other("simulated crash")
}
