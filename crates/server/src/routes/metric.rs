//! §3: JSON points, in and out.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pulsora_model::Detail;
use pulsora_storage::{Catalog, ScanCounters};
use pulsora_wire::metric::{self, MetricOptions};
use serde_json::{Value, json};

use super::line::precision;
use crate::answer::{VISIBLE, with_sequence, with_timing};
use crate::body::Intake;
use crate::context::{Context, Figures};
use crate::error::HttpResult;
use crate::metric_query::MetricQuery;
use crate::metrics::{Protocol, QueryKind};
use crate::store_body::store_whole;
use crate::stream::{queried, took};
use crate::write::{Target, partial_write, with_stored};

/// `POST /write` with a JSON body.
pub async fn write(context: &Context, intake: Intake<'_>) -> HttpResult {
    let target = Target::of(context, Protocol::Metric)?;
    let database = target.database.clone();
    let options = MetricOptions { precision: precision(context, "ms")?, now_ns: context.now_ns() };
    let parse = move |body: &bytes::Bytes, catalog: &Arc<Catalog>| {
        metric::parse(body, &options, &catalog.lookup(&database))
    };
    let stored = store_whole(context, intake, &target, parse).await?;
    let answer = match (stored.rows, stored.rejected) {
        (rows, 0) => Json(json!({"written": rows})).into_response(),
        (0, _) => return Err(partial_write(&stored, 0).into()),
        (rows, _) => {
            let errors: Vec<String> = stored.details.iter().map(error_text).collect();
            let body = Json(json!({"written": rows, "errors": errors}));
            (StatusCode::PARTIAL_CONTENT, body).into_response()
        }
    };
    Ok(with_stored(answer, &stored))
}

/// `point 3: missing or invalid value`: the message has the place.
fn error_text(detail: &Detail) -> String {
    detail.message.clone()
}

/// `POST /query` with a metric.
pub async fn query(context: Context, body: Value) -> HttpResult {
    let snapshot = context.running.engine.snapshot();
    let max = context.app.config.query.max_rows;
    let database = context.database()?;
    let query = MetricQuery::read(&body, |metric| snapshot.table(&database, metric), max)?;
    let visible = snapshot.sequence();
    let work = move |cancel: &pulsora_query::CancelFlag| query.run(&snapshot, &|| cancel.check());
    let answer = context.running.queries.run_blocking(work).await?;
    let took = took(&context.app, context.arrived_ns);
    let scanned = ScanCounters::value(&answer.counters.rows_read);
    queried(&context.app, QueryKind::Metric, answer.count, scanned, took);
    Figures::add(&context.figures.rows, answer.count);
    let mut response = Response::new(Body::from(answer.json));
    let json = axum::http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(with_sequence(with_timing(response, took), VISIBLE, visible))
}
