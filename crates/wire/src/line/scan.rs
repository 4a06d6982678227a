//! Where the pieces of an entry end, and what escapes stand for.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memchr3};

/// Bytes that a backslash escapes in a measurement.
pub(super) const IN_MEASUREMENT: &[u8] = b", ";
/// Bytes that a backslash escapes in tag keys, tag values and field keys.
pub(super) const IN_KEY: &[u8] = b",= ";
/// Bytes that a backslash escapes in quoted text.
pub(super) const IN_QUOTES: &[u8] = b"\"\\";

/// Where the measurement and tags of the entry at `at` end: at the first space that is not escaped.
/// `Err`: at the end of the line, without fields.
pub(super) fn prefix_end(bytes: &[u8], mut at: usize) -> Result<usize, usize> {
    while let Some(found) = memchr3(b' ', b'\\', b'\n', &bytes[at..]) {
        at += found;
        match bytes[at] {
            b' ' => return Ok(at),
            b'\n' => return Err(at),
            _ => at += escape_len(bytes, at, IN_KEY),
        }
    }
    Err(bytes.len())
}

/// Where the first of `ends` stands that is not escaped, from `at`.
pub(super) fn unescaped(bytes: &[u8], mut at: usize, ends: &[u8]) -> Option<usize> {
    while let Some(byte) = bytes.get(at) {
        if ends.contains(byte) {
            return Some(at);
        }
        at += if *byte == b'\\' { escape_len(bytes, at, IN_KEY) } else { 1 };
    }
    None
}

/// The closing quote of the text that starts at `at`, after its opening quote.
pub(super) fn quote_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += escape_len(bytes, at, IN_QUOTES);
    }
}

/// Where the entry ends whose fields, or the rest of them, start at `at`: at a newline outside
/// quotes, or the end.
pub(super) fn entry_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr3(b'\n', b'"', b'\\', &bytes[at..]) {
        at += found;
        match bytes[at] {
            b'\n' => return at,
            b'\\' => at += escape_len(bytes, at, b",= \"\\"),
            _ if at == 0 || bytes[at - 1] != b'=' => at += 1,
            _ => {
                let line_end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |len| at + len);
                match quote_end(bytes, at + 1) {
                    Some(end) if end < line_end || ends_value(bytes, end + 1) => at = end + 1,
                    _ => return line_end,
                }
            }
        }
    }
    bytes.len()
}

/// Whether a value may end before `at`.
pub(super) fn ends_value(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at), None | Some(b',' | b' ' | b'\n' | b'\r' | b'\t'))
}

/// Length of what the backslash at `at` starts: 2 for an escape, 1 for a plain backslash.
fn escape_len(bytes: &[u8], at: usize, escaped: &[u8]) -> usize {
    1 + usize::from(bytes.get(at + 1).is_some_and(|next| escaped.contains(next)))
}

/// The text without the backslashes that escape one of `escaped`.
pub(super) fn unescape<'a>(raw: &'a str, escaped: &[u8]) -> Cow<'a, str> {
    let bytes = raw.as_bytes();
    let Some(mut at) = memchr(b'\\', bytes) else { return Cow::Borrowed(raw) };
    let mut text = String::with_capacity(raw.len());
    let mut copied = 0;
    loop {
        if escape_len(bytes, at, escaped) == 2 {
            text.push_str(&raw[copied..at]);
            copied = at + 1;
            at += 2;
        } else {
            at += 1;
        }
        match memchr(b'\\', bytes.get(at..).unwrap_or(&[])) {
            Some(found) => at += found,
            None => break,
        }
    }
    text.push_str(&raw[copied..]);
    Cow::Owned(text)
}
