//! Disk space kept back for flush, manifest and drops.
//!
//! Invariants: while the reserve file is allocated, the disk has room for background work whatever
//! writers do; it is released when the disk is full, and allocated again before writes go on.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use pulsora_env::{Env, Files};
use pulsora_model::{Code, Error, Result};

use super::options::Options;

const FILE: &str = "reserve";

/// The reserve. Guards whether it is held.
pub(super) struct Reserve {
    files: Arc<dyn Files>,
    dir: PathBuf,
    path: PathBuf,
    bytes: u64,
    /// Bytes that must be free beside it before writes go on: a log file.
    beside: u64,
    held: Mutex<bool>,
}

impl Reserve {
    /// The reserve as the process before left it; [`Reserve::try_hold`] holds it.
    pub fn new(env: &Env, options: &Options) -> Reserve {
        Reserve {
            files: Arc::clone(&env.files),
            dir: options.data_dir.clone(),
            path: options.data_dir.join(FILE),
            bytes: options.reserve_bytes,
            beside: options.wal_file_bytes,
            held: Mutex::new(false),
        }
    }

    /// # Errors
    /// `disk_full` while the reserve is not held.
    pub fn check(&self) -> Result<()> {
        if *self.held.lock() {
            return Ok(());
        }
        Err(Error::new(
            Code::DiskFull,
            format!(
                "the disk is full: less than {} bytes are left for the engine itself",
                self.bytes
            ),
        )
        .hint("free space on the disk of the data directory; writes go on without a restart"))
    }

    /// Whether it is held.
    pub fn is_held(&self) -> bool {
        *self.held.lock()
    }

    /// Gives the space to background work; says whether there was any to give.
    pub fn release(&self) -> bool {
        let mut held = self.held.lock();
        let open = self.files.open(&self.path);
        let freed = open.and_then(|file| Ok((file.len()? > 0, file.set_len(0)?)));
        if *held {
            tracing::error!("the disk is full: writes are refused until there is space again");
        }
        *held = false;
        match freed {
            Ok((some, ())) => some,
            Err(error) => {
                tracing::warn!(%error, "the reserve could not be released");
                false
            }
        }
    }

    /// Tries to hold it again, if the next log file would fit beside it: else background work would
    /// lose the space that it was just given. True when it is held.
    pub fn try_hold(&self) -> bool {
        let mut held = self.held.lock();
        if *held || self.bytes == 0 {
            *held = true;
            return true;
        }
        match self.allocate() {
            Ok(done) => *held = done,
            Err(error) => tracing::debug!(%error, "the reserve cannot be allocated"),
        }
        *held
    }

    fn allocate(&self) -> std::io::Result<bool> {
        let file = self.files.open(&self.path).or_else(|_| self.files.create(&self.path))?;
        let missing = self.bytes.saturating_sub(file.len()?);
        if self.files.free_bytes(&self.dir)? < missing + self.beside {
            return Ok(false);
        }
        file.allocate(0, self.bytes).inspect_err(|_| {
            // Half a reserve would only take space away.
            let _kept = file.set_len(0);
        })?;
        Ok(true)
    }
}
