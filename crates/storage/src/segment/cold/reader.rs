//! Parquet object → batches: pruned, filtered exactly, without the rows that are gone, in the types
//! of the schema.
//!
//! One row group at a time. Where only some of its rows can match and other columns are asked for,
//! key columns are decoded first and the others only at matching rows.
//!
//! Invariants: batches come in row order; a column that the file lacks is null; damaged bytes are an
//! error, after which nothing more comes.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{cast, filter_record_batch, prep_null_mask_filter};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::errors::ParquetError;
use pulsora_model::{Column, ColumnId, Error, Result};

use super::filter::ExactFilter;
use super::footer;
use super::prune::{Bound, Match, match_group, select_except, select_only, select_pages};
use super::row_group::RowGroup;
use crate::read::ScanCounters;
use crate::segment::read::{Listed, ReadSpec, listed};
use crate::segment::{Segment, SegmentFile};

/// Values of a tag that a bloom filter is asked for: with more, one of a hundred that it lets through is
/// likely among them.
const BLOOM_VALUES_MAX: usize = 16;

/// The batches of one read.
pub(crate) struct ParquetRows {
    file: Arc<SegmentFile>,
    range: footer::Range,
    footer: ArrowReaderMetadata,
    spec: ReadSpec,
    schema: SchemaRef,
    /// Leaf of each asked column that the file has.
    leaves: Vec<Option<usize>>,
    filter: ExactFilter,
    /// Rows that are gone, or all that are wanted.
    listed: Option<Listed>,
    groups: Range<usize>,
    current: Option<OpenGroup>,
}

/// A row group that is being read.
struct OpenGroup {
    reader: ParquetRecordBatchReader,
    /// What the batches hold, ascending.
    leaves: Vec<usize>,
    /// To be applied to the batches; absent when it has been.
    filter: Option<ExactFilter>,
    /// Rows were counted when the group was opened.
    counted: bool,
}

impl ParquetRows {
    /// The rows of a Parquet segment that `spec` asks for.
    ///
    /// # Errors
    /// `corrupt` when the object is damaged or missing, `io_error`; so does every batch.
    pub fn open(segment: &Segment, spec: ReadSpec) -> Result<ParquetRows> {
        let file = &segment.file;
        let range = file.range()?;
        let footer = file.footer(&range)?;
        ScanCounters::add(&spec.counters.segments_read, 1);
        let by_id = file.guard(|| Ok(leaves_by_id(&footer)))?;
        let leaf = |id: ColumnId| by_id.get(&id).copied();
        let time_leaf =
            leaf(spec.time_column).ok_or_else(|| file.corrupt("it has no time column"))?;
        let groups = footer.metadata().num_row_groups();
        let mut groups =
            spec.groups.clone().map_or(0..groups, |part| part.start..part.end.min(groups));
        let mut tags = Vec::new();
        for predicate in &spec.tags {
            match leaf(predicate.column) {
                Some(leaf) => tags.push((leaf, predicate.clone())),
                None if predicate.values.contains(&None) => {}
                // No row has this tag.
                None => groups.end = groups.start,
            }
        }
        let fields: Vec<_> = spec.columns.iter().map(Column::arrow_field).collect();
        Ok(ParquetRows {
            file: Arc::clone(file),
            range,
            schema: Arc::new(Schema::new(fields)),
            leaves: spec.columns.iter().map(|column| leaf(column.id)).collect(),
            filter: ExactFilter { time: Some((time_leaf, spec.time)), tags },
            listed: listed(segment, &spec.rows),
            groups,
            current: None,
            footer,
            spec,
        })
    }
}

fn leaves_by_id(footer: &ArrowReaderMetadata) -> HashMap<ColumnId, usize> {
    let columns = footer.parquet_schema().columns().iter().enumerate();
    columns
        .filter_map(|(leaf, column)| {
            let info = column.self_type().get_basic_info();
            let id = u32::try_from(info.has_id().then(|| info.id())?).ok()?;
            Some((ColumnId(id), leaf))
        })
        .collect()
}

impl ParquetRows {
    /// Opens the next row group of which a row may match.
    fn next_group(&mut self) -> Result<Option<OpenGroup>> {
        while let Some(group) = self.groups.next() {
            let file = Arc::clone(&self.file);
            if let Some(open) = file.guard(|| self.open_group(group))? {
                ScanCounters::add(&self.spec.counters.blocks_read, 1);
                return Ok(Some(open));
            }
        }
        Ok(None)
    }

    fn open_group(&self, group: usize) -> Result<Option<OpenGroup>, ParquetError> {
        let metadata = self.footer.metadata();
        let rows = group_rows(&self.footer, group)?;
        let bound = self.bound();
        let found = match_group(metadata, group, &bound);
        if found == Match::None || found == Match::Some && self.blooms_exclude(group, &bound)? {
            return Ok(None);
        }
        let mut selection = self.listed.as_ref().map(|listed| match listed {
            Listed::Wanted(wanted) => select_only(rows.clone(), wanted),
            Listed::Gone(gone) => select_except(rows.clone(), gone),
        });
        if found == Match::Some
            && let Some(pages) = select_pages(metadata, group, &bound)
        {
            selection = Some(match selection {
                Some(rows) => rows.intersection(&pages),
                None => pages,
            });
        }
        if selection.as_ref().is_some_and(|selection| !selection.selects_any()) {
            return Ok(None);
        }
        let filter = (found == Match::Some).then(|| self.filter.clone());
        self.read_group(group, rows.len(), selection, filter)
    }

    /// Whether a bloom filter says that no row of the group has one of the wanted values of a tag.
    fn blooms_exclude(&self, group: usize, bound: &Bound<'_>) -> Result<bool, ParquetError> {
        let columns = self.footer.metadata().row_group(group).columns();
        let checked = bound.tags.iter().filter(|(leaf, predicate)| {
            let values = &predicate.values;
            let has_filter = columns[*leaf].bloom_filter_offset().is_some();
            has_filter && values.len() <= BLOOM_VALUES_MAX && !values.contains(&None)
        });
        for (leaf, predicate) in checked {
            let (range, footer) = (self.range.clone(), self.footer.clone());
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(range, footer);
            let Some(filter) = builder.get_row_group_column_bloom_filter(group, *leaf)? else {
                continue;
            };
            if !predicate.values.iter().flatten().any(|value| filter.check(&value.as_str())) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn bound(&self) -> Bound<'_> {
        Bound {
            time_leaf: self.filter.time.map_or(0, |(leaf, _)| leaf),
            time: self.spec.time,
            tags: self.filter.tags.iter().map(|(leaf, predicate)| (*leaf, predicate)).collect(),
        }
    }

    /// Opens a row group; `None` where no row passes the filter.
    fn read_group(
        &self,
        number: usize,
        rows: usize,
        mut selection: Option<RowSelection>,
        filter: Option<ExactFilter>,
    ) -> Result<Option<OpenGroup>, ParquetError> {
        let (group, batch_rows) =
            (RowGroup::new(&self.range, &self.footer, number), self.spec.batch_rows);
        let mut leaves = sorted(self.leaves.iter().flatten().copied());
        let Some(filter) = filter else {
            let reader = group.read(&leaves, selection, batch_rows)?;
            return Ok(Some(OpenGroup { reader, leaves, filter: None, counted: false }));
        };
        let keys = sorted(filter.leaves());
        if leaves.iter().all(|leaf| keys.contains(leaf)) {
            leaves = keys;
            let reader = group.read(&leaves, selection, batch_rows)?;
            return Ok(Some(OpenGroup { reader, leaves, filter: Some(filter), counted: false }));
        }
        // Decoding the keys twice costs less than decoding the others at rows that do not match.
        let selected = selection.as_ref().map_or(rows, RowSelection::row_count);
        ScanCounters::add(&self.spec.counters.rows_read, selected);
        let matches = group.read(&keys, selection.clone(), batch_rows)?.map(|batch| {
            let matches = filter.matches(&batch?, &keys)?;
            Ok(if matches.null_count() > 0 { prep_null_mask_filter(&matches) } else { matches })
        });
        let found = RowSelection::from_filters(&matches.collect::<Result<Vec<_>, ArrowError>>()?);
        let found = match selection.take() {
            Some(selected) => selected.and_then(&found),
            None => found,
        };
        if !found.selects_any() {
            ScanCounters::add(&self.spec.counters.blocks_read, 1);
            return Ok(None);
        }
        let reader = group.read(&leaves, Some(found), batch_rows)?;
        Ok(Some(OpenGroup { reader, leaves, filter: None, counted: true }))
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.spec.counters.check()?;
            let open = match self.current.take() {
                Some(open) => Some(open),
                None => self.next_group()?,
            };
            let Some(mut open) = open else { return Ok(None) };
            let batch = self.file.guard(|| open.next(&self.spec.counters))?;
            let Some(batch) = batch else { continue };
            let leaves = std::mem::take(&mut open.leaves);
            let given = (batch.num_rows() > 0).then(|| self.give(&batch, &leaves)).transpose();
            open.leaves = leaves;
            self.current = Some(open);
            if let Some(batch) =
                given.map_err(|error| self.file.corrupt(error.message()).source(error))?
            {
                return Ok(Some(batch));
            }
        }
    }

    /// The asked columns of a batch of the file, in the types of the schema.
    fn give(&self, batch: &RecordBatch, leaves: &[usize]) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let columns = self.leaves.iter().zip(self.schema.fields()).map(|(leaf, field)| {
            let position = leaf.and_then(|leaf| leaves.binary_search(&leaf).ok());
            let Some(position) = position else {
                return Ok(new_null_array(field.data_type(), rows));
            };
            let values: &ArrayRef = batch.column(position);
            if values.data_type() == field.data_type() {
                return Ok(Arc::clone(values));
            }
            Ok(cast(values, field.data_type())?)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        RecordBatch::try_new_with_options(schema, columns, &options).map_err(Error::from)
    }
}

impl OpenGroup {
    fn next(&mut self, counters: &ScanCounters) -> Result<Option<RecordBatch>, ParquetError> {
        let Some(batch) = self.reader.next().transpose()? else { return Ok(None) };
        if !self.counted {
            ScanCounters::add(&counters.rows_read, batch.num_rows());
        }
        let Some(filter) = &self.filter else { return Ok(Some(batch)) };
        let matches = filter.matches(&batch, &self.leaves)?;
        Ok(Some(filter_record_batch(&batch, &matches)?))
    }
}

impl Iterator for ParquetRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch().transpose();
        if matches!(next, Some(Err(_))) {
            self.groups.start = self.groups.end;
            self.current = None;
        }
        next
    }
}

/// The row numbers of a row group.
fn group_rows(footer: &ArrowReaderMetadata, group: usize) -> Result<Range<u32>, ParquetError> {
    let rows = |group: usize| footer.metadata().row_group(group).num_rows();
    let start: i64 = (0..group).map(rows).sum();
    let end = start + rows(group);
    let narrow = |row: i64| {
        u32::try_from(row).map_err(|_| ParquetError::General(format!("row {row} is out of range")))
    };
    Ok(narrow(start)?..narrow(end)?)
}

fn sorted(leaves: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut leaves: Vec<usize> = leaves.collect();
    leaves.sort_unstable();
    leaves.dedup();
    leaves
}
