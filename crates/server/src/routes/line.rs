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
use crate::answer::{SEQUENCE, with_sequence};
use crate::body::Intake;
use crate::context::Context;
use crate::error::HttpResult;
use crate::metrics::Protocol;
use crate::store_body::store_pieces;
use crate::write::{Partial, Stored, Target, partial_write};

/// `POST /api/v2/write` and the aliases whose body is always line protocol.
pub async fn write(context: Context, body: Body) -> HttpResult {
    let intake = Intake::open(&context, body, context.app.config.ingest.max_body_bytes)?;
    write_lines(&context, intake).await
}

/// Line protocol whose body may have been looked at already.
pub async fn write_lines(context: &Context, intake: Intake<'_>) -> HttpResult {
    let precision = precision(context, "ns")?;
    let durability = context.durability()?;
    store(context, intake, precision, durability, Partial::Accept).await
}

/// `POST /api/v3/write_lp`.
pub async fn write_v3(context: Context, body: Body) -> HttpResult {
    let precision = precision(&context, "auto")?;
    let partial = match context.params.flag("accept_partial", true)? {
        true => Partial::Accept,
        false => Partial::Refuse,
    };
    let durability = match context.params.flag("no_sync", false)? {
        true => Durability::Async,
        false => context.durability()?,
    };
    let intake = Intake::open(&context, body, context.app.config.ingest.max_body_bytes)?;
    let stored = store(&context, intake, precision, durability, partial).await;
    stored.or_else(|error| match error.0.code() {
        Code::PartialWrite if is_influxdb(&context.headers) => {
            Ok(error.into_response_v3(words_v3(partial)))
        }
        _ => Err(error),
    })
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
    durability: Durability,
    partial: Partial,
) -> HttpResult {
    let database = context.database()?;
    let target =
        Target { protocol: Protocol::Line, database: database.clone(), durability, partial };
    let options = LineOptions { precision, now_ns: context.now_ns() };
    let parse = move |body: &bytes::Bytes, catalog: &Arc<Catalog>| {
        line::parse(body, &options, &catalog.lookup(&database))
    };
    let stored = store_pieces(context, intake, &target, Boundary::LineProtocol, parse).await?;
    no_content(&stored, "send lines like cpu,host=a usage=0.5 1700000000000000000")
}

/// 204, or `partial_write`, or `empty_body`.
pub fn no_content(stored: &Stored, hint: &str) -> HttpResult {
    if stored.rejected > 0 {
        return Err(partial_write(stored, stored.rows).into());
    }
    if stored.rows == 0 {
        return Err(Error::new(Code::EmptyBody, "the body has no rows").hint(hint).into());
    }
    Ok(with_sequence(StatusCode::NO_CONTENT.into_response(), SEQUENCE, stored.sequence))
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
