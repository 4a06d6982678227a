//! Where and why a text is not JSON, or not the JSON that was expected.

use std::borrow::Cow;
use std::fmt;

use pulsora_model::{Code, Error};

/// A place in a JSON text and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Byte offset in the text of the reader.
    pub offset: usize,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What is wrong, one lower-case clause.
    pub message: Cow<'static, str>,
}

impl JsonError {
    /// The error at `offset` of `text`, whose first line has the number `first_line`.
    pub(crate) fn at(
        text: &str,
        offset: usize,
        first_line: u64,
        message: impl Into<Cow<'static, str>>,
    ) -> JsonError {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |i| i + 1);
        let is_character_start = |byte: &&u8| **byte & 0xc0 != 0x80;
        JsonError {
            offset,
            line: first_line + memchr::memchr_iter(b'\n', before).count() as u64,
            column: before[line_start..].iter().filter(is_character_start).count() as u64 + 1,
            message: message.into(),
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the JSON is not valid at line {}, column {}: {}",
            self.line, self.column, self.message
        )
    }
}

impl std::error::Error for JsonError {}

impl From<JsonError> for Error {
    fn from(error: JsonError) -> Error {
        Error::new(Code::MalformedBody, error.to_string())
    }
}
