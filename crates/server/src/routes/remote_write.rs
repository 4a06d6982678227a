//! §9: Prometheus remote write, 1.0 and 2.0.
//!
//! Prometheus sends a request again after 5xx and throws it away after 4xx. So what may succeed later is
//! 503 here, never 409 or 429.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use pulsora_model::{Code, Error, Result};
use pulsora_storage::Catalog;
use pulsora_wire::remote_write::{self, Version};

use crate::body::Intake;
use crate::context::Context;
use crate::error::{HttpError, HttpResult, retryable};
use crate::metrics::Protocol;
use crate::store_body::{store_snappy, store_whole};
use crate::write::{Stored, Target, partial_write, with_stored};

const SAMPLES: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// `POST /api/v1/prom/write`, and `POST /api/v1/write` with a protobuf body.
pub async fn write(context: Context, body: Body) -> HttpResult {
    let version = version(context.header(&header::CONTENT_TYPE)?)?;
    let (stored, histograms) = store(&context, body, version).await.map_err(retryable)?;
    let mut response = match stored.rejected {
        0 => StatusCode::NO_CONTENT.into_response(),
        _ => HttpError(partial_write(&stored, stored.rows)).into_response(),
    };
    let written = [
        (SAMPLES, stored.rows.saturating_sub(histograms)),
        (HISTOGRAMS, histograms),
        (EXEMPLARS, 0),
    ];
    for (name, count) in written {
        response.headers_mut().insert(name, HeaderValue::from(count));
    }
    Ok(with_stored(response, &stored))
}

/// Stores the body; with the number of native histograms among its rows.
async fn store(context: &Context, body: Body, version: Version) -> Result<(Stored, u64)> {
    let target = Target::of(context, Protocol::RemoteWrite)?;
    let database = target.database.clone();
    let histograms = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&histograms);
    let parse = move |body: &bytes::Bytes, catalog: &Arc<Catalog>| {
        let read = remote_write::parse(body, version, &catalog.lookup(&database))?;
        counted.store(read.histograms, Ordering::Relaxed);
        Ok(read.parsed)
    };
    let max_bytes = context.app.config.ingest.max_body_bytes;
    // Both versions demand snappy, so a sender that names no encoding means it.
    let stored = match context.header(&header::CONTENT_ENCODING)?.unwrap_or("").trim() {
        "" | "snappy" => {
            let intake = Intake::verbatim(context, body, max_bytes)?;
            store_snappy(context, intake, &target, parse).await?
        }
        _ => store_whole(context, Intake::open(context, body, max_bytes)?, &target, parse).await?,
    };
    Ok((stored, histograms.load(Ordering::Relaxed)))
}

/// The message that a content type names; 1.0 unless it says otherwise.
///
/// # Errors
/// `unsupported_format`.
fn version(content_type: Option<&str>) -> Result<Version> {
    let text = content_type.unwrap_or("").to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    if !matches!(parts.next(), Some("" | "application/x-protobuf" | "application/protobuf")) {
        return Err(unsupported(format!("{text:?} is not remote write")));
    }
    let message = parts.find_map(|part| part.strip_prefix("proto="));
    match message.map(|message| message.trim_matches('"')) {
        None | Some("prometheus.writerequest") => Ok(Version::V1),
        Some("io.prometheus.write.v2.request") => Ok(Version::V2),
        Some(other) => Err(unsupported(format!("the message {other:?} is not read here"))),
    }
}

fn unsupported(message: String) -> Error {
    Error::new(Code::UnsupportedFormat, message).hint(
        "send application/x-protobuf;proto=io.prometheus.write.v2.Request or \
         application/x-protobuf;proto=prometheus.WriteRequest, compressed by snappy",
    )
}
