//! Large text bodies in pieces: each piece ends with a whole record and is stored whole or not at
//! all, while the next one is still on its way.
//!
//! Invariants: pieces are stored in the order of the body; line numbers in errors are those of the
//! whole body; after an error the answer says how many rows are stored.

use pulsora_model::limits::DETAILS_MAX;
use pulsora_model::{Code, Detail, Error, Result};
use pulsora_wire::rows::{Boundary, count_lines, first_record, record_boundary};

use crate::body::Intake;
use crate::write::Stored;

/// One piece of a body.
pub struct Piece {
    /// Its place among the pieces of the body, from 0.
    pub number: u32,
    /// For CSV with the header in front of it, whichever piece it is.
    pub bytes: Vec<u8>,
    /// Whether there is no other piece.
    pub is_whole_body: bool,
    /// Whether nothing but white space is left of a body that had more before.
    pub is_blank_tail: bool,
}

/// Cuts a body into pieces.
pub struct Pieces {
    boundary: Boundary,
    piece_bytes: usize,
    /// CSV: the header, from the second piece on.
    header: Vec<u8>,
    header_lines: u64,
    /// Lines of the body before the present piece.
    lines_before: u64,
    /// Lines up to the end of the present piece.
    lines_through: u64,
    number: u64,
    total: Stored,
}

impl Pieces {
    /// Pieces of at most `piece_bytes` that end where `boundary` says.
    pub fn new(boundary: Boundary, piece_bytes: u64) -> Pieces {
        Pieces {
            boundary,
            piece_bytes: usize::try_from(piece_bytes).unwrap_or(usize::MAX),
            header: Vec::new(),
            header_lines: 0,
            lines_before: 0,
            lines_through: 0,
            number: 0,
            total: Stored::default(),
        }
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// Those of reading the body; `body_too_large` when one record is larger than a piece. Both say
    /// how many rows are stored.
    pub async fn next(&mut self, intake: &mut Intake<'_>) -> Result<Option<Piece>> {
        intake.fill(self.piece_bytes).await.map_err(|error| self.so_far(error))?;
        let buffered = intake.buffered();
        if self.number > 0 && intake.ended() && buffered.is_empty() {
            return Ok(None);
        }
        let len = if intake.ended() && buffered.len() <= self.piece_bytes {
            buffered.len()
        } else {
            record_boundary(self.boundary, &buffered[..self.piece_bytes.min(buffered.len())])
        };
        if len == 0 && !buffered.is_empty() {
            let message =
                format!("one record of the body has more than {} bytes", self.piece_bytes);
            let error = Error::new(Code::BodyTooLarge, message)
                .hint("is a quote open? Else raise ingest.atomic_body_bytes");
            return Err(self.so_far(error));
        }
        let last = intake.ended() && len == buffered.len();
        Ok(Some(self.piece(intake.take(len), last)))
    }

    fn piece(&mut self, bytes: Vec<u8>, last: bool) -> Piece {
        self.number += 1;
        self.lines_before = self.lines_through;
        if !last {
            // What a later piece counts from; most bodies have none.
            self.lines_through += count_lines(&bytes);
        }
        if self.number == 1 && !last && matches!(self.boundary, Boundary::Csv { .. }) {
            self.header = first_record(self.boundary, &bytes).to_vec();
            self.header_lines = count_lines(&self.header);
        }
        let first = self.number == 1;
        let is_blank_tail = !first && bytes.trim_ascii().is_empty();
        let bytes = if first { bytes } else { [self.header.as_slice(), &bytes].concat() };
        let number = u32::try_from(self.number - 1).unwrap_or(u32::MAX);
        Piece { number, bytes, is_whole_body: first && last, is_blank_tail }
    }

    /// Adds what became of the present piece.
    ///
    /// # Errors
    /// That of the piece, with the line numbers of the body and the rows stored before it.
    pub fn add(&mut self, outcome: Result<Stored>) -> Result<()> {
        let mut stored = outcome.map_err(|error| self.so_far(self.renumber(error)))?;
        stored.details.iter_mut().for_each(|detail| self.renumber_detail(detail));
        let room = DETAILS_MAX.saturating_sub(self.total.details.len());
        self.total.details.extend(stored.details.into_iter().take(room));
        self.total.rows += stored.rows;
        self.total.writes += stored.writes;
        self.total.repeats += stored.repeats;
        self.total.rejected += stored.rejected;
        self.total.sequence = stored.sequence;
        Ok(())
    }

    /// What became of the whole body.
    pub fn finish(self) -> Stored {
        self.total
    }

    fn renumber(&self, error: Error) -> Error {
        if self.number <= 1 {
            return error;
        }
        let mut details = error.detail_list().to_vec();
        let mut message = error.message().to_owned();
        if let Some(line) = details.first().and_then(|detail| detail.line)
            && let Some(rest) = message.strip_prefix(&format!("line {line}"))
        {
            message = format!("line {}{rest}", self.line(line));
        }
        details.iter_mut().for_each(|detail| self.renumber_detail(detail));
        let moved = Error::new(error.code(), message).details(details);
        match error.hint_text() {
            Some(hint) => moved.hint(hint),
            None => moved,
        }
    }

    fn renumber_detail(&self, detail: &mut Detail) {
        detail.line = detail.line.map(|line| self.line(line));
    }

    /// Line of the body for a line of the present piece.
    fn line(&self, line: u64) -> u64 {
        match self.number {
            1 => line,
            _ => (line + self.lines_before).saturating_sub(self.header_lines),
        }
    }

    /// Says how many rows of earlier pieces are stored, if there are any.
    fn so_far(&self, error: Error) -> Error {
        match self.total.rows {
            0 => error,
            rows => {
                error.context(format!("after {rows} rows of this body were stored")).written(rows)
            }
        }
    }
}
