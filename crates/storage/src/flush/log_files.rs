//! Log files of which nothing is needed any more.
//!
//! Invariant: one is removed only when no row, no catalog change and no key in it is needed, and for good before
//! the next one goes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use pulsora_model::Sequence;

use crate::engine::Shared;
use crate::manifest::ManifestState;
use crate::wal::WalFile;

/// What says whether a log file is needed.
#[derive(Clone, Copy)]
struct Saved {
    /// All groups up to here are published, so their rows are in memtables or segments.
    visible: Sequence,
    /// The first sequence that is in a memtable.
    in_memory: Option<Sequence>,
    /// The manifest has all catalog changes up to here.
    changes_through: Sequence,
    /// It has all idempotency keys up to here.
    keys_through: Sequence,
}

impl Saved {
    fn is_needed(&self, file: &WalFile) -> bool {
        file.last > self.visible
            || file.last_change > self.changes_through
            || file.last_key > self.keys_through
            || self.in_memory.is_some_and(|first| first <= file.last)
    }
}

/// Removes those that are not needed beside what the manifest has.
pub(super) fn remove(shared: &Shared, manifest: &ManifestState) {
    let published = shared.published.load();
    let saved = Saved {
        visible: published.visible,
        in_memory: published.memtables.values().flatten().map(|view| view.first).min(),
        changes_through: manifest.catalog_through,
        keys_through: manifest.keys.through,
    };
    let files = shared.wal_files.lock();
    let removable = files.iter().take_while(|file| !saved.is_needed(file));
    let removable: Vec<(u64, PathBuf)> =
        removable.map(|file| (file.number, file.path.clone())).collect();
    drop(files);
    for (number, path) in removable {
        if let Err(error) = remove_one(shared, &path) {
            tracing::warn!(file = number, %error, "an old log file could not be removed yet");
            return;
        }
        shared.wal_files.lock().retain(|file| file.number != number);
    }
}

/// Removes one log file for good before the next one goes: one that came back after a power cut
/// while its successor did not would look like a log with a hole.
fn remove_one(shared: &Shared, path: &Path) -> io::Result<()> {
    let files = &shared.env.files;
    match files.unlink(path) {
        // Unlinked by a try whose sync failed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => other?,
    }
    path.parent().map_or(Ok(()), |dir| files.sync_dir(dir))
}

/// Highest sequence of the oldest log file, when the log is larger than it may be.
pub(crate) fn release_through(shared: &Shared) -> Option<Sequence> {
    let files = shared.wal_files.lock();
    let finished: u64 = files.iter().map(|file| file.bytes).sum();
    let bytes = finished + shared.counters.wal_current_bytes.load(Ordering::Relaxed);
    (bytes > shared.options.wal_bytes).then(|| files.first().map(|file| file.last)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_file_is_needed_for_each_thing_in_it_that_is_nowhere_else() {
        let file = WalFile {
            number: 1,
            path: PathBuf::new(),
            last: Sequence(10),
            last_change: Sequence(7),
            last_key: Sequence(8),
            bytes: 0,
        };
        let saved = Saved {
            visible: Sequence(10),
            in_memory: Some(Sequence(11)),
            changes_through: Sequence(7),
            keys_through: Sequence(8),
        };
        assert!(!saved.is_needed(&file) && !Saved { in_memory: None, ..saved }.is_needed(&file));
        for lacks in [
            Saved { visible: Sequence(9), ..saved },
            Saved { in_memory: Some(Sequence(10)), ..saved },
            Saved { in_memory: Some(Sequence(1)), ..saved },
            Saved { changes_through: Sequence(6), ..saved },
            Saved { keys_through: Sequence(7), ..saved },
        ] {
            assert!(lacks.is_needed(&file));
        }
    }
}
