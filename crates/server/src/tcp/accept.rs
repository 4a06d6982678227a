//! Takes connections in, within `tcp.connections`, once the engine is open.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

use super::connection::{End, Lines};
use super::report::Report;
use crate::app::App;
use crate::config::TcpConfig;
use crate::tasks::Group;

/// Pause after the system could not give a connection, as when descriptors run out.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves from the moment that recovery is done until `stopped`; returns when the last line that came
/// before is stored.
pub(crate) async fn serve(
    listener: TcpListener,
    app: App,
    config: TcpConfig,
    mut opened: watch::Receiver<bool>,
    mut stopped: watch::Receiver<bool>,
) {
    let ended = stopped.clone();
    let mut stop = std::pin::pin!(async move {
        // An error means that the server itself is gone.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    });
    tokio::select! {
        () = &mut stop => return,
        opened = opened.wait_for(|opened| *opened) => if opened.is_err() { return },
    }
    let (config, report) = (Arc::new(config), Arc::new(Report::default()));
    let mut tasks = Group::default();
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut stop => break,
            () = tasks.one_ended() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection of line protocol could not be accepted");
                    sleep(PAUSE).await;
                    continue;
                }
            },
        };
        if tasks.len() >= config.connections {
            app.metrics.tcp_ended("refused");
            report.refused(&app, peer);
            continue;
        }
        match Lines::new(app.clone(), stream, peer, Arc::clone(&config), Arc::clone(&report)) {
            Ok(lines) => tasks.start(count(app.clone(), lines.serve(ended.clone()))),
            Err(error) => tracing::warn!(%error, "line protocol is not taken"),
        }
    }
    drop(listener);
    tasks.all_ended().await;
}

/// Counts a connection while it is open, and how it ended.
async fn count(app: App, connection: impl Future<Output = End>) {
    app.metrics.tcp.opened();
    let end = connection.await;
    app.metrics.tcp.closed();
    app.metrics.tcp_ended(end.name());
}
