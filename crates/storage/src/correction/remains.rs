//! Objects on disk in which rows of a table may lie that no version shows any more: segments that a query
//! keeps which began before they went, outputs of rewrites on their way, and what has gone of an object that
//! other segments are still in.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use pulsora_env::Store;
use pulsora_model::{Error, Result, TableId};

use crate::manifest::Version;
use crate::segment::{ALIGNMENT, hot_segments_in, table_of_object};

/// Bytes of objects by name.
type Held<'v> = HashMap<&'v str, Vec<Range<u64>>>;

/// Names of the objects that hold rows of `table` outside the segments of `version`.
///
/// # Errors
/// `io_error`.
pub(super) fn remains(store: &dyn Store, version: &Version, table: TableId) -> Result<Vec<String>> {
    let mut held = held(version);
    let mut remains = Vec::new();
    for (name, length) in objects(store)? {
        let gaps = gaps(held.get_mut(name.as_str()).map_or(&mut [], Vec::as_mut_slice), length);
        if gaps.is_empty() {
            continue;
        }
        let has_rows = match table_of_object(&name) {
            Some(owner) => owner == table,
            None => shows(store, &name, &gaps, table).map_err(failed)?,
        };
        if has_rows {
            remains.push(name);
        }
    }
    Ok(remains)
}

/// Names and lengths of the objects of segments.
///
/// # Errors
/// `io_error`.
pub(super) fn objects(store: &dyn Store) -> Result<Vec<(String, u64)>> {
    let mut objects = store.list("hot/").map_err(failed)?;
    objects.extend(store.list("cold/").map_err(failed)?);
    Ok(objects)
}

fn failed(error: io::Error) -> Error {
    Error::io("look for the objects of erased rows", error)
}

fn held(version: &Version) -> Held<'_> {
    let mut held = Held::new();
    for meta in version.segments().map(|segment| &segment.meta) {
        held.entry(&meta.object).or_default().push(meta.offset..meta.offset + meta.length);
        if let Some(ids) = &meta.ids {
            held.entry(&ids.object).or_default().push(ids.offset..ids.offset + ids.length);
        }
    }
    held
}

/// The ranges of an object of `length` bytes that are not held, but for what aligns one segment after another.
fn gaps(held: &mut [Range<u64>], length: u64) -> Vec<Range<u64>> {
    held.sort_unstable_by_key(|range| range.start);
    let mut gaps = Vec::new();
    let mut at = 0_u64;
    for range in held {
        if range.start > at.next_multiple_of(ALIGNMENT as u64) {
            gaps.push(at.next_multiple_of(ALIGNMENT as u64)..range.start);
        }
        at = at.max(range.end);
    }
    if at < length {
        gaps.push(at.next_multiple_of(ALIGNMENT as u64)..length);
    }
    gaps
}

/// Whether a segment of `table` begins in one of these ranges of an object. An object that has just gone has none.
fn shows(store: &dyn Store, name: &str, gaps: &[Range<u64>], table: TableId) -> io::Result<bool> {
    let bytes = match store.get(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        bytes => bytes?,
    };
    let mut gaps = gaps.iter().map(|gap| gap.start as usize..gap.end as usize);
    Ok(gaps.any(|gap| {
        let mut segments = hot_segments_in(bytes.get(gap).unwrap_or_default());
        segments.any(|header| header.table == table)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_no_segment_holds() {
        let of = |held: &[(u64, u64)], length| {
            let mut held: Vec<_> = held.iter().map(|(from, to)| *from..*to).collect();
            let gaps = gaps(&mut held, length).into_iter();
            gaps.map(|gap| (gap.start, gap.end)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[], 100), [(0, 100)]);
        assert_eq!(of(&[(0, 93), (96, 100)], 100), [(0, 0); 0], "padding is none");
        assert_eq!(of(&[(96, 100), (0, 50)], 100), [(56, 96)]);
        assert_eq!(of(&[(8, 50), (10, 20)], 61), [(0, 8), (56, 61)]);
    }
}
