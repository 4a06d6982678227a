//! A Parquet file: row groups go out as they fill, the footer at the end.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use pulsora_model::{Code, Error, Result};

use super::writer::{ResultWriter, Summary};

/// Encoded bytes after which a row group ends: what one result may hold in memory.
const ROW_GROUP_BYTES: usize = 16 << 20;

#[derive(Default)]
pub(super) struct ParquetBytes {
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl ParquetBytes {
    fn writer(&mut self) -> Result<&mut ArrowWriter<Vec<u8>>> {
        self.writer.as_mut().ok_or_else(|| Error::internal("a result has batches before its start"))
    }
}

impl ResultWriter for ParquetBytes {
    fn begin(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<()> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))
            .map_err(unsupported)?;
        take(self.writer.insert(writer), out)
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let writer = self.writer()?;
        writer.write(batch).map_err(unsupported)?;
        if writer.in_progress_size() >= ROW_GROUP_BYTES {
            writer.flush().map_err(unsupported)?;
        }
        take(writer, out)
    }

    fn end(&mut self, _: &Summary, out: &mut Vec<u8>) -> Result<()> {
        let writer = self.writer()?;
        writer.finish().map_err(unsupported)?;
        take(writer, out)
    }
}

/// Moves what has been written so far; offsets in the file count all bytes, not those kept.
fn take(writer: &mut ArrowWriter<Vec<u8>>, out: &mut Vec<u8>) -> Result<()> {
    writer.sync().map_err(|error| Error::internal(format!("parquet: {error}")))?;
    out.append(writer.inner_mut());
    Ok(())
}

fn unsupported(error: parquet::errors::ParquetError) -> Error {
    Error::new(Code::UnsupportedFormat, format!("this result cannot be Parquet: {error}"))
        .hint("cast the column in the query, or ask for another format")
}
