//! Rows in memtables whose row id came again later: which rows of which chunk are gone, and which ids
//! replace rows of segments.
//!
//! Only chunks with user-given ids replace anything; of their rows with one id the last arrival
//! stays. While the ids of chunks rise and do not overlap, as they do in a plain load, nothing is
//! looked up.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::FixedState;
use roaring::RoaringBitmap;

use crate::memtable::{Chunk, IdSpan, MemtableView};

/// What the ids in memtables of one table replace.
pub(super) struct Replaced {
    /// Ids that replace rows of segments, ascending; `None` if there are none.
    pub ids: Option<Arc<Vec<u64>>>,
    /// Rows that are gone of each chunk, in the order of the views and their chunks.
    pub chunks: Vec<Option<Arc<RoaringBitmap>>>,
}

/// What the ids of `views` (oldest first) replace, given the smallest and largest id of any segment.
pub(super) fn replaced<'a>(
    views: impl IntoIterator<Item = &'a MemtableView>,
    segments: Option<(u64, u64)>,
) -> Replaced {
    let chunks = views.into_iter().flat_map(|view| &view.chunks);
    let chunks: Vec<&Chunk> = chunks.map(|chunk| &**chunk).collect();
    let mut ids = Vec::new();
    if let Some((min, max)) = segments {
        let stored = IdSpan { min, max, rises: true };
        let inside = |id: &&u64| min <= **id && **id <= max;
        let replacing = chunks
            .iter()
            .filter(|chunk| chunk.user_ids)
            .filter(|chunk| chunk.id_span().is_some_and(|span| span.overlaps(&stored)))
            .filter_map(|chunk| chunk.ids.as_deref());
        ids = replacing.flatten().filter(inside).copied().collect();
        ids.sort_unstable();
        ids.dedup();
    }
    Replaced { ids: (!ids.is_empty()).then(|| Arc::new(ids)), chunks: replaced_in(&chunks) }
}

/// The smallest and largest row id of any of these index ranges.
pub(super) fn bounds(ranges: impl Iterator<Item = (u64, u64)>) -> Option<(u64, u64)> {
    ranges.reduce(|(min, max), (low, high)| (low.min(min), high.max(max)))
}

/// Rows that are gone of each chunk (oldest first).
fn replaced_in(chunks: &[&Chunk]) -> Vec<Option<Arc<RoaringBitmap>>> {
    let spans: Vec<Option<IdSpan>> = chunks.iter().map(|chunk| chunk.id_span()).collect();
    let plain = chunks.iter().enumerate().all(|(position, chunk)| {
        let Some(span) = spans[position].filter(|_| chunk.user_ids) else { return true };
        span.rises && !spans[..position].iter().flatten().any(|older| older.overlaps(&span))
    });
    if plain {
        return vec![None; chunks.len()];
    }
    let mut newer: HashSet<u64, FixedState> = HashSet::default();
    let mut gone: Vec<_> = chunks.iter().rev().map(|chunk| gone_of(chunk, &mut newer)).collect();
    gone.reverse();
    gone
}

/// Rows of `chunk` whose id is in `newer` or comes again in a later row; adds its user-given ids.
fn gone_of(chunk: &Chunk, newer: &mut HashSet<u64, FixedState>) -> Option<Arc<RoaringBitmap>> {
    let ids = chunk.ids.as_deref()?;
    let mut gone = RoaringBitmap::new();
    for (row, id) in ids.iter().enumerate().rev() {
        let is_gone = if chunk.user_ids { !newer.insert(*id) } else { newer.contains(id) };
        if is_gone {
            gone.insert(row as u32);
        }
    }
    (!gone.is_empty()).then(|| Arc::new(gone))
}
