//! An Arrow IPC stream into a write.

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamDecoder;
use bytes::Bytes;
use pulsora_model::{Code, Error, KnownTable, Name, Result};

use super::check::{End, check, malformed};
use crate::rows::columns::contain;
use crate::rows::{RowOptions, RowsParsed, columns};

const END_MARKER: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Parses an Arrow IPC stream for `table`, of which `known` is known.
///
/// # Errors
/// Of the body: `empty_body`, `malformed_body`, `type_conflict` (a column type that is not read),
/// `body_too_large` (compressed buffers), `duplicate_column`, `invalid_name`, `missing_time`,
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
    let end = check(&body)?;
    let (arrow_schema, batches) = contain(|| read(body, end))
        .unwrap_or_else(|| Err(malformed("its buffers do not fit together")))?;
    columns::parse(table, &arrow_schema, &batches, options, known)
}

fn read(body: Bytes, end: End) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    let mut rest = Buffer::from(body);
    while let Some(batch) = decoder.decode(&mut rest).map_err(malformed)? {
        batches.push(batch);
    }
    if end == End::Open {
        // The decoder looks at a last message without body only when more bytes come.
        batches.extend(decoder.decode(&mut Buffer::from(&END_MARKER)).map_err(malformed)?);
    }
    decoder.finish().map_err(malformed)?;
    let schema = decoder.schema().ok_or_else(|| malformed("it has no schema"))?;
    Ok((schema, batches))
}
