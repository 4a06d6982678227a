//! The field names of a table's previous entry, in order: entries of one table nearly always name
//! the same fields in the same order, so comparing bytes replaces the look-up by name.

use pulsora_model::builder::FieldIndex;

/// Names as they stand in the body (escapes included), by position in the entry.
#[derive(Default)]
pub(super) struct FieldMemo<'a> {
    names: Vec<(&'a str, FieldIndex)>,
    /// Whether a name was set since [`FieldMemo::take_changed`].
    changed: bool,
}

impl<'a> FieldMemo<'a> {
    /// The field at `position`, if `rest` starts with its name and `=`; and the length of the name.
    pub(super) fn find(&self, position: usize, rest: &[u8]) -> Option<(FieldIndex, usize)> {
        let (name, field) = self.names.get(position)?;
        let same = rest.get(name.len()) == Some(&b'=') && rest.starts_with(name.as_bytes());
        same.then_some((*field, name.len()))
    }

    /// Remembers the field at `position`, which is at most one past those known.
    pub(super) fn set(&mut self, position: usize, name: &'a str, field: FieldIndex) {
        match self.names.get_mut(position) {
            Some(slot) => *slot = (name, field),
            None => self.names.push((name, field)),
        }
        self.changed = true;
    }

    /// The names of the first `count` positions, those of an entry just read.
    pub(super) fn names(&self, count: usize) -> &[(&'a str, FieldIndex)] {
        &self.names[..count]
    }

    /// Whether a name was set since this was asked last.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Forgets all: after a bad entry, whose new fields are gone.
    pub(super) fn clear(&mut self) {
        self.names.clear();
    }
}
