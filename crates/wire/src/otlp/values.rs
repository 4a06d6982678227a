//! Values of attributes as text.
//!
//! ```text
//! text itself · true false · integers in decimal · floats in the fewest digits · bytes as base64
//! lists and maps as JSON: ["a",1,null] {"k":true}; in them NaN and infinities are null
//! ```

use std::fmt::Write;

/// Deepest nesting of lists and maps that is read.
pub(super) const DEPTH_MAX: usize = 16;

/// A text as a JSON string onto `out`.
pub(super) fn put_json_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{0}'..='\u{1f}' => put(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A float as a JSON number onto `out`.
pub(super) fn put_json_float(out: &mut String, value: f64) {
    if value.is_finite() {
        put(out, format_args!("{value}"));
    } else {
        out.push_str("null");
    }
}

/// Anything that can be shown onto `out`.
pub(super) fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "a String takes everything");
}

/// Bytes as base64 (RFC 4648, section 4) onto `out`.
pub(super) fn put_base64(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
            out.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
}
