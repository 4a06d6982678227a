//! A moment as a value of its own, so that nobody confuses nanoseconds with another unit.
//!
//! Invariant: nanoseconds since 1970-01-01 UTC, as everywhere inside; what does not fit is an error.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Code, Error, Result};
use crate::time::{Precision, parse_time, time_text};

/// A moment: nanoseconds since 1970-01-01 UTC, from 1677-09-21 to 2262-04-11.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest moment.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest moment.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// From nanoseconds.
    pub const fn from_ns(ns: i64) -> Timestamp {
        Timestamp(ns)
    }

    /// From milliseconds.
    ///
    /// # Errors
    /// `invalid_time` when it is out of range.
    pub fn from_ms(ms: i64) -> Result<Timestamp> {
        Precision::Millisecond.to_ns(ms).map(Timestamp)
    }

    /// From seconds.
    ///
    /// # Errors
    /// `invalid_time` when it is out of range.
    pub fn from_secs(secs: i64) -> Result<Timestamp> {
        Precision::Second.to_ns(secs).map(Timestamp)
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub const fn ns(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since 1970-01-01 UTC, rounded down.
    pub const fn ms(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = Error;

    /// # Errors
    /// `invalid_time` when it is out of range.
    fn try_from(time: SystemTime) -> Result<Timestamp> {
        let ns = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).ok(),
            Err(before) => i64::try_from(before.duration().as_nanos()).ok().map(|ns| -ns),
        };
        ns.map(Timestamp).ok_or_else(|| {
            Error::new(Code::InvalidTime, "the time lies outside 1677-09-21 to 2262-04-11")
        })
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads what [`parse_time`] reads: RFC 3339, or a date with or without a time of day, UTC.
    fn from_str(text: &str) -> Result<Timestamp> {
        parse_time(text).map(Timestamp)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&time_text(self.0))
    }
}
