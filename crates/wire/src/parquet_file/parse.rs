//! A Parquet file into a write.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pulsora_model::limits::COLUMNS_MAX;
use pulsora_model::{Code, Error, KnownTable, Name, Result};

use crate::results::type_name;
use crate::rows::columns::contain;
use crate::rows::plain::{plain_type, refuse};
use crate::rows::{RowOptions, RowsParsed, columns};

/// Rows decoded at once, between two looks at the limit.
const BATCH_ROWS: usize = 65_536;

/// Bytes that a body may unpack to: 64 MiB, or sixteen times the body.
fn unpacked_limit(body: &Bytes) -> usize {
    (64 << 20).max(body.len().saturating_mul(16))
}

/// Parses a Parquet file for `table`, of which `known` is known.
///
/// # Errors
/// Of the body: `empty_body`, `malformed_body`, `type_conflict` (a column type that is not read),
/// `body_too_large` (unpacked), `duplicate_column`, `invalid_name`, `missing_time`,
/// `mixed_time_units`, `schema_conflict`, `invalid_request`. Of a row, with `on_error=abort`:
/// `invalid_time`, `invalid_row_id`, `type_conflict`, `limit_exceeded`.
pub fn parse(
    table: &Name,
    body: Bytes,
    options: &RowOptions,
    known: Option<KnownTable>,
) -> Result<RowsParsed> {
    if body.is_empty() {
        return Err(Error::new(Code::EmptyBody, "the body is empty").hint("send rows"));
    }
    let (arrow_schema, batches) = contain(|| read(body))
        .unwrap_or_else(|| Err(malformed("its content does not fit together")))?;
    columns::parse(table, &arrow_schema, &batches, options, known)
}

fn read(body: Bytes) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let limit = unpacked_limit(&body);
    let builder = ParquetRecordBatchReaderBuilder::try_new(body).map_err(malformed)?;
    let arrow_schema = Arc::clone(builder.schema());
    check_columns(&arrow_schema)?;
    let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(malformed)?;
    let mut batches = Vec::new();
    let mut bytes = 0;
    for batch in reader {
        let batch = batch.map_err(malformed)?;
        bytes += batch.get_array_memory_size();
        if bytes > limit {
            return Err(Error::new(
                Code::BodyTooLarge,
                format!("the file unpacks to more than {limit} bytes"),
            )
            .hint("send it in parts"));
        }
        batches.push(batch);
    }
    Ok((arrow_schema, batches))
}

fn check_columns(schema: &SchemaRef) -> Result<()> {
    if schema.fields().len() > COLUMNS_MAX {
        return Err(Error::new(
            Code::LimitExceeded,
            format!("the file has more than {COLUMNS_MAX} columns"),
        ));
    }
    match schema.fields().iter().find(|field| plain_type(field.data_type()).is_none()) {
        Some(field) => Err(refuse(field.name(), &type_name(field.data_type()))),
        None => Ok(()),
    }
}

fn malformed(message: impl std::fmt::Display) -> Error {
    Error::new(Code::MalformedBody, format!("the body is not a Parquet file: {message}"))
        .hint("send a whole file as it was written")
}
