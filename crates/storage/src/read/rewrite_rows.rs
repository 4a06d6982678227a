//! All live rows of segments of one partition, as a rewrite of them stores them; and which of those the
//! segments have lost since.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, UInt64Type};
use pulsora_model::{
    Column, ColumnId, ColumnKind, ColumnType, Error, Name, Result, SegmentId, TableSchema,
};
use roaring::RoaringBitmap;

use super::correction_rows::numbered_rows;
use super::merge::{Merge, merge, merge_rows};
use super::scan::{ScanStream, TimeRange};
use super::source::{Ask, Source};
use super::streams::{chained, lazy};
use crate::segment::{ExactFilter, Segment};

/// Rows of segments, by number.
pub(crate) type RowNumbers = BTreeMap<SegmentId, Arc<RoaringBitmap>>;

/// The column that says of a row whether it is lost. No table has one with its id.
const LOST: ColumnId = ColumnId(u32::MAX);

/// What a rewrite reads.
pub(crate) struct Reading {
    /// Segments that hold the rows of one level each, oldest unit first, as they are at its start.
    pub units: Vec<Vec<Segment>>,
    /// The columns that it gives, in its order (untyped ones as Arrow `Null`).
    pub schema: Arc<TableSchema>,
    /// Rows outside have expired.
    pub kept: TimeRange,
}

impl Reading {
    /// The segments.
    pub fn inputs(&self) -> impl Iterator<Item = &Segment> {
        self.units.iter().flatten()
    }

    /// All rows that are not deleted, in (tags, time) order, equal keys oldest first. Upsert tables: one
    /// row per key. A segment is opened when its first row is needed.
    ///
    /// # Errors
    /// `internal` when columns do not fit the schema; the batches give `corrupt` and `io_error`.
    pub fn rows(&self) -> Result<ScanStream> {
        let ask = Ask::all(Arc::clone(&self.schema)).within(self.kept);
        let open = move |segment: &Segment| {
            Source::segment(segment, None).open(&ask, &ask.schema.columns, None)
        };
        merge_rows(self.streams(open), &self.schema)
    }

    /// Of each row of [`Reading::rows`], in its order, whether it is one of those `lost` of their segments. A
    /// row that several with one key became is lost with the newest of them.
    ///
    /// # Errors
    /// As [`Reading::rows`].
    pub fn lost(
        &self,
        lost: &RowNumbers,
    ) -> Result<impl Iterator<Item = Result<Vec<bool>>> + use<>> {
        let marked = Marked { schema: Arc::clone(&self.schema), kept: self.kept };
        let (columns, lost) = (marked.columns()?, lost.clone());
        let open = move |segment: &Segment| marked.open(segment, lost.get(&segment.meta.id));
        let marks = merge(Merge {
            sources: self.streams(open),
            give: columns.last().cloned().into_iter().collect(),
            columns,
            keys: self.schema.key().map(|key| key.id).collect(),
            mode: self.schema.mode,
        })?;
        Ok(marks.map(|batch| {
            let batch = batch?;
            let marks = batch.column(0).as_primitive::<UInt64Type>().values();
            Ok(marks.iter().map(|mark| *mark == 1).collect())
        }))
    }

    /// The sources, each opened by `open`; those of a unit follow each other where they can.
    fn streams(
        &self,
        open: impl Fn(&Segment) -> Result<ScanStream> + Clone + Send + 'static,
    ) -> Vec<ScanStream> {
        let chains = self.units.iter().flat_map(|unit| chains(unit));
        let one_after_the_other = |chain: Vec<Segment>| -> ScanStream {
            let open = open.clone();
            chained(chain.into_iter().map(move |segment| {
                let open = open.clone();
                lazy(move || open(&segment))
            }))
        };
        chains.map(one_after_the_other).collect()
    }
}

/// Keys of rows, each with whether it is lost.
#[derive(Clone)]
struct Marked {
    schema: Arc<TableSchema>,
    kept: TimeRange,
}

impl Marked {
    /// The key and the mark. Not a field: of rows with one key the newest gives it.
    fn columns(&self) -> Result<Vec<Column>> {
        let name = Name::new("lost")?;
        let mark = Column { id: LOST, name, kind: ColumnKind::Id, ty: ColumnType::U64 };
        Ok(self.schema.key().cloned().chain([mark]).collect())
    }

    fn open(&self, segment: &Segment, lost: Option<&Arc<RoaringBitmap>>) -> Result<ScanStream> {
        let columns = self.columns()?;
        let fields: Vec<_> = columns.iter().map(Column::arrow_field).collect();
        let arrow = Arc::new(Schema::new(fields));
        let keys: Vec<Column> = self.schema.key().cloned().collect();
        let time = keys.len() - 1;
        let kept = ExactFilter { time: Some((time, self.kept)), tags: Vec::new() };
        let positions: Vec<usize> = (0..keys.len()).collect();
        let lost = lost.cloned().unwrap_or_default();
        let batches = numbered_rows(segment, keys, &self.schema)?;
        Ok(Box::new(batches.map(move |numbered| {
            let (batch, numbers) = numbered?;
            let inside = kept.matches(&batch, &positions)?;
            let marks = numbers.iter().map(|number| u64::from(lost.contains(*number)));
            let marks: ArrayRef = Arc::new(UInt64Array::from_iter_values(marks));
            let columns = batch.columns().iter().cloned().chain([marks]).collect();
            let batch = RecordBatch::try_new(Arc::clone(&arrow), columns).map_err(Error::from)?;
            Ok(filter_record_batch(&batch, &inside)?)
        })))
    }
}

/// The segments of a unit: in one chain if they follow each other in key order, as those of one rewrite
/// do, else in one each, by sequence.
fn chains(unit: &[Segment]) -> Vec<Vec<Segment>> {
    let mut by_sequence = unit.to_vec();
    by_sequence.sort_by_key(|segment| (segment.meta.first, segment.meta.id));
    let mut by_key: Vec<(Source, &Segment)> =
        by_sequence.iter().map(|segment| (Source::segment(segment, None), segment)).collect();
    by_key.sort_by(|(a, _), (b, _)| a.key_order(b));
    match by_key.windows(2).all(|pair| pair[0].0.ends_before(&pair[1].0)) {
        true => vec![by_key.into_iter().map(|(_, segment)| segment.clone()).collect()],
        false => by_sequence.into_iter().map(|segment| vec![segment]).collect(),
    }
}
