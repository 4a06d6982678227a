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
    path: PathBuf,
    bytes: u64,
    held: Mutex<bool>,
}

impl Reserve {
    /// Allocates the reserve, if the disk has room.
    pub fn new(env: &Env, options: &Options) -> Reserve {
        let reserve = Reserve {
            files: Arc::clone(&env.files),
            path: options.data_dir.join(FILE),
            bytes: options.reserve_bytes,
            held: Mutex::new(false),
        };
        reserve.try_hold();
        reserve
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

    /// Gives the space to background work.
    pub fn release(&self) {
        let mut held = self.held.lock();
        if let Err(error) = self.files.open(&self.path).and_then(|file| file.set_len(0)) {
            tracing::warn!(%error, "the reserve could not be released");
        }
        if *held {
            tracing::error!("the disk is full: writes are refused until there is space again");
        }
        *held = false;
    }

    /// Tries to hold it again; true when it is held.
    pub fn try_hold(&self) -> bool {
        let mut held = self.held.lock();
        if *held || self.bytes == 0 {
            *held = true;
            return true;
        }
        let file = self.files.open(&self.path).or_else(|_| self.files.create(&self.path));
        match file.and_then(|file| {
            file.allocate(0, self.bytes).inspect_err(|_| {
                // Half a reserve would only take space away.
                let _kept = file.set_len(0);
            })
        }) {
            Ok(()) => *held = true,
            Err(error) => tracing::debug!(%error, "the reserve cannot be allocated"),
        }
        *held
    }
}
