//! Decompresses a body chunk by chunk, within a limit.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use pulsora_model::{Code, Error, Result};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

use super::encoding::{Encoding, MAGIC_BYTES};

/// Bytes that one step of a decompressor may add before the limit is checked again.
const STEP_BYTES: usize = 64 << 10;

/// Largest zstd window, as a power of two: 32 MiB holds every level but the long-distance ones, and
/// a frame that claims more is refused before anything is allocated.
const ZSTD_WINDOW_LOG: u32 = 25;

/// Decompresses a whole body; a plain one is passed on as it is.
///
/// # Errors
/// `body_too_large` past `max_bytes` decompressed bytes, `unsupported_format`, `malformed_body` when
/// it is truncated or not what its encoding says.
pub fn decode(body: Bytes, content_encoding: Option<&str>, max_bytes: u64) -> Result<Bytes> {
    let declared = Encoding::from_header(content_encoding)?;
    let encoding = declared.unwrap_or_else(|| Encoding::from_magic(&body));
    if encoding == Encoding::Identity || body.is_empty() {
        return if body.len() as u64 <= max_bytes { Ok(body) } else { Err(too_large(max_bytes)) };
    }
    let mut decoder = BodyDecoder::new(content_encoding, max_bytes)?;
    let mut out = Vec::new();
    decoder.push(&body, &mut out)?;
    decoder.finish(&mut out)?;
    Ok(Bytes::from(out))
}

/// Decompresses a body while it arrives.
///
/// Invariant: the sum of all output never exceeds the limit by more than one step.
pub struct BodyDecoder {
    state: State,
    written: u64,
    max_bytes: u64,
}

enum State {
    /// The encoding is open until these first bytes are enough.
    Start(Vec<u8>),
    Identity,
    Gzip(MultiGzDecoder<Limited>),
    Zstd(Zstd),
}

struct Zstd {
    decoder: ZstdDecoder<'static>,
    /// Whether the last byte read ended a frame.
    between_frames: bool,
    buffer: Vec<u8>,
}

/// What a gzip decoder writes to: gives up where the limit is passed.
struct Limited {
    out: Vec<u8>,
    room: u64,
    passed: bool,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(room) = self.room.checked_sub(bytes.len() as u64) else {
            self.passed = true;
            return Err(io::Error::other("limit"));
        };
        self.room = room;
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BodyDecoder {
    /// A decoder for a body with this `Content-Encoding` and at most `max_bytes` decompressed bytes.
    ///
    /// # Errors
    /// `unsupported_format`.
    pub fn new(content_encoding: Option<&str>, max_bytes: u64) -> Result<BodyDecoder> {
        let state = match Encoding::from_header(content_encoding)? {
            None => State::Start(Vec::new()),
            Some(encoding) => State::new(encoding, max_bytes)?,
        };
        Ok(BodyDecoder { state, written: 0, max_bytes })
    }

    /// Passes a body of at most `max_bytes` on as it is, whatever its first bytes look like.
    pub fn verbatim(max_bytes: u64) -> BodyDecoder {
        BodyDecoder { state: State::Identity, written: 0, max_bytes }
    }

    /// Decompresses the next chunk of the body onto the end of `out`.
    ///
    /// # Errors
    /// `body_too_large`, `malformed_body`. After an error the decoder must not be used.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if let State::Start(start) = &mut self.state {
            start.extend_from_slice(chunk);
            if start.len() < MAGIC_BYTES {
                return Ok(());
            }
            let start = std::mem::take(start);
            self.state = State::new(Encoding::from_magic(&start), self.max_bytes)?;
            return self.push(&start, out);
        }
        let before = out.len();
        match &mut self.state {
            State::Start(_) => {}
            State::Identity => out.extend_from_slice(chunk),
            State::Gzip(decoder) => {
                let result = decoder.write_all(chunk);
                take_gzip(decoder.get_mut(), result, self.max_bytes, out)?;
            }
            State::Zstd(zstd) => zstd.push(chunk, self.max_bytes - self.written, out)?,
        }
        self.written += (out.len() - before) as u64;
        if self.written > self.max_bytes { Err(too_large(self.max_bytes)) } else { Ok(()) }
    }

    /// Ends the body and puts what is left onto the end of `out`.
    ///
    /// # Errors
    /// `malformed_body` when the body is truncated, `body_too_large`.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<()> {
        if let State::Start(start) = &mut self.state {
            let start = std::mem::take(start);
            self.state = State::new(Encoding::from_magic(&start), self.max_bytes)?;
            self.push(&start, out)?;
        }
        match self.state {
            State::Start(_) | State::Identity => Ok(()),
            State::Gzip(mut decoder) => {
                let result = decoder.try_finish();
                take_gzip(decoder.get_mut(), result, self.max_bytes, out)
            }
            State::Zstd(zstd) if zstd.between_frames => Ok(()),
            State::Zstd(_) => Err(malformed(Encoding::Zstd, "it ends in the middle")),
        }
    }
}

impl State {
    fn new(encoding: Encoding, max_bytes: u64) -> Result<State> {
        Ok(match encoding {
            Encoding::Identity => State::Identity,
            Encoding::Gzip => State::Gzip(MultiGzDecoder::new(Limited {
                out: Vec::new(),
                room: max_bytes,
                passed: false,
            })),
            Encoding::Zstd => State::Zstd(Zstd::new()?),
        })
    }
}

fn take_gzip(
    limited: &mut Limited,
    result: io::Result<()>,
    max_bytes: u64,
    out: &mut Vec<u8>,
) -> Result<()> {
    out.append(&mut limited.out);
    match result {
        _ if limited.passed => Err(too_large(max_bytes)),
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(malformed(Encoding::Gzip, "it ends in the middle"))
        }
        Err(error) => Err(malformed(Encoding::Gzip, &error.to_string())),
    }
}

impl Zstd {
    fn new() -> Result<Zstd> {
        let internal = |error: io::Error| Error::internal(format!("zstd: {error}"));
        let mut decoder = ZstdDecoder::new().map_err(internal)?;
        decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(internal)?;
        Ok(Zstd { decoder, between_frames: true, buffer: vec![0; STEP_BYTES] })
    }

    fn push(&mut self, chunk: &[u8], room: u64, out: &mut Vec<u8>) -> Result<()> {
        let broken = |error: io::Error| malformed(Encoding::Zstd, &error.to_string());
        let start = out.len();
        let mut input = InBuffer::around(chunk);
        loop {
            let read = input.pos();
            if self.between_frames {
                if read == chunk.len() {
                    return Ok(());
                }
                self.decoder.reinit().map_err(broken)?;
            }
            let mut output = OutBuffer::around(self.buffer.as_mut_slice());
            let hint = self.decoder.run(&mut input, &mut output).map_err(broken)?;
            let written = output.pos();
            self.between_frames = hint == 0;
            out.extend_from_slice(&self.buffer[..written]);
            let stalled = input.pos() == read && written == 0;
            if (out.len() - start) as u64 > room || stalled {
                return Ok(());
            }
            if input.pos() == chunk.len() && written < self.buffer.len() {
                return Ok(());
            }
        }
    }
}

fn malformed(encoding: Encoding, reason: &str) -> Error {
    let name = encoding.name();
    Error::new(Code::MalformedBody, format!("the {name} body cannot be decompressed: {reason}"))
        .hint("send the body again, whole")
}

pub(super) fn too_large(max_bytes: u64) -> Error {
    Error::new(
        Code::BodyTooLarge,
        format!("the body has more than {max_bytes} bytes (decompressed)"),
    )
    .hint("send it in parts, or raise ingest.max_body_bytes")
}
