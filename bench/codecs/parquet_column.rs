//! Parquet's own encodings as contenders: a file in memory with one column and one data page per block.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use pulsora_codec::codec::{BLOCK_VALUES_MAX, Values};

use crate::contenders::{Contender, Decoded};
use crate::series::Column;

/// The encodings for such a column; `None` is the dictionary.
pub fn contenders(column: &Column) -> Vec<Box<dyn Contender>> {
    use Encoding::{
        BYTE_STREAM_SPLIT, DELTA_BINARY_PACKED, DELTA_BYTE_ARRAY, DELTA_LENGTH_BYTE_ARRAY, PLAIN,
        RLE,
    };
    let encodings: &[(Option<Encoding>, bool)] = match column {
        Column::Integers(_) => &[
            (Some(DELTA_BINARY_PACKED), false),
            (Some(DELTA_BINARY_PACKED), true),
            (Some(BYTE_STREAM_SPLIT), true),
            (None, false),
            (Some(PLAIN), true),
        ],
        Column::Floats(_) => &[(Some(BYTE_STREAM_SPLIT), true), (None, false), (Some(PLAIN), true)],
        Column::Booleans(_) => &[(Some(RLE), false), (Some(PLAIN), true)],
        Column::Text { .. } => &[
            (Some(DELTA_BYTE_ARRAY), true),
            (Some(DELTA_LENGTH_BYTE_ARRAY), true),
            (None, false),
            (Some(PLAIN), true),
        ],
    };
    let data_type = match column {
        Column::Integers(_) => DataType::Int64,
        Column::Floats(_) => DataType::Float64,
        Column::Booleans(_) => DataType::Boolean,
        Column::Text { .. } => DataType::Utf8,
    };
    let schema = Arc::new(Schema::new(vec![Field::new("value", data_type, false)]));
    let contender = |(encoding, zstd): &(Option<Encoding>, bool)| {
        let schema = Arc::clone(&schema);
        Box::new(ParquetColumn { encoding: *encoding, zstd: *zstd, schema }) as Box<dyn Contender>
    };
    encodings.iter().map(contender).collect()
}

struct ParquetColumn {
    encoding: Option<Encoding>,
    zstd: bool,
    schema: SchemaRef,
}

impl ParquetColumn {
    fn properties(&self) -> WriterProperties {
        let mut properties = WriterProperties::builder()
            .set_statistics_enabled(EnabledStatistics::None)
            .set_data_page_row_count_limit(BLOCK_VALUES_MAX)
            .set_write_batch_size(BLOCK_VALUES_MAX)
            .set_dictionary_enabled(self.encoding.is_none());
        if let Some(encoding) = self.encoding {
            properties = properties.set_encoding(encoding);
        }
        let zstd = ZstdLevel::try_new(3).unwrap_or_default();
        let compression =
            if self.zstd { Compression::ZSTD(zstd) } else { Compression::UNCOMPRESSED };
        properties.set_compression(compression).build()
    }

    fn write(&self, array: ArrayRef, out: &mut Vec<u8>) -> parquet::errors::Result<()> {
        let schema = Arc::clone(&self.schema);
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array])?;
        let mut writer = ArrowWriter::try_new(out, schema, Some(self.properties()))?;
        writer.write(&batch)?;
        writer.close().map(|_| ())
    }
}

impl Contender for ParquetColumn {
    fn name(&self) -> String {
        let encoding =
            self.encoding.map_or("dictionary".to_owned(), |encoding| encoding.to_string());
        format!("[Parquet {encoding}{}]", if self.zstd { " + zstd-3" } else { "" })
    }

    fn encode(&mut self, values: Values<'_>, out: &mut Vec<u8>) -> bool {
        let Some(array) = array(values) else { return false };
        let mut file = Vec::new();
        let written = self.write(array, &mut file).is_ok();
        out.extend_from_slice(&file);
        written
    }

    /// Pages of the column.
    fn size(&self, encoded: &[u8]) -> usize {
        let metadata =
            ParquetMetaDataReader::new().parse_and_finish(&Bytes::copy_from_slice(encoded));
        metadata.map_or(encoded.len(), |metadata| metadata.row_group(0).compressed_size() as usize)
    }

    fn decode(&mut self, encoded: &[u8], _: usize, _: &mut Decoded) -> Result<(), String> {
        read(encoded, |array| {
            std::hint::black_box(array);
        })
    }

    fn decode_whole(
        &mut self,
        encoded: &[u8],
        _: usize,
        decoded: &mut Decoded,
    ) -> Result<(), String> {
        decoded.clear();
        decoded.offsets.push(0);
        read(encoded, |array| match array.data_type() {
            DataType::Int64 => decoded.integers.extend(array.as_primitive::<Int64Type>().values()),
            DataType::Float64 => {
                decoded.floats.extend(array.as_primitive::<Float64Type>().values())
            }
            DataType::Boolean => decoded.booleans.extend(array.as_boolean().iter().flatten()),
            _ => {
                for text in array.as_string::<i32>().iter().flatten() {
                    decoded.bytes.extend_from_slice(text.as_bytes());
                    decoded.offsets.push(decoded.bytes.len() as u32);
                }
            }
        })
    }
}

fn array(values: Values<'_>) -> Option<ArrayRef> {
    Some(match values {
        Values::Integers(values) => Arc::new(Int64Array::from(values.to_vec())),
        Values::Floats(values) => Arc::new(Float64Array::from(values.to_vec())),
        Values::Text(text) => {
            let offsets: Vec<i32> = text.offsets.iter().map(|offset| *offset as i32).collect();
            let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
            Arc::new(StringArray::try_new(offsets, text.bytes.to_vec().into(), None).ok()?)
        }
        Values::Booleans(values) => Arc::new(BooleanArray::from(values.to_vec())),
    })
}

fn read(encoded: &[u8], mut take: impl FnMut(&ArrayRef)) -> Result<(), String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(encoded));
    let reader = builder.and_then(|builder| builder.with_batch_size(BLOCK_VALUES_MAX).build());
    for batch in reader.map_err(|error| error.to_string())? {
        take(batch.map_err(|error| error.to_string())?.column(0));
    }
    Ok(())
}
