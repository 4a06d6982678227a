//! How a column of a Parquet segment is encoded: what is smallest for its first rows.
//!
//! Parquet leaves the choice to the writer, and none is best for all data: of prices with two decimals PLAIN
//! and zstd may be a third of BYTE_STREAM_SPLIT, of measured floats it is the other way round, and counters
//! that repeat are smaller in a dictionary than as deltas.
//!
//! Invariant: every choice can be read by any reader of Parquet; times of rows and tags are always the same.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use pulsora_model::{Column, ColumnKind, ColumnType};

/// Rows that are tried: a page. With fewer than [`SAMPLE_MIN`] the shipped encoding is as good as any.
const SAMPLE_ROWS: usize = 8_192;
const SAMPLE_MIN: usize = 512;

/// A float or integer column with more than 8,192 distinct values per row group has no use for a dictionary.
const NUMBER_DICTIONARY_BYTES_MAX: usize = 64 << 10;

/// A text column with more distinct values per row group is plain: a reader of one page would have to
/// take the whole dictionary. Tags keep theirs, up to the library's limit of 1 MiB.
const TEXT_DICTIONARY_BYTES_MAX: usize = 128 << 10;

/// Distinct values of a tag in a row group for which its bloom filter has room at one false answer in a
/// hundred, as many as it has rows; the library folds it to what is needed.
const BLOOM_VALUES: u64 = super::ROW_GROUP_ROWS as u64;
const BLOOM_FALSE: f64 = 0.01;

/// How the values of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// A dictionary, and past its limit the encoding.
    Dictionary(Encoding),
    /// The encoding alone.
    Alone(Encoding),
}

use Choice::{Alone, Dictionary};

/// What may be chosen for a column; the first one is the shipped one.
fn choices(column: &Column) -> &'static [Choice] {
    const DELTA: Encoding = Encoding::DELTA_BINARY_PACKED;
    const SPLIT: Encoding = Encoding::BYTE_STREAM_SPLIT;
    match (column.kind, column.ty) {
        (ColumnKind::Time | ColumnKind::Id, _) | (_, ColumnType::Timestamp) => &[Alone(DELTA)],
        (ColumnKind::Tag, _) => &[Dictionary(Encoding::PLAIN)],
        (_, ColumnType::I64 | ColumnType::U64) => &[Alone(DELTA), Dictionary(DELTA)],
        (_, ColumnType::F64) => {
            &[Dictionary(SPLIT), Alone(SPLIT), Alone(Encoding::PLAIN), Dictionary(Encoding::PLAIN)]
        }
        (_, ColumnType::Utf8) => &[Dictionary(Encoding::PLAIN), Alone(Encoding::PLAIN)],
        (_, ColumnType::Bool | ColumnType::Untyped) => &[],
    }
}

/// Sets how the columns of a segment are written, by its first rows.
///
/// # Errors
/// Those of the library.
pub(super) fn encode(
    builder: WriterPropertiesBuilder,
    columns: &[&Column],
    first: &RecordBatch,
) -> Result<WriterPropertiesBuilder, ParquetError> {
    let mut columns = columns.iter().zip(first.columns());
    columns.try_fold(builder, |builder, (column, values)| {
        // One part: names may hold dots.
        let path = ColumnPath::new(vec![column.name.to_string()]);
        let builder = match choose(column, values)? {
            Some(choice) => choice.set(builder, column, path.clone()),
            None => builder,
        };
        Ok(match column.kind {
            ColumnKind::Tag => builder
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE)
                .set_column_bloom_filter_max_ndv(path, BLOOM_VALUES),
            _ => builder,
        })
    })
}

fn choose(column: &Column, values: &ArrayRef) -> Result<Option<Choice>, ParquetError> {
    let choices = choices(column);
    let sampled = choices.len() > 1 && values.len() - values.null_count() >= SAMPLE_MIN;
    if !sampled {
        return Ok(choices.first().copied());
    }
    let sample = values.slice(0, values.len().min(SAMPLE_ROWS));
    let mut best: Option<(usize, Choice)> = None;
    for choice in choices {
        let bytes = size(column, &sample, *choice)?;
        if best.is_none_or(|(least, _)| bytes < least) {
            best = Some((bytes, *choice));
        }
    }
    Ok(best.map(|(_, choice)| choice))
}

/// Bytes that the values take, dictionary and compression included.
fn size(column: &Column, values: &ArrayRef, choice: Choice) -> Result<usize, ParquetError> {
    let field = Field::new(column.name.as_str(), values.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field]));
    let path = ColumnPath::new(vec![column.name.to_string()]);
    let builder = WriterProperties::builder()
        .set_compression(compression())
        .set_statistics_enabled(EnabledStatistics::None);
    let properties = choice.set(builder, column, path).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
    writer.write(&RecordBatch::try_new(schema, vec![Arc::clone(values)])?)?;
    writer.flush()?;
    let groups = writer.flushed_row_groups();
    Ok(groups.iter().map(|group| group.compressed_size() as usize).sum())
}

impl Choice {
    fn set(
        self,
        builder: WriterPropertiesBuilder,
        column: &Column,
        path: ColumnPath,
    ) -> WriterPropertiesBuilder {
        match self {
            Alone(encoding) => builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, encoding),
            // What the library falls back to by itself.
            Dictionary(_) if column.kind == ColumnKind::Tag => builder,
            Dictionary(encoding) => {
                let most = match column.ty {
                    ColumnType::Utf8 => TEXT_DICTIONARY_BYTES_MAX,
                    _ => NUMBER_DICTIONARY_BYTES_MAX,
                };
                builder
                    .set_column_dictionary_page_size_limit(path.clone(), most)
                    .set_column_encoding(path, encoding)
            }
        }
    }
}

/// Of every column.
pub(super) fn compression() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}
