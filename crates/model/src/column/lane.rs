//! Room in a column for rows to come: what a parser of many rows of one shape writes into, without a
//! check of the type for each value.
//!
//! Not responsible for conversions: a lane takes values of the column's own type.
//!
//! Invariants: only [`Lane::Text`] moves the end of the column; the values behind the rows that
//! [`ColumnBuilder::close_lane`] keeps leave no trace.

use super::{ColumnBuilder, Values};
use crate::builder::Room;

/// Room for values of a column, from its first free row on. Numbers are set by row, from 0.
#[derive(Debug)]
pub enum Lane<'c> {
    /// Signed integers.
    I64(&'c mut [i64]),
    /// Unsigned integers.
    U64(&'c mut [u64]),
    /// Floats.
    F64(&'c mut [f64]),
    /// Booleans.
    Bool(&'c mut [bool]),
    /// Text, pushed in the order of the rows.
    Text(TextLane<'c>),
}

/// Room for the texts of a column.
#[derive(Debug)]
pub struct TextLane<'c> {
    ends: &'c mut Vec<i32>,
    data: &'c mut Vec<u8>,
}

impl TextLane<'_> {
    /// Appends the text of the next row; false when the column would exceed 2 GiB.
    #[must_use]
    pub fn push(&mut self, text: &str) -> bool {
        let Ok(end) = i32::try_from(self.data.len() + text.len()) else { return false };
        self.data.extend_from_slice(text.as_bytes());
        self.ends.push(end);
        true
    }
}

/// The room behind the present values of a column.
pub(crate) fn room_in<T: Default + Clone>(values: &mut Vec<T>, room: Room) -> &mut [T] {
    let len = values.len();
    values.reserve(room.likely);
    values.resize(len + room.rows, T::default());
    &mut values[len..]
}

impl ColumnBuilder {
    /// Whether the column has lanes: it has a type, and one that values enter as they are.
    pub(crate) fn has_lane(&self) -> bool {
        !matches!(self.values, Values::Untyped | Values::Timestamp(_))
    }

    /// Room for values behind those that are there; `None` without [`ColumnBuilder::has_lane`].
    /// [`ColumnBuilder::close_lane`] says how many of them count.
    pub(crate) fn lane(&mut self, room: Room) -> Option<Lane<'_>> {
        Some(match &mut self.values {
            Values::I64(values) => Lane::I64(room_in(values, room)),
            Values::U64(values) => Lane::U64(room_in(values, room)),
            Values::F64(values) => Lane::F64(room_in(values, room)),
            Values::Bool(values) => Lane::Bool(room_in(values, room)),
            Values::Utf8 { ends, data } => {
                ends.reserve(room.likely);
                Lane::Text(TextLane { ends, data })
            }
            Values::Untyped | Values::Timestamp(_) => return None,
        })
    }

    /// Keeps the first `rows` values that the lane was given, and ends it.
    ///
    /// # Panics
    /// When a text lane was given fewer.
    pub(crate) fn close_lane(&mut self, rows: usize) {
        let len = self.len + rows;
        if let Values::Utf8 { ends, .. } = &self.values {
            assert!(ends.len() >= len, "a text for every row");
        }
        self.values.truncate(len);
        self.extend_valid(len);
        self.len = len;
    }

    /// Marks the rows up to `len` as present.
    pub(super) fn extend_valid(&mut self, len: usize) {
        if self.validity.is_empty() {
            return;
        }
        self.validity.resize(len.div_ceil(8), 0);
        let first_whole = self.len.next_multiple_of(8).min(len);
        let behind_whole = first_whole.max(len / 8 * 8);
        self.validity[first_whole / 8..behind_whole / 8].fill(0xff);
        for row in (self.len..first_whole).chain(behind_whole..len) {
            self.validity[row / 8] |= 1 << (row % 8);
        }
    }
}
