//! What is left of a request body after its answer.
//!
//! A connection that is closed while bytes of the client wait unread is reset, and the client may
//! never see the answer that says what was wrong. So a body that a handler gave up on is read on and
//! thrown away for a moment.
//!
//! Invariant: bounded in bytes and time; a client that goes on sending is cut off then.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt};

use crate::tasks;

/// Bytes that are thrown away: what is on its way when the answer is written, many times over.
const BYTES_MAX: usize = 16 << 20;

/// How long: a few round trips of a slow client.
const TIME_MAX: Duration = Duration::from_secs(2);

/// Lets bodies that are given up linger.
pub(super) async fn linger(request: Request, next: Next) -> Response {
    let request = request.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        Body::from_stream(Lingering { inner: Some(body.into_data_stream()) })
    });
    next.run(request).await
}

struct Lingering {
    /// `None` after the end.
    inner: Option<BodyDataStream>,
}

impl Stream for Lingering {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let polled = inner.poll_next_unpin(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.inner = None;
        }
        polled
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && tokio::runtime::Handle::try_current().is_ok()
        {
            tasks::detached(tokio::time::timeout(TIME_MAX, throw_away(inner)));
        }
    }
}

async fn throw_away(mut body: BodyDataStream) {
    let mut bytes = 0;
    while let Some(Ok(chunk)) = body.next().await {
        bytes += chunk.len();
        if bytes > BYTES_MAX {
            return;
        }
    }
}
