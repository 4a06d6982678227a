//! A text body as UTF-8.
//!
//! With `on_error=abort` invalid bytes are an error of the body that names their line; with `skip`
//! they become U+FFFD and their lines are known, so that only the rows on them are lost.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use pulsora_model::{Code, Error, Result};

use super::options::OnError;
use super::outcome::{Place, RowError};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A body of text without its byte order mark.
pub(crate) struct Text<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Lines that held invalid bytes, ascending, from 1.
    bad_lines: Vec<u64>,
}

impl<'a> Text<'a> {
    /// # Errors
    /// `empty_body`, and `invalid_utf8` with the first line of it.
    pub(crate) fn read(body: &'a [u8], on_error: OnError) -> Result<Text<'a>> {
        let body = body.strip_prefix(BOM).unwrap_or(body);
        if body.trim_ascii().is_empty() {
            return Err(Error::new(Code::EmptyBody, "the body is empty").hint("send rows"));
        }
        if let Ok(text) = simdutf8::basic::from_utf8(body) {
            return Ok(Text { text: Cow::Borrowed(text), bad_lines: Vec::new() });
        }
        let bad_lines = bad_lines(body, on_error);
        if on_error == OnError::Abort {
            let line = bad_lines.first().copied().unwrap_or(1);
            return Err(invalid_utf8(body).at(Place::Line(line)));
        }
        // Line feeds are never part of an invalid sequence, so lines keep their numbers.
        Ok(Text { text: String::from_utf8_lossy(body), bad_lines })
    }

    /// Whether no line held invalid bytes.
    pub(crate) fn is_clean(&self) -> bool {
        self.bad_lines.is_empty()
    }

    /// Whether one of these lines held invalid bytes.
    ///
    /// # Errors
    /// The error of the row on them.
    pub(crate) fn check(&self, lines: RangeInclusive<u64>) -> Result<(), RowError> {
        if self.bad_lines.is_empty() {
            return Ok(());
        }
        let next = self.bad_lines.partition_point(|line| line < lines.start());
        match self.bad_lines.get(next) {
            Some(line) if lines.contains(line) => Err(invalid_utf8(&[])),
            _ => Ok(()),
        }
    }
}

fn invalid_utf8(body: &[u8]) -> RowError {
    let utf16 = matches!(body, [0xfe, 0xff, ..] | [0xff, 0xfe, ..]);
    let what = if utf16 { "UTF-16" } else { "bytes that are not UTF-8" };
    RowError::new(Code::InvalidUtf8, format!("the text holds {what}"))
        .hint("send the body as UTF-8")
}

fn bad_lines(body: &[u8], on_error: OnError) -> Vec<u64> {
    let mut lines = Vec::new();
    let mut line = 1;
    for chunk in body.utf8_chunks() {
        line += memchr::memchr_iter(b'\n', chunk.valid().as_bytes()).count() as u64;
        if !chunk.invalid().is_empty() && lines.last() != Some(&line) {
            lines.push(line);
            if on_error == OnError::Abort {
                break;
            }
        }
    }
    lines
}
