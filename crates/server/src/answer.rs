//! Answers that are not errors.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use pulsora_model::Sequence;
use serde::Serialize;

/// WAL sequence of an accepted write.
pub const SEQUENCE: HeaderName = HeaderName::from_static("x-pulsora-seq");
/// `true` when a write is a repeat that stored nothing, by its idempotency key.
pub const DUPLICATE: HeaderName = HeaderName::from_static("x-pulsora-duplicate");
/// What a query saw.
pub const VISIBLE: HeaderName = HeaderName::from_static("x-pulsora-visible-seq");
/// Whether rows were left out.
pub const MORE: HeaderName = HeaderName::from_static("x-pulsora-more");
/// How long the server took for an answer, as browsers and tools show it.
pub const TIMING: HeaderName = HeaderName::from_static("server-timing");
/// The cursor of the next page.
pub const NEXT: HeaderName = HeaderName::from_static("x-pulsora-next");

#[derive(Serialize)]
struct Envelope<T> {
    success: bool,
    data: T,
    error: Option<()>,
}

/// 200 with `{"success":true,"data":…,"error":null}`.
pub fn data(data: impl Serialize) -> Response {
    data_with(StatusCode::OK, data)
}

/// [`data`] with another status.
pub fn data_with(status: StatusCode, data: impl Serialize) -> Response {
    (status, Json(Envelope { success: true, data, error: None })).into_response()
}

/// The answer with the time of its query in a header; of an answer that is streamed, to its first part.
pub fn with_timing(mut response: Response, took: Duration) -> Response {
    let text = format!("query;dur={:.3}", took.as_micros() as f64 / 1_000.0);
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().insert(TIMING, value);
    }
    response
}

/// The answer with a sequence in a header.
pub fn with_sequence(mut response: Response, name: HeaderName, sequence: Sequence) -> Response {
    response.headers_mut().insert(name, HeaderValue::from(sequence.0));
    response
}
