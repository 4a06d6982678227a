//! Cuts CSV text into records and cells, without copying unless a quote is escaped.
//!
//! Invariant: after [`Records::next`] the cells are those of one record; each byte of the text is
//! read a bounded number of times, however quotes are placed.

use memchr::{memchr, memchr_iter, memchr2};
use pulsora_model::Code;

use crate::rows::RowError;

/// One cell of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell<'a> {
    pub(super) text: &'a str,
    pub(super) quoted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Quoted,
    /// Lies in the scratch text, with its quotes unescaped.
    Unescaped,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
    form: Form,
}

/// Where a record stands: its first and last line, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) first: u64,
    pub(super) last: u64,
}

/// A place in the text to start again from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) at: usize,
    /// From 1.
    pub(super) line: u64,
}

/// The records of a text.
pub(super) struct Records<'a> {
    text: &'a str,
    delimiter: u8,
    at: usize,
    line: u64,
    has_quotes: bool,
    spans: Vec<Span>,
    /// Cells of the record, also those beyond `cells_max` that are not kept.
    cells: usize,
    cells_max: usize,
    scratch: String,
    /// Bytes that may still be read again after a bad quote.
    reread: usize,
}

impl<'a> Records<'a> {
    /// `delimiter` is ASCII. Of a record at most `cells_max` cells are kept.
    pub(super) fn new(text: &'a str, delimiter: u8, cells_max: usize) -> Records<'a> {
        Records {
            text,
            delimiter,
            at: 0,
            line: 1,
            has_quotes: memchr(b'"', text.as_bytes()).is_some(),
            spans: Vec::new(),
            cells: 0,
            cells_max,
            scratch: String::new(),
            reread: text.len().saturating_mul(4),
        }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { at: self.at, line: self.line }
    }

    pub(super) fn rewind(&mut self, mark: Mark) {
        self.at = mark.at;
        self.line = mark.line;
    }

    pub(super) fn keep_cells(&mut self, cells_max: usize) {
        self.cells_max = cells_max;
    }

    /// Cells of the record.
    pub(super) fn len(&self) -> usize {
        self.cells
    }

    /// The cells that are kept.
    pub(super) fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        self.spans.iter().map(|span| {
            let text = match span.form {
                Form::Unescaped => &self.scratch[span.start..span.end],
                _ => &self.text[span.start..span.end],
            };
            Cell { text, quoted: span.form != Form::Plain }
        })
    }

    /// Reads the next record; blank lines are no records. After an error the next line follows.
    pub(super) fn next(&mut self) -> Option<(Lines, Result<(), RowError>)> {
        let bytes = self.text.as_bytes();
        loop {
            if self.at >= bytes.len() {
                return None;
            }
            let end = memchr(b'\n', &bytes[self.at..]).map_or(bytes.len(), |n| self.at + n);
            let line = bytes[self.at..end].strip_suffix(b"\r").unwrap_or(&bytes[self.at..end]);
            let first = self.line;
            if line.is_empty() {
                self.at = end + 1;
                self.line += 1;
                continue;
            }
            self.spans.clear();
            self.cells = 0;
            if self.has_quotes && memchr(b'"', line).is_some() {
                return Some(self.quoted_record(end));
            }
            self.plain_record(line);
            self.at = end + 1;
            self.line += 1;
            return Some((Lines { first, last: first }, Ok(())));
        }
    }

    fn plain_record(&mut self, line: &[u8]) {
        let base = self.at;
        let mut start = 0;
        for end in memchr_iter(self.delimiter, line) {
            self.push(base + start, base + end, Form::Plain);
            start = end + 1;
        }
        self.push(base + start, base + line.len(), Form::Plain);
    }

    #[inline]
    fn push(&mut self, start: usize, end: usize, form: Form) {
        self.cells += 1;
        if self.spans.len() < self.cells_max {
            self.spans.push(Span { start, end, form });
        }
    }

    /// A record with quotes, of which the first line ends at `line_end`.
    fn quoted_record(&mut self, line_end: usize) -> (Lines, Result<(), RowError>) {
        let (start, first) = (self.at, self.line);
        self.scratch.clear();
        match self.quoted_cells() {
            Ok(end) => {
                let breaks = memchr_iter(b'\n', &self.text.as_bytes()[start..end]).count() as u64;
                self.at = end + 1;
                self.line = first + breaks + 1;
                (Lines { first, last: first + breaks }, Ok(()))
            }
            Err((end, error)) => {
                // The other lines may be good: go on with the next, as long as that cannot be
                // used to have the same bytes read again and again.
                let wasted = end.saturating_sub(line_end);
                let resume = if wasted <= self.reread { line_end } else { self.text.len() };
                self.reread = self.reread.saturating_sub(wasted);
                self.at = resume + 1;
                self.line = first + 1;
                (Lines { first, last: first }, Err(error))
            }
        }
    }

    /// Reads cells up to the end of the record and returns where its last line break is; an error
    /// comes with the place up to which was read.
    fn quoted_cells(&mut self) -> Result<usize, (usize, RowError)> {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        loop {
            let end = if bytes.get(at) == Some(&b'"') {
                self.quoted_cell(at)?
            } else {
                let end =
                    memchr2(self.delimiter, b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n);
                let is_last = bytes.get(end) != Some(&self.delimiter);
                let cut = is_last && end > at && bytes[end - 1] == b'\r';
                self.push(at, end - usize::from(cut), Form::Plain);
                end
            };
            match bytes.get(end) {
                Some(byte) if *byte == self.delimiter => at = end + 1,
                Some(b'\r') => return Ok(end + 1),
                _ => return Ok(end),
            }
        }
    }

    /// The cell whose opening quote stands at `open`; returns where it is followed by a delimiter,
    /// a line break or the end.
    fn quoted_cell(&mut self, open: usize) -> Result<usize, (usize, RowError)> {
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        let mut at = open + 1;
        let close = loop {
            let Some(found) = memchr(b'"', &bytes[at..]) else {
                let error =
                    RowError::new(Code::MalformedBody, "the quote that opens here is never closed")
                        .text(&self.text[open..])
                        .hint("close it, and write a quote inside a quoted cell as two");
                return Err((bytes.len(), error));
            };
            at += found + 1;
            if bytes.get(at) != Some(&b'"') {
                break at - 1;
            }
            escaped = true;
            at += 1;
        };
        match &bytes[close + 1..] {
            [] | [b'\n', ..] | [b'\r', b'\n', ..] | [b'\r'] => {}
            [byte, ..] if *byte == self.delimiter => {}
            _ => {
                let error = RowError::new(Code::MalformedBody, "text follows a closing quote")
                    .text(&self.text[close..])
                    .hint("write a quote inside a quoted cell as two");
                return Err((close + 1, error));
            }
        }
        if escaped {
            let start = self.scratch.len();
            let mut rest = &self.text[open + 1..close];
            while let Some(quote) = memchr(b'"', rest.as_bytes()) {
                self.scratch.push_str(&rest[..=quote]);
                rest = &rest[quote + 2..];
            }
            self.scratch.push_str(rest);
            self.push(start, self.scratch.len(), Form::Unescaped);
        } else {
            self.push(open + 1, close, Form::Quoted);
        }
        Ok(close + 1)
    }
}
