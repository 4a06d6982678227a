//! A request of either encoding into batches.

use pulsora_model::Result;
use pulsora_model::schema::SchemaLookup;

use super::sink::Sink;
use super::{json, messages};
use crate::parsed::Parsed;

/// How a request, and its answer, is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
}

/// What a request says beside its body.
#[derive(Clone, Copy, Debug)]
pub struct OtlpOptions {
    /// How the body is written.
    pub encoding: Encoding,
    /// Time of data points that have none; nanoseconds UTC.
    pub now_ns: i64,
}

/// Reads a request. `rejected` and `details` count data points, `rows` the rows that the good ones
/// became. A request may be empty.
///
/// # Errors
/// `malformed_body`; then nothing is to be stored.
pub fn parse(body: &[u8], options: &OtlpOptions, schemas: &dyn SchemaLookup) -> Result<Parsed> {
    let mut sink = Sink::new(schemas, body.len(), options.now_ns);
    match options.encoding {
        Encoding::Protobuf => messages::request(body, &mut sink)?,
        Encoding::Json => json::request(body, &mut sink)?,
    }
    Ok(sink.finish())
}
