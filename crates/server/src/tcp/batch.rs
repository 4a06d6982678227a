//! A batch of lines into the engine, by the way that HTTP takes; there is nobody to answer, so what the
//! engine cannot take now is tried again until it can.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pulsora_model::{Code, Error, ErrorKind};
use pulsora_storage::Catalog;
use pulsora_wire::line::{self, LineOptions};
use pulsora_wire::rows::count_lines;
use tokio::sync::watch;
use tokio::time::sleep;

use super::report::Report;
use crate::config::TcpConfig;
use crate::context::Context;
use crate::metrics::Protocol;
use crate::write::{self, Partial, Target};

/// Pause before the next try.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// Its good lines are stored.
    Done,
    /// They cannot be, and none after them.
    Refused,
}

/// Stores the good lines.
pub(super) async fn store(
    context: &Context,
    config: &TcpConfig,
    lines: Vec<u8>,
    peer: SocketAddr,
    report: &Report,
    stopped: &watch::Receiver<bool>,
) -> Stored {
    let lines = Bytes::from(lines);
    loop {
        let Err(error) = attempt(context, config, &lines, peer, report).await else {
            return Stored::Done;
        };
        match error.kind() {
            ErrorKind::Closed | ErrorKind::Corrupt | ErrorKind::Internal => {
                tracing::error!(%peer, %error, "lines are lost: the engine takes no writes any more");
                return Stored::Refused;
            }
            ErrorKind::Unavailable if error.code() == Code::WritesRefused => {
                tracing::error!(%peer, %error, "lines are lost: the engine takes no writes any more");
                return Stored::Refused;
            }
            ErrorKind::Overloaded | ErrorKind::Unavailable | ErrorKind::Conflict => {
                if *stopped.borrow() {
                    tracing::error!(%peer, %error, "lines are lost: the server ends before they are stored");
                    return Stored::Refused;
                }
                report.waiting(context, peer, &error);
                sleep(PAUSE).await;
            }
            ErrorKind::Invalid | ErrorKind::NotFound => {
                refuse_all(context, &lines, peer, report, &error);
                return Stored::Done;
            }
        }
    }
}

async fn attempt(
    context: &Context,
    config: &TcpConfig,
    lines: &Bytes,
    peer: SocketAddr,
    report: &Report,
) -> Result<(), Error> {
    let app = &context.app;
    app.memory.admit(app.config.ingest.max_wait).await?;
    let target = Target {
        protocol: Protocol::Tcp,
        database: config.database.clone(),
        durability: config.durability.unwrap_or(app.config.wal.durability),
        partial: Partial::Accept,
        key: None,
    };
    let options = LineOptions { precision: config.precision, now_ns: context.now_ns() };
    let (body, database) = (lines.clone(), target.database.clone());
    let parse =
        move |catalog: &Arc<Catalog>| line::parse(&body, &options, &catalog.lookup(&database));
    let stored = write::store(context, &target, lines.len(), parse).await?;
    if let Some(first) = stored.details.first() {
        report.rejected(context, peer, stored.rejected, first);
    }
    Ok(())
}

/// The whole batch is refused, by a limit for example.
fn refuse_all(context: &Context, lines: &Bytes, peer: SocketAddr, report: &Report, error: &Error) {
    let rejected = count_lines(lines);
    context.app.metrics.ingested(Protocol::Tcp, 0, lines.len() as u64, rejected);
    let detail = pulsora_model::Detail { message: error.to_string(), ..Default::default() };
    report.rejected(context, peer, rejected, &detail);
}
