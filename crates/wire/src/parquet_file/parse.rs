//! A Parquet file into a write.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use pulsora_model::{Code, Error, KnownTable, Name, Result};

use super::file::{ParquetFile, unpacked_bytes};
use crate::rows::{RowOptions, RowsParsed, columns};

/// Bytes that a body may unpack to: 64 MiB, or sixteen times the body.
fn unpacked_limit(body: &Bytes) -> u64 {
    (64 << 20).max((body.len() as u64).saturating_mul(16))
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
    let (arrow_schema, batches) = read(body)?;
    columns::parse(table, &arrow_schema, &batches, options, known)
}

/// Parses a batch of a file that is read in parts.
///
/// # Errors
/// As [`parse`]; rows are counted from the first of the batch.
pub fn parse_batch(
    table: &Name,
    batch: &RecordBatch,
    options: &RowOptions,
    known: Option<KnownTable>,
) -> Result<RowsParsed> {
    columns::parse(table, &batch.schema(), std::slice::from_ref(batch), options, known)
}

fn read(body: Bytes) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let limit = unpacked_limit(&body);
    let file = ParquetFile::open(&body, &[])?;
    let mut batches = Vec::new();
    let mut bytes = 0;
    for batch in file.batches(body, None)? {
        let batch = batch?;
        bytes += unpacked_bytes(&batch);
        if bytes > limit {
            return Err(Error::new(
                Code::BodyTooLarge,
                format!("the file unpacks to more than {limit} bytes"),
            )
            .hint("send it in parts, as `pulsora import` does"));
        }
        batches.push(batch);
    }
    Ok((Arc::clone(file.schema()), batches))
}
