//! What the lines of a table are expected to look like: the measurement and the fields of the last one
//! that was stored.
//!
//! Responsible for saying when a guess is worth its while; [`super::run`] makes it.
//!
//! Invariant: the fields of a shape are those of a stored entry, all different, so no later bad entry
//! takes them away.

use pulsora_model::builder::{FieldIndex, Room};

use super::fields::FieldMemo;
use super::numbers::LineTags;
use super::words::Expected;

/// Rows of the first run of a table.
const ROWS_FIRST: usize = 32;

/// Rows of the longest run: enough to make its start cheap, few enough that the room for it stays in a
/// near cache.
const ROWS_MAX: usize = 4_096;

/// Rows that columns grow by at most before there are as many.
const LIKELY_MAX: usize = 65_536;

/// After a number of wrong guesses in a row, 2 to the power of it lines are read without one; this
/// many at most, as a power.
const PAUSE_MAX: u32 = 6;

/// A table as the lines of this body name it.
pub(super) struct LineTable<'a> {
    /// As it stands in the body, escapes included.
    pub(super) measurement: Expected,
    /// The fields of the last entry.
    pub(super) memo: FieldMemo<'a>,
    pub(super) tags: LineTags<'a>,
    pub(super) shape: Shape,
    pub(super) pace: Pace,
}

impl<'a> LineTable<'a> {
    /// A table without entries.
    pub(super) fn new(measurement: &'a str) -> LineTable<'a> {
        LineTable {
            measurement: Expected::new(measurement.as_bytes()),
            memo: FieldMemo::default(),
            tags: LineTags::default(),
            shape: Shape::default(),
            pace: Pace::default(),
        }
    }

    /// Whether the line at `at` has this measurement.
    pub(super) fn is_of(&self, bytes: &[u8], at: usize) -> bool {
        let end = self.measurement.after(bytes, at);
        matches!(end.and_then(|end| bytes.get(end)), Some(b',' | b' '))
    }

    /// Learns from an entry of `count` different fields that was stored.
    pub(super) fn learn(&mut self, count: usize) {
        if self.memo.take_changed() || self.shape.fields.len() != count {
            self.shape = Shape::of(self.memo.names(count));
        }
    }
}

/// The fields of a line, in order.
#[derive(Default)]
pub(super) struct Shape {
    pub(super) fields: Vec<FieldIndex>,
    /// Each name between its separator and its `=`.
    pub(super) names: Vec<Expected>,
}

impl Shape {
    fn of(names: &[(&str, FieldIndex)]) -> Shape {
        let mut shape = Shape::default();
        let mut text = Vec::new();
        for (name, field) in names {
            text.clear();
            text.push(if shape.fields.is_empty() { b' ' } else { b',' });
            text.extend_from_slice(name.as_bytes());
            text.push(b'=');
            shape.fields.push(*field);
            shape.names.push(Expected::new(&text));
        }
        shape
    }
}

/// How long runs are, and when one is tried.
pub(super) struct Pace {
    /// Rows of the next run.
    rows: usize,
    /// Bytes of a line, as the last run found them; none before it.
    line_bytes: usize,
    /// Wrong guesses in a row.
    wrong: u32,
    /// Lines to read without a guess.
    pause: u32,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { rows: ROWS_FIRST, line_bytes: 0, wrong: 0, pause: 0 }
    }
}

impl Pace {
    /// Room for the rows of a run over `bytes`; `None`: read this line without a guess.
    pub(super) fn room(&mut self, bytes: usize) -> Option<Room> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        if self.line_bytes == 0 {
            return Some(Room { rows: self.rows, likely: self.rows });
        }
        let rest = bytes / self.line_bytes + 1;
        // A little more, so that columns need not grow again where lines become shorter.
        let likely = (rest + rest / 16).min(LIKELY_MAX);
        let likely = if self.rows == ROWS_MAX { likely } else { 0 };
        Some(Room { rows: rest.min(self.rows), likely })
    }

    /// Learns from a run of `rows` rows in so many bytes that had room for `room`.
    pub(super) fn learn(&mut self, rows: usize, bytes: usize, room: usize) {
        if rows == 0 {
            self.wrong = (self.wrong + 1).min(PAUSE_MAX);
            self.pause = (1 << self.wrong) - 2;
            return;
        }
        self.wrong = 0;
        self.line_bytes = bytes / rows;
        self.rows = if rows == room { ROWS_MAX } else { rows + 1 };
    }
}
