//! One connection: its bytes become batches of whole lines, by size or after a short time.
//!
//! Invariants: lines are stored in the order they came; while a batch is stored nothing is read; a line
//! that was cut off by an error, by silence or by the end of the server is not stored, one that was cut
//! off by the end of the connection is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pulsora_model::Result;
use pulsora_wire::rows::{Boundary, record_boundary};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::batch::{self, Stored};
use super::report::Report;
use crate::app::App;
use crate::body::Reservation;
use crate::config::TcpConfig;
use crate::context::Context;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;

/// How long a quote may stay open in front of a line break: a text is sent in one go.
const QUOTE_PATIENCE: Duration = Duration::from_secs(5);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By the client.
    Done,
    /// It broke off.
    Failed,
    /// Nothing came for `tcp.idle`.
    Idle,
    /// A line does not fit into `tcp.buffer`.
    LongLine,
    /// The server ended.
    Stopped,
    /// The engine takes no writes any more.
    Refused,
}

impl End {
    /// The label.
    pub(super) fn name(self) -> &'static str {
        match self {
            End::Done => "done",
            End::Failed => "failed",
            End::Idle => "idle",
            End::LongLine => "long_line",
            End::Stopped => "stopped",
            End::Refused => "writes_refused",
        }
    }
}

/// The lines of one connection.
pub(super) struct Lines {
    context: Context,
    stream: TcpStream,
    peer: SocketAddr,
    config: Arc<TcpConfig>,
    report: Arc<Report>,
    /// What came and is not stored yet.
    buffer: Vec<u8>,
    /// When the oldest of it came.
    since: Option<Instant>,
    /// Since when a quote is open in front of a line break.
    open_since: Option<Instant>,
    /// Room in the queue of writes for it.
    room: Reservation,
}

/// Why reading paused.
enum Pause {
    /// What is there is to be stored.
    Batch,
    /// There will be no more.
    End(End),
}

impl Lines {
    /// # Errors
    /// `not_ready`, `closed`.
    pub(super) fn new(
        app: App,
        stream: TcpStream,
        peer: SocketAddr,
        config: Arc<TcpConfig>,
        report: Arc<Report>,
    ) -> Result<Lines> {
        let context = Context::detached(&app)?;
        let room = Reservation::new(&context);
        let (buffer, since, open_since) = (Vec::new(), None, None);
        Ok(Lines { context, stream, peer, config, report, buffer, since, open_since, room })
    }

    /// Stores lines until the connection or the server ends.
    pub(super) async fn serve(mut self, mut stopped: watch::Receiver<bool>) -> End {
        loop {
            let pause = self.gather(&mut stopped).await;
            let lines = self.cut(&pause);
            if !lines.is_empty() && self.store(lines, &stopped).await == Stored::Refused {
                return End::Refused;
            }
            match pause {
                Pause::End(end) => return end,
                Pause::Batch if self.buffer.len() >= self.config.buffer_bytes => {
                    self.report.long_line(self.peer, self.config.buffer_bytes);
                    return End::LongLine;
                }
                Pause::Batch => {}
            }
        }
    }

    /// Reads until there is a batch.
    async fn gather(&mut self, stopped: &mut watch::Receiver<bool>) -> Pause {
        loop {
            if self.buffer.len() >= self.config.buffer_bytes {
                return Pause::Batch;
            }
            let idle = Instant::now() + self.config.idle;
            let until = self.since.map_or(idle, |since| since + self.config.flush_interval);
            tokio::select! {
                // An error means that the server itself is gone.
                _ = stopped.wait_for(|stopped| *stopped) => {
                    self.drain();
                    return Pause::End(End::Stopped);
                }
                () = sleep_until(until.min(idle)) => {
                    return if self.since.is_some() { Pause::Batch } else { Pause::End(End::Idle) };
                }
                ready = self.stream.readable() => {
                    if let Some(end) = self.read(ready) {
                        return Pause::End(end);
                    }
                }
            }
            if !self.make_room(stopped).await {
                return Pause::Batch;
            }
        }
    }

    /// Reads what is there; says when there will be no more.
    fn read(&mut self, ready: std::io::Result<()>) -> Option<End> {
        let space = (self.config.buffer_bytes - self.buffer.len()).min(READ_BYTES);
        self.buffer.reserve(space);
        let mut limited = bytes::BufMut::limit(&mut self.buffer, space);
        match ready.and_then(|()| self.stream.try_read_buf(&mut limited)) {
            Ok(0) => Some(End::Done),
            Ok(_) => {
                self.since.get_or_insert_with(Instant::now);
                None
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(error) => {
                tracing::debug!(peer = %self.peer, %error, "a connection of line protocol broke off");
                Some(End::Failed)
            }
        }
    }

    /// Reads what has arrived already, as far as it fits.
    fn drain(&mut self) {
        loop {
            let before = self.buffer.len();
            if before >= self.config.buffer_bytes || self.read(Ok(())).is_some() {
                return;
            }
            if self.buffer.len() == before {
                return;
            }
        }
    }

    /// Waits for room for what is buffered. False when there is none in time or the server ends: then what
    /// is there is stored, which gives room back; many that wait for each other's would wait for ever.
    async fn make_room(&mut self, stopped: &mut watch::Receiver<bool>) -> bool {
        let max_wait = self.context.app.config.ingest.max_wait;
        tokio::select! {
            room = self.room.hold(self.buffer.len() as u64, max_wait) => room.is_ok(),
            // An error means that the server itself is gone.
            _ = stopped.wait_for(|stopped| *stopped) => false,
        }
    }

    /// The whole lines of the buffer; at the end of the connection all of it.
    fn cut(&mut self, pause: &Pause) -> Vec<u8> {
        self.since = None;
        let whole = match pause {
            Pause::End(End::Done) => self.buffer.len(),
            Pause::End(_) => record_boundary(Boundary::Lines, &self.buffer),
            Pause::Batch => self.boundary(),
        };
        let rest = self.buffer[whole..].to_vec();
        let mut lines = std::mem::replace(&mut self.buffer, rest);
        lines.truncate(whole);
        lines
    }

    /// The end of the last whole line. A text may hold line breaks, and then its line is not whole before
    /// the closing quote; one that stays open is a mistake of its line, and must not swallow the others.
    fn boundary(&mut self) -> usize {
        let whole = record_boundary(Boundary::LineProtocol, &self.buffer);
        let broken = record_boundary(Boundary::Lines, &self.buffer);
        if broken <= whole {
            self.open_since = None;
            return whole;
        }
        let since = *self.open_since.get_or_insert_with(Instant::now);
        let full = whole == 0 && self.buffer.len() >= self.config.buffer_bytes;
        if full || since.elapsed() >= QUOTE_PATIENCE {
            self.open_since = None;
            return broken;
        }
        whole
    }

    async fn store(&mut self, lines: Vec<u8>, stopped: &watch::Receiver<bool>) -> Stored {
        let stored =
            batch::store(&self.context, &self.config, lines, self.peer, &self.report, stopped)
                .await;
        self.room = Reservation::new(&self.context);
        stored
    }
}
