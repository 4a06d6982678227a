//! Cuts a file into pieces that end where records end. Pure.
//!
//! Invariants: the pieces without their repeated headers are the file; no piece but the last ends
//! inside a record; a line number of a piece leads to one line of the file.

use super::items::{Part, last_part};
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
    /// Rows or items of the file before its first one.
    rows_before: u64,
}

/// How a file is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Cut {
    /// Not at all.
    Whole,
    /// Between records.
    Records(Boundary),
    /// Between the items of a JSON array.
    Items,
}

/// Where a file is cut next.
pub(super) struct Cutter {
    how: Cut,
    /// CSV: the header, once it is known.
    header: Vec<u8>,
    lines: u64,
    items: u64,
    number: u64,
}

impl Cutter {
    pub fn new(how: Cut) -> Cutter {
        Cutter { how, header: Vec::new(), lines: 0, items: 0, number: 0 }
    }

    /// Whether the whole file must be in the buffer before [`Cutter::cut`].
    pub fn wants_all(&self) -> bool {
        self.how == Cut::Whole
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
        if self.how == Cut::Items {
            return self.items(buffer, ended).map(Some);
        }
        let end = match self.how {
            Cut::Records(boundary) if !ended => record_boundary(boundary, buffer),
            _ => buffer.len(),
        };
        if end == 0 && !ended {
            return Err(endless(buffer.len()));
        }
        let rest = buffer.split_off(end);
        let own = std::mem::replace(buffer, rest);
        Ok(Some(self.piece(own)))
    }

    /// The next items of an array as an array of their own.
    fn items(&mut self, buffer: &mut Vec<u8>, ended: bool) -> Result<Piece> {
        let first = self.number == 0;
        let part = match ended {
            true => Part { end: buffer.len(), items: 0 },
            false => last_part(buffer, first),
        };
        if part.end == 0 && !ended {
            return Err(endless(buffer.len()));
        }
        let mut rest = buffer.split_off(part.end);
        if !ended {
            // Without the comma.
            rest.remove(0);
        }
        let own = std::mem::replace(buffer, rest);
        let (open, close): (&[u8], &[u8]) =
            (if first { b"" } else { b"[" }, if ended { b"" } else { b"]" });
        let (lines_before, rows_before) = (self.lines, self.items);
        self.lines += count_lines(&own);
        self.items += part.items;
        self.number += 1;
        let bytes = [open, &own, close].concat();
        Ok(Piece { bytes, lines_before, header_lines: 0, rows_before })
    }

    fn piece(&mut self, own: Vec<u8>) -> Piece {
        let lines_before = self.lines;
        self.lines += count_lines(&own);
        self.number += 1;
        if self.number > 1 {
            let header_lines = count_lines(&self.header);
            let bytes = [&self.header[..], &own].concat();
            return Piece { bytes, lines_before, header_lines, rows_before: 0 };
        }
        if let Cut::Records(boundary @ Boundary::Csv { .. }) = self.how {
            self.header = first_record(boundary, &own).to_vec();
        }
        Piece { bytes: own, lines_before, header_lines: 0, rows_before: 0 }
    }
}

fn endless(bytes: usize) -> Error {
    Error::new(Code::MalformedBody, format!("one record has more than {bytes} bytes"))
        .hint("is a quote never closed? is it really this format?")
}

impl Piece {
    /// A piece of a file that has no lines.
    pub fn of_rows(bytes: Vec<u8>, rows_before: u64) -> Piece {
        Piece { bytes, lines_before: 0, header_lines: 0, rows_before }
    }

    /// Details with the lines and rows of the file.
    pub fn in_file(&self, details: &[Detail]) -> Vec<Detail> {
        let moved = |detail: &Detail| Detail {
            line: detail.line.map(|line| self.line(line)),
            index: detail.index.map(|row| row + self.rows_before),
            ..detail.clone()
        };
        details.iter().map(moved).collect()
    }

    /// An error of this piece with the lines and rows of the file.
    pub fn error_in_file(&self, error: &Error) -> Error {
        let details = self.in_file(error.detail_list());
        let mut message = error.message().to_owned();
        let first = error.detail_list().first();
        let numbers = [
            ("line", first.and_then(|detail| detail.line), first_number(&details, |of| of.line)),
            ("row", first.and_then(|detail| detail.index), first_number(&details, |of| of.index)),
        ];
        for (what, number, moved) in numbers {
            if let (Some(number), Some(moved)) = (number, moved)
                && let Some(rest) = message.strip_prefix(&format!("{what} {number}"))
                && !rest.starts_with(|c: char| c.is_ascii_digit())
            {
                message = format!("{what} {moved}{rest}");
            }
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

fn first_number(details: &[Detail], number: impl Fn(&Detail) -> Option<u64>) -> Option<u64> {
    details.first().and_then(number)
}
