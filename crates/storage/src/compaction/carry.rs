//! Rows that the inputs of a rewrite lose while it is at work: deletes are visible at once, and the rewrite is
//! not done in vain.
//!
//! Few rows of a table with row ids are looked up in the outputs by their ids. Otherwise the merge is made again
//! over the keys alone, each with whether its row is lost, which gives the rows of the outputs by their places.
//! That says of a row which several with one key became whether it is lost because no correction comes between
//! the inputs in sequence: such rewrites are not begun.
//!
//! Invariant: an erasure waits for the objects that it has seen, so what it has taken is never carried over.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;
use pulsora_model::{Column, Error, Result, TableSchema};
use roaring::RoaringBitmap;

use super::handover::Finished;
use crate::engine::Shared;
use crate::manifest::Bitmap;
use crate::read::{Published, RowNumbers, TimeRange, replaced_rows};
use crate::segment::{ReadSpec, RowChoice, Segment, SegmentFile, SegmentMeta};

/// Rows that are looked up by their ids while flushes wait, some milliseconds.
const FEW_ROWS: u64 = 50_000;

/// Row ids that are read at once, a power of two.
const IDS_BATCH_ROWS: usize = 8_192;

/// What the outputs of a rewrite hide.
#[derive(Default)]
pub(crate) struct Hidden {
    /// The rows that the inputs have lost since they were read.
    lost: RowNumbers,
    /// Where the outputs have them.
    bitmaps: Vec<Bitmap>,
}

/// Whether the outputs of a rewrite can take the place of its inputs.
pub(crate) enum Standing {
    /// With these delete bitmaps.
    Ready(Vec<Bitmap>),
    /// When they hide more rows.
    Behind,
    /// Never.
    Overtaken,
}

/// How a finished rewrite stands at a moment; `erasures` have been committed until then.
///
/// # Errors
/// `corrupt`, `io_error` where row ids are read.
pub(crate) fn standing(
    shared: &Shared,
    published: &Published,
    finished: &Finished,
    erasures: u64,
) -> Result<Standing> {
    let Some(schema) = published.catalog.table_by_id(finished.table) else {
        return Ok(Standing::Overtaken);
    };
    let segments = published.version.table(finished.table);
    let is_there = |input: &Segment| segments.iter().any(|other| other.meta.id == input.meta.id);
    let lost = lost(published, finished);
    let none_is_there = !finished.reading.inputs().any(is_there);
    if none_is_there || !lost.is_empty() && erasures != finished.erasures {
        return Ok(Standing::Overtaken);
    }
    if lost == finished.hidden.lost {
        return Ok(Standing::Ready(finished.hidden.bitmaps.clone()));
    }
    let more = beyond(&lost, &finished.hidden.lost);
    // The second time it has to come to an end, however many ids are replaced meanwhile.
    let few = more.values().map(|rows| rows.len()).sum::<u64>() <= FEW_ROWS;
    match schema.row_id().filter(|_| few || !finished.hidden.lost.is_empty()) {
        Some(column) => {
            let bitmaps = hidden_by_id(shared, finished, &schema, column, &more)?;
            Ok(Standing::Ready(bitmaps))
        }
        None => Ok(Standing::Behind),
    }
}

/// The rows of `lost` that are not `known`.
fn beyond(lost: &RowNumbers, known: &RowNumbers) -> RowNumbers {
    let more = lost.iter().map(|(segment, rows)| {
        let more = known.get(segment).map_or_else(|| (**rows).clone(), |known| &**rows - &**known);
        (*segment, Arc::new(more))
    });
    more.collect()
}

/// Makes the outputs of a rewrite hide what is lost at this moment; false when `gone` says so before.
///
/// # Errors
/// `corrupt`, `io_error`.
pub(super) fn catch_up(
    published: &Published,
    finished: &mut Finished,
    gone: impl Fn() -> bool,
) -> Result<bool> {
    let lost = lost(published, finished);
    let Some(bitmaps) = hidden_by_place(finished, &lost, gone)? else { return Ok(false) };
    finished.hidden = Hidden { lost, bitmaps };
    Ok(true)
}

/// The rows that the inputs of a rewrite have lost since they were read. A segment that is gone has lost all:
/// no other rewrite has it.
fn lost(published: &Published, finished: &Finished) -> RowNumbers {
    let segments = published.version.table(finished.table);
    let mut all = RowNumbers::new();
    for input in finished.reading.inputs() {
        let now = segments.iter().find(|segment| segment.meta.id == input.meta.id);
        if now.is_some_and(|now| now.deleted == input.deleted) {
            continue;
        }
        let mut lost = RoaringBitmap::new();
        match now {
            Some(now) => lost.extend(now.deleted.iter().flat_map(|deleted| deleted.iter())),
            None => {
                lost.insert_range(0..input.meta.rows as u32);
            }
        }
        if let Some(known) = &input.deleted {
            lost -= &**known;
        }
        if !lost.is_empty() {
            all.insert(input.meta.id, Arc::new(lost));
        }
    }
    all
}

/// What is hidden already, and these rows.
fn hidden_by_id(
    shared: &Shared,
    finished: &Finished,
    schema: &TableSchema,
    column: &Column,
    lost: &RowNumbers,
) -> Result<Vec<Bitmap>> {
    let mut ids: Vec<u64> = Vec::new();
    for input in finished.reading.inputs() {
        if let Some(lost) = lost.get(&input.meta.id) {
            ids.extend(ids_at(input, schema, column, lost)?);
        }
    }
    ids.sort_unstable();
    let mut bitmaps = Vec::new();
    for meta in &finished.added {
        let file = Arc::new(SegmentFile::new(Arc::clone(meta), &shared.segments));
        let output = Segment { meta: Arc::clone(meta), deleted: None, file };
        let mut rows = replaced_rows(&output, &ids)?;
        let known = finished.hidden.bitmaps.iter().find(|bitmap| bitmap.segment == meta.id);
        rows |= known.map_or_else(RoaringBitmap::new, |known| (*known.rows).clone());
        if !rows.is_empty() {
            bitmaps.push(Bitmap { segment: meta.id, rows: Arc::new(rows) });
        }
    }
    Ok(bitmaps)
}

/// The row ids of some rows of a segment, deleted or not.
fn ids_at(
    segment: &Segment,
    schema: &TableSchema,
    column: &Column,
    rows: &Arc<RoaringBitmap>,
) -> Result<Vec<u64>> {
    let batches = segment.read(ReadSpec {
        columns: vec![column.clone()],
        time_column: schema.time().id,
        time: TimeRange::ALL,
        tags: Vec::new(),
        fields: Vec::new(),
        rows: RowChoice::Only(Arc::clone(rows)),
        groups: None,
        batch_rows: IDS_BATCH_ROWS,
        counters: Arc::default(),
    })?;
    let mut ids = Vec::new();
    for batch in batches {
        ids.extend_from_slice(batch?.column(0).as_primitive::<UInt64Type>().values());
    }
    Ok(ids)
}

fn hidden_by_place(
    finished: &Finished,
    lost: &RowNumbers,
    gone: impl Fn() -> bool,
) -> Result<Option<Vec<Bitmap>>> {
    let other = || Error::internal("a rewrite that is read again has other rows");
    let empty = |meta| (meta, RoaringBitmap::new());
    let mut outputs: Vec<(&Arc<SegmentMeta>, RoaringBitmap)> =
        finished.added.iter().map(empty).collect();
    let (mut at, mut row, mut rows) = (0, 0, 0);
    for marks in finished.reading.lost(lost)? {
        for is_lost in marks? {
            while outputs.get(at).is_some_and(|(meta, _)| u64::from(row) == meta.rows) {
                (at, row) = (at + 1, 0);
            }
            let (_, hidden) = outputs.get_mut(at).ok_or_else(other)?;
            if is_lost {
                hidden.insert(row);
            }
            (row, rows) = (row + 1, rows + 1);
        }
        if gone() {
            return Ok(None);
        }
    }
    if rows != finished.added.iter().map(|meta| meta.rows).sum::<u64>() {
        return Err(other());
    }
    let hidden = outputs.into_iter().filter(|(_, rows)| !rows.is_empty());
    let bitmap =
        |(meta, rows): (&Arc<SegmentMeta>, _)| Bitmap { segment: meta.id, rows: Arc::new(rows) };
    Ok(Some(hidden.map(bitmap).collect()))
}
