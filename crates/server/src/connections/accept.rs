//! Takes connections in, within `limits.connections`, and ends them all.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::one::{self, End};
use super::seats::Seats;
use crate::app::App;
use crate::tasks::Group;

/// Pause after the system could not give a connection, as when descriptors run out.
const PAUSE: Duration = Duration::from_millis(100);

/// What a client hears when there is no seat for it.
fn no_seat() -> String {
    let body = concat!(
        r#"{"success":false,"data":null,"error":"all connections are in use","#,
        r#""message":"all connections are in use (raise limits.connections)","#,
        r#""code":"overloaded","hint":"raise limits.connections","details":[]}"#
    );
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Serves until `stopped`; returns when the last connection has ended.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    app: App,
    seats: usize,
    mut stopped: watch::Receiver<bool>,
) {
    let mut tasks = Group::default();
    let (seats, limits) = (Seats::new(seats), Arc::new(app.config.limits.clone()));
    let (ended, no_seat) = (stopped.clone(), no_seat());
    let mut stop = std::pin::pin!(async move {
        // An error means that the server itself is gone.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    });
    loop {
        let stream = tokio::select! {
            () = &mut stop => break,
            () = tasks.one_ended() => continue,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let Some(seat) = seats.take(Instant::now()) else {
            app.metrics.connection_ended("refused");
            // Who takes nothing gets nothing.
            let _ = stream.try_write(no_seat.as_bytes());
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        let connection =
            one::serve(stream, seat, router.clone(), Arc::clone(&limits), ended.clone());
        tasks.start(count(app.clone(), connection));
    }
    drop(listener);
    tasks.all_ended().await;
}

/// Counts a connection while it is open, and how it ended.
async fn count(app: App, connection: impl Future<Output = End>) {
    app.metrics.connections.opened();
    let end = connection.await;
    app.metrics.connections.closed();
    match end {
        End::Asked => app.metrics.connection_ended("made_room"),
        End::Stopped => app.metrics.connection_ended("stopped"),
        End::Done => app.metrics.connection_ended("done"),
        End::Failed => app.metrics.connection_ended("failed"),
        End::KeepAlive => app.metrics.connection_ended("keep_alive"),
        End::HeaderTimeout => app.metrics.connection_ended("header_timeout"),
    }
}
