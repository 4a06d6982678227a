//! Appends groups to the log.
//!
//! Invariants: a group starts on a page; a file is begun only after every group of the earlier files
//! is on disk; a group whose write failed is overwritten in place by the next try; after a failed
//! sync nothing is written any more (the kernel may have dropped the pages).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pulsora_env::{Env, File};
use pulsora_model::{Code, Error, Result, Sequence};

use super::format::{
    FileHeader, GROUP_HEADER, GROUP_PAYLOAD_MAX, GroupHeader, PAGE, frame_record, page_up,
};

/// What is known of one log file: when it may go.
#[derive(Clone, Debug)]
pub(crate) struct WalFile {
    pub number: u64,
    pub path: PathBuf,
    /// Highest sequence in it; 0 = none yet.
    pub last: Sequence,
    /// Highest sequence with a catalog change in it; 0 = none.
    pub last_change: Sequence,
    /// Highest sequence with an idempotency key in it; 0 = none.
    pub last_key: Sequence,
    /// Bytes used.
    pub bytes: u64,
}

/// The path of a log file.
pub(crate) fn file_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.wal"))
}

/// A group under way: what is needed to write it.
pub(crate) struct Group {
    pub first: Sequence,
    pub last: Sequence,
    pub last_change: Sequence,
    pub last_key: Sequence,
    pub records: u32,
    payload: Vec<u8>,
}

impl Group {
    pub fn new() -> Group {
        Group {
            first: Sequence(0),
            last: Sequence(0),
            last_change: Sequence(0),
            last_key: Sequence(0),
            records: 0,
            payload: Vec::new(),
        }
    }

    /// Appends an encoded record, and whether it has a catalog change and a key.
    pub fn push(&mut self, sequence: Sequence, body: &[u8], changes_catalog: bool, keyed: bool) {
        if self.records == 0 {
            self.first = sequence;
        }
        self.last = sequence;
        if changes_catalog {
            self.last_change = sequence;
        }
        if keyed {
            self.last_key = sequence;
        }
        self.records += 1;
        frame_record(body, &mut self.payload);
    }

    /// Bytes of the payload so far.
    pub fn len(&self) -> usize {
        self.payload.len()
    }
}

struct Open {
    file: Arc<dyn File>,
    salt: u64,
    /// Where the next group goes.
    offset: u64,
    allocated: u64,
    info: WalFile,
}

/// The log, at its end.
pub(crate) struct Wal {
    env: Env,
    dir: PathBuf,
    file_bytes: u64,
    open: Option<Open>,
    finished: Vec<WalFile>,
    next_file: u64,
    next_group: u64,
    synced_through: u64,
    /// A sync has failed: nobody knows what is on disk.
    failed: bool,
}

impl Wal {
    /// A log that goes on with this file and group number; the file is made with the first group.
    pub fn new(env: Env, dir: PathBuf, file_bytes: u64, next_file: u64, next_group: u64) -> Wal {
        Wal {
            env,
            dir,
            file_bytes: page_up(file_bytes.max(4 * PAGE)),
            open: None,
            finished: Vec::new(),
            next_file,
            next_group,
            synced_through: next_group - 1,
            failed: false,
        }
    }

    /// Number of the open file, in which the next group goes if it fits; `None` = there is none.
    pub fn file(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.info.number)
    }

    /// Makes room for a payload of so many bytes: begins another file, and says so, if the open one
    /// lacks it.
    ///
    /// # Errors
    /// As [`Wal::write`].
    pub fn make_room(&mut self, payload_len: usize) -> Result<bool> {
        if payload_len > GROUP_PAYLOAD_MAX {
            return Err(Error::new(
                Code::LimitExceeded,
                format!(
                    "a request of {payload_len} bytes is larger than a group of the log may be ({GROUP_PAYLOAD_MAX})"
                ),
            )
            .hint("send it in smaller pieces"));
        }
        let disk_len = page_up((GROUP_HEADER + payload_len) as u64);
        let full = self.open.as_ref().is_none_or(|open| open.offset + disk_len > open.allocated);
        if full {
            self.begin_file(disk_len)?;
        }
        Ok(full)
    }

    /// Writes `group` (write(2), no sync). On error nothing of it counts, and it may be tried again
    /// unless the log has [`Wal::failed`].
    ///
    /// # Errors
    /// I/O, `disk_full` among it; `limit_exceeded` for a group that replay would not read.
    pub fn write(&mut self, group: &Group) -> Result<()> {
        self.make_room(group.payload.len())?;
        let disk_len = page_up((GROUP_HEADER + group.payload.len()) as u64);
        let open = self.open.as_mut().ok_or_else(|| Error::internal("no log file is open"))?;
        let header = GroupHeader {
            salt: open.salt,
            group: self.next_group,
            wall_ns: self.env.clock.wall_ns(),
            synced_through: self.synced_through,
            first_sequence: group.first.0,
            records: group.records,
            payload_len: group.payload.len() as u32,
            payload_crc: crc32c::crc32c(&group.payload),
        };
        let mut bytes = Vec::with_capacity(disk_len as usize);
        bytes.extend_from_slice(&header.encode());
        bytes.extend_from_slice(&group.payload);
        bytes.resize(disk_len as usize, 0);
        open.file
            .write_at(&bytes, open.offset)
            .map_err(|e| Error::io(format!("write group {} of the log", self.next_group), e))?;
        open.offset += disk_len;
        open.info.last = group.last;
        open.info.last_change = open.info.last_change.max(group.last_change);
        open.info.last_key = open.info.last_key.max(group.last_key);
        open.info.bytes = open.offset;
        self.next_group += 1;
        Ok(())
    }

    /// What syncs everything written so far; call [`Wal::synced`] when it has succeeded.
    pub fn syncer(&self) -> impl FnOnce() -> std::io::Result<()> + Send + use<> {
        let file = self.open.as_ref().map(|open| Arc::clone(&open.file));
        move || file.map_or(Ok(()), |file| file.sync_data())
    }

    /// Notes that everything written so far is on disk.
    pub fn synced(&mut self) {
        self.synced_through = self.next_group - 1;
    }

    /// Whether a sync has failed that [`Wal::write`] made on its way: nothing may be written any more.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// Whether written groups wait for a sync.
    pub fn unsynced(&self) -> bool {
        self.synced_through + 1 < self.next_group
    }

    /// Bytes used of the file that is being written.
    pub fn current_bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.info.bytes)
    }

    /// Ends the current file, so that it can go when its rows are flushed. Nothing happens while
    /// groups wait for their sync.
    pub fn rotate(&mut self) {
        if !self.unsynced() {
            self.finished.extend(self.open.take().map(|open| open.info));
        }
    }

    /// Files that have ended since the last call, oldest first.
    pub fn take_finished(&mut self) -> Vec<WalFile> {
        std::mem::take(&mut self.finished)
    }

    fn begin_file(&mut self, group_len: u64) -> Result<()> {
        if self.unsynced() {
            let synced = self.syncer()();
            self.check_sync(synced, "sync the log before a new file")?;
            self.synced();
        }
        let number = self.next_file;
        let path = file_path(&self.dir, number);
        let context = |what: &str| format!("{what} log file {number}");
        let file = match self.env.files.create(&path) {
            // Left by a try that failed further down.
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => self.env.files.open(&path),
            other => other,
        }
        .map_err(|e| Error::io(context("create"), e))?;
        let allocated = self.file_bytes.max(PAGE + group_len);
        file.allocate(0, allocated).map_err(|e| Error::io(context("allocate"), e))?;
        let header = FileHeader {
            number,
            salt: self.env.random.next_u64(),
            first_group: self.next_group,
            created_ns: self.env.clock.wall_ns(),
        };
        // From here on the new file may have a valid header, and nothing may follow in the old one.
        self.finished.extend(self.open.take().map(|open| open.info));
        file.write_at(&header.encode(), 0).map_err(|e| Error::io(context("write"), e))?;
        self.check_sync(file.sync_all(), &context("sync"))?;
        let synced = self.env.files.sync_dir(&self.dir);
        self.check_sync(synced, &context("sync the directory of"))?;
        self.next_file += 1;
        self.open = Some(Open {
            file,
            salt: header.salt,
            offset: PAGE,
            allocated,
            info: WalFile {
                number,
                path,
                last: Sequence(0),
                last_change: Sequence(0),
                last_key: Sequence(0),
                bytes: PAGE,
            },
        });
        Ok(())
    }

    /// Remembers a failed sync.
    fn check_sync(&mut self, synced: std::io::Result<()>, context: &str) -> Result<()> {
        self.failed |= synced.is_err();
        synced.map_err(|e| Error::io(context, e))
    }
}
