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

/// Removes those that are not needed beside what the manifest has saved.
pub(super) fn remove(shared: &Shared, saved: &ManifestState) {
    let published = shared.published.load();
    let pinned = published.memtables.values().flatten().map(|view| view.first).min();
    let removable: Vec<(u64, PathBuf)> = shared
        .wal_files
        .lock()
        .iter()
        .take_while(|file| {
            file.last <= published.visible
                && file.last_change <= saved.catalog_through
                && file.last_key <= saved.keys.through
                && pinned.is_none_or(|first| file.last < first)
        })
        .map(|file| (file.number, file.path.clone()))
        .collect();
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
