//! Answers that are not errors.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use pulsora_model::Sequence;
use pulsora_query::Query;
use serde::Serialize;

use crate::error::HttpResult;

/// WAL sequence of an accepted write.
pub const SEQUENCE: HeaderName = HeaderName::from_static("x-pulsora-seq");
/// `true` when a write is a repeat that stored nothing, by its idempotency key.
pub const DUPLICATE: HeaderName = HeaderName::from_static("x-pulsora-duplicate");
/// What a query saw.
pub const VISIBLE: HeaderName = HeaderName::from_static("x-pulsora-visible-seq");
/// Whether rows were left out.
pub const MORE: HeaderName = HeaderName::from_static("x-pulsora-more");
/// The id of a query, by which it can be looked up and cancelled; and the same under the name that clients of Arc know.
pub const QUERY_ID: [HeaderName; 2] =
    [HeaderName::from_static("x-pulsora-query-id"), HeaderName::from_static("x-arc-query-id")];
/// `hit`, `miss` or `off`: what came of the result cache.
pub const CACHE: HeaderName = HeaderName::from_static("x-pulsora-cache");
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

/// The answer of a query with its id, and where the time went: `took` is the whole in the server, or, of an answer that is
/// streamed, to its first part.
pub fn with_query(response: Response, query: &Query, took: Duration) -> Response {
    let ms = |span: Duration| span.as_micros() as f64 / 1_000.0;
    let (took, waited, planned) = (ms(took), ms(query.waited()), ms(query.planned()));
    let text = format!("query;dur={took:.3}, wait;dur={waited:.3}, plan;dur={planned:.3}");
    let mut response = with_query_id(response, query);
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().insert(TIMING, value);
    }
    response
}

/// Any answer to a query with the query's id.
pub fn with_query_id(mut response: Response, query: &Query) -> Response {
    if let Ok(value) = HeaderValue::from_str(query.id()) {
        for name in QUERY_ID {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// What became of a query, with its id either way.
pub fn of_query(outcome: HttpResult, query: &Query) -> Response {
    with_query_id(outcome.unwrap_or_else(IntoResponse::into_response), query)
}

/// The answer with a sequence in a header.
pub fn with_sequence(mut response: Response, name: HeaderName, sequence: Sequence) -> Response {
    response.headers_mut().insert(name, HeaderValue::from(sequence.0));
    response
}
