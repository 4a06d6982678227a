//! The canonical bytes of a tag set: per tag, ascending by column id: id u16 LE, length of the value
//! LEB128, value.
//!
//! Invariants: values are UTF-8 and not empty; no id comes twice; equal tag sets have equal bytes.

use std::cmp::Ordering;

use crate::ids::ColumnId;

/// The key of a tag set under construction; reused from set to set.
#[derive(Clone, Debug, Default)]
pub struct SeriesKeyBuf {
    bytes: Vec<u8>,
}

impl SeriesKeyBuf {
    /// Begins a set without tags.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Adds a tag; ids ascend from call to call. An empty value is absent.
    ///
    /// # Panics
    /// For an id over 65535: a table has at most 4,096 columns and loses none.
    #[inline]
    pub fn push(&mut self, column: ColumnId, value: &str) {
        if value.is_empty() {
            return;
        }
        let id = u16::try_from(column.0).expect("tables have at most 4,096 columns");
        self.bytes.extend_from_slice(&id.to_le_bytes());
        let mut len = value.len();
        while len >= 0x80 {
            self.bytes.push(len as u8 | 0x80);
            len >>= 7;
        }
        self.bytes.push(len as u8);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// The key of the tags so far.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The tags of a canonical key, ascending by column id.
#[derive(Clone, Copy, Debug)]
pub struct SeriesTags<'a> {
    rest: &'a [u8],
}

impl<'a> SeriesTags<'a> {
    /// The tags of a key that [`SeriesKeyBuf`] made.
    pub fn of(key: &'a [u8]) -> SeriesTags<'a> {
        SeriesTags { rest: key }
    }

    /// The value of one tag, `None` when absent.
    pub fn tag(mut self, column: ColumnId) -> Option<&'a str> {
        while let Some((id, value)) = self.next_bytes() {
            if id == column {
                return Some(text(value));
            }
            if id > column {
                return None;
            }
        }
        None
    }

    #[inline]
    fn next_bytes(&mut self) -> Option<(ColumnId, &'a [u8])> {
        let (id, mut rest) = self.rest.split_first_chunk::<2>()?;
        let (mut len, mut shift) = (0usize, 0);
        loop {
            let (byte, tail) = rest.split_first()?;
            rest = tail;
            len |= usize::from(byte & 0x7F) << shift;
            if *byte < 0x80 {
                break;
            }
            shift += 7;
        }
        let (value, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some((ColumnId(u16::from_le_bytes(*id).into()), value))
    }
}

impl<'a> Iterator for SeriesTags<'a> {
    type Item = (ColumnId, &'a str);

    fn next(&mut self) -> Option<(ColumnId, &'a str)> {
        self.next_bytes().map(|(id, value)| (id, text(value)))
    }
}

/// The key was made from &str values.
fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).expect("values of a key are text")
}

/// Order of tag sets (each ascending by column): tag by tag in column order, absent first, values by
/// bytes.
pub fn tag_order<'a>(
    mut a: impl Iterator<Item = (ColumnId, &'a str)>,
    mut b: impl Iterator<Item = (ColumnId, &'a str)>,
) -> Ordering {
    loop {
        let unequal = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            // The one that has the earlier tag is the greater: the other lacks it.
            (Some((a, a_value)), Some((b, b_value))) => {
                b.cmp(&a).then_with(|| a_value.cmp(b_value))
            }
        };
        if unequal.is_ne() {
            return unequal;
        }
    }
}

/// [`tag_order`] of canonical keys.
pub fn key_order(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (SeriesTags::of(a), SeriesTags::of(b));
    loop {
        let unequal = match (a.next_bytes(), b.next_bytes()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            // The one that has the earlier tag is the greater: the other lacks it.
            (Some((a, a_value)), Some((b, b_value))) => {
                b.cmp(&a).then_with(|| a_value.cmp(b_value))
            }
        };
        if unequal.is_ne() {
            return unequal;
        }
    }
}
