//! Files as memory: the only place of this crate where a safety argument is needed.
//!
//! Invariants: a map lives as long as any `Bytes` of it; nothing here writes through a map.

use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;
use memmap2::Mmap;

use crate::files::Advice;

/// The file `path`, mapped for reading.
pub(super) fn map(path: &Path) -> io::Result<Bytes> {
    let file = fs::File::open(path)?;
    if file.metadata()?.len() == 0 {
        // An empty map is refused by the system.
        return Ok(Bytes::new());
    }
    // SAFETY: the bytes must not change while they are borrowed. Only files whose content is final are
    // mapped (`Files::map` says so): objects of a store are linked to their name after their last
    // write, never written again, and only ever unlinked. Somebody else who writes into the data
    // directory could break that, as he could break every file of it.
    // Reason: a reader of a hot segment touches a few vectors of a column, here and there. Reading 1, 8
    // and 64 KiB at random places of a cached 64 MiB file took 2.6, 4.1 and 21.9 us by read and 1.5, 3.1
    // and 13.5 us through a map (two virtual cores, Linux 6), and a read keeps a second copy.
    // Test: `a_map_shows_the_file_and_outlives_its_name`.
    let map = unsafe { Mmap::map(&file)? };
    Ok(Bytes::from_owner(map))
}

/// Passes the advice for the pages of `bytes` on to the system.
pub(super) fn advise(bytes: &[u8], advice: Advice) {
    if bytes.is_empty() {
        return;
    }
    let advice = match advice {
        Advice::Random => libc::MADV_RANDOM,
        Advice::Sequential => libc::MADV_SEQUENTIAL,
        Advice::WillNeed => libc::MADV_WILLNEED,
    };
    let page = page_bytes();
    let before = bytes.as_ptr().addr() % page;
    let start = bytes.as_ptr().wrapping_sub(before);
    // SAFETY: the three kinds of advice change when pages are read, never what they hold, for any
    // range; one that is not mapped is answered with an error. The page that holds the first byte is
    // mapped, since that byte is.
    // Reason: without it a fault on a file that is not cached reads 128 KiB around every vector, and a
    // long read waits for the device at each of them.
    // Test: `advice_changes_no_byte`.
    let refused = unsafe { libc::madvise(start.cast_mut().cast(), bytes.len() + before, advice) };
    // It is advice: where the system takes none, nothing is lost but time.
    let _ = refused;
}

fn page_bytes() -> usize {
    // SAFETY: reads a constant of the system. Reason and test: as `advise`, which needs it.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(page).ok().filter(|page| *page > 0).unwrap_or(4096)
}
