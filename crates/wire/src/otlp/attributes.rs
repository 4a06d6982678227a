//! Attributes as names and texts, in order.
//!
//! Invariant: a set holds at most one more than a table has tags, whatever the body says.

use std::borrow::Cow;

use pulsora_model::limits::TAGS_MAX;

/// Attributes of a point, a scope or a resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes<'a> {
    all: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    bytes: usize,
}

impl<'a> Attributes<'a> {
    /// Adds an attribute, unless its text is empty or the set is full.
    pub(super) fn push(&mut self, name: Cow<'a, str>, text: Cow<'a, str>) {
        if !text.is_empty() && self.all.len() <= TAGS_MAX {
            self.bytes += name.len() + text.len();
            self.all.push((name, text));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Cow<'a, str>, Cow<'a, str>)> {
        self.all.iter()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.all.iter().any(|(other, _)| other == name)
    }

    /// Bytes of all names and texts.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
