//! Counters and histograms that requests add to.
//!
//! The recorder belongs to one app and is not the process's global one, so that several servers can
//! live in one process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::Method;
use metrics::{Key, Label, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use pulsora_model::Code;

/// Bounds of latency histograms, seconds: a factor of about 2.5 from below one disk sync to the
/// longest query.
const SECONDS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0,
];

const METADATA: Metadata<'static> =
    Metadata::new("pulsora", metrics::Level::INFO, Some("pulsora_server"));

/// How rows came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Row API, CSV.
    Csv,
    /// Row API, JSON.
    Json,
    /// Row API, NDJSON.
    Ndjson,
    /// Row API, Arrow IPC.
    Arrow,
    /// Row API, Parquet.
    Parquet,
    /// MessagePack, by any route.
    Msgpack,
    /// Line protocol.
    Line,
    /// Metric API.
    Metric,
    /// Line protocol over plain TCP.
    Tcp,
    /// Prometheus remote write.
    RemoteWrite,
    /// OpenTelemetry metrics.
    Otlp,
}

impl Protocol {
    /// The label.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Csv => "csv",
            Protocol::Json => "json",
            Protocol::Ndjson => "ndjson",
            Protocol::Arrow => "arrow",
            Protocol::Parquet => "parquet",
            Protocol::Msgpack => "msgpack",
            Protocol::Line => "line",
            Protocol::Metric => "metric",
            Protocol::Tcp => "tcp",
            Protocol::RemoteWrite => "remote_write",
            Protocol::Otlp => "otlp",
        }
    }
}

/// How a query was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKind {
    /// Row API: rows.
    Rows,
    /// Row API: count, one row.
    Lookup,
    /// Metric API.
    Metric,
    /// SQL.
    Sql,
}

impl QueryKind {
    /// The label.
    pub fn name(self) -> &'static str {
        match self {
            QueryKind::Rows => "rows",
            QueryKind::Lookup => "lookup",
            QueryKind::Metric => "metric",
            QueryKind::Sql => "sql",
        }
    }
}

/// Counters and histograms of one app.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    queries: AtomicU64,
    running: AtomicU64,
    ingest_bytes: AtomicU64,
    /// Connections of HTTP clients.
    pub connections: Gauge,
    /// Connections of line protocol over TCP.
    pub tcp: Gauge,
}

/// How many there are now.
#[derive(Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// One more.
    pub fn opened(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn closed(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// All zero.
    pub fn new() -> Metrics {
        // The only error is an empty list of bounds.
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
            .unwrap_or_default();
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let metrics = Metrics {
            recorder,
            handle,
            queries: AtomicU64::new(0),
            running: AtomicU64::new(0),
            ingest_bytes: AtomicU64::new(0),
            connections: Gauge::default(),
            tcp: Gauge::default(),
        };
        metrics.describe();
        metrics
    }

    fn describe(&self) {
        for (name, help) in COUNTERS {
            self.recorder.describe_counter((*name).into(), None, SharedString::const_str(help));
        }
        for (name, help) in HISTOGRAMS {
            self.recorder.describe_histogram((*name).into(), None, SharedString::const_str(help));
        }
    }

    /// A request has been answered.
    pub fn answered(&self, route: &str, method: &Method, status: u16, took: Duration) {
        let labels = [
            Label::new("route", route.to_owned()),
            Label::new("method", method_name(method)),
            Label::new("status", status.to_string()),
        ];
        self.count("pulsora_http_requests_total", labels.to_vec(), 1);
        let route = vec![Label::new("route", route.to_owned())];
        self.time("pulsora_http_request_seconds", route, took);
    }

    /// A request has failed.
    pub fn failed(&self, route: &str, code: Code) {
        let labels = vec![Label::new("route", route.to_owned()), Label::new("code", code.name())];
        self.count("pulsora_errors_total", labels, 1);
    }

    /// Body bytes that came and answer bytes that went.
    pub fn transferred(&self, bytes_in: u64, bytes_out: u64) {
        self.count("pulsora_http_received_bytes_total", Vec::new(), bytes_in);
        self.count("pulsora_http_sent_bytes_total", Vec::new(), bytes_out);
    }

    /// A body, or a piece of one, has been stored.
    pub fn ingested(&self, protocol: Protocol, rows: u64, bytes: u64, rejected: u64) {
        let label = || vec![Label::new("protocol", protocol.name())];
        self.ingest_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.count("pulsora_ingest_rows_total", label(), rows);
        self.count("pulsora_ingest_bytes_total", label(), bytes);
        self.count("pulsora_ingest_requests_total", label(), 1);
        self.count("pulsora_ingest_rejected_total", label(), rejected);
    }

    /// A write took this long from its arrival to its acknowledgement.
    pub fn acknowledged(&self, protocol: Protocol, took: Duration) {
        let label = vec![Label::new("protocol", protocol.name())];
        self.time("pulsora_ingest_seconds", label, took);
    }

    /// A query has ended, with rows given and rows looked at.
    pub fn queried(&self, kind: QueryKind, returned: u64, scanned: u64, took: Duration) {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let label = || vec![Label::new("kind", kind.name())];
        self.count("pulsora_query_rows_returned_total", label(), returned);
        self.count("pulsora_query_rows_scanned_total", label(), scanned);
        self.time("pulsora_query_seconds", label(), took);
    }

    /// An HTTP connection has ended, or was refused; `end` is one of a few words.
    pub fn connection_ended(&self, end: &'static str) {
        let label = vec![Label::new("end", end)];
        self.count("pulsora_http_connections_ended_total", label, 1);
    }

    /// A connection of line protocol over TCP has ended, or was refused; `end` is one of a few words.
    pub fn tcp_ended(&self, end: &'static str) {
        let label = vec![Label::new("end", end)];
        self.count("pulsora_tcp_connections_ended_total", label, 1);
    }

    /// Decompressed body bytes that were stored.
    pub fn ingest_bytes(&self) -> u64 {
        self.ingest_bytes.load(Ordering::Relaxed)
    }

    /// A request begins.
    pub fn begin(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// A request that began has ended.
    pub fn end(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    /// Requests that began and have not ended.
    pub fn requests_running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    /// Queries that ended.
    pub fn queries_served(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// Folds what histograms have gathered; call it now and then.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// The Prometheus text of all of them.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    fn count(&self, name: &'static str, labels: Vec<Label>, by: u64) {
        self.recorder.register_counter(&Key::from_parts(name, labels), &METADATA).increment(by);
    }

    fn time(&self, name: &'static str, labels: Vec<Label>, took: Duration) {
        let key = Key::from_parts(name, labels);
        self.recorder.register_histogram(&key, &METADATA).record(took.as_secs_f64());
    }
}

/// Methods that can be sent are unbounded; labels must not be.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

const COUNTERS: &[(&str, &str)] = &[
    ("pulsora_http_requests_total", "Requests answered, by route, method and status."),
    ("pulsora_errors_total", "Requests that failed, by route and error code."),
    ("pulsora_http_received_bytes_total", "Body bytes received, as they came."),
    ("pulsora_http_sent_bytes_total", "Body bytes sent, as they went."),
    ("pulsora_http_connections_ended_total", "HTTP connections that ended, by how."),
    ("pulsora_tcp_connections_ended_total", "Connections of line protocol that ended, by how."),
    ("pulsora_ingest_rows_total", "Rows stored, by protocol."),
    ("pulsora_ingest_bytes_total", "Decompressed body bytes stored, by protocol."),
    ("pulsora_ingest_requests_total", "Bodies and pieces of large bodies stored, by protocol."),
    ("pulsora_ingest_rejected_total", "Lines, points or rows that were bad, by protocol."),
    ("pulsora_query_rows_returned_total", "Rows given by queries, by kind."),
    ("pulsora_query_rows_scanned_total", "Rows decoded or looked at by queries, by kind."),
];

const HISTOGRAMS: &[(&str, &str)] = &[
    ("pulsora_http_request_seconds", "Time from request to the last byte of its answer, by route."),
    ("pulsora_ingest_seconds", "Time from request to acknowledgement of writes, by protocol."),
    ("pulsora_query_seconds", "Time of queries to their last row, by kind."),
];
