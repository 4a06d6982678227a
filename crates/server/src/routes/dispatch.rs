//! The routes that mean different things by their body: `/write`, `/api/v1/write` and `/query`.

use axum::body::Body;
use axum::http::header;
use pulsora_model::{Code, Error};

use super::{influx, line, metric, remote_write, sql};
use crate::body::Intake;
use crate::context::Context;
use crate::error::HttpResult;

/// `POST /write`: JSON points or line protocol.
pub async fn write(context: Context, body: Body) -> HttpResult {
    let mut intake = Intake::open(&context, body, context.app.config.ingest.max_body_bytes)?;
    let content_type = context.header(&header::CONTENT_TYPE)?.unwrap_or("");
    if content_type.to_ascii_lowercase().contains("json") {
        return metric::write(&context, intake).await;
    }
    // Enough to see past blank lines; no line starts with a bracket by accident.
    intake.fill(LOOK_AHEAD_BYTES).await?;
    match intake.buffered().trim_ascii_start().first() {
        Some(b'{' | b'[') => metric::write(&context, intake).await,
        _ => line::write_lines(&context, intake).await,
    }
}

/// `POST /api/v1/write`: Prometheus remote write or line protocol, by the content type.
pub async fn write_v1(context: Context, body: Body) -> HttpResult {
    let content_type = context.header(&header::CONTENT_TYPE)?.unwrap_or("");
    if content_type.to_ascii_lowercase().contains("protobuf") {
        return remote_write::write(context, body).await;
    }
    line::write(context, body).await
}

const LOOK_AHEAD_BYTES: usize = 1 << 10;

/// `POST /query`: InfluxQL by its parameter `q` or a form, else SQL or a metric query.
pub async fn query(context: Context, body: Body) -> HttpResult {
    if context.params.value("q").is_some() {
        return influx::post(context).await;
    }
    let limit = context.app.config.limits.query_body_bytes;
    let intake = Intake::open(&context, body, limit)?;
    let (body, _room) = intake.whole(limit, "raise limits.query_body_bytes").await?;
    // curl says of every body that it is a form; no form starts with a brace.
    if influx::is_form(&context)? && body.trim_ascii_start().first() != Some(&b'{') {
        return influx::form(context, body).await;
    }
    let json: serde_json::Value = serde_json::from_slice(&body).map_err(|error| {
        Error::new(Code::MalformedBody, format!("the body is not JSON: {error}"))
            .hint(r#"send {"sql":"…"} or {"metric":"…","start":ms,"end":ms}, or q=SHOW DATABASES"#)
    })?;
    if json.get("sql").is_some() {
        sql::body(context, json, None).await
    } else {
        metric::query(context, json).await
    }
}
