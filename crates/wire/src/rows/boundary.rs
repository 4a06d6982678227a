//! Where a text body can be cut, so that a large one is stored in pieces while it arrives.

use memchr::{memchr, memchr_iter, memchr2, memchr3, memrchr};

/// How records of a text format end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// A line break outside quotes.
    Csv {
        /// The byte between cells.
        delimiter: u8,
    },
    /// Any line break (NDJSON: strings hold none).
    Lines,
    /// A line break outside the quoted strings of line protocol, where a backslash escapes a quote.
    LineProtocol,
}

/// Length of the longest prefix of `bytes` that ends with a whole record; 0 when there is none.
/// `bytes` starts at the start of a record.
pub fn record_boundary(format: Boundary, bytes: &[u8]) -> usize {
    match format {
        Boundary::Lines => memrchr(b'\n', bytes).map_or(0, |at| at + 1),
        Boundary::Csv { delimiter } => csv(delimiter, bytes),
        Boundary::LineProtocol => line_protocol(bytes),
    }
}

/// A quote opens a cell only at its start; inside, two quotes are one and change nothing here.
fn csv(delimiter: u8, bytes: &[u8]) -> usize {
    let mut boundary = 0;
    let mut inside = false;
    let mut open = 0;
    for quote in memchr_iter(b'"', bytes) {
        if inside {
            inside = false;
            open = quote + 1;
            continue;
        }
        let starts_cell =
            quote == 0 || matches!(bytes[quote - 1], b'\n') || bytes[quote - 1] == delimiter;
        let reopens = quote == open && quote > 0;
        if starts_cell || reopens {
            boundary = memrchr(b'\n', &bytes[open..quote]).map_or(boundary, |at| open + at + 1);
            inside = true;
        }
    }
    if inside {
        return boundary;
    }
    memrchr(b'\n', &bytes[open..]).map_or(boundary, |at| open + at + 1)
}

/// Quotes open strings only in the fields of a line, after an unescaped space: the tags before may
/// hold quotes as plain characters. Lines that start with `#` are comments.
fn line_protocol(bytes: &[u8]) -> usize {
    let mut boundary = 0;
    let mut at = 0;
    while let Some(end) = line_protocol_line(&bytes[at..]) {
        at += end;
        boundary = at;
    }
    boundary
}

/// Where in a line of line protocol a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Key,
    Fields,
    Text,
}

/// Length of the first line with its line break; `None` when it does not end.
fn line_protocol_line(bytes: &[u8]) -> Option<usize> {
    let mut at = bytes.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r'))?;
    if bytes[at] == b'#' {
        return memchr(b'\n', &bytes[at..]).map(|len| at + len + 1);
    }
    let mut within = Within::Key;
    loop {
        let rest = bytes.get(at..)?;
        at += match within {
            Within::Key => memchr3(b'\n', b'\\', b' ', rest),
            Within::Fields => memchr3(b'\n', b'\\', b'"', rest),
            Within::Text => memchr2(b'"', b'\\', rest),
        }?;
        match bytes[at] {
            b'\n' => return Some(at + 1),
            b' ' => within = Within::Fields,
            b'"' if within == Within::Text => within = Within::Fields,
            b'"' => within = Within::Text,
            _ if within == Within::Text || bytes.get(at + 1) != Some(&b'\n') => at += 1,
            _ => {}
        }
        at += 1;
    }
}

/// The first record that is not blank, with everything before it: the header of a CSV body
/// that is cut. Empty while it has not ended.
pub fn first_record(boundary: Boundary, bytes: &[u8]) -> &[u8] {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    for end in ends {
        let prefix = &bytes[..end];
        if !prefix.trim_ascii().is_empty() && record_boundary(boundary, prefix) == end {
            return prefix;
        }
    }
    &[]
}

/// Line ends in `bytes`.
pub fn count_lines(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}
