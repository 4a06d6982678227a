//! A Parquet file whose columns have been looked at, and its rows in batches.
//!
//! Invariants: a batch unpacks to at most [`BATCH_BYTES`], or has one row; row groups can be read at the
//! same time, each from an input of its own; what a library's decoder asserts is an error here.

use std::collections::VecDeque;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, SchemaRef};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;
use pulsora_model::{Code, Error, Result};

use super::columns;
use crate::rows::columns::contain;

/// Most bytes of a batch, unpacked: a fraction of a body that is stored whole.
const BATCH_BYTES: u64 = 8 << 20;

/// Most rows that are decoded at once, and fewest.
const BATCH_ROWS: std::ops::RangeInclusive<u64> = 64..=65_536;

/// A file's columns and row groups.
#[derive(Clone)]
pub struct ParquetFile {
    metadata: ArrowReaderMetadata,
}

impl ParquetFile {
    /// Reads the footer and looks at the columns. Those named in `dictionaries` are read as dictionaries
    /// where they are text: fit for columns with few texts that occur often.
    ///
    /// # Errors
    /// `malformed_body`; `type_conflict` with all columns that tables cannot have; `limit_exceeded`.
    pub fn open(input: &impl ChunkReader, dictionaries: &[String]) -> Result<ParquetFile> {
        // The schema is the file's own: what a writer noted of its memory says nothing of ours.
        let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let load = |options| {
            contain(|| ArrowReaderMetadata::load(input, options))
                .unwrap_or_else(|| Err(broken()))
                .map_err(malformed)
        };
        let metadata = load(options())?;
        columns::check(metadata.schema())?;
        let schema = columns::as_read(metadata.schema(), dictionaries);
        Ok(ParquetFile { metadata: load(options().with_schema(schema))? })
    }

    /// Columns of every batch.
    pub fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// Rows of the file, as its footer says.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Number of row groups.
    pub fn groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Rows before a row group, as the footer says.
    pub fn rows_before(&self, group: usize) -> u64 {
        let groups = self.metadata.metadata().row_groups().iter().take(group);
        groups.map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).sum()
    }

    /// The rows of one row group, or of all of them.
    ///
    /// # Errors
    /// `malformed_body`.
    pub fn batches<R: ChunkReader + 'static>(
        &self,
        input: R,
        group: Option<usize>,
    ) -> Result<Batches> {
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(input, self.metadata.clone())
                .with_batch_size(self.batch_rows(group));
        let builder = match group {
            Some(group) => builder.with_row_groups(vec![group]),
            None => builder,
        };
        let reader = contain(|| builder.build()).unwrap_or_else(|| Err(broken()));
        Ok(Batches { reader: Some(reader.map_err(malformed)?), waiting: VecDeque::new() })
    }

    /// Rows that are decoded at once, by what the footer says of their size.
    fn batch_rows(&self, group: Option<usize>) -> usize {
        let all = self.metadata.metadata().row_groups();
        let groups = group.and_then(|group| all.get(group..=group)).unwrap_or(all);
        let sum = |of: fn(&parquet::file::metadata::RowGroupMetaData) -> i64| -> u64 {
            groups.iter().map(|group| u64::try_from(of(group)).unwrap_or(0)).sum()
        };
        let (rows, bytes) = (sum(|group| group.num_rows()), sum(|group| group.total_byte_size()));
        let row_bytes = (bytes / rows.max(1)).max(1);
        (BATCH_BYTES / row_bytes).clamp(*BATCH_ROWS.start(), *BATCH_ROWS.end()) as usize
    }
}

/// Rows in batches of bounded size, in the order of the file.
pub struct Batches {
    /// `None` after an error.
    reader: Option<ParquetRecordBatchReader>,
    /// Parts of a batch that was too large.
    waiting: VecDeque<RecordBatch>,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        if let Some(part) = self.waiting.pop_front() {
            return Some(Ok(part));
        }
        let mut reader = self.reader.take()?;
        match contain(|| reader.next()) {
            None => Some(Err(malformed(broken()))),
            Some(None) => None,
            Some(Some(Err(error))) => Some(Err(malformed(error))),
            Some(Some(Ok(batch))) => {
                self.reader = Some(reader);
                split(batch, &mut self.waiting);
                self.waiting.pop_front().map(Ok)
            }
        }
    }
}

/// Cuts a batch in halves until each part is small enough.
fn split(batch: RecordBatch, parts: &mut VecDeque<RecordBatch>) {
    if batch.num_rows() <= 1 || unpacked_bytes(&batch) <= BATCH_BYTES {
        parts.push_back(batch);
        return;
    }
    let half = batch.num_rows() / 2;
    split(batch.slice(0, half), parts);
    split(batch.slice(half, batch.num_rows() - half), parts);
}

/// What a decoder asserts and finds broken.
fn broken() -> ParquetError {
    ParquetError::General("its content does not fit together".to_owned())
}

pub(super) fn malformed(message: impl std::fmt::Display) -> Error {
    Error::new(Code::MalformedBody, format!("the body is not a Parquet file: {message}"))
        .hint("send a whole file as it was written")
}

/// Bytes of the values of a batch when each text stands by itself.
pub(super) fn unpacked_bytes(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(|column| column_bytes(column.as_ref())).sum()
}

fn column_bytes(column: &dyn Array) -> u64 {
    let rows = column.len() as u64;
    match column.data_type() {
        DataType::Utf8View => {
            let views = column.as_string_view().views().iter();
            rows * 4 + views.map(|view| u64::from(*view as u32)).sum::<u64>()
        }
        DataType::Dictionary(..) => {
            let Some(codes) = column.as_dictionary_opt::<Int32Type>() else { return rows * 8 };
            let Some(texts) = codes.values().as_string_opt::<i32>() else { return rows * 8 };
            let length = |code: i32| {
                let at = usize::try_from(code).ok().filter(|at| *at < texts.len());
                at.map_or(0, |at| texts.value(at).len() as u64)
            };
            rows * 4 + codes.keys().iter().flatten().map(length).sum::<u64>()
        }
        _ => rows * 8,
    }
}
