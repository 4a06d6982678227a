//! A correction → what it does to segments: delete bitmaps, segments of which nothing is left, and new
//! segments with rows in their new shape.
//!
//! Works partition by partition: all rows of one key lie in one. In an upsert table a row is what its
//! key has in all segments together, so a test looks at merged rows, and the whole key is hit.
//!
//! Invariants: looks at segments below the sequence of the correction only; what it has added is
//! durable, or removed when it fails.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{and_kleene, filter_record_batch, prep_null_mask_filter};
use arrow::datatypes::{FieldRef, UInt64Type};
use arrow::row::{RowConverter, SortField};
use foldhash::fast::FixedState;
use pulsora_model::partition::Window;
use pulsora_model::{Code, Column, ColumnKind, Error, Mode, Name, Result, SegmentId, TableSchema};
use roaring::RoaringBitmap;

use super::ask::{Change, RowChange};
use super::queue::Job;
use crate::catalog::Catalog;
use crate::engine::Shared;
use crate::flush::output::{OpenSegment, Output};
use crate::manifest::Bitmap;
use crate::read::{KeyPick, Published, TimeRange, replaced_rows};
use crate::retention::kept;
use crate::segment::{Segment, SegmentAsk, SegmentDraft, SegmentFormat, SegmentMeta, SegmentView};

/// A segment of changed rows ends at a batch from this size on: what a correction holds in memory.
const SEGMENT_BYTES: usize = 64 << 20;

/// Keys of one partition that a correction may hit by values other than times and tags.
const KEYS_BYTES_MAX: usize = 256 << 20;

/// Of the allocation of a key and its place in the table.
const KEY_OVERHEAD_BYTES: usize = 64;

/// What a correction comes to.
#[derive(Default)]
pub(super) struct Found {
    pub rows: u64,
    pub bitmaps: Vec<Bitmap>,
    pub removed: Vec<SegmentId>,
    pub added: Vec<Arc<SegmentMeta>>,
}

/// A correction that is being resolved at one moment.
pub(super) struct Resolver<'a> {
    shared: &'a Shared,
    job: &'a Job,
    database: &'a Name,
    /// Rows outside are left alone.
    time: TimeRange,
    /// What the test and the row ids are looked up in.
    columns: Vec<Column>,
    /// Ascending.
    ids: Option<Vec<u64>>,
}

impl<'a> Resolver<'a> {
    /// # Errors
    /// `column_not_found` when the selection names what the table does not have.
    pub fn new(
        shared: &'a Shared,
        job: &'a Job,
        catalog: &Catalog,
        database: &'a Name,
    ) -> Result<Resolver<'a>> {
        let schema = &job.schema;
        let time = match job.change {
            // Nobody sees rows that have expired.
            Change::Delete | Change::Replace(_) => {
                job.rows.time.intersect(&kept(catalog, schema, shared.env.clock.wall_ns()))
            }
            Change::Erase | Change::Truncate => job.rows.time,
        };
        let missing = |what: String| Error::new(Code::ColumnNotFound, what);
        let test = job.rows.test.iter().flat_map(|test| &test.columns);
        let mut columns = Vec::new();
        for id in test {
            let column = schema.column_by_id(*id).cloned();
            columns.push(column.ok_or_else(|| missing(format!("there is no column {id}")))?);
        }
        let mut ids = job.rows.ids.clone();
        if let Some(ids) = &mut ids {
            let column = schema.row_id().cloned();
            columns.push(column.ok_or_else(|| missing("the table has no row ids".to_owned()))?);
            ids.sort_unstable();
        }
        Ok(Resolver { shared, job, database, time, columns, ids })
    }

    /// Looks at all partitions.
    ///
    /// # Errors
    /// Those of the test and the change; `corrupt`, `io_error`, `disk_full`, `memory_limit`; `closed`.
    pub fn resolve(&self, published: &Published) -> Result<Found> {
        let mut partitions: BTreeMap<Window, Vec<Segment>> = BTreeMap::new();
        for segment in published.version.table(self.job.table) {
            if segment.meta.first <= self.job.sequence {
                partitions.entry(segment.meta.window).or_default().push(segment.clone());
            }
        }
        let mut found = Found::default();
        let mut output = Output::new(&*self.shared.store);
        for (window, mut segments) in partitions {
            self.check_open()?;
            segments.retain(|segment| segment.live_rows() > 0 && self.may_hit(segment));
            if !segments.is_empty() {
                self.partition(window, &segments, &mut output, &mut found)?;
            }
        }
        found.added = output.finish()?;
        Ok(found)
    }

    fn check_open(&self) -> Result<()> {
        match self.shared.closing.load(Ordering::Acquire) {
            true => Err(Error::new(Code::Closed, "the server is shutting down")),
            false => Ok(()),
        }
    }

    fn may_hit(&self, segment: &Segment) -> bool {
        let rows = &self.job.rows;
        let ask = SegmentAsk { schema: &self.job.schema, time: self.time, tags: &rows.tags };
        self.shared.options.segment_index.may_hold(SegmentView::new(segment), &ask)
    }

    fn pick(&self) -> KeyPick<'_> {
        KeyPick { schema: &self.job.schema, time: self.time, tags: &self.job.rows.tags }
    }

    /// Whether rows are looked at as their keys have them in all segments together.
    fn looks_at_merged_rows(&self) -> bool {
        match self.job.change {
            Change::Replace(_) => true,
            Change::Delete | Change::Erase => self.job.schema.mode == Mode::Upsert,
            Change::Truncate => false,
        }
    }

    fn partition(
        &self,
        window: Window,
        segments: &[Segment],
        output: &mut Output<'_>,
        found: &mut Found,
    ) -> Result<()> {
        let merged = self.looks_at_merged_rows();
        let keys = if merged { self.merged(window, segments, output, found)? } else { None };
        for segment in segments {
            self.check_open()?;
            let live = segment.live_rows();
            let numbers = if self.covers(segment) { None } else { Some(self.hit(segment, &keys)?) };
            let hit = numbers.as_ref().map_or(live, RoaringBitmap::len);
            match numbers {
                Some(numbers) if hit < live => {
                    if hit > 0 {
                        let rows = Arc::new(numbers);
                        found.bitmaps.push(Bitmap { segment: segment.meta.id, rows });
                    }
                }
                _ => found.removed.push(segment.meta.id),
            }
            found.rows += if merged { 0 } else { hit };
        }
        Ok(())
    }

    /// Whether every row of a segment is hit for its time alone.
    fn covers(&self, segment: &Segment) -> bool {
        let time = self.time;
        self.job.rows.is_time_only()
            && time.contains(segment.meta.min_time_ns)
            && time.contains(segment.meta.max_time_ns)
    }

    /// The rows of a segment that are hit.
    fn hit(&self, segment: &Segment, keys: &Option<KeySet>) -> Result<RoaringBitmap> {
        let rows = &self.job.rows;
        let key_only = self.time == TimeRange::ALL && rows.tags.is_empty();
        if let (Some(ids), None, true) = (&self.ids, &rows.test, key_only) {
            return replaced_rows(segment, ids);
        }
        if let Some(keys) = keys {
            let columns: Vec<Column> = self.job.schema.key().cloned().collect();
            return self.pick().numbers(segment, &columns, Some(&mut |batch| keys.among(batch)));
        }
        if self.columns.is_empty() && rows.test.is_none() {
            return self.pick().numbers(segment, &[], None);
        }
        self.pick().numbers(segment, &self.columns, Some(&mut |batch| self.test(batch)))
    }

    /// Which rows of a batch of the columns of test and ids are hit.
    fn test(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let ids = match &self.ids {
            None => BooleanArray::from(vec![true; batch.num_rows()]),
            Some(ids) => {
                let column = batch.columns().last();
                let values = column.and_then(|c| c.as_primitive_opt::<UInt64Type>());
                let values = values.ok_or_else(|| Error::internal("row ids are no numbers"))?;
                values.iter().map(|id| Some(ids.binary_search(&id?).is_ok())).collect()
            }
        };
        let Some(test) = &self.job.rows.test else { return Ok(ids) };
        let asked: Vec<usize> = (0..test.columns.len()).collect();
        let hit = (test.matches)(&batch.project(&asked)?)?;
        if hit.len() != batch.num_rows() {
            return Err(Error::internal("a test gave another number of rows"));
        }
        let hit = and_kleene(&hit, &ids)?;
        Ok(if hit.null_count() > 0 { prep_null_mask_filter(&hit) } else { hit })
    }

    /// Counts the rows that are hit, writes those that take another shape, and gives their keys where
    /// times and tags alone do not say which they are.
    fn merged(
        &self,
        window: Window,
        segments: &[Segment],
        output: &mut Output<'_>,
        found: &mut Found,
    ) -> Result<Option<KeySet>> {
        let schema = &self.job.schema;
        let change = match &self.job.change {
            Change::Replace(change) => Some(change),
            Change::Delete | Change::Erase | Change::Truncate => None,
        };
        let tests = !self.columns.is_empty() || self.job.rows.test.is_some();
        let by_key = tests && schema.mode == Mode::Upsert;
        let mut keys = by_key.then(|| KeySet::new(schema)).transpose()?;
        let columns = if change.is_some() { &schema.columns } else { &self.columns };
        let mut changed = Changed { resolver: self, window, open: None };
        for batch in self.pick().rows(segments, columns)? {
            self.check_open()?;
            let mut batch = batch?;
            if tests {
                let asked = named(&batch, &self.columns)?;
                batch = filter_record_batch(&batch, &self.test(&asked)?)?;
            }
            if batch.num_rows() == 0 {
                continue;
            }
            found.rows += batch.num_rows() as u64;
            if let Some(keys) = &mut keys {
                keys.insert(&batch)?;
            }
            if let Some(change) = change {
                changed.write(&batch, change, output)?;
            }
        }
        changed.finish(output)?;
        Ok(keys)
    }
}

/// Whole rows, changed in the columns that users see.
fn changed(batch: &RecordBatch, schema: &TableSchema, change: &RowChange) -> Result<RecordBatch> {
    if schema.dropped.is_empty() {
        return (change.0)(batch);
    }
    let shown: Vec<Column> = schema.shown().cloned().collect();
    let changed = (change.0)(&named(batch, &shown)?)?;
    let column = |field: &FieldRef| {
        let changed = changed.column_by_name(field.name());
        changed.or_else(|| batch.column_by_name(field.name())).cloned()
    };
    let columns = batch.schema_ref().fields().iter().filter_map(column).collect();
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

/// Columns of a batch by name.
fn named(batch: &RecordBatch, columns: &[Column]) -> Result<RecordBatch> {
    let positions = columns.iter().map(|column| batch.schema_ref().index_of(&column.name));
    Ok(batch.project(&positions.collect::<Result<Vec<_>, _>>()?)?)
}

/// The segments of changed rows of one partition.
struct Changed<'a> {
    resolver: &'a Resolver<'a>,
    window: Window,
    open: Option<OpenSegment<'a>>,
}

impl<'a> Changed<'a> {
    fn write(
        &mut self,
        batch: &RecordBatch,
        change: &RowChange,
        output: &mut Output<'_>,
    ) -> Result<()> {
        let schema = &self.resolver.job.schema;
        let changed = changed(batch, schema, change)?;
        let kept = |column: &Column| {
            column.kind == ColumnKind::Field
                || batch.column_by_name(&column.name) == changed.column_by_name(&column.name)
        };
        if changed.schema_ref().fields() != batch.schema_ref().fields()
            || changed.num_rows() != batch.num_rows()
            || !schema.columns.iter().all(kept)
        {
            return Err(Error::internal("a change may give other values to fields only"));
        }
        let segment = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        let segment = self.open.insert(segment);
        segment.write(&changed)?;
        if segment.size_bytes() >= SEGMENT_BYTES { self.finish(output) } else { Ok(()) }
    }

    fn begin(&self) -> Result<OpenSegment<'a>> {
        let Resolver { shared, job, database, .. } = self.resolver;
        let draft = SegmentDraft {
            id: shared.segment_ids.next(),
            database,
            schema: &job.schema,
            written_ns: shared.env.clock.wall_ns(),
            level: 0,
            window: self.window,
            first: job.sequence,
            last: job.sequence,
        };
        let format = match shared.options.flushes_hot() {
            true => SegmentFormat::Hot,
            false => SegmentFormat::Parquet,
        };
        OpenSegment::new(draft, format, &shared.options, &*shared.store)
    }

    fn finish(&mut self, output: &mut Output<'_>) -> Result<()> {
        let Some(segment) = self.open.take() else { return Ok(()) };
        output.add(segment, self.resolver.database, &self.resolver.job.schema)
    }
}

/// Keys of one partition.
struct KeySet {
    columns: Vec<Column>,
    converter: RowConverter,
    keys: HashSet<Box<[u8]>, FixedState>,
    bytes: usize,
}

impl KeySet {
    fn new(schema: &TableSchema) -> Result<KeySet> {
        let columns: Vec<Column> = schema.key().cloned().collect();
        let fields = columns.iter().map(|column| SortField::new(column.arrow_type())).collect();
        let converter = RowConverter::new(fields)?;
        Ok(KeySet { columns, converter, keys: HashSet::default(), bytes: 0 })
    }

    fn rows(&self, batch: &RecordBatch) -> Result<arrow::row::Rows> {
        let keys = named(batch, &self.columns)?;
        Ok(self.converter.convert_columns(keys.columns())?)
    }

    fn insert(&mut self, batch: &RecordBatch) -> Result<()> {
        for key in &self.rows(batch)? {
            self.bytes += key.as_ref().len() + KEY_OVERHEAD_BYTES;
            self.keys.insert(key.as_ref().into());
        }
        if self.bytes <= KEYS_BYTES_MAX {
            return Ok(());
        }
        let message =
            "one partition has too many rows that this deletes or changes by their fields";
        Err(Error::new(Code::MemoryLimit, message)
            .hint("name smaller ranges of time, one after the other"))
    }

    /// Which rows of a batch have one of the keys.
    fn among(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let rows = self.rows(batch)?;
        Ok(rows.iter().map(|key| Some(self.keys.contains(key.as_ref()))).collect())
    }
}
