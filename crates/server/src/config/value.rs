//! Texts of the configuration to values, and back for people.
//!
//! Invariant: what [`check`] accepts, the typed readers in `typed.rs` accept.

use std::time::Duration;

use pulsora_model::span::{SPAN_HINT, parse_span};
use pulsora_model::{Code, Error, Result};

use super::keys::{Key, Kind};

/// Reads a size: a number, optionally with `_` between digits, and a unit: none or `B`, `KB`, `MB`,
/// `GB`, `TB` (powers of 1000), `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024), in any case.
///
/// # Errors
/// `invalid_config` when it is something else or beyond 64 bits.
pub fn parse_bytes(text: &str) -> Result<u64> {
    let (number, unit) = split_unit(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(not_a(text, "a size", "use a number with B, KB, MB, GB, KiB, MiB or GiB")),
    };
    whole_number(number)
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| not_a(text, "a size", "use a whole number with a unit, such as 64MiB"))
}

/// Reads a time span: numbers with units `us`, `ms`, `s`, `m`, `h`, `d`, `w`, one after the other
/// (`1h30m`), or `0`.
///
/// # Errors
/// `invalid_config` when it is something else or longer than 584 years.
pub fn parse_duration(text: &str) -> Result<Duration> {
    parse_span(text).ok_or_else(|| not_a(text, "a time span", SPAN_HINT))
}

/// Reads `true` or `false`.
///
/// # Errors
/// `invalid_config` when it is something else.
pub(super) fn parse_bool(text: &str) -> Result<bool> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(not_a(text, "true or false", "use true or false")),
    }
}

/// Reads a whole number with `_` between digits.
///
/// # Errors
/// `invalid_config` when it is something else or outside `min..=max`.
pub(super) fn parse_count(text: &str, min: u64, max: u64) -> Result<u64> {
    let kind = Kind::Count { min, max };
    whole_number(text)
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| not_a(text, "a valid number", &format!("use a {}", kind.form())))
}

/// Whether `text` may stand for `key`.
///
/// # Errors
/// `invalid_config` with what may stand there.
pub(super) fn check(key: &Key, text: &str) -> Result<()> {
    if text == key.default {
        return Ok(());
    }
    match key.kind {
        Kind::Text | Kind::Path => Ok(()),
        Kind::Address => match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(()),
            _ => Err(not_a(text, "an address", "use host:port, such as 127.0.0.1:8080")),
        },
        Kind::Bool => parse_bool(text).map(drop),
        Kind::Count { min, max } => parse_count(text, min, max).map(drop),
        Kind::Bytes => parse_bytes(text).map(drop),
        Kind::Duration => parse_duration(text).map(drop),
        Kind::Choice(words) if words.contains(&text) => Ok(()),
        Kind::Choice(words) => {
            Err(not_a(text, "one of the choices", &format!("use {}", words.join(" or "))))
        }
    }
}

/// A size for people: whole KiB, MiB or GiB where it is one, else bytes.
pub(super) fn bytes_text(bytes: u64) -> String {
    for (unit, name) in [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    bytes.to_string()
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    (&text[..digits], text[digits..].trim_start())
}

fn whole_number(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.starts_with('_') || text.ends_with('_') {
        return None;
    }
    text.replace('_', "").parse().ok()
}

fn not_a(text: &str, what: &str, hint: &str) -> Error {
    Error::new(Code::InvalidConfig, format!("{text:?} is not {what}")).hint(hint)
}
