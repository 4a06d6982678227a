//! Cuts a file into pieces that end where records end. Pure.
//!
//! Invariants: the pieces without their repeated headers are the file; no piece but the last ends
//! inside a record; a line number of a piece leads to one line of the file.

use pulsora_model::{Code, Detail, Error, Result};
use pulsora_wire::rows::{Boundary, count_lines, first_record, record_boundary};

/// A part of a file that is stored whole or not at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// For CSV with the header in front of it, whichever piece it is.
    pub bytes: Vec<u8>,
    /// Lines of the file before the first line of its own.
    lines_before: u64,
    /// Lines of the repeated header in front.
    header_lines: u64,
}

/// Where a file is cut next.
pub(super) struct Cutter {
    /// `None` = the file is one piece.
    boundary: Option<Boundary>,
    /// CSV: the header, once it is known.
    header: Vec<u8>,
    lines: u64,
    number: u64,
}

impl Cutter {
    pub fn new(boundary: Option<Boundary>) -> Cutter {
        Cutter { boundary, header: Vec::new(), lines: 0, number: 0 }
    }

    /// Whether the whole file must be in the buffer before [`Cutter::cut`].
    pub fn wants_all(&self) -> bool {
        self.boundary.is_none()
    }

    /// Takes the next piece from the front of `buffer`, which holds all of the rest if `ended`. `None`
    /// when nothing is left.
    ///
    /// # Errors
    /// `malformed_body` when the buffer holds no whole record.
    pub fn cut(&mut self, buffer: &mut Vec<u8>, ended: bool) -> Result<Option<Piece>> {
        if ended && self.number > 0 && buffer.trim_ascii().is_empty() {
            return Ok(None);
        }
        let end = match self.boundary {
            Some(boundary) if !ended => record_boundary(boundary, buffer),
            _ => buffer.len(),
        };
        if end == 0 && !ended {
            let message = format!("one record has more than {} bytes", buffer.len());
            return Err(Error::new(Code::MalformedBody, message)
                .hint("is a quote never closed? is it really this format?"));
        }
        let rest = buffer.split_off(end);
        let own = std::mem::replace(buffer, rest);
        Ok(Some(self.piece(own)))
    }

    fn piece(&mut self, own: Vec<u8>) -> Piece {
        let lines_before = self.lines;
        self.lines += count_lines(&own);
        self.number += 1;
        if self.number > 1 {
            let header_lines = count_lines(&self.header);
            return Piece { bytes: [&self.header[..], &own].concat(), lines_before, header_lines };
        }
        if let Some(boundary @ Boundary::Csv { .. }) = self.boundary {
            self.header = first_record(boundary, &own).to_vec();
        }
        Piece { bytes: own, lines_before, header_lines: 0 }
    }
}

impl Piece {
    /// Details with the lines of the file.
    pub fn in_file(&self, details: &[Detail]) -> Vec<Detail> {
        let moved = |detail: &Detail| Detail {
            line: detail.line.map(|line| self.line(line)),
            ..detail.clone()
        };
        details.iter().map(moved).collect()
    }

    /// An error of this piece with the lines of the file.
    pub fn error_in_file(&self, error: &Error) -> Error {
        let details = self.in_file(error.detail_list());
        let mut message = error.message().to_owned();
        if let Some(line) = error.detail_list().first().and_then(|detail| detail.line)
            && let Some(rest) = message.strip_prefix(&format!("line {line}"))
            && !rest.starts_with(|c: char| c.is_ascii_digit())
        {
            message = format!("line {}{rest}", self.line(line));
        }
        let mut moved = Error::new(error.code(), message).details(details);
        if let Some(hint) = error.hint_text() {
            moved = moved.hint(hint);
        }
        if let Some(rows) = error.written_rows() {
            moved = moved.written(rows);
        }
        moved
    }

    fn line(&self, line: u64) -> u64 {
        (self.lines_before + line).saturating_sub(self.header_lines)
    }
}
