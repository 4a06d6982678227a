//! Which rows of a row group can match at all: by statistics of row groups and of pages, and by the
//! rows that are gone.
//!
//! Invariant: a row that matches is never left out; a row that is selected may still not match.

use std::ops::Range;

use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;
use roaring::RoaringBitmap;

use crate::read::{TagPredicate, TimeRange};

/// The predicates of a read, bound to the leaves of one file.
pub(super) struct Bound<'a> {
    pub time_leaf: usize,
    pub time: TimeRange,
    /// Predicates on tags that the file has, with their leaves.
    pub tags: Vec<(usize, &'a TagPredicate)>,
}

/// What statistics say of the rows of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    None,
    Some,
    All,
}

impl Match {
    fn and(self, other: Match) -> Match {
        match (self, other) {
            (Match::None, _) | (_, Match::None) => Match::None,
            (Match::All, Match::All) => Match::All,
            _ => Match::Some,
        }
    }
}

fn match_time(range: TimeRange, bounds: Option<(i64, i64)>) -> Match {
    let Some((start_ns, end_ns)) = bounds else { return Match::Some };
    if !range.overlaps(&TimeRange { start_ns, end_ns }) {
        Match::None
    } else if range.contains(start_ns) && range.contains(end_ns) {
        Match::All
    } else {
        Match::Some
    }
}

/// Bounds of a tag may be cut (never too narrow); `nulls` is `None` when their number is unknown.
fn match_tag(
    predicate: &TagPredicate,
    bounds: Option<(&[u8], &[u8])>,
    nulls: Option<u64>,
    rows: u64,
) -> Match {
    let accepts_null = predicate.values.contains(&None);
    if nulls == Some(rows) {
        return if accepts_null { Match::All } else { Match::None };
    }
    let Some((min, max)) = bounds else { return Match::Some };
    let mut values = predicate.values.iter().flatten().map(String::as_bytes);
    if !values.any(|value| min <= value && value <= max) {
        return if accepts_null && nulls != Some(0) { Match::Some } else { Match::None };
    }
    if min == max && nulls == Some(0) { Match::All } else { Match::Some }
}

/// What the statistics of a row group say.
pub(super) fn match_group(metadata: &ParquetMetaData, group: usize, bound: &Bound<'_>) -> Match {
    let group = metadata.row_group(group);
    let rows = group.num_rows() as u64;
    let time = match group.column(bound.time_leaf).statistics() {
        Some(Statistics::Int64(times)) => times.min_opt().copied().zip(times.max_opt().copied()),
        _ => None,
    };
    bound.tags.iter().fold(match_time(bound.time, time), |found, (leaf, predicate)| {
        let statistics = group.column(*leaf).statistics();
        let bounds = statistics.and_then(|s| s.min_bytes_opt().zip(s.max_bytes_opt()));
        let nulls = statistics.and_then(Statistics::null_count_opt);
        found.and(match_tag(predicate, bounds, nulls, rows))
    })
}

/// The pages of a row group that can match, as a selection; `None` when the page index does not say.
pub(super) fn select_pages(
    metadata: &ParquetMetaData,
    group: usize,
    bound: &Bound<'_>,
) -> Option<RowSelection> {
    let indexes = metadata.column_index()?.get(group)?;
    let time =
        pages(metadata, group, bound.time_leaf, |page, _| match &indexes[bound.time_leaf] {
            ColumnIndexMetaData::INT64(times) => {
                let bounds = times.min_value(page).copied().zip(times.max_value(page).copied());
                match_time(bound.time, bounds)
            }
            _ => Match::Some,
        })?;
    bound.tags.iter().try_fold(time, |selected, (leaf, predicate)| {
        let tag = pages(metadata, group, *leaf, |page, rows| match &indexes[*leaf] {
            ColumnIndexMetaData::BYTE_ARRAY(tags) => {
                let nulls = indexes[*leaf].null_count(page).and_then(|n| u64::try_from(n).ok());
                let bounds = tags.min_value(page).zip(tags.max_value(page));
                match_tag(predicate, bounds, nulls, rows)
            }
            _ => Match::Some,
        })?;
        Some(selected.intersection(&tag))
    })
}

/// The rows of the pages of one column for which `found` is not [`Match::None`].
fn pages(
    metadata: &ParquetMetaData,
    group: usize,
    leaf: usize,
    found: impl Fn(usize, u64) -> Match,
) -> Option<RowSelection> {
    let rows = usize::try_from(metadata.row_group(group).num_rows()).ok()?;
    let locations = metadata.offset_index()?.get(group)?.get(leaf)?.page_locations();
    let starts: Vec<usize> = locations
        .iter()
        .map(|page| usize::try_from(page.first_row_index).ok())
        .collect::<Option<_>>()?;
    let counted = metadata.column_index()?.get(group)?.get(leaf)?.num_pages();
    let well_formed = starts.first() == Some(&0)
        && starts.is_sorted()
        && starts.last().is_some_and(|start| *start <= rows)
        && counted == starts.len() as u64;
    if !well_formed {
        return None;
    }
    let ends = starts.iter().skip(1).chain([&rows]);
    let kept = starts.iter().zip(ends).enumerate().filter_map(|(page, (start, end))| {
        (found(page, (end - start) as u64) != Match::None).then_some(*start..*end)
    });
    Some(RowSelection::from_consecutive_ranges(kept, rows))
}

/// All rows of `group` (row numbers of the segment) but those that are gone.
pub(super) fn select_except(group: Range<u32>, gone: &RoaringBitmap) -> RowSelection {
    let mut kept = Vec::new();
    let mut next = group.start;
    for row in gone.range(group.clone()) {
        kept.push((next - group.start) as usize..(row - group.start) as usize);
        next = row + 1;
    }
    kept.push((next - group.start) as usize..group.len());
    RowSelection::from_consecutive_ranges(kept.into_iter(), group.len())
}

/// Only the rows of `group` (row numbers of the segment) that are listed.
pub(super) fn select_only(group: Range<u32>, rows: &RoaringBitmap) -> RowSelection {
    let kept = rows.range(group.clone()).map(|row| (row - group.start) as usize);
    RowSelection::from_consecutive_ranges(kept.map(|row| row..row + 1), group.len())
}
