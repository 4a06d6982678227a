//! Results on their way out.
//!
//! Invariants: the first [`HELD_BYTES`] are held back, so that an error within them gets its status;
//! an error after that ends the body without its proper end (NDJSON gets a line that says why); when
//! the client goes away, the batches are dropped, which cancels the query.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use pulsora_model::{Error, Result};
use pulsora_query::Query;
use pulsora_wire::results::{ResultFormat, ResultWriter, Summary, error_line};

use crate::answer::with_query;
use crate::app::App;
use crate::context::Figures;
use crate::error::public;
use crate::logging::PERFORMANCE;
use crate::metrics::QueryKind;
use crate::tasks;

/// How much of a result is held back: an answer up to here is all or nothing.
pub const HELD_BYTES: usize = 1 << 20;

/// How long the line that says why an NDJSON answer broke off may take to the socket.
const LAST_LINE_GRACE: Duration = Duration::from_millis(100);

/// Rows of a batch above which it is written off the I/O thread.
const INLINE_ROWS: usize = 512;

/// A result before it is written.
pub struct Answer {
    /// What all requests share.
    pub app: App,
    /// Figures of the request.
    pub figures: Arc<Figures>,
    /// For metrics and logs.
    pub kind: QueryKind,
    /// When the request arrived, monotonic nanoseconds.
    pub arrived_ns: u64,
    /// The format asked for.
    pub format: ResultFormat,
    /// Writes it.
    pub writer: Box<dyn ResultWriter>,
    /// Columns of every batch.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: BoxStream<'static, Result<RecordBatch>>,
    /// The query that it answers.
    pub query: Arc<Query>,
}

/// The beginning of an answer, and whether it is all of it.
pub struct Held {
    took: Duration,
    query: Arc<Query>,
    format: ResultFormat,
    chunks: Vec<Bytes>,
    rest: Option<Writing>,
}

/// Writes the first part of an answer.
///
/// # Errors
/// Whatever fails within it.
pub async fn hold(answer: Answer) -> Result<Held> {
    let (format, app, arrived_ns) = (answer.format, answer.app.clone(), answer.arrived_ns);
    let query = Arc::clone(&answer.query);
    let mut writing = Writing::new(answer);
    let mut chunks = Vec::new();
    let mut held = 0;
    while held < HELD_BYTES {
        match writing.next().await? {
            None => {
                let took = took(&app, arrived_ns);
                return Ok(Held { took, query, format, chunks, rest: None });
            }
            Some(chunk) => {
                held += chunk.len();
                chunks.push(chunk);
            }
        }
    }
    Ok(Held { took: took(&app, arrived_ns), query, format, chunks, rest: Some(writing) })
}

/// The response to what was held and what follows.
pub fn respond(held: Held) -> Response {
    let format = held.format;
    let body = match held.rest {
        None => Body::from(held.chunks.concat()),
        Some(writing) => {
            let first = stream::iter(held.chunks.into_iter().map(Ok));
            // Compression asks again after the end.
            Body::from_stream(first.chain(rest(format, writing)).fuse())
        }
    };
    let mut response = body.into_response();
    let content_type = HeaderValue::from_static(format.content_type());
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    with_query(response, &held.query, held.took)
}

/// What follows; after an error NDJSON says why, then the body breaks off.
fn rest(
    format: ResultFormat,
    writing: Writing,
) -> impl stream::Stream<Item = Result<Bytes, Error>> + Send {
    enum State {
        Writing(Box<Writing>),
        Broken(Error),
        Ended,
    }
    stream::unfold(State::Writing(Box::new(writing)), move |state| async move {
        match state {
            State::Ended => None,
            State::Broken(error) => {
                // A broken body is closed without what is still buffered.
                tokio::time::sleep(LAST_LINE_GRACE).await;
                Some((Err(error), State::Ended))
            }
            State::Writing(mut writing) => match writing.next().await {
                Ok(None) => None,
                Ok(Some(chunk)) => Some((Ok(chunk), State::Writing(writing))),
                Err(error) => {
                    tracing::warn!(error = crate::error::chain(&error), "an answer broke off");
                    match format {
                        ResultFormat::Ndjson => {
                            let line = Bytes::from(error_line(&public(&error)));
                            Some((Ok(line), State::Broken(error)))
                        }
                        _ => Some((Err(error), State::Ended)),
                    }
                }
            },
        }
    })
}

/// A result while it is being written.
struct Writing {
    answer: Answer,
    rows: u64,
    begun: bool,
    /// `None` after the end.
    out: Option<Vec<u8>>,
}

impl Writing {
    fn new(answer: Answer) -> Writing {
        Writing { answer, rows: 0, begun: false, out: Some(Vec::new()) }
    }

    /// The next bytes; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(mut out) = self.out.take() else {
            return Ok(None);
        };
        if !std::mem::replace(&mut self.begun, true) {
            let schema = Arc::clone(&self.answer.schema);
            self.answer.writer.begin(&schema, &mut out)?;
        }
        while out.len() < CHUNK_BYTES {
            match self.answer.batches.next().await {
                Some(batch) => out = self.write(batch?, out).await?,
                None => {
                    self.end(&mut out)?;
                    return Ok(Some(Bytes::from(out)));
                }
            }
        }
        self.out = Some(Vec::with_capacity(CHUNK_BYTES));
        Ok(Some(Bytes::from(out)))
    }

    async fn write(&mut self, batch: RecordBatch, mut out: Vec<u8>) -> Result<Vec<u8>> {
        self.rows += batch.num_rows() as u64;
        Figures::add(&self.answer.figures.rows, batch.num_rows() as u64);
        if batch.num_rows() <= INLINE_ROWS {
            self.answer.writer.batch(&batch, &mut out)?;
            return Ok(out);
        }
        let mut writer = std::mem::replace(&mut self.answer.writer, Box::new(Away));
        let (writer, out) = tasks::blocking(move || {
            writer.batch(&batch, &mut out)?;
            Ok((writer, out))
        })
        .await?;
        self.answer.writer = writer;
        Ok(out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let app = &self.answer.app;
        let took = took(app, self.answer.arrived_ns);
        let summary = Summary {
            row_count: self.rows,
            execution_time_ms: took.as_micros() as f64 / 1_000.0,
            timestamp_ns: app.env.clock.wall_ns(),
        };
        self.answer.writer.end(&summary, out)
    }
}

/// Bytes that are gathered before they are sent: one write to the socket.
const CHUNK_BYTES: usize = 64 << 10;

impl Drop for Writing {
    fn drop(&mut self) {
        let answer = &self.answer;
        let took = took(&answer.app, answer.arrived_ns);
        let scanned = answer.query.counters().totals().rows_read;
        queried(&answer.app, answer.kind, self.rows, scanned, took);
    }
}

/// Counts a query, and logs it if performance is logged.
pub fn queried(app: &App, kind: QueryKind, rows: u64, scanned: u64, took: Duration) {
    app.metrics.queried(kind, rows, scanned, took);
    if app.config.logging.performance {
        let duration_ms = took.as_micros() as f64 / 1_000.0;
        let kind = kind.name();
        tracing::info!(target: PERFORMANCE, kind, rows, scanned, duration_ms, "query");
    }
}

/// Time since a request arrived.
pub fn took(app: &App, arrived_ns: u64) -> Duration {
    Duration::from_nanos(app.env.clock.monotonic_ns().saturating_sub(arrived_ns))
}

/// Stands where a writer was while it works on another thread.
struct Away;

impl ResultWriter for Away {
    fn begin(&mut self, _: &SchemaRef, _: &mut Vec<u8>) -> Result<()> {
        Err(Error::internal("the writer is away"))
    }

    fn batch(&mut self, _: &RecordBatch, _: &mut Vec<u8>) -> Result<()> {
        Err(Error::internal("the writer is away"))
    }

    fn end(&mut self, _: &Summary, _: &mut Vec<u8>) -> Result<()> {
        Err(Error::internal("the writer is away"))
    }
}
