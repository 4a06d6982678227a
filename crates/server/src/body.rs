//! A request body on its way in: decompressed while it arrives, within its limit and within the
//! memory that the queue of writes allows.
//!
//! Invariants: room for three times the buffered bytes (body, columns, log record) is held before
//! they are buffered; the buffer never exceeds what was asked for by more than one step.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::header;
use bytes::{Buf, Bytes};
use futures::StreamExt;
use pulsora_model::{Code, Error, Result};
use pulsora_storage::{Engine, Room};
use pulsora_wire::body::{BodyDecoder, snappy_len, unpack_snappy};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout, timeout_at};

use crate::clients::Share;
use crate::context::{Context, Figures};
use crate::tasks::{INLINE_BYTES, compute};

/// Compressed bytes that are unpacked at once. The worst zstd frame holds 128 KiB in 4 bytes, so one
/// step adds at most 8 MiB.
const STEP_BYTES: usize = 256;

/// A step of a gzip or plain body: these at most grow a thousandfold, to 16 MiB.
const WIDE_STEP_BYTES: usize = 16 << 10;

/// First bytes of a zstd frame.
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Memory per buffered byte: the body, its columns, its log record.
const ROOM_FACTOR: u64 = 3;

/// Room that is taken at least: most requests are smaller and take it once.
const ROOM_MIN: u64 = 64 << 10;

/// A short body that is one JSON value, of at most `limits.query_body_bytes`. `misfit` says what is
/// wrong of another body, as in "the body {misfit}"; `hint` shows one that fits.
///
/// # Errors
/// As [`Intake::whole`]; `malformed_body`.
pub async fn json<T: DeserializeOwned>(
    context: &Context,
    body: Body,
    misfit: &str,
    hint: &str,
) -> Result<T> {
    let limit = context.app.config.limits.query_body_bytes;
    let intake = Intake::open(context, body, limit)?;
    let (body, _room) = intake.whole(limit, "raise limits.query_body_bytes").await?;
    serde_json::from_slice(&body).map_err(|error| {
        Error::new(Code::MalformedBody, format!("the body {misfit}: {error}")).hint(hint)
    })
}

/// A body that is being read.
pub struct Intake<'a> {
    context: &'a Context,
    stream: BodyDataStream,
    /// Length that the client says the body has, as it comes.
    announced: Option<u64>,
    /// `None` once the body has ended.
    decoder: Option<BodyDecoder>,
    step: usize,
    /// Whether the request says that the body is zstd.
    zstd: bool,
    /// Whether the first bytes have come.
    started: bool,
    /// Bytes that came and are not unpacked yet.
    waiting: Bytes,
    /// Unpacked bytes that nobody took yet.
    buffer: Vec<u8>,
    reservation: Reservation,
    /// Bytes that came, and the time that was spent waiting for them.
    pace: Pace,
}

/// How fast a client sends.
#[derive(Default)]
struct Pace {
    bytes: u64,
    waited: Duration,
}

impl<'a> Intake<'a> {
    /// Starts to read `body`, of at most `max_bytes` decompressed bytes.
    ///
    /// # Errors
    /// `body_too_large` by the announced length, `unsupported_format` by the encoding.
    pub fn open(context: &'a Context, body: Body, max_bytes: u64) -> Result<Intake<'a>> {
        let encoding = context.header(&header::CONTENT_ENCODING)?;
        let mut intake = Intake::verbatim(context, body, max_bytes)?;
        intake.decoder = Some(BodyDecoder::new(encoding, max_bytes)?);
        intake.zstd = encoding.is_some_and(|text| text.to_ascii_lowercase().contains("zstd"));
        Ok(intake)
    }

    /// Starts to read `body`, of at most `max_bytes`, as it comes, whatever its encoding is.
    ///
    /// # Errors
    /// `body_too_large` by the announced length.
    pub fn verbatim(context: &'a Context, body: Body, max_bytes: u64) -> Result<Intake<'a>> {
        let announced = announced_bytes(context)?;
        if let Some(bytes) = announced.filter(|bytes| *bytes > max_bytes) {
            return Err(Error::new(
                Code::BodyTooLarge,
                format!("the body has {bytes} bytes, {max_bytes} are allowed"),
            )
            .hint("send it in parts, or raise ingest.max_body_bytes"));
        }
        Ok(Intake {
            context,
            stream: body.into_data_stream(),
            announced,
            decoder: Some(BodyDecoder::verbatim(max_bytes)),
            step: STEP_BYTES,
            zstd: false,
            started: false,
            waiting: Bytes::new(),
            buffer: Vec::new(),
            reservation: Reservation::new(context),
            pace: Pace::default(),
        })
    }

    /// Reads until more than `target` bytes are buffered or the body has ended.
    ///
    /// # Errors
    /// `body_too_large`, `malformed_body`, `overloaded` when there is no room in time,
    /// `request_timeout` when the client pauses too long or sends too slowly, `cancelled` when it goes away.
    pub async fn fill(&mut self, target: usize) -> Result<()> {
        if !self.started {
            // More than a piece of a body is never buffered.
            let piece = self.context.app.config.ingest.atomic_body_bytes;
            let announced = self.announced.unwrap_or(0).min(piece);
            self.reserve(announced).await?;
            self.buffer.reserve_exact(self.reservation.holds(announced));
        }
        while self.buffer.len() <= target {
            if self.waiting.is_empty() && !self.receive().await? {
                return Ok(());
            }
            self.unpack(target)?;
            self.reserve(self.buffer.len() as u64).await?;
        }
        Ok(())
    }

    /// Whether everything is in the buffer.
    pub fn ended(&self) -> bool {
        self.decoder.is_none()
    }

    /// What is buffered.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// Takes the first `len` bytes of the buffer.
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(len);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// The whole body, which may have at most `max_bytes`, and the room that it holds.
    ///
    /// # Errors
    /// As [`Intake::fill`]; `body_too_large` with `hint` when the body is larger.
    pub async fn whole(mut self, max_bytes: u64, hint: &str) -> Result<(Bytes, Reservation)> {
        self.fill(usize::try_from(max_bytes).unwrap_or(usize::MAX)).await?;
        if self.buffer.len() as u64 > max_bytes || !self.ended() {
            return Err(Error::new(
                Code::BodyTooLarge,
                format!("the body has more than {max_bytes} bytes, which is the most here"),
            )
            .hint(hint));
        }
        Ok((Bytes::from(self.buffer), self.reservation))
    }

    /// The whole body, which is one block of snappy, unpacked to at most `max_bytes`; and the room
    /// that it holds.
    ///
    /// # Errors
    /// As [`Intake::whole`]; `malformed_body` when it is no block.
    pub async fn whole_snappy(self, max_bytes: u64, hint: &str) -> Result<(Bytes, Reservation)> {
        let context = self.context;
        let (packed, mut reservation) = self.whole(max_bytes, hint).await?;
        let len = snappy_len(&packed, max_bytes)?;
        let room = (len as u64).saturating_mul(ROOM_FACTOR);
        reservation.grow(room, context.app.config.ingest.max_wait).await?;
        let unpack = move || unpack_snappy(&packed, max_bytes);
        let body = match len {
            ..=INLINE_BYTES => unpack()?,
            _ => compute(&context.app, unpack).await?,
        };
        Ok((Bytes::from(body), reservation))
    }

    /// Waits for the next bytes; false when the body has ended, with all of it in the buffer.
    async fn receive(&mut self) -> Result<bool> {
        if self.ended() {
            return Ok(false);
        }
        match self.next().await? {
            Some(Ok(chunk)) => {
                let zstd =
                    self.zstd || chunk.len() < ZSTD_MAGIC.len() || chunk.starts_with(ZSTD_MAGIC);
                if !std::mem::replace(&mut self.started, true) && !zstd {
                    self.step = WIDE_STEP_BYTES;
                }
                Figures::add(&self.context.figures.bytes_in, chunk.len() as u64);
                self.waiting = chunk;
                Ok(true)
            }
            Some(Err(error)) => {
                let message = format!("the body ended before its announced end: {error}");
                Err(Error::new(Code::Cancelled, message))
            }
            None => {
                if let Some(decoder) = self.decoder.take() {
                    decoder.finish(&mut self.buffer)?;
                }
                Ok(false)
            }
        }
    }

    /// The next bytes as they come. A client that pauses too long, or sends a byte now and then, is told.
    async fn next(&mut self) -> Result<Option<Result<Bytes, axum::Error>>> {
        let limits = &self.context.app.config.limits;
        let (idle, begun) = (limits.body_idle, Instant::now());
        let next = timeout(idle, self.stream.next()).await.map_err(|_| {
            Error::new(Code::RequestTimeout, format!("the client sent nothing for {idle:?}"))
                .hint("send the body without pauses, or raise limits.body_idle")
        })?;
        self.pace.waited += begun.elapsed();
        self.pace.bytes +=
            next.as_ref().map_or(0, |chunk| chunk.as_ref().map_or(0, Bytes::len) as u64);
        let Pace { bytes, waited } = self.pace;
        if next.is_some()
            && waited > idle
            && (bytes as f64) < limits.body_rate as f64 * waited.as_secs_f64()
        {
            let message = format!("the client sent {bytes} bytes in {waited:.1?}");
            return Err(Error::new(Code::RequestTimeout, message)
                .hint("send the body faster, or lower limits.body_rate"));
        }
        Ok(next)
    }

    /// Unpacks bytes that came, until there are no more or the buffer is past `target`.
    fn unpack(&mut self, target: usize) -> Result<()> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(());
        };
        while !self.waiting.is_empty() && self.buffer.len() <= target {
            let step = self.step.min(self.waiting.len());
            decoder.push(&self.waiting[..step], &mut self.buffer)?;
            self.waiting.advance(step);
        }
        Ok(())
    }

    /// Takes room for `bytes` of the body.
    async fn reserve(&mut self, bytes: u64) -> Result<()> {
        self.reservation.hold(bytes, self.context.app.config.ingest.max_wait).await
    }
}

/// Room in the share of the client and in the bounded queue of writes; given back when dropped.
pub struct Reservation {
    engine: Engine,
    /// None for work that no client asked for.
    share: Option<Share>,
    rooms: Vec<Room>,
    bytes: u64,
    /// One request never takes more: two large ones must not starve each other.
    bytes_max: u64,
}

impl Reservation {
    /// None yet.
    pub fn new(context: &Context) -> Reservation {
        let queue_bytes = context.app.config.memory.ingest_bytes();
        Reservation {
            engine: context.running.engine.clone(),
            share: context.client().map(|client| context.app.clients.share(client)),
            rooms: Vec::new(),
            bytes: 0,
            bytes_max: (queue_bytes / 2).min(context.app.config.ingest.client_bytes),
        }
    }

    /// Holds room for a body of `bytes`.
    ///
    /// # Errors
    /// `client_limit` when the client has too much else on its way, `overloaded` when all together
    /// have, both after `max_wait`; `closed`.
    pub async fn hold(&mut self, bytes: u64, max_wait: Duration) -> Result<()> {
        self.grow(bytes.saturating_mul(ROOM_FACTOR).max(ROOM_MIN), max_wait).await
    }

    /// As much of `bytes` of a body as there is room for.
    fn holds(&self, bytes: u64) -> usize {
        usize::try_from(bytes.min(self.bytes / ROOM_FACTOR)).unwrap_or(0)
    }

    /// Grows to at least `bytes`, by doubling.
    async fn grow(&mut self, bytes: u64, max_wait: Duration) -> Result<()> {
        if bytes <= self.bytes || self.bytes >= self.bytes_max {
            return Ok(());
        }
        let more = bytes.max(self.bytes * 2).min(self.bytes_max) - self.bytes;
        let deadline = Instant::now() + max_wait;
        if let Some(share) = &mut self.share {
            share.hold(more, deadline).await?;
        }
        let room = timeout_at(deadline, self.engine.room(more)).await.map_err(|_| {
            Error::new(Code::Overloaded, "the queue of writes is full")
                .hint("send the request again a little later, or fewer at once")
        })??;
        self.rooms.push(room);
        self.bytes += more;
        Ok(())
    }
}

fn announced_bytes(context: &Context) -> Result<Option<u64>> {
    let read = |text: &str| {
        text.trim().parse().map_err(|_| {
            Error::new(Code::InvalidRequest, format!("content-length {text:?} is not a number"))
        })
    };
    context.header(&header::CONTENT_LENGTH)?.map(read).transpose()
}
