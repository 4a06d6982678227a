//! §3: JSON points, in and out.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pulsora_model::Detail;
use pulsora_query::{CancelFlag, Ticket};
use pulsora_storage::{Catalog, ScanCounters, Snapshot};
use pulsora_wire::metric::{self, MetricOptions};
use serde_json::{Value, json};

use super::line::precision;
use crate::answer::{VISIBLE, of_query, with_query, with_sequence};
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
    let about = context.about("metric", &body.to_string(), body["priority"].as_str())?;
    let ticket = context.running.queries.open(about);
    let outcome = run(&context, &ticket, &snapshot, query).await;
    let outcome = outcome.map(|response| with_sequence(response, VISIBLE, snapshot.sequence()));
    Ok(of_query(outcome, ticket.query()))
}

async fn run(
    context: &Context,
    ticket: &Ticket,
    snapshot: &Snapshot,
    query: MetricQuery,
) -> HttpResult {
    let (snapshot, counters) = (snapshot.clone(), Arc::clone(ticket.query().counters()));
    let work = move |cancel: &CancelFlag| {
        query.run(&snapshot, &|scan| counters.add_scan(scan), &|| cancel.check())
    };
    let answer = context.running.queries.run_blocking(ticket, work).await?;
    ticket.done(answer.count);
    let took = took(&context.app, context.arrived_ns);
    let scanned = ScanCounters::value(&answer.counters.rows_read);
    queried(&context.app, QueryKind::Metric, answer.count, scanned, took);
    Figures::add(&context.figures.rows, answer.count);
    let mut response = Response::new(Body::from(answer.json));
    let json = axum::http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(with_query(response, ticket.query(), took))
}
