//! Times: texts and numbers to nanoseconds since 1970-01-01 UTC and back.
//!
//! Inside, a time is an i64 of nanoseconds: 1677-09-21T00:12:43.145224192Z to
//! 2262-04-11T23:47:16.854775807Z. What does not fit is an error, never clamped.

use std::fmt::Write;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike};
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::name::prefix;

/// Unit of numeric times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// Nanoseconds.
    #[default]
    Nanosecond,
    /// Microseconds.
    Microsecond,
    /// Milliseconds.
    Millisecond,
    /// Seconds.
    Second,
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
    /// By the largest magnitude in the column of one request.
    Auto,
}

impl Precision {
    /// The precision with this name: `n|ns|nanosecond`, `u|us|µs|microsecond`, `ms|millisecond`,
    /// `s|second`, `m`, `h`, `auto`.
    pub fn parse(text: &str) -> Option<Precision> {
        Some(match text {
            "n" | "ns" | "nanosecond" => Precision::Nanosecond,
            "u" | "us" | "µ" | "µs" | "microsecond" => Precision::Microsecond,
            "ms" | "millisecond" => Precision::Millisecond,
            "s" | "second" => Precision::Second,
            "m" | "minute" => Precision::Minute,
            "h" | "hour" => Precision::Hour,
            "auto" => Precision::Auto,
            _ => return None,
        })
    }

    /// Nanoseconds of one unit; `None` for `Auto`.
    pub fn unit_ns(self) -> Option<i64> {
        Some(match self {
            Precision::Nanosecond => 1,
            Precision::Microsecond => 1_000,
            Precision::Millisecond => 1_000_000,
            Precision::Second => 1_000_000_000,
            Precision::Minute => 60_000_000_000,
            Precision::Hour => 3_600_000_000_000,
            Precision::Auto => return None,
        })
    }

    /// The unit that a single number suggests: below 1e10 seconds, below 1e13 milliseconds, below
    /// 1e16 microseconds, else nanoseconds.
    pub fn guess(value: i64) -> Precision {
        match value.unsigned_abs() {
            ..10_000_000_000 => Precision::Second,
            10_000_000_000..10_000_000_000_000 => Precision::Millisecond,
            10_000_000_000_000..10_000_000_000_000_000 => Precision::Microsecond,
            _ => Precision::Nanosecond,
        }
    }

    /// Converts `value` in this unit to nanoseconds (`Auto` guesses from the value alone).
    ///
    /// # Errors
    /// `invalid_time` when the result is out of range.
    pub fn to_ns(self, value: i64) -> Result<i64> {
        let unit = self.unit_ns().or_else(|| Precision::guess(value).unit_ns()).unwrap_or(1);
        value.checked_mul(unit).ok_or_else(|| {
            Error::new(
                Code::InvalidTime,
                format!("time {value} is out of range: it lies outside 1677-09-21 to 2262-04-11"),
            )
            .hint("check the unit of the times (parameter precision or time_format)")
        })
    }
}

/// The unit of a whole column of numeric times: the largest magnitude decides.
///
/// # Errors
/// `mixed_time_units` when another non-zero value alone would suggest another unit.
pub fn column_precision(values: impl IntoIterator<Item = i64> + Clone) -> Result<Precision> {
    let largest = values.clone().into_iter().max_by_key(|v| v.unsigned_abs()).unwrap_or(0);
    let unit = Precision::guess(largest);
    match values.into_iter().find(|v| *v != 0 && Precision::guess(*v) != unit) {
        None => Ok(unit),
        Some(other) => Err(Error::new(
            Code::MixedTimeUnits,
            format!("times {largest} and {other} of one request suggest different units"),
        )
        .hint("send one unit, or say which: precision=s|ms|us|ns (row API: time_format=)")),
    }
}

/// Reads a time text: RFC 3339 with offset, `YYYY-MM-DD[ T]HH:MM:SS[.fff]` or `YYYY-MM-DD`. Text
/// without offset is UTC.
///
/// # Errors
/// `invalid_time` when the text is not a time or out of range.
pub fn parse_time(text: &str) -> Result<i64> {
    scan_time(text.trim_ascii().as_bytes()).unwrap_or_else(|| {
        Err(Error::new(Code::InvalidTime, format!("{:?} is not a time", prefix(text, 40))).hint(
            "use RFC 3339 (2024-01-31T12:00:00Z), 2024-01-31 12:00:00, 2024-01-31, or a number with a precision",
        ))
    })
}

/// Whether the text reads as a time.
pub fn is_time_text(text: &str) -> bool {
    matches!(scan_time(text.trim_ascii().as_bytes()), Some(Ok(_)))
}

/// Whether the text is a date without a time of day (`YYYY-MM-DD`).
pub fn is_date_only(text: &str) -> bool {
    text.trim_ascii().len() == 10 && is_time_text(text)
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0u32, |acc, b| b.is_ascii_digit().then(|| acc * 10 + u32::from(b - b'0')))
}

/// `None` = not a time, `Some(Err)` = a time out of range.
fn scan_time(text: &[u8]) -> Option<Result<i64>> {
    if text.len() < 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let year = digits(&text[..4])?;
    let date = NaiveDate::from_ymd_opt(year as i32, digits(&text[5..7])?, digits(&text[8..10])?)?;
    let (seconds_of_day, nanos, offset_s) = scan_clock(&text[10..])?;
    let days = i64::from(date.num_days_from_ce()) - 719_163;
    let seconds = days * 86_400 + i64::from(seconds_of_day) - i64::from(offset_s);
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Some(i64::try_from(total).map_err(|_| {
        Error::new(
            Code::InvalidTime,
            format!(
                "time {} is out of range: it lies outside 1677-09-21 to 2262-04-11",
                String::from_utf8_lossy(text)
            ),
        )
    }))
}

/// `""` or `[ T]HH:MM:SS[.fraction][Z|±HH:MM]` → (second of day, nanoseconds, offset in seconds).
fn scan_clock(text: &[u8]) -> Option<(u32, u32, i32)> {
    if text.is_empty() {
        return Some((0, 0, 0));
    }
    if text.len() < 9
        || !matches!(text[0], b'T' | b't' | b' ')
        || text[3] != b':'
        || text[6] != b':'
    {
        return None;
    }
    let (hour, minute, second) = (digits(&text[1..3])?, digits(&text[4..6])?, digits(&text[7..9])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = &text[9..];
    let mut nanos = 0;
    if rest.first() == Some(&b'.') {
        let len = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if len == 0 {
            return None;
        }
        let kept = len.min(9);
        nanos = digits(&rest[1..1 + kept])? * 10u32.pow(9 - kept as u32);
        rest = &rest[1 + len..];
    }
    Some((hour * 3_600 + minute * 60 + second, nanos, scan_offset(rest)?))
}

fn scan_offset(text: &[u8]) -> Option<i32> {
    match text {
        [] | [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let (hour, minute) = match rest {
                [h1, h2, b':', m1, m2] | [h1, h2, m1, m2] => {
                    (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?)
                }
                [h1, h2] => (digits(&[*h1, *h2])?, 0),
                _ => return None,
            };
            if hour > 23 || minute > 59 {
                return None;
            }
            let seconds = (hour * 3_600 + minute * 60) as i32;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// Writes a time as RFC 3339 UTC with the digits it needs (none, 3, 6 or 9).
pub fn format_time(time_ns: i64, out: &mut String) {
    let t = DateTime::from_timestamp_nanos(time_ns).naive_utc();
    let (date, clock) = (t.date(), t.time());
    let written = write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        date.month(),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
    .and_then(|()| match clock.nanosecond() {
        0 => Ok(()),
        n if n % 1_000_000 == 0 => write!(out, ".{:03}", n / 1_000_000),
        n if n % 1_000 == 0 => write!(out, ".{:06}", n / 1_000),
        n => write!(out, ".{n:09}"),
    });
    debug_assert!(written.is_ok(), "writing to a String does not fail");
    out.push('Z');
}

/// [`format_time`] into a new string.
pub fn time_text(time_ns: i64) -> String {
    let mut text = String::with_capacity(30);
    format_time(time_ns, &mut text);
    text
}

/// Reads a time by a strftime `pattern`; patterns without offset are UTC, without clock midnight.
///
/// # Errors
/// `invalid_time` when the text does not match or is out of range.
pub fn parse_with_pattern(text: &str, pattern: &str) -> Result<i64> {
    let invalid = || {
        Error::new(
            Code::InvalidTime,
            format!("{:?} does not match the time format {pattern:?}", prefix(text, 40)),
        )
    };
    let nanos = if let Ok(t) = DateTime::parse_from_str(text, pattern) {
        t.timestamp_nanos_opt()
    } else if let Ok(t) = NaiveDateTime::parse_from_str(text, pattern) {
        t.and_utc().timestamp_nanos_opt()
    } else {
        let date = NaiveDate::parse_from_str(text, pattern).map_err(|_| invalid())?;
        date.and_hms_opt(0, 0, 0).and_then(|t| t.and_utc().timestamp_nanos_opt())
    };
    nanos.ok_or_else(invalid)
}
