//! One connection that posts bodies to one path: HTTP/1.1, kept alive, without an allocation per request.
//!
//! Not a general client: no redirects, no TLS, no trailers; bodies have a length, answers have one or are
//! chunked. Invariants: a request is sent once; a connection that the server closes is opened again for
//! the next request, never for the same one.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest wait for a part of an answer: ten minutes, longer than any wait for room.
const PATIENCE: Duration = Duration::from_secs(600);

/// Longest answer that is read: an error with its details.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Bytes that are read at once.
const READ_BYTES: usize = 16 << 10;

/// What came back.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// HTTP status.
    pub status: u16,
    /// The body; with its chunk lengths where it came in chunks.
    pub body: &'a [u8],
}

/// A connection to one path of a server.
pub struct Connection {
    address: String,
    stream: Option<TcpStream>,
    /// The request up to the value of `content-length`, and in what follows the present one.
    head: Vec<u8>,
    head_bytes: usize,
    answer: Vec<u8>,
}

impl Connection {
    /// A connection for posts to `path` of the server at `base` (`http://host:port`). Opened by the first.
    ///
    /// # Errors
    /// A sentence when `base` is something else.
    pub fn new(base: &str, path: &str, content_type: &str) -> Result<Connection, String> {
        let address = base.trim_end_matches('/').strip_prefix("http://").unwrap_or(base);
        if address.contains('/') {
            return Err(format!("{base} is not http://host:port"));
        }
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: pulsora-bench\r\n\
             content-type: {content_type}\r\ncontent-length: "
        );
        let address =
            if address.contains(':') { address.to_owned() } else { format!("{address}:80") };
        let head = head.into_bytes();
        Ok(Connection { address, stream: None, head_bytes: head.len(), head, answer: Vec::new() })
    }

    /// Sends a body and waits for the whole answer.
    ///
    /// # Errors
    /// A sentence for the user when none comes back; the fate of the request is unknown then.
    pub fn post(&mut self, body: &[u8]) -> Result<Answer<'_>, String> {
        let answer = self.exchange(body);
        let (status, start) = answer.map_err(|error| format!("{}: {error}", self.address))?;
        Ok(Answer { status, body: &self.answer[start..] })
    }

    fn exchange(&mut self, body: &[u8]) -> io::Result<(u16, usize)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.open()?,
        };
        self.head.truncate(self.head_bytes);
        write!(self.head, "{}\r\n\r\n", body.len())?;
        write_both(&mut stream, &self.head, body)?;
        let head = read_answer(&mut stream, &mut self.answer)?;
        if !head.closes {
            self.stream = Some(stream);
        }
        Ok((head.status, head.bytes))
    }

    fn open(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

/// Writes head and body, together as far as the socket takes them.
fn write_both(stream: &mut TcpStream, mut head: &[u8], mut body: &[u8]) -> io::Result<()> {
    while !head.is_empty() {
        let count = match stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            written => written?,
        };
        let of_head = count.min(head.len());
        (head, body) = (&head[of_head..], &body[count - of_head..]);
    }
    stream.write_all(body)
}

/// The first lines of an answer.
struct Head {
    status: u16,
    /// Bytes up to the body.
    bytes: usize,
    /// `None` = chunked.
    body_bytes: Option<usize>,
    closes: bool,
}

fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<Head> {
    answer.clear();
    let head = loop {
        read_some(stream, answer)?;
        if let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n") {
            break parse_head(&answer[..end + 4])?;
        }
    };
    let whole = |answer: &[u8]| match head.body_bytes {
        Some(bytes) => answer.len() >= head.bytes + bytes,
        None => answer.ends_with(b"0\r\n\r\n"),
    };
    while !whole(answer) {
        read_some(stream, answer)?;
    }
    Ok(head)
}

fn read_some(stream: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<()> {
    let filled = answer.len();
    if filled > ANSWER_BYTES_MAX {
        return Err(io::Error::other("the answer does not end"));
    }
    answer.resize(filled + READ_BYTES, 0);
    let read = loop {
        match stream.read(&mut answer[filled..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read,
        }
    };
    answer.truncate(filled + *read.as_ref().unwrap_or(&0));
    match read? {
        0 => Err(io::Error::other("the server closed the connection without an answer")),
        _ => Ok(()),
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Head> {
    let strange = || io::Error::other("the answer is not HTTP/1.1");
    let text = std::str::from_utf8(bytes).map_err(|_| strange())?;
    let mut lines = text.split("\r\n");
    let status =
        lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok());
    let status = status.ok_or_else(strange)?;
    let bodyless = status == 204 || status == 304;
    let mut head = Head { status, bytes: bytes.len(), body_bytes: Some(0), closes: false };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") && !bodyless {
            head.body_bytes = Some(value.parse().map_err(|_| strange())?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") && !bodyless {
            head.body_bytes = None;
        } else if name.eq_ignore_ascii_case("connection") {
            head.closes = value.eq_ignore_ascii_case("close");
        }
    }
    Ok(head)
}
