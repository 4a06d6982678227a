//! The numbered files of the manifest: `manifest/<number>.edit`, put if absent, and a
//! `.checkpoint` of the whole state every so many edits.
//!
//! Invariants: edit n+1 is put only after edit n is durable; files at or below the newest checkpoint
//! are removed only after it is durable.

use std::sync::Arc;

use pulsora_env::Store;
use pulsora_model::{Error, Result};

use super::edit::{Edit, ManifestState};
use super::format::{Kind, decode, encode};

const PREFIX: &str = "manifest/";

/// The end of the manifest.
pub(crate) struct ManifestLog {
    store: Arc<dyn Store>,
    state: ManifestState,
    /// Number of the last edit; 0 = none.
    number: u64,
    checkpoint: u64,
}

fn edit_name(number: u64) -> String {
    format!("{PREFIX}{number:020}.edit")
}

fn checkpoint_name(number: u64) -> String {
    format!("{PREFIX}{number:020}.checkpoint")
}

impl ManifestLog {
    /// Reads the manifest in `store`.
    ///
    /// # Errors
    /// `corrupt` when a file is damaged or missing; I/O.
    pub fn open(store: Arc<dyn Store>) -> Result<ManifestLog> {
        let names = store.list(PREFIX).map_err(|e| Error::io("list the manifest", e))?;
        let numbers = |suffix: &str| -> Vec<u64> {
            names
                .iter()
                .filter_map(|(name, _)| {
                    name.strip_prefix(PREFIX)?.strip_suffix(suffix)?.parse().ok()
                })
                .collect()
        };
        let mut log =
            ManifestLog { store, state: ManifestState::default(), number: 0, checkpoint: 0 };
        if let Some(number) = numbers(".checkpoint").into_iter().max() {
            let bytes = log.read(&checkpoint_name(number))?;
            let (state, bitmaps) = decode::<ManifestState>(Kind::Checkpoint, number, &bytes)?;
            log.state = state;
            log.state.bitmaps = bitmaps.into_iter().map(|b| (b.segment, b.rows)).collect();
            (log.number, log.checkpoint) = (number, number);
        }
        let mut edits = numbers(".edit");
        edits.sort_unstable();
        for number in edits.into_iter().filter(|number| *number > log.checkpoint) {
            if number != log.number + 1 {
                return Err(Error::corrupt(format!(
                    "manifest edit {} is missing, {number} exists",
                    log.number + 1
                ))
                .hint("restore the data directory from a backup"));
            }
            let bytes = log.read(&edit_name(number))?;
            let (mut edit, bitmaps) = decode::<Edit>(Kind::Edit, number, &bytes)?;
            edit.bitmaps = bitmaps;
            log.state.apply(&edit)?;
            log.number = number;
        }
        Ok(log)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        self.store.get(name).map_err(|e| Error::io(format!("read {name}"), e))
    }

    /// What all edits add up to.
    pub fn state(&self) -> &ManifestState {
        &self.state
    }

    /// Number of the last edit; 0 = none.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Makes `edit` durable. After `disk_full` nothing has changed and it may be tried again; after any
    /// other error the edit may or may not be there, and only a new start can tell.
    ///
    /// # Errors
    /// I/O; `corrupt` when the edit does not fit.
    pub fn commit(&mut self, edit: &Edit) -> Result<()> {
        let mut next = self.state.clone();
        next.apply(edit)?;
        let number = self.number + 1;
        let bitmaps = edit.bitmaps.iter().map(|b| (b.segment, &*b.rows));
        let bytes = encode(Kind::Edit, number, edit, bitmaps.collect::<Vec<_>>().into_iter())?;
        let name = edit_name(number);
        match self.store.put_if_absent(&name, &bytes) {
            Ok(()) => {}
            Err(e) => return Err(Error::io(format!("write manifest edit {number}"), e)),
        }
        self.state = next;
        self.number = number;
        Ok(())
    }

    /// Writes a checkpoint if there were `edits` edits since the last, and removes what it replaces.
    ///
    /// # Errors
    /// I/O; the manifest is whole all the same.
    pub fn checkpoint_if_due(&mut self, edits: u64) -> Result<bool> {
        if self.number < self.checkpoint + edits {
            return Ok(false);
        }
        self.checkpoint()?;
        Ok(true)
    }

    /// Writes a checkpoint of all edits so far, and removes what it replaces. Gives the last edit in it.
    ///
    /// # Errors
    /// I/O; the manifest is whole all the same.
    pub fn checkpoint_now(&mut self) -> Result<u64> {
        self.checkpoint()?;
        Ok(self.checkpoint)
    }

    fn checkpoint(&mut self) -> Result<()> {
        let number = self.number;
        let bitmaps: Vec<_> = self.state.bitmaps.iter().map(|(id, rows)| (*id, &**rows)).collect();
        let bytes = encode(Kind::Checkpoint, number, &self.state, bitmaps.into_iter())?;
        match self.store.put_if_absent(&checkpoint_name(number), &bytes) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Error::io(format!("write manifest checkpoint {number}"), e)),
        }
        self.checkpoint = number;
        self.remove_replaced()
    }

    /// Removes edits and checkpoints that the newest checkpoint replaces, oldest first, so that what
    /// is left after a crash is always a gapless tail.
    fn remove_replaced(&self) -> Result<()> {
        let context = |e| Error::io("remove old manifest files", e);
        for (name, _) in self.store.list(PREFIX).map_err(context)? {
            let stem = name.strip_prefix(PREFIX).unwrap_or(&name);
            let number = |suffix| stem.strip_suffix(suffix).and_then(|n| n.parse::<u64>().ok());
            let replaced = number(".edit").is_some_and(|n| n <= self.checkpoint)
                || number(".checkpoint").is_some_and(|n| n < self.checkpoint);
            if replaced {
                self.store.delete(&name).map_err(context)?;
            }
        }
        Ok(())
    }
}
