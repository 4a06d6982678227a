//! Where statements end: at a `;` outside of quotes and comments. Pure.
//!
//! Knows quotes ('…' and "…", doubled inside), comments (`-- …` and `/* … */`, nested), and nothing
//! else of the grammar.

/// Takes the next statement from the front of `text`: without its `;`, and what is left. `None` when
/// no statement ends here.
pub(super) fn next_statement(text: &str) -> Option<(&str, &str)> {
    let end = find_end(text)?;
    Some((&text[..end], &text[end + 1..]))
}

/// Whether nothing but blanks, comments and semicolons is in `text`.
pub(super) fn is_blank(text: &str) -> bool {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        if rest.is_empty() {
            return true;
        }
        match comment_len(rest) {
            Some(len) => rest = &rest[len..],
            None => return false,
        }
    }
}

/// The byte of the first `;` that ends a statement.
fn find_end(text: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        at += match byte {
            b';' => return Some(at),
            quote @ (b'\'' | b'"') => quoted_len(&text[at..], *quote),
            b'-' | b'/' => comment_len(&text[at..]).unwrap_or(1),
            _ => 1,
        };
    }
    None
}

/// Length of the quoted text at the start of `text`; all of it when the quote is never closed.
/// A doubled quote reads as two quoted texts side by side, which ends at the same place.
fn quoted_len(text: &str, quote: u8) -> usize {
    let close = text.bytes().skip(1).position(|byte| byte == quote);
    close.map_or(text.len(), |close| close + 2)
}

/// Length of the comment at the start of `text`, if there is one; all of it when it never ends.
fn comment_len(text: &str) -> Option<usize> {
    if text.starts_with("--") {
        return Some(text.find('\n').map_or(text.len(), |end| end + 1));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match text.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    Some(text.len())
}
