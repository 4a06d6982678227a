//! What every result writer does, and which one a request gets.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pulsora_model::Result;

use super::arrow_stream::ArrowStream;
use super::csv_text::CsvText;
use super::format::ResultFormat;
use super::msgpack::Msgpack;
use super::ndjson::Ndjson;
use super::options::ResultOptions;
use super::parquet_bytes::ParquetBytes;
use super::rows_json::RowsJson;
use super::sql_json::SqlJson;

/// What is known at the end of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Rows of all batches.
    pub row_count: u64,
    /// Time from the request to the end, milliseconds.
    pub execution_time_ms: f64,
    /// The wall clock, nanoseconds UTC.
    pub timestamp_ns: i64,
}

/// Writes one result: `begin` once, `batch` any number of times, `end` once.
pub trait ResultWriter: Send {
    /// Starts the result and puts its first bytes onto the end of `out`.
    ///
    /// # Errors
    /// When the format cannot hold a column's type.
    fn begin(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<()>;

    /// Writes the rows of a batch of that schema.
    ///
    /// # Errors
    /// When a value cannot be written.
    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()>;

    /// Ends the result.
    ///
    /// # Errors
    /// When what is left cannot be written.
    fn end(&mut self, summary: &Summary, out: &mut Vec<u8>) -> Result<()>;
}

/// The writer of the row API: JSON is an array of row objects in the usual envelope.
pub fn rows_writer(format: ResultFormat, options: ResultOptions) -> Box<dyn ResultWriter> {
    match format {
        ResultFormat::Json => Box::new(RowsJson::new(options)),
        other => plain_writer(other, options),
    }
}

/// The writer of SQL: JSON has columns, types and an array per row.
pub fn sql_writer(format: ResultFormat, options: ResultOptions) -> Box<dyn ResultWriter> {
    match format {
        ResultFormat::Json => Box::new(SqlJson::new(options)),
        other => plain_writer(other, options),
    }
}

fn plain_writer(format: ResultFormat, options: ResultOptions) -> Box<dyn ResultWriter> {
    match format {
        ResultFormat::Json | ResultFormat::Ndjson => Box::new(Ndjson::new(options)),
        ResultFormat::Csv => Box::new(CsvText::new(options)),
        ResultFormat::Arrow => Box::new(ArrowStream::default()),
        ResultFormat::Msgpack => Box::new(Msgpack::new(options)),
        ResultFormat::Parquet => Box::new(ParquetBytes::default()),
    }
}
