//! Gives the times of one request their unit.
//!
//! Invariants: with [`Precision::Auto`] every non-zero number of the request suggests the same unit,
//! so the first one that was stored decides, and the first that suggests another ends the request:
//! the same result as looking at all of them together.

use pulsora_model::Result;
use pulsora_model::time::{Precision, column_precision};

/// The time of an item as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    /// None: the time of the request.
    Now,
    /// A number in the precision of the request.
    Number(i64),
    /// Nanoseconds: the item said so itself.
    Exact(i64),
}

/// The unit of a request's times, and the present.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    precision: Precision,
    now_ns: i64,
    /// The first non-zero number of a stored row.
    first: Option<i64>,
}

impl Clock {
    /// A clock for one request; `now_ns` is the time of rows without one.
    pub(crate) fn new(precision: Precision, now_ns: i64) -> Clock {
        Clock { precision, now_ns, first: None }
    }

    /// The time in nanoseconds.
    ///
    /// # Errors
    /// `invalid_time` out of range; `mixed_time_units` when it and another time of the request
    /// suggest different units.
    pub(crate) fn to_ns(&self, time: Time) -> Result<i64> {
        match (time, self.precision, self.first) {
            (Time::Now, ..) => Ok(self.now_ns),
            (Time::Exact(time_ns), ..) => Ok(time_ns),
            (Time::Number(time), Precision::Auto, Some(first)) => {
                column_precision([first, time])?.to_ns(time)
            }
            (Time::Number(time), precision, _) => precision.to_ns(time),
        }
    }

    /// Appends the times of stored rows in nanoseconds, where a look at the smallest and the largest
    /// shows that all have one unit and fit; otherwise does nothing and gives false: one by one tells
    /// why.
    pub(crate) fn store_all(&mut self, times: &[i64], out: &mut Vec<i64>) -> bool {
        let (Some(least), Some(most)) = (times.iter().min(), times.iter().max()) else {
            return true;
        };
        let unit = match self.precision {
            Precision::Auto if *least <= 0 => return false,
            Precision::Auto => Precision::guess(*least),
            unit => unit,
        };
        let same = |time: i64| self.precision != Precision::Auto || Precision::guess(time) == unit;
        let fits = |time: &i64| unit.unit_ns().is_some_and(|ns| time.checked_mul(ns).is_some());
        if !same(*most) || !self.first.is_none_or(same) || !fits(least) || !fits(most) {
            return false;
        }
        let unit_ns = unit.unit_ns().unwrap_or(1);
        out.extend(times.iter().map(|time| time * unit_ns));
        if self.precision == Precision::Auto {
            self.first = self.first.or(times.first().copied());
        }
        true
    }

    /// Lets a time decide the unit: call it for rows that are stored.
    pub(crate) fn settle(&mut self, time: Time) {
        if let (None, Time::Number(time @ (..=-1 | 1..))) = (self.first, time) {
            self.first = Some(time);
        }
    }
}
