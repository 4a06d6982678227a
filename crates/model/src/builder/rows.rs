//! Many rows of one shape at once, written value by value into typed columns.
//!
//! Not responsible for values that need a conversion, or for rows that may fail half-way: what was
//! written of a row that does not count is taken back with the room that was left over.

use super::{BatchBuilder, FieldIndex, FieldSlot};
use crate::column::{Lane, room_in};

/// Room for rows, each with a value in all of the fields asked for and null in the others.
#[derive(Debug)]
pub struct Lanes<'b> {
    /// Times, nanoseconds UTC.
    pub times: &'b mut [i64],
    /// Series codes, as [`BatchBuilder::series`] gives them.
    pub codes: &'b mut [u32],
    /// The values of each field, in the order of the fields asked for.
    pub values: Vec<Lane<'b>>,
}

/// How many rows to make room for.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Rows that may be written.
    pub rows: usize,
    /// Rows that are likely to be written by this and later calls: columns grow to them at once.
    pub likely: usize,
}

impl BatchBuilder {
    /// Lets `write` fill up to `room.rows` rows that have a value in each of `fields`, which are all
    /// different, and none elsewhere; it gives how many it filled: these are appended, the rest of
    /// the room is given back. `None`, and nothing written, when a column has no type yet or one
    /// that needs a conversion. Call it between rows.
    pub fn write_rows(
        &mut self,
        fields: &[FieldIndex],
        room: Room,
        write: impl FnOnce(Lanes<'_>) -> usize,
    ) -> Option<usize> {
        if !fields.iter().all(|field| self.fields[field.0].values.has_lane()) {
            return None;
        }
        let before = self.times.len();
        let values = each_of(&mut self.fields, fields, |slot| {
            slot.values.fill_nulls(before);
            slot.values.lane(room)
        });
        let times = room_in(&mut self.times, room);
        let codes = room_in(&mut self.codes, room);
        let rows = write(Lanes { times, codes, values }).min(room.rows);
        self.times.truncate(before + rows);
        self.codes.truncate(before + rows);
        for field in fields {
            self.fields[field.0].values.close_lane(rows);
        }
        if !self.ids.is_empty() {
            self.ids.resize(self.times.len(), None);
        }
        self.settle();
        Some(rows)
    }
}

/// What `make` gives for each of the slots, in the order of `fields`, which are all different.
fn each_of<'s, T>(
    slots: &'s mut [FieldSlot],
    fields: &[FieldIndex],
    make: impl Fn(&'s mut FieldSlot) -> Option<T>,
) -> Vec<T> {
    if !fields.is_sorted() {
        let mut order: Vec<usize> = (0..fields.len()).collect();
        order.sort_by_key(|position| fields[*position]);
        let rising: Vec<FieldIndex> = order.iter().map(|position| fields[*position]).collect();
        let mut made: Vec<_> = order.into_iter().zip(each_of(slots, &rising, make)).collect();
        made.sort_by_key(|(position, _)| *position);
        return made.into_iter().map(|(_, made)| made).collect();
    }
    let mut rest = slots.iter_mut();
    let mut next = 0;
    let of = |field: &FieldIndex| {
        let skipped = field.0 - std::mem::replace(&mut next, field.0 + 1);
        rest.nth(skipped).and_then(&make)
    };
    fields.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests;
