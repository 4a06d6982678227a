//! Gives every request an id, and logs and counts it when the last byte of its answer is gone.
//!
//! Invariant: every request is logged once, also when its client goes away or its answer breaks off.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use tracing::Instrument;

use crate::app::App;
use crate::context::Figures;
use crate::error::Failure;
use crate::logging::ACCESS;
use pulsora_model::Code;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken from a client.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// The middleware.
pub(super) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = request_id(&app, &request);
    let figures = Arc::new(Figures::default());
    request.extensions_mut().insert(Arc::clone(&figures));
    let mut record = Record::begin(app, &request, id.clone(), figures);
    let span = tracing::info_span!("request", request_id = record.id_text());
    let mut response = next.run(request).instrument(span).await;
    response.headers_mut().insert(REQUEST_ID, id);
    record.status = response.status().as_u16();
    record.failure = response.extensions_mut().remove::<Failure>();
    follow(response, record)
}

/// The client's id if it is short and visible, else 16 hex digits.
fn request_id(app: &App, request: &Request) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID);
    let usable = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    given.filter(usable).cloned().unwrap_or_else(|| {
        let text = format!("{:016x}", app.env.random.next_u64());
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("0"))
    })
}

/// Ends the record now when the whole body is known, else with the body's last byte.
fn follow(mut response: Response, mut record: Record) -> Response {
    if let Some(bytes) = response.body().size_hint().exact() {
        record.bytes_out = bytes;
        record.complete = true;
        return response;
    }
    let body = std::mem::take(response.body_mut());
    *response.body_mut() = Body::from_stream(Followed { body: body.into_data_stream(), record });
    response
}

/// A body that is counted on its way out.
struct Followed {
    body: BodyDataStream,
    record: Record,
}

impl Stream for Followed {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.body).poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(chunk))) => self.record.bytes_out += chunk.len() as u64,
            Poll::Ready(None) => self.record.complete = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }
}

/// What is known of a request; logged and counted when dropped.
struct Record {
    app: App,
    figures: Arc<Figures>,
    begun_ns: u64,
    id: HeaderValue,
    method: Method,
    path: String,
    route: String,
    user_agent: String,
    /// 0 until there is an answer.
    status: u16,
    failure: Option<Failure>,
    bytes_out: u64,
    complete: bool,
}

impl Record {
    fn begin(app: App, request: &Request, id: HeaderValue, figures: Arc<Figures>) -> Record {
        app.metrics.begin();
        let route = request.extensions().get::<MatchedPath>();
        let user_agent = request.headers().get(header::USER_AGENT);
        Record {
            begun_ns: app.env.clock.monotonic_ns(),
            figures,
            id,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            route: route.map_or("other", MatchedPath::as_str).to_owned(),
            user_agent: user_agent
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .unwrap_or_default(),
            status: 0,
            failure: None,
            bytes_out: 0,
            complete: false,
            app,
        }
    }

    fn id_text(&self) -> &str {
        self.id.to_str().unwrap_or("")
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let now = self.app.env.clock.monotonic_ns();
        let took = Duration::from_nanos(now.saturating_sub(self.begun_ns));
        let bytes_in = self.figures.bytes_in.load(Ordering::Relaxed);
        let metrics = &self.app.metrics;
        metrics.end();
        metrics.answered(&self.route, &self.method, self.status, took);
        metrics.transferred(bytes_in, self.bytes_out);
        if let Some(failure) = &self.failure {
            metrics.failed(&self.route, failure.code);
            self.log_failure(failure);
        }
        if self.app.config.logging.access {
            tracing::info!(
                target: ACCESS,
                method = %self.method,
                path = self.path,
                status = self.status,
                duration_ms = took.as_micros() as f64 / 1_000.0,
                bytes_in,
                bytes_out = self.bytes_out,
                rows = self.figures.rows.load(Ordering::Relaxed),
                complete = self.complete,
                request_id = self.id_text(),
                user_agent = self.user_agent,
            );
        }
    }
}

impl Record {
    /// Faults of the server are logged whatever the access log says, with what the answer hides.
    fn log_failure(&self, failure: &Failure) {
        let (code, message, request_id) = (failure.code.name(), &failure.message, self.id_text());
        match self.status {
            // A probe that asks whether recovery is done is no failure.
            500.. if failure.code == Code::NotReady => {
                tracing::debug!(code, message, request_id, path = self.path, "not ready");
            }
            // Limits that worked as they should; 500 is a fault.
            501.. => {
                tracing::warn!(code, message, request_id, path = self.path, "request failed");
            }
            500 => tracing::error!(code, message, request_id, path = self.path, "request failed"),
            _ => tracing::debug!(code, message, request_id, path = self.path, "request refused"),
        }
    }
}
