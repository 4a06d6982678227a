//! Field values and times: text to typed values, without allocation.

use std::ops::Range;

use pulsora_model::limits::EXCERPT_BYTES;
use pulsora_model::name::prefix;
use pulsora_model::{Code, Error, Result, Scalar};

use super::scan::{ends_value, quote_end};

/// Digits that fit a u64 whatever they are.
const DIGITS_SAFE: usize = 19;

/// A field value as it stands in the body.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A finished value.
    Scalar(Scalar<'a>),
    /// Quoted text with escapes, between its quotes.
    Escaped(&'a str),
}

/// Reads the value at `at`; gives it and where it ends.
///
/// # Errors
/// `malformed_body` that names the value and what was expected.
pub(super) fn read(text: &str, at: usize) -> Result<(Value<'_>, usize)> {
    let bytes = text.as_bytes();
    let (value, end) = match bytes.get(at) {
        Some(b'"') => return quoted(text, at),
        Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'n' | b'N' | b'i' | b'I') => number(text, at)?,
        _ => {
            let end = token_end(bytes, at);
            let value = match &bytes[at..end] {
                b"t" | b"T" | b"true" | b"True" | b"TRUE" => true,
                b"f" | b"F" | b"false" | b"False" | b"FALSE" => false,
                _ => return Err(not_a_value(text, at)),
            };
            (Scalar::Bool(value), end)
        }
    };
    Ok((Value::Scalar(value), end))
}

/// Reads the time at `at`: digits with an optional minus; gives it and where it ends.
///
/// # Errors
/// `invalid_time` when it is not an integer of 64 bits.
pub(super) fn read_time(text: &str, at: usize) -> Result<(i64, usize)> {
    let bytes = text.as_bytes();
    let negative = bytes.get(at) == Some(&b'-');
    let digits = digits(bytes, at + usize::from(negative));
    let end = digits.range.end;
    let time = digits.signed(negative);
    match time {
        Some(time) if !digits.range.is_empty() && ends_value(bytes, end) => Ok((time, end)),
        _ => Err(Error::new(
            Code::InvalidTime,
            format!("time {:?} is not a 64-bit integer", token(text, at)),
        )
        .hint("a time is an integer in the precision of the request; quote text fields")),
    }
}

fn quoted(text: &str, at: usize) -> Result<(Value<'_>, usize)> {
    let bytes = text.as_bytes();
    let Some(end) = quote_end(bytes, at + 1) else {
        return Err(malformed("the quoted text has no closing quote".to_owned())
            .hint("write a quote within text as \\\""));
    };
    if !ends_value(bytes, end + 1) {
        let message = format!("unexpected {:?} after the closing quote", token(text, end + 1));
        return Err(malformed(message).hint("write a quote within text as \\\""));
    }
    let raw = &text[at + 1..end];
    let value = if memchr::memchr(b'\\', raw.as_bytes()).is_some() {
        Value::Escaped(raw)
    } else {
        Value::Scalar(Scalar::Text(raw))
    };
    Ok((value, end + 1))
}

fn number(text: &str, at: usize) -> Result<(Scalar<'_>, usize)> {
    let bytes = text.as_bytes();
    let negative = bytes[at] == b'-';
    let unsigned_at = at + usize::from(matches!(bytes[at], b'-' | b'+'));
    let digits = digits(bytes, unsigned_at);
    let end = digits.range.end + 1;
    let suffix = if digits.range.is_empty() { None } else { bytes.get(end - 1) };
    let value = match suffix {
        Some(b'i') if ends_value(bytes, end) => digits.signed(negative).map(Scalar::I64),
        Some(b'u') if ends_value(bytes, end) && !negative => digits.value.map(Scalar::U64),
        Some(b'u') if ends_value(bytes, end) => None,
        _ => return float(text, at, unsigned_at, negative),
    };
    value.map(|value| (value, end)).ok_or_else(|| {
        let range = if suffix == Some(&b'u') {
            "0 to 18446744073709551615"
        } else {
            "-9223372036854775808 to 9223372036854775807"
        };
        malformed(format!("value {} is out of range: {range}", token(text, at)))
            .hint("send it as a float, without the suffix")
    })
}

fn float(text: &str, at: usize, unsigned_at: usize, negative: bool) -> Result<(Scalar<'_>, usize)> {
    let bytes = text.as_bytes();
    let first = bytes.get(unsigned_at).copied().unwrap_or(b' ');
    let parsed = fast_float2::parse_partial::<f64, _>(&bytes[unsigned_at..]);
    let Ok((magnitude, len)) = parsed else { return Err(not_a_value(text, at)) };
    if matches!(first, b'-' | b'+') || !ends_value(bytes, unsigned_at + len) {
        return Err(not_a_value(text, at));
    }
    if magnitude.is_infinite() && !first.is_ascii_alphabetic() {
        let message = format!("value {} is beyond the largest float", token(text, at));
        return Err(malformed(message).hint("for an infinite value send inf"));
    }
    Ok((Scalar::F64(if negative { -magnitude } else { magnitude }), unsigned_at + len))
}

struct Digits {
    range: Range<usize>,
    /// `None` when they exceed u64.
    value: Option<u64>,
}

impl Digits {
    fn signed(&self, negative: bool) -> Option<i64> {
        match negative {
            false => i64::try_from(self.value?).ok(),
            true => 0i64.checked_sub_unsigned(self.value?),
        }
    }
}

fn digits(bytes: &[u8], start: usize) -> Digits {
    let mut value = 0u64;
    let mut end = start;
    while let Some(digit @ b'0'..=b'9') = bytes.get(end) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        end += 1;
    }
    if end - start <= DIGITS_SAFE {
        return Digits { range: start..end, value: Some(value) };
    }
    let exact = bytes[start..end]
        .iter()
        .try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    Digits { range: start..end, value: exact }
}

fn token_end(bytes: &[u8], at: usize) -> usize {
    (at..bytes.len()).find(|i| ends_value(bytes, *i)).unwrap_or(bytes.len())
}

/// What stands at `at`, cut: for errors.
pub(super) fn token(text: &str, at: usize) -> &str {
    let end = token_end(text.as_bytes(), at);
    prefix(&text[at.min(end)..end], EXCERPT_BYTES)
}

fn not_a_value(text: &str, at: usize) -> Error {
    malformed(format!("value {:?} is not a number, a boolean or quoted text", token(text, at)))
        .hint("put text in double quotes; integers end with i or u")
}

/// An error of one entry.
pub(super) fn malformed(message: String) -> Error {
    Error::new(Code::MalformedBody, message)
}
