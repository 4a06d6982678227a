//! Where an array of JSON values can be cut: at the commas between its items. Pure.
//!
//! Invariant: a comma inside a text or a nested value is none; what is not JSON is left to the parser,
//! which says what is wrong.

/// A part of the text of an array.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Bytes up to its last comma between items, without it; 0 when there is none.
    pub end: usize,
    /// Items up to there.
    pub items: u64,
}

/// The part of `text` up to its last comma between items. `text` begins with the bracket of the array
/// (and what stands before it) if `first`, else behind a comma.
pub(super) fn last_part(text: &[u8], first: bool) -> Part {
    let start =
        if first { text.iter().position(|byte| *byte == b'[').map_or(0, |at| at + 1) } else { 0 };
    let mut part = Part { end: 0, items: 0 };
    let (mut depth, mut inside, mut at) = (0u64, false, start);
    while at < text.len() {
        match text[at] {
            b'\\' if inside => at += 1,
            b'"' => inside = !inside,
            _ if inside => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => part = Part { end: at, items: part.items + 1 },
            _ => {}
        }
        at += 1;
    }
    part
}
