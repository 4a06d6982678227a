//! A streaming reader of MessagePack: one token after the other, nothing allocated.
//!
//! Invariants: no bytes make it panic; a text or bytes token is a part of the body; an array or map
//! token only claims a length.

use pulsora_model::{Code, Error, Result as ModelResult};

/// Deepest nesting of arrays and maps that [`MsgpackReader::skip`] passes over.
pub const DEPTH_MAX: usize = 32;

/// Type of the timestamp extension.
const TIMESTAMP: i8 = -1;

/// One value, or the head of an array or a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// nil
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer in the range of i64.
    I64(i64),
    /// An integer above i64::MAX.
    U64(u64),
    /// A float.
    F64(f64),
    /// Text.
    Text(&'a str),
    /// Text that is not UTF-8.
    NotUtf8(&'a [u8]),
    /// Bytes.
    Binary(&'a [u8]),
    /// A timestamp.
    Timestamp {
        /// Seconds since 1970-01-01 UTC.
        seconds: i64,
        /// Nanoseconds to add.
        nanos: u32,
    },
    /// Any other extension, with its type.
    Extension(i8, &'a [u8]),
    /// So many elements follow.
    Array(u32),
    /// So many pairs of key and value follow.
    Map(u32),
}

impl Token<'_> {
    /// What error messages call it.
    pub fn noun(&self) -> &'static str {
        match self {
            Token::Nil => "nil",
            Token::Bool(_) => "a boolean",
            Token::I64(_) | Token::U64(_) => "an integer",
            Token::F64(_) => "a float",
            Token::Text(_) => "text",
            Token::NotUtf8(_) => "text that is not UTF-8",
            Token::Binary(_) => "binary data",
            Token::Timestamp { .. } => "a timestamp",
            Token::Extension(..) => "an unknown extension",
            Token::Array(_) => "an array",
            Token::Map(_) => "a map",
        }
    }
}

/// Nanoseconds since 1970-01-01 UTC of a timestamp extension.
///
/// # Errors
/// `invalid_time` when it is out of range.
pub(super) fn timestamp_ns(seconds: i64, nanos: u32) -> ModelResult<i64> {
    let time = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    i64::try_from(time).map_err(|_| {
        Error::new(
            Code::InvalidTime,
            format!(
                "timestamp {seconds} s is out of range: it lies outside 1677-09-21 to 2262-04-11"
            ),
        )
    })
}

/// A place in a body and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsgpackError {
    /// Byte offset in the body.
    pub offset: usize,
    /// What is wrong, one lower-case clause.
    pub message: &'static str,
}

impl From<MsgpackError> for Error {
    fn from(error: MsgpackError) -> Error {
        let MsgpackError { offset, message } = error;
        Error::new(
            Code::MalformedBody,
            format!("the MessagePack is not valid at byte {offset}: {message}"),
        )
    }
}

type Result<T> = std::result::Result<T, MsgpackError>;

/// A position in a body.
#[derive(Clone, Debug)]
pub struct MsgpackReader<'a> {
    body: &'a [u8],
    pub(super) at: usize,
}

impl<'a> MsgpackReader<'a> {
    /// Reads `body` from its start.
    pub fn new(body: &'a [u8]) -> MsgpackReader<'a> {
        MsgpackReader { body, at: 0 }
    }

    /// Byte offset of what comes next.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Whether nothing is left.
    pub fn at_end(&self) -> bool {
        self.at == self.body.len()
    }

    /// What has not been read.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.body[self.at..]
    }

    /// An error at the present position.
    pub fn error(&self, message: &'static str) -> MsgpackError {
        MsgpackError { offset: self.at, message }
    }

    /// The next value, or the head of the next array or map.
    ///
    /// # Errors
    /// When the body ends within it, or its first byte has no meaning.
    #[inline]
    pub fn token(&mut self) -> Result<Token<'a>> {
        let [first] = self.array::<1>()?;
        Ok(match first {
            0x00..=0x7f => Token::I64(i64::from(first)),
            0xe0..=0xff => Token::I64(i64::from(first as i8)),
            0xca => Token::F64(f64::from(f32::from_be_bytes(self.array()?))),
            0xcb => Token::F64(f64::from_be_bytes(self.array()?)),
            0xcc => Token::I64(i64::from(self.u8()?)),
            0xcd => Token::I64(i64::from(self.u16()?)),
            0xce => Token::I64(i64::from(self.u32()?)),
            0xcf => {
                let value = u64::from_be_bytes(self.array()?);
                i64::try_from(value).map_or(Token::U64(value), Token::I64)
            }
            0xd0 => Token::I64(i64::from(i8::from_be_bytes(self.array()?))),
            0xd1 => Token::I64(i64::from(i16::from_be_bytes(self.array()?))),
            0xd2 => Token::I64(i64::from(i32::from_be_bytes(self.array()?))),
            0xd3 => Token::I64(i64::from_be_bytes(self.array()?)),
            0xc0 => Token::Nil,
            0xc2 => Token::Bool(false),
            0xc3 => Token::Bool(true),
            _ => self.sized(first)?,
        })
    }

    /// The tokens that say how long they are.
    fn sized(&mut self, first: u8) -> Result<Token<'a>> {
        Ok(match first {
            0x80..=0x8f => Token::Map(u32::from(first & 0x0f)),
            0x90..=0x9f => Token::Array(u32::from(first & 0x0f)),
            0xa0..=0xbf => self.text(u32::from(first & 0x1f))?,
            0xc4 => Token::Binary(self.sized_by_u8()?),
            0xc5 => Token::Binary(self.sized_by_u16()?),
            0xc6 => Token::Binary(self.sized_by_u32()?),
            0xc7 => {
                let len = u32::from(self.u8()?);
                self.extension(len)?
            }
            0xc8 => {
                let len = u32::from(self.u16()?);
                self.extension(len)?
            }
            0xc9 => {
                let len = self.u32()?;
                self.extension(len)?
            }
            0xd4..=0xd8 => self.extension(1 << (first - 0xd4))?,
            0xd9 => text(self.sized_by_u8()?),
            0xda => text(self.sized_by_u16()?),
            0xdb => text(self.sized_by_u32()?),
            0xdc => Token::Array(u32::from(self.u16()?)),
            0xdd => Token::Array(self.u32()?),
            0xde => Token::Map(u32::from(self.u16()?)),
            0xdf => Token::Map(self.u32()?),
            _ => {
                self.at -= 1;
                return Err(self.error("this byte has no meaning"));
            }
        })
    }

    /// Passes over one value with all that is in it.
    ///
    /// # Errors
    /// When it is not well formed or nested too deeply.
    pub fn skip(&mut self) -> Result<()> {
        self.skip_at(0)
    }

    /// Passes over one value that lies in `depth` arrays and maps.
    ///
    /// # Errors
    /// As [`MsgpackReader::skip`].
    pub(super) fn skip_at(&mut self, depth: usize) -> Result<()> {
        let mut values = match self.token()? {
            Token::Array(len) => u64::from(len),
            Token::Map(len) => u64::from(len) * 2,
            _ => return Ok(()),
        };
        if depth == DEPTH_MAX {
            return Err(self.error("nesting is deeper than 32"));
        }
        while values > 0 {
            values -= self.skip_plain(values);
            if values > 0 {
                self.skip_at(depth + 1)?;
                values -= 1;
            }
        }
        Ok(())
    }

    fn text(&mut self, len: u32) -> Result<Token<'a>> {
        Ok(text(self.take(len)?))
    }

    fn extension(&mut self, len: u32) -> Result<Token<'a>> {
        let [kind] = self.array::<1>()?;
        let data = self.take(len)?;
        if kind as i8 != TIMESTAMP {
            return Ok(Token::Extension(kind as i8, data));
        }
        Ok(match *data {
            [a, b, c, d] => {
                Token::Timestamp { seconds: i64::from(u32::from_be_bytes([a, b, c, d])), nanos: 0 }
            }
            [a, b, c, d, e, f, g, h] => {
                let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                Token::Timestamp {
                    seconds: (both & 0x3_ffff_ffff) as i64,
                    nanos: (both >> 34) as u32,
                }
            }
            [n0, n1, n2, n3, a, b, c, d, e, f, g, h] => Token::Timestamp {
                seconds: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
                nanos: u32::from_be_bytes([n0, n1, n2, n3]),
            },
            _ => Token::Extension(TIMESTAMP, data),
        })
    }

    fn sized_by_u8(&mut self) -> Result<&'a [u8]> {
        let len = self.u8()?;
        self.take(u32::from(len))
    }

    fn sized_by_u16(&mut self) -> Result<&'a [u8]> {
        let len = self.u16()?;
        self.take(u32::from(len))
    }

    fn sized_by_u32(&mut self) -> Result<&'a [u8]> {
        let len = self.u32()?;
        self.take(len)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.body[self.at..].first_chunk() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(self.truncated()),
        }
    }

    fn take(&mut self, len: u32) -> Result<&'a [u8]> {
        let rest = &self.body[self.at..];
        match rest.get(..len as usize) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => Err(self.truncated()),
        }
    }

    fn truncated(&self) -> MsgpackError {
        MsgpackError { offset: self.body.len(), message: "the body ends within a value" }
    }
}

fn text(bytes: &[u8]) -> Token<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Token::Text(text),
        Err(_) => Token::NotUtf8(bytes),
    }
}
