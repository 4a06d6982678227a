//! One rewrite: inputs → outputs that are durable and not yet named.
//!
//! Memory is one batch of each input, and the output that is being written (of Parquet its open row
//! group).
//!
//! Invariants: an output is cut between two series where one is not too large for that; what is not
//! handed over is removed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt32Type;
use pulsora_model::{Error, Name, Result, SegmentId, TableSchema};

use super::carry::Hidden;
use super::handover::Finished;
use super::jobs::Job;
use super::pace::Pace;
use crate::engine::{CompactionOptions, Shared};
use crate::flush::output::{OpenSegment, Output};
use crate::read::{Published, Reading};
use crate::retention::kept;
use crate::segment::{Segment, SegmentDraft, SegmentFormat, SegmentMeta};

/// Rows of a segment at most, about: what a reader of a hot one keeps by row in memory.
const HOT_ROWS: u64 = 16 << 20;

/// Rows of a Parquet segment: row numbers are u32.
const PARQUET_ROWS: u64 = 1 << 30;

/// What a row id takes in memory until its segment is finished, and then while its index is made.
const ROW_ID_BYTES: u64 = 32;

/// When an output ends.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// With the series that reaches one of these.
    bytes: u64,
    rows: u64,
    /// In the middle of a series.
    hard_bytes: u64,
    hard_rows: u64,
    /// What is written between two looks, about.
    piece_bytes: u64,
}

impl Bounds {
    fn of(format: SegmentFormat, schema: &TableSchema, options: &CompactionOptions) -> Bounds {
        let memory = options.output_bytes();
        let most = match format {
            SegmentFormat::Hot => HOT_ROWS,
            SegmentFormat::Parquet => PARQUET_ROWS,
        };
        let ids = if schema.row_id().is_some() { memory / ROW_ID_BYTES } else { u64::MAX };
        let rows = most.min(ids);
        let hard_rows = rows * 2;
        match format {
            SegmentFormat::Hot => {
                let (bytes, hard_bytes) = (memory, memory * 2);
                Bounds { bytes, rows, hard_bytes, hard_rows, piece_bytes: u64::MAX }
            }
            // A sixteenth is for the footer and its indexes, and for what is not counted before it is
            // written; another one for the end of a series.
            SegmentFormat::Parquet => {
                let sixteenth = options.target_file_bytes / 16;
                let (bytes, hard_bytes) = (sixteenth * 14, sixteenth * 15);
                Bounds { bytes, rows, hard_bytes, hard_rows, piece_bytes: sixteenth }
            }
        }
    }

    fn is_full(&self, segment: &OpenSegment<'_>) -> bool {
        segment.size_bytes() as u64 >= self.bytes || segment.rows() >= self.rows
    }

    fn is_huge(&self, segment: &OpenSegment<'_>) -> bool {
        segment.size_bytes() as u64 >= self.hard_bytes || segment.rows() >= self.hard_rows
    }
}

/// A rewrite at work.
struct Rewrite<'a> {
    shared: &'a Shared,
    job: &'a Job,
    database: &'a Name,
    reading: &'a Reading,
    bounds: Bounds,
    output: Output<'a>,
    open: Option<OpenSegment<'a>>,
    /// The tags of the last row that was written.
    last: Option<Vec<Option<String>>>,
}

/// Does a job. `None` when nobody wants it any more: it was cancelled, its table was dropped, the engine
/// ends.
///
/// # Errors
/// `corrupt` or `io_error` from the inputs, `disk_full` or `io_error` from the outputs.
pub(super) fn rewrite(
    shared: &Shared,
    published: &Published,
    job: &Job,
) -> Result<Option<Finished>> {
    let plan = &job.plan;
    let Some(schema) = published.catalog.table_by_id(plan.table) else { return Ok(None) };
    let Some(database) = published.catalog.database_name(schema.database) else { return Ok(None) };
    let reading = Reading {
        units: units(published, job)?,
        kept: kept(&published.catalog, &schema, shared.env.clock.wall_ns()),
        schema: Arc::clone(&schema),
    };
    let mut rewrite = Rewrite {
        shared,
        job,
        database,
        reading: &reading,
        bounds: Bounds::of(plan.work.format(), &schema, &shared.options.compaction),
        output: Output::new(&*shared.store),
        open: None,
        last: None,
    };
    let gone = || job.is_cancelled() || shared.is_unwanted(plan.table);
    let mut pace = Pace::new(shared, job);
    for batch in reading.rows()? {
        let batch = batch?;
        job.rows_read.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        for piece in pieces(&batch, rewrite.bounds.piece_bytes) {
            rewrite.write(piece)?;
        }
        pace.rest(gone);
        if gone() {
            return Ok(None);
        }
    }
    let added = rewrite.finish()?;
    let hidden = Hidden::default();
    Ok(Some(Finished { table: plan.table, reading, added, hidden, erasures: job.erasures }))
}

/// The segments of a plan, which was made from this version.
fn units(published: &Published, job: &Job) -> Result<Vec<Vec<Segment>>> {
    let segments = published.version.table(job.plan.table);
    let find = |id: &SegmentId| {
        let found = segments.iter().find(|segment| segment.meta.id == *id).cloned();
        found.ok_or_else(|| Error::internal(format!("segment {id} is not in its version")))
    };
    job.plan.units.iter().map(|unit| unit.iter().map(find).collect()).collect()
}

impl<'a> Rewrite<'a> {
    /// Adds rows that follow the earlier ones.
    fn write(&mut self, mut batch: RecordBatch) -> Result<()> {
        if let Some(full) = self.open.take_if(|open| self.bounds.is_full(open)) {
            batch = self.end(full, batch)?;
        }
        if batch.num_rows() > 0 {
            self.last = Some(key_of(&batch, &self.reading.schema, batch.num_rows() - 1));
            let open = match self.open.take() {
                Some(open) => open,
                None => self.begin()?,
            };
            self.open.insert(open).write(&batch)?;
        }
        self.count();
        Ok(())
    }

    /// Ends a full segment with the last rows of its series; gives the rows that do not belong to it.
    fn end(&mut self, mut full: OpenSegment<'a>, batch: RecordBatch) -> Result<RecordBatch> {
        let same = match &self.last {
            Some(last) if !self.bounds.is_huge(&full) => {
                leading(&batch, &self.reading.schema, last)
            }
            _ => 0,
        };
        full.write(&batch.slice(0, same))?;
        if same < batch.num_rows() {
            self.output.add(full, self.database, &self.reading.schema)?;
        } else {
            self.open = Some(full);
        }
        Ok(batch.slice(same, batch.num_rows() - same))
    }

    fn begin(&self) -> Result<OpenSegment<'a>> {
        let metas = || self.reading.inputs().map(|input| &*input.meta);
        let draft = SegmentDraft {
            id: self.shared.segment_ids.next(),
            database: self.database,
            schema: &self.reading.schema,
            written_ns: metas().map(|meta| meta.written_ns).max().unwrap_or(0),
            level: 1,
            window: self.job.plan.window,
            first: metas().map(|meta| meta.first).min().unwrap_or_default(),
            last: metas().map(|meta| meta.last).max().unwrap_or_default(),
        };
        let format = self.job.plan.work.format();
        OpenSegment::new(draft, format, &self.shared.options, &*self.shared.store)
    }

    /// Shows how far it is.
    fn count(&self) {
        let added = self.output.added();
        let open = self.open.as_ref();
        let rows =
            added.iter().map(|meta| meta.rows).sum::<u64>() + open.map_or(0, OpenSegment::rows);
        let bytes = added.iter().map(|meta| meta.length).sum();
        self.job.rows_written.store(rows, Ordering::Relaxed);
        self.job.bytes_written.store(bytes, Ordering::Relaxed);
    }

    /// All outputs, in the order of their rows.
    fn finish(mut self) -> Result<Vec<Arc<SegmentMeta>>> {
        if let Some(open) = self.open.take() {
            self.output.add(open, self.database, &self.reading.schema)?;
        }
        let mut added = self.output.finish()?;
        // Ids rise with the order in which they were begun; small ones have waited for each other.
        added.sort_by_key(|meta| meta.id);
        Ok(added)
    }
}

/// A batch in parts of about `bytes`; values are seldom so large that it is more than one.
fn pieces(batch: &RecordBatch, bytes: u64) -> impl Iterator<Item = RecordBatch> {
    let parts = (batch.get_array_memory_size() as u64).div_ceil(bytes).max(1);
    let rows = batch.num_rows().div_ceil(usize::try_from(parts).unwrap_or(usize::MAX)).max(1);
    let starts = (0..batch.num_rows()).step_by(rows);
    starts.map(move |start| batch.slice(start, rows.min(batch.num_rows() - start)))
}

/// The tags of a row.
fn key_of(batch: &RecordBatch, schema: &TableSchema, row: usize) -> Vec<Option<String>> {
    schema.tags().map(|tag| tag_at(batch, &tag.name, row).map(str::to_owned)).collect()
}

fn tag_at<'a>(batch: &'a RecordBatch, tag: &str, row: usize) -> Option<&'a str> {
    let values = batch.column_by_name(tag)?.as_dictionary_opt::<UInt32Type>()?;
    let key = values.key(row)?;
    Some(values.values().as_string_opt::<i32>()?.value(key))
}

/// How many rows from the start are of the series `key`. Without tags none needs to stay together.
fn leading(batch: &RecordBatch, schema: &TableSchema, key: &[Option<String>]) -> usize {
    let tags: Vec<&str> = schema.tags().map(|tag| tag.name.as_str()).collect();
    if tags.is_empty() {
        return 0;
    }
    let same = |row: &usize| {
        tags.iter().zip(key).all(|(tag, value)| tag_at(batch, tag, *row) == value.as_deref())
    };
    (0..batch.num_rows()).take_while(same).count()
}
