//! An input as changes of the files of a log.
//!
//! The first byte says whether checksums are made to fit afterwards (bit 0), so that the readers behind
//! them are reached. Then one change in 6 bytes: what, which file, which page, where in it (u16 LE; most
//! pages are used at their start only, so the lower half of its range means the first 256 bytes), a value.

use std::path::PathBuf;

use crate::wal::{PAGE, reseal};

const CHANGE_BYTES: usize = 6;

/// An input.
pub(super) struct Damage<'a> {
    /// Whether checksums fit again.
    pub forged: bool,
    changes: &'a [u8],
}

impl<'a> Damage<'a> {
    /// Any bytes are one.
    pub fn of(input: &'a [u8]) -> Damage<'a> {
        let (first, changes) = input.split_first().unwrap_or((&0, &[]));
        Damage { forged: first & 1 == 1, changes }
    }

    /// Changes the files of a log.
    pub fn apply(&self, files: &mut Vec<(PathBuf, Vec<u8>)>) {
        for change in self.changes.as_chunks::<CHANGE_BYTES>().0 {
            if files.is_empty() {
                return;
            }
            apply(*change, files);
        }
        if self.forged {
            files.iter_mut().for_each(|(_, bytes)| reseal(bytes));
        }
    }
}

fn apply(
    [what, file, page, low, high, value]: [u8; CHANGE_BYTES],
    files: &mut Vec<(PathBuf, Vec<u8>)>,
) {
    let file = usize::from(file) % files.len();
    let pages = files[file].1.len() / PAGE as usize;
    let page = usize::from(page) % pages.max(1) * PAGE as usize;
    let offset = usize::from(u16::from_le_bytes([low, high]));
    let within = if offset < 1 << 15 { offset % 256 } else { offset % PAGE as usize };
    let at = page + within;
    match what % 9 {
        0 => set(files, file, at, |byte| *byte ^= 1 << (value % 8)),
        1 => set(files, file, at, |byte| *byte = value),
        2 => (at..at + usize::from(value)).for_each(|at| set(files, file, at, |byte| *byte = 0)),
        // The largest numbers, fixed and as a varint.
        3 => (at..at + 8).for_each(|at| set(files, file, at, |byte| *byte = 0xFF)),
        4 => files[file].1.truncate(at),
        5 => files[file].1.truncate(page),
        6 => copy_page(files, usize::from(value), (file, page)),
        7 => {
            let _byte_by_byte_shift =
                (at < files[file].1.len()).then(|| files[file].1.insert(at, value));
        }
        // Without its oldest files a log looks like one whose oldest files were flushed.
        _ if file > 0 || files.len() == 1 => drop(files.remove(file)),
        _ => {}
    }
}

fn set(files: &mut [(PathBuf, Vec<u8>)], file: usize, at: usize, change: impl FnOnce(&mut u8)) {
    if let Some(byte) = files[file].1.get_mut(at) {
        change(byte);
    }
}

/// Puts a page of any file in the place of another one.
fn copy_page(files: &mut [(PathBuf, Vec<u8>)], from: usize, (file, page): (usize, usize)) {
    let source = &files[from % files.len()].1;
    let pages: Vec<&[u8]> = source.chunks_exact(PAGE as usize).collect();
    let Some(copied) = pages.get(from / files.len() % pages.len().max(1)) else { return };
    let copied = copied.to_vec();
    if let Some(place) = files[file].1.get_mut(page..page + PAGE as usize) {
        place.copy_from_slice(&copied);
    }
}
