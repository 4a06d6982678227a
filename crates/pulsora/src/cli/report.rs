//! Errors for people: what went wrong, where, and what to do, on standard error.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use pulsora_model::{Code, Detail, Error, Result};

/// Bad lines that are shown; the others are counted.
pub(super) const DETAILS_SHOWN: usize = 10;

/// `error: …`, the first bad lines, and `hint: …`.
pub(super) fn error_text(error: &Error) -> String {
    let mut text = format!("error: {}\n", error.message());
    // A single detail repeats the message.
    if error.detail_list().len() > 1 {
        text.push_str(&details_text(error.detail_list(), error.detail_list().len() as u64));
    }
    if let Some(hint) = error.hint_text() {
        // Writing to a String does not fail.
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

/// One line for each of the first bad lines of `all`.
pub(super) fn details_text(details: &[Detail], all: u64) -> String {
    let mut text = String::new();
    for detail in details.iter().take(DETAILS_SHOWN) {
        let place = match (detail.line, detail.index) {
            (Some(line), _) => format!("line {line}"),
            (None, Some(index)) => format!("item {index}"),
            (None, None) => String::new(),
        };
        let column = detail.column.as_ref().map(|name| format!("column {name:?}"));
        let value = detail.text.as_ref().map(|text| format!("{text:?}"));
        let parts = [Some(place), column, value].into_iter().flatten();
        let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
        let _ = writeln!(text, "  {}: {}", parts.join(", "), detail.message);
    }
    let shown = details.len().min(DETAILS_SHOWN) as u64;
    if all > shown {
        let _ = writeln!(text, "  and {} more", all - shown);
    }
    text
}

/// Shows an error on standard error.
pub(super) fn show(error: &Error) {
    // Nowhere is left to say that standard error is gone.
    let _ = io::stderr().lock().write_all(error_text(error).as_bytes());
}

/// Shows a line on standard error.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes to standard output. A reader that has gone away ends the process quietly, as it would end
/// any tool in a pipe.
///
/// # Errors
/// `io_error`.
pub(super) fn print(bytes: &[u8]) -> Result<()> {
    match print_if_read(bytes) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.map_err(|error| Error::io("write to standard output", error)),
    }
}

/// Writes to standard output; what a closed one means is the caller's business.
///
/// # Errors
/// Those of the stream.
pub(super) fn print_if_read(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

/// A wrong use of the command line.
pub(super) fn usage(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidRequest, message)
}
