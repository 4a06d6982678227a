//! A sealed memtable → segments, one for each partition, and delete bitmaps of older ones.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::TimestampNanosecondType;
use pulsora_model::partition::Window;
use pulsora_model::{Error, Name, Result, TableSchema};
use roaring::RoaringBitmap;

use super::output::{OpenSegment, Output, hot_options};
use super::partition::{Density, Windows};
use super::rows::MemtableRows;
use crate::engine::Shared;
use crate::manifest::Bitmap;
use crate::memtable::MemtableView;
use crate::read::{Published, flush_stream, replaced_rows};
use crate::segment::{HotWriter, Segment, SegmentDraft, SegmentFormat};

/// What one memtable became, beside segments.
#[derive(Default)]
pub(super) struct Flushed {
    /// Rows of older segments that it replaces, beside those that were gone.
    pub bitmaps: Vec<Bitmap>,
    /// Highest row id.
    pub row_id_max: Option<u64>,
    /// Its rows.
    pub rows: u64,
}

/// A memtable that is being flushed.
struct Flush<'a> {
    shared: &'a Shared,
    view: &'a Arc<MemtableView>,
    schema: &'a TableSchema,
    database: &'a Name,
    /// The segments of its table.
    older: &'a [Segment],
}

/// Writes the segments of a memtable into `output`, and finds the rows that it replaces.
///
/// # Errors
/// `internal`, `io_error`, `disk_full`; of older segments `corrupt`.
pub(super) fn flush(
    shared: &Shared,
    view: &Arc<MemtableView>,
    schema: &TableSchema,
    published: &Published,
    output: &mut Output<'_>,
) -> Result<Flushed> {
    let database = published
        .catalog
        .database_name(schema.database)
        .ok_or_else(|| Error::internal(format!("table {:?} has no database", &*schema.name)))?;
    let older = published.version.table(view.table);
    let mut flushed = Flushed { rows: view.rows as u64, ..Flushed::default() };
    Flush { shared, view, schema, database, older }.write(output)?;
    if schema.row_id().is_some() {
        flushed.row_id_max =
            view.chunks.iter().filter_map(|c| c.ids.as_ref()?.iter().max().copied()).max();
        flushed.bitmaps = replaced(view, older)?;
    }
    Ok(flushed)
}

impl Flush<'_> {
    fn write(&self, output: &mut Output<'_>) -> Result<()> {
        let Flush { shared, view, schema, database, older } = *self;
        let chunks = &view.chunks;
        let density = Density {
            rows: view.rows,
            min_time_ns: chunks.iter().map(|chunk| chunk.min_time_ns).min().unwrap_or(0),
            max_time_ns: chunks.iter().map(|chunk| chunk.max_time_ns).max().unwrap_or(0),
            now_ns: shared.env.clock.wall_ns(),
        };
        let existing = older.iter().map(|segment| segment.meta.window);
        let times = chunks.iter().flat_map(|chunk| chunk.time.iter().copied());
        let windows = Windows::cover(existing, schema.partition, density, times);
        let draft = |window: Window| SegmentDraft {
            id: shared.segment_ids.next(),
            database,
            schema,
            window,
            first: view.first,
            last: view.last,
            written_ns: density.now_ns,
            level: 0,
        };
        if !shared.options.flushes_hot() {
            return self.write_parquet(&windows, draft, output);
        }
        // One window after the other: what a segment needs in memory is there once.
        let rows = MemtableRows::new(view, schema)?;
        for (window, wanted) in rows.split(&windows)? {
            let options = hot_options(schema, &shared.options);
            let mut writer = Box::new(HotWriter::new(draft(window), options));
            rows.write(&wanted, &mut writer)?;
            drop(wanted);
            output.add(OpenSegment::Hot(writer), database, schema)?;
        }
        Ok(())
    }

    fn write_parquet<'a>(
        &'a self,
        windows: &Windows,
        draft: impl Fn(Window) -> SegmentDraft<'a>,
        output: &mut Output<'_>,
    ) -> Result<()> {
        let Flush { shared, view, schema, database, .. } = *self;
        let (store, options) = (&*shared.store, &shared.options);
        let mut writers: BTreeMap<Window, OpenSegment<'_>> = BTreeMap::new();
        for batch in flush_stream(view, schema)? {
            for (window, part) in split(&batch?, schema, windows)? {
                let writer = match writers.entry(window) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => {
                        let format = SegmentFormat::Parquet;
                        entry.insert(OpenSegment::new(draft(window), format, options, store)?)
                    }
                };
                writer.write(&part)?;
            }
        }
        writers.into_values().try_for_each(|writer| output.add(writer, database, schema))
    }
}

/// Delete bitmaps of older segments that hold a row id that the memtable gives anew.
fn replaced(view: &MemtableView, older: &[Segment]) -> Result<Vec<Bitmap>> {
    let mut ids: Vec<u64> = view
        .chunks
        .iter()
        .filter(|chunk| chunk.user_ids)
        .flat_map(|chunk| chunk.ids.iter().flat_map(|ids| ids.iter().copied()))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let mut bitmaps = Vec::new();
    if ids.is_empty() {
        return Ok(bitmaps);
    }
    for segment in older {
        let rows = replaced_rows(segment, &ids)?;
        let known = segment.deleted.as_deref().cloned().unwrap_or_else(RoaringBitmap::new);
        if !rows.is_subset(&known) {
            let rows = Arc::new(known | rows);
            bitmaps.push(Bitmap { segment: segment.meta.id, rows });
        }
    }
    Ok(bitmaps)
}

/// The rows of a batch by window; each part keeps the order.
fn split(
    batch: &RecordBatch,
    schema: &TableSchema,
    windows: &Windows,
) -> Result<Vec<(Window, RecordBatch)>> {
    let name = schema.time().name.as_str();
    let column = batch
        .column_by_name(name)
        .ok_or_else(|| Error::internal("a flush batch has no time column"))?;
    let times = column.as_primitive::<TimestampNanosecondType>().values();
    let mut parts: Vec<(Window, Vec<u32>)> = Vec::new();
    let mut current = 0;
    for (row, time) in times.iter().enumerate() {
        if parts.get(current).is_none_or(|(window, _)| !window.contains(*time)) {
            let window = windows
                .find(*time)
                .ok_or_else(|| Error::internal(format!("no partition covers time {time}")))?;
            current = parts.iter().position(|(w, _)| *w == window).unwrap_or_else(|| {
                parts.push((window, Vec::new()));
                parts.len() - 1
            });
        }
        parts[current].1.push(row as u32);
    }
    if let [(window, _)] = &parts[..] {
        return Ok(vec![(*window, batch.clone())]);
    }
    parts
        .into_iter()
        .map(|(window, rows)| Ok((window, take_record_batch(batch, &UInt32Array::from(rows))?)))
        .collect()
}
