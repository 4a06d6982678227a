//! §4: line protocol.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use pulsora_model::time::Precision;
use pulsora_model::{Code, Error, Result};
use pulsora_storage::{Catalog, Durability};
use pulsora_wire::line::{self, LineOptions};
use pulsora_wire::rows::Boundary;

use super::influx::is_influxdb;
use crate::body::Intake;
use crate::context::Context;
use crate::error::{HttpError, HttpResult};
use crate::metrics::Protocol;
use crate::store_body::store_pieces;
use crate::write::{Partial, Stored, Target, partial_write, with_stored};

const HINT: &str = "send lines like cpu,host=a usage=0.5 1700000000000000000";

/// `POST /api/v2/write` and the aliases whose body is always line protocol.
pub async fn write(context: Context, body: Body) -> HttpResult {
    let intake = Intake::open(&context, body, context.app.config.ingest.max_body_bytes)?;
    write_lines(&context, intake).await
}

/// Line protocol whose body may have been looked at already.
pub async fn write_lines(context: &Context, intake: Intake<'_>) -> HttpResult {
    let precision = precision(context, "ns")?;
    let target = Target::of(context, Protocol::Line)?;
    no_content(&store(context, intake, precision, target).await?, HINT)
}

/// `POST /api/v3/write_lp`.
pub async fn write_v3(context: Context, body: Body) -> HttpResult {
    let precision = precision(&context, "auto")?;
    let mut target = Target::of(&context, Protocol::Line)?;
    if !context.params.flag("accept_partial", true)? {
        target.partial = Partial::Refuse;
    }
    if context.params.flag("no_sync", false)? {
        target.durability = Durability::Async;
    }
    let intake = Intake::open(&context, body, context.app.config.ingest.max_body_bytes)?;
    let partial = target.partial;
    let to_influxdb = is_influxdb(&context.headers);
    match store(&context, intake, precision, target).await {
        Ok(stored) if stored.rejected > 0 && to_influxdb => {
            let refused = HttpError(partial_write(&stored, stored.rows));
            Ok(with_stored(refused.into_response_v3(words_v3(partial)), &stored))
        }
        Ok(stored) => no_content(&stored, HINT),
        Err(error) if error.code() == Code::PartialWrite && to_influxdb => {
            Ok(HttpError(error).into_response_v3(words_v3(partial)))
        }
        Err(error) => Err(error.into()),
    }
}

/// What InfluxDB 3 says of lines that it refuses.
fn words_v3(partial: Partial) -> &'static str {
    match partial {
        Partial::Accept => "partial write of line protocol occurred",
        Partial::Refuse => "parsing failed for write_lp endpoint",
    }
}

async fn store(
    context: &Context,
    intake: Intake<'_>,
    precision: Precision,
    target: Target,
) -> Result<Stored> {
    let database = target.database.clone();
    let options = LineOptions { precision, now_ns: context.now_ns() };
    let parse = move |body: &bytes::Bytes, catalog: &Arc<Catalog>| {
        line::parse(body, &options, &catalog.lookup(&database))
    };
    store_pieces(context, intake, &target, Boundary::LineProtocol, parse).await
}

/// 204, or `partial_write`, or `empty_body`.
pub fn no_content(stored: &Stored, hint: &str) -> HttpResult {
    if stored.rejected > 0 {
        let refused = HttpError(partial_write(stored, stored.rows));
        return Ok(with_stored(refused.into_response(), stored));
    }
    if stored.rows == 0 {
        return Err(Error::new(Code::EmptyBody, "the body has no rows").hint(hint).into());
    }
    Ok(with_stored(StatusCode::NO_CONTENT.into_response(), stored))
}

/// The parameter `precision`.
///
/// # Errors
/// `invalid_request`.
pub fn precision(context: &Context, otherwise: &str) -> Result<Precision> {
    let text = context.params.text("precision").unwrap_or(otherwise);
    Precision::parse(text).ok_or_else(|| {
        Error::new(Code::InvalidRequest, format!("{text:?} is not a precision"))
            .hint("use ns, us, ms, s, m, h or auto")
    })
}
