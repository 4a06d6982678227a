//! §10: OpenTelemetry metrics over HTTP.
//!
//! Answers are of the encoding of the request: `ExportMetricsServiceResponse`, or `google.rpc.Status` in
//! place of our own shape of errors. Clients send again after 429 and 503, not after other 4xx.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use pulsora_model::{Code, Detail, Error, ErrorKind, Result};
use pulsora_storage::Catalog;
use pulsora_wire::otlp::{self, Encoding, OtlpOptions};

use crate::body::Intake;
use crate::context::Context;
use crate::error::{HttpError, public, retryable};
use crate::metrics::Protocol;
use crate::store_body::store_whole;
use crate::write::{Stored, Target, with_stored};

/// `POST /v1/metrics`.
pub async fn export(
    context: Result<Context, HttpError>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let encoding = match encoding(&headers) {
        Ok(encoding) => encoding,
        Err(error) => return HttpError(error).into_response(),
    };
    let stored = match context {
        Ok(context) => store(&context, body, encoding).await,
        Err(HttpError(error)) => Err(error),
    };
    match stored {
        Ok(stored) => {
            let body = otlp::accepted(encoding, stored.rejected, &reason(&stored));
            with_stored(answer(encoding, body), &stored)
        }
        Err(error) => refuse(encoding, retryable(error)),
    }
}

async fn store(context: &Context, body: Body, encoding: Encoding) -> Result<Stored> {
    let target = Target::of(context, Protocol::Otlp)?;
    let database = target.database.clone();
    let options = OtlpOptions { encoding, now_ns: context.now_ns() };
    let intake = Intake::open(context, body, context.app.config.ingest.max_body_bytes)?;
    let parse = move |body: &bytes::Bytes, catalog: &Arc<Catalog>| {
        otlp::parse(body, &options, &catalog.lookup(&database))
    };
    store_whole(context, intake, &target, parse).await
}

/// The encoding that the content type names.
///
/// # Errors
/// `unsupported_format`.
fn encoding(headers: &HeaderMap) -> Result<Encoding> {
    let text = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    match text.split(';').next().unwrap_or("").trim() {
        "application/x-protobuf" | "application/protobuf" => Ok(Encoding::Protobuf),
        "application/json" => Ok(Encoding::Json),
        _ => Err(Error::new(Code::UnsupportedFormat, format!("{text:?} is no encoding of OTLP"))
            .hint("send application/x-protobuf or application/json")),
    }
}

/// What is wrong with the first data point that was rejected.
fn reason(stored: &Stored) -> String {
    let Some(Detail { index, text, message, .. }) = stored.details.first() else {
        return String::new();
    };
    let (index, name) = (index.unwrap_or(0), text.as_deref().unwrap_or(""));
    let others = match stored.rejected {
        1 => String::new(),
        more => format!(" (the first of {more})"),
    };
    format!("data point {index} of metric {name:?}: {message}{others}")
}

fn answer(encoding: Encoding, body: Vec<u8>) -> Response {
    let content_type = match encoding {
        Encoding::Protobuf => "application/x-protobuf",
        Encoding::Json => "application/json",
    };
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// The answer to an error: its status and headers as everywhere, its body as this protocol has it.
fn refuse(encoding: Encoding, error: Error) -> Response {
    let shown = public(&error);
    let message = match shown.hint_text() {
        Some(hint) => format!("{}: {} ({hint})", shown.code().name(), shown.message()),
        None => format!("{}: {}", shown.code().name(), shown.message()),
    };
    let body = otlp::refused(encoding, rpc_code(error.kind()), &message);
    let mut response = answer(encoding, body);
    let refusal = HttpError(error).into_response();
    *response.status_mut() = refusal.status();
    *response.extensions_mut() = refusal.extensions().clone();
    if let Some(after) = refusal.headers().get(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, after.clone());
    }
    response
}

/// The `google.rpc.Code` of an error.
fn rpc_code(kind: ErrorKind) -> u32 {
    match kind {
        ErrorKind::Invalid => 3,
        ErrorKind::NotFound => 5,
        ErrorKind::Conflict => 10,
        ErrorKind::Internal => 13,
        ErrorKind::Overloaded | ErrorKind::Unavailable | ErrorKind::Closed => 14,
        ErrorKind::Corrupt => 15,
    }
}
