//! Which path goes where. Aliases stand beside the route they are the same as.

use axum::Router;
use axum::routing::{MethodRouter, delete, get, post, put};
use pulsora_model::name::nearest;
use pulsora_model::{Code, Error, Result};

use super::{
    arc, compaction, databases, dispatch, health, influx, line, msgpack, operations, otlp, queries,
    remote_write, retention, row_ingest, row_query, sql, tables,
};
use crate::app::App;
use crate::error::HttpError;
use crate::middleware;

/// Every route with the layers around it.
///
/// # Errors
/// `invalid_config` when the layers cannot be made.
pub fn router(app: &App) -> Result<Router> {
    let mut router: Router<App> = Router::new();
    for (path, handler) in all() {
        router = router.route(path, handler);
    }
    let routes = router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app.clone());
    middleware::wrap(routes, app)
}

fn all() -> Vec<(&'static str, MethodRouter<App>)> {
    let mut routes = vec![
        ("/health", get(health::health)),
        ("/ready", get(health::ready)),
        ("/metrics", get(health::metrics)),
        ("/ping", get(health::ping).post(health::ping)),
        ("/tables", get(tables::list)),
        ("/tables/{table}", put(tables::create).delete(tables::drop)),
        ("/tables/{table}/ingest", post(row_ingest::ingest)),
        ("/tables/{table}/query", get(row_query::query)),
        ("/tables/{table}/schema", get(tables::schema)),
        ("/tables/{table}/count", get(tables::count)),
        ("/tables/{table}/rows", delete(tables::delete_rows)),
        ("/tables/{table}/rows/{id}", get(tables::row).delete(tables::delete_row)),
        ("/tables/{table}/row/{id}", get(tables::row).delete(tables::delete_row)),
        ("/write", post(dispatch::write)),
        ("/query", get(influx::get).post(dispatch::query)),
        ("/api/v1/write", post(dispatch::write_v1)),
        ("/api/v1/prom/write", post(remote_write::write)),
        ("/v1/metrics", post(otlp::export)),
        ("/api/v3/write_lp", post(line::write_v3)),
        ("/api/v1/query", get(sql::get).post(sql::post)),
        ("/api/v1/query/arrow", get(sql::get_arrow).post(sql::post_arrow)),
        ("/api/v1/databases", get(databases::list).post(databases::create)),
        ("/api/v1/databases/{database}", delete(databases::drop)),
        ("/api/v1/flush", post(operations::flush)),
        ("/api/v1/storage", get(operations::storage)),
        ("/api/v1/queries", get(queries::list)),
        ("/api/v1/queries/{id}", get(queries::one).delete(queries::cancel)),
        ("/api/v1/cache", get(queries::cache).delete(queries::clear_cache)),
        ("/api/v1/cache/stats", get(queries::cache)),
        ("/api/v1/cache/clear", post(queries::clear_cache).delete(queries::clear_cache)),
    ];
    routes.extend(of_influx());
    routes.extend(of_rows_that_leave());
    routes.extend(of_compaction());
    routes.extend([
        ("/api/v1/query/estimate", post(arc::estimate)),
        ("/api/v1/measurements", get(arc::measurements)),
        ("/api/v1/auth/verify", get(arc::verify)),
    ]);
    let line = ["/api/v2/write", "/api/v1/write/line-protocol", "/api/v1/write/influxdb"];
    routes.extend(line.map(|path| (path, post(line::write))));
    let msgpack = ["/api/v1/write/msgpack", "/write/v2/msgpack", "/api/v2/msgpack"];
    routes.extend(msgpack.map(|path| (path, post(msgpack::write))));
    for path in ["/api/v1/monitoring/buffer", "/api/monitoring/buffer"] {
        routes.push((path, get(operations::buffer)));
    }
    for path in ["/api/v1/monitoring/pool", "/api/monitoring/pool"] {
        routes.push((path, get(operations::pool)));
    }
    routes
}

/// Deletes and retention.
fn of_rows_that_leave() -> [(&'static str, MethodRouter<App>); 6] {
    [
        ("/api/v1/delete", post(super::delete::delete)),
        ("/api/v1/delete/config", get(super::delete::config)),
        ("/api/v1/retention", get(retention::list).post(retention::create)),
        (
            "/api/v1/retention/{id}",
            get(retention::get).put(retention::change).delete(retention::delete),
        ),
        ("/api/v1/retention/{id}/execute", post(retention::run)),
        ("/api/v1/retention/{id}/executions", get(retention::executions)),
    ]
}

/// What compaction does, and asking for it.
fn of_compaction() -> [(&'static str, MethodRouter<App>); 14] {
    [
        ("/api/v1/compaction/status", get(compaction::status)),
        ("/api/v1/compaction/stats", get(compaction::stats)),
        ("/api/v1/compaction/candidates", get(compaction::candidates)),
        ("/api/v1/compaction/jobs", get(compaction::jobs)),
        ("/api/v1/compaction/jobs/{id}", delete(compaction::cancel)),
        ("/api/v1/compaction/history", get(compaction::history)),
        ("/api/v1/compaction/trigger", post(compaction::trigger)),
        ("/api/compaction/status", get(compaction::status)),
        ("/api/compaction/stats", get(compaction::stats)),
        ("/api/compaction/candidates", get(compaction::candidates)),
        ("/api/compaction/jobs", get(compaction::jobs)),
        ("/api/compaction/jobs/{id}", delete(compaction::cancel)),
        ("/api/compaction/history", get(compaction::history)),
        ("/api/compaction/trigger", post(compaction::trigger)),
    ]
}

/// What clients of InfluxDB v2 ask beside writing.
fn of_influx() -> [(&'static str, MethodRouter<App>); 10] {
    [
        ("/api/v2/health", get(health::health)),
        ("/api/v2/ready", get(health::ready)),
        ("/api/v2/buckets", get(influx::list_buckets).post(influx::create_bucket)),
        ("/api/v2/buckets/{id}", get(influx::bucket).delete(influx::drop_bucket)),
        ("/api/v2/orgs", get(influx::list_orgs)),
        ("/api/v2/orgs/{id}", get(influx::org)),
        ("/api/v2/signin", post(influx::sign_in)),
        ("/api/v2/signout", post(influx::sign_out)),
        ("/api/v2/query", post(influx::flux)),
        ("/api/v2/delete", post(influx::delete)),
    ]
}

async fn not_found(request: axum::extract::Request) -> HttpError {
    let path = request.uri().path();
    let error = Error::new(Code::RouteNotFound, format!("there is no route {:?}", cut(path)));
    let routes = all();
    let near = nearest(path, routes.iter().map(|(path, _)| *path));
    HttpError(match near.first() {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("docs/http-api.md lists the routes"),
    })
}

async fn method_not_allowed(request: axum::extract::Request) -> HttpError {
    let (method, path) = (request.method(), request.uri().path());
    let message = format!("{} is not a method of {:?}", cut(method.as_str()), cut(path));
    HttpError(
        Error::new(Code::MethodNotAllowed, message).hint("the Allow header lists its methods"),
    )
}

/// Paths can be as long as a request line; an answer repeats the start of one only.
fn cut(text: &str) -> &str {
    pulsora_model::name::prefix(text, pulsora_model::limits::EXCERPT_BYTES)
}
