//! One connection: requests one after the other, until the client or a deadline ends it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{Request, Response};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tower::Service;

use super::seats::Seat;
use super::socket::Socket;
use super::state::{InRequest, Phase, State};
use crate::clients::Peer;
use crate::config::LimitsConfig;

/// How long a connection without a request may take to end once it was asked to: the head of a request
/// that is on its way comes within this.
const LEAVE: Duration = Duration::from_secs(1);

/// Headers that hyper parses without memory of its own.
const HEADERS_INLINE: usize = 100;

/// What a client hears whose head took too long.
const HEAD_TIMEOUT: &str =
    "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By the client, or by what HTTP says.
    Done,
    /// It broke off, or was no HTTP.
    Failed,
    /// No request came for `limits.keep_alive`.
    KeepAlive,
    /// The head of a request took longer than `limits.header_timeout`.
    HeaderTimeout,
    /// It had to make room for another.
    Asked,
    /// The server ended.
    Stopped,
}

/// Serves one connection until it ends.
pub(super) async fn serve(
    stream: TcpStream,
    seat: Seat,
    router: Router,
    limits: Arc<LimitsConfig>,
    mut stopped: watch::Receiver<bool>,
) -> End {
    let peer = stream.peer_addr().ok().map(|address| Peer(address.ip()));
    let state = Arc::clone(seat.state());
    let socket = Socket::new(stream, Arc::clone(&state), limits.answer_idle);
    let service = service_fn(|request| answer(&state, router.clone(), peer, request));
    let mut connection = protocol(&limits).serve_connection(TokioIo::new(socket), service);
    let mut ending: Option<(End, Instant)> = None;
    loop {
        let end = match look(&state, &limits, ending) {
            Look::Over(End::HeaderTimeout) => {
                connection.into_parts().io.into_inner().last_word(HEAD_TIMEOUT);
                return End::HeaderTimeout;
            }
            Look::Over(end) if ending.is_some() => return end,
            Look::Over(end) => end,
            Look::Again(at) => tokio::select! {
                result = &mut connection => {
                    let end = if result.is_ok() { End::Done } else { End::Failed };
                    return ending.map_or(end, |(why, _)| why);
                }
                () = sleep_until(at) => continue,
                () = state.asked_to_close(), if ending.is_none() => End::Asked,
                () = stop(&mut stopped), if ending.is_none() => End::Stopped,
            },
        };
        ending = Some((end, Instant::now() + LEAVE));
        Pin::new(&mut connection).graceful_shutdown();
    }
}

/// What a look at the clock says.
enum Look {
    /// Nothing; look again then.
    Again(Instant),
    /// Its time is over.
    Over(End),
}

/// Whether the time of what the connection is doing is over. The next look is never later than a head
/// that begins now may take.
fn look(state: &State, limits: &LimitsConfig, ending: Option<(End, Instant)>) -> Look {
    let (now, (phase, since)) = (Instant::now(), state.now());
    let (end, at) = match (ending, phase) {
        // Requests have deadlines of their own: of their body, their query, and their answer.
        (Some(_), Phase::Busy) => return Look::Again(now + LEAVE),
        (None, Phase::Busy | Phase::Closing) => return Look::Again(now + limits.header_timeout),
        (Some((why, at)), _) => (why, at),
        (None, Phase::Head) => (End::HeaderTimeout, since + limits.header_timeout),
        (None, Phase::Idle) => (End::KeepAlive, since + limits.keep_alive),
    };
    if now >= at { Look::Over(end) } else { Look::Again(at.min(now + limits.header_timeout)) }
}

fn protocol(limits: &LimitsConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Deadlines are kept here: hyper's would count the time between requests too.
    builder.header_read_timeout(None);
    builder.max_header_size(limits.header_bytes);
    if limits.headers != HEADERS_INLINE {
        builder.max_headers(limits.headers);
    }
    builder
}

async fn stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that the server itself is gone.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// The answer of the routes; the request ends with the last byte of it.
fn answer(
    state: &Arc<State>,
    mut router: Router,
    peer: Option<Peer>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Answered>, Infallible>> + use<> {
    let in_request = state.begin(Instant::now());
    let mut request = request.map(Body::new);
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    let response = router.call(request);
    async move { Ok(response.await?.map(|body| Answered { body, _in_request: in_request })) }
}

/// The body of an answer.
struct Answered {
    body: Body,
    _in_request: InRequest,
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
