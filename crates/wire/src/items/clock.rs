//! Gives the times of one request their unit.
//!
//! Invariants: with [`Precision::Auto`] every non-zero time of the request suggests the same unit, so
//! the first one that was stored decides, and the first that suggests another ends the request: the
//! same result as looking at all of them together.

use pulsora_model::Result;
use pulsora_model::time::{Precision, column_precision};

/// The unit of a request's times, and the present.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    precision: Precision,
    now_ns: i64,
    /// The first non-zero time of a stored row, as it was sent.
    first: Option<i64>,
}

impl Clock {
    /// A clock for one request; `now_ns` is the time of rows without one.
    pub(crate) fn new(precision: Precision, now_ns: i64) -> Clock {
        Clock { precision, now_ns, first: None }
    }

    /// The time of rows that have none.
    pub(crate) fn now_ns(&self) -> i64 {
        self.now_ns
    }

    /// A numeric time in nanoseconds.
    ///
    /// # Errors
    /// `invalid_time` out of range; `mixed_time_units` when it and another time of the request
    /// suggest different units.
    pub(crate) fn to_ns(&self, time: i64) -> Result<i64> {
        match (self.precision, self.first) {
            (Precision::Auto, Some(first)) => column_precision([first, time])?.to_ns(time),
            (precision, _) => precision.to_ns(time),
        }
    }

    /// Lets a time decide the unit: call it for rows that are stored.
    pub(crate) fn settle(&mut self, time: i64) {
        if self.first.is_none() && time != 0 {
            self.first = Some(time);
        }
    }
}
