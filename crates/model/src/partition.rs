//! Partition widths and their windows: half-open ranges of time `[start, end)` in nanoseconds UTC.

use chrono::{DateTime, Datelike, TimeZone, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};

/// Nanoseconds of an hour.
pub const HOUR_NS: i64 = 3_600 * 1_000_000_000;
/// Nanoseconds of a day.
pub const DAY_NS: i64 = 24 * HOUR_NS;

/// How wide the partitions of a table are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionWidth {
    /// Decided at each flush from density, for times that no partition covers yet.
    #[default]
    Auto,
    /// One hour.
    Hour,
    /// One UTC day.
    Day,
    /// One calendar month, UTC.
    Month,
    /// One calendar year, UTC.
    Year,
}

/// A partition: `[start_ns, end_ns)`. Both ends are clamped to the range of i64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// First nanosecond inside.
    pub start_ns: i64,
    /// First nanosecond after; i64::MAX for the last window of all, which includes it.
    pub end_ns: i64,
}

impl Window {
    /// Whether `time_ns` lies inside.
    pub fn contains(&self, time_ns: i64) -> bool {
        self.start_ns <= time_ns && (time_ns < self.end_ns || self.end_ns == i64::MAX)
    }

    /// Whether the two share a nanosecond.
    pub fn overlaps(&self, other: &Window) -> bool {
        self.start_ns < other.end_ns && other.start_ns < self.end_ns
    }
}

impl PartitionWidth {
    /// The name in SQL, HTTP and the catalog.
    pub fn name(self) -> &'static str {
        match self {
            PartitionWidth::Auto => "auto",
            PartitionWidth::Hour => "hour",
            PartitionWidth::Day => "day",
            PartitionWidth::Month => "month",
            PartitionWidth::Year => "year",
        }
    }

    /// # Errors
    /// `invalid_request` when `text` is none of `auto`, `hour`, `day`, `month`, `year`.
    pub fn parse(text: &str) -> Result<PartitionWidth> {
        [
            PartitionWidth::Auto,
            PartitionWidth::Hour,
            PartitionWidth::Day,
            PartitionWidth::Month,
            PartitionWidth::Year,
        ]
        .into_iter()
        .find(|width| width.name().eq_ignore_ascii_case(text))
        .ok_or_else(|| {
            Error::new(Code::InvalidRequest, format!("{text:?} is not a partition width"))
                .hint("use auto, hour, day, month or year")
        })
    }

    /// The window of this width around `time_ns`.
    ///
    /// # Panics
    /// For `Auto`, which has no width of its own.
    pub fn window(self, time_ns: i64) -> Window {
        match self {
            PartitionWidth::Auto => panic!("auto is resolved to a width before windows are cut"),
            PartitionWidth::Hour => fixed(time_ns, HOUR_NS),
            PartitionWidth::Day => fixed(time_ns, DAY_NS),
            PartitionWidth::Month => calendar(time_ns, |t| {
                let start = (t.year(), t.month());
                let next =
                    if t.month() == 12 { (t.year() + 1, 1) } else { (t.year(), t.month() + 1) };
                (start, next)
            }),
            PartitionWidth::Year => calendar(time_ns, |t| ((t.year(), 1), (t.year() + 1, 1))),
        }
    }
}

fn fixed(time_ns: i64, width_ns: i64) -> Window {
    let start = time_ns.div_euclid(width_ns).checked_mul(width_ns).unwrap_or(i64::MIN);
    // The first window of all starts before i64::MIN and is clamped there.
    let end = time_ns
        .div_euclid(width_ns)
        .checked_add(1)
        .and_then(|n| n.checked_mul(width_ns))
        .unwrap_or(i64::MAX);
    Window { start_ns: start, end_ns: end }
}

type YearMonth = (i32, u32);

fn calendar(time_ns: i64, bounds: impl Fn(DateTime<Utc>) -> (YearMonth, YearMonth)) -> Window {
    let (start, end) = bounds(DateTime::from_timestamp_nanos(time_ns));
    let nanos = |(year, month): YearMonth| {
        Utc.with_ymd_and_hms(year, month, 1, 0, 0, 0).single().and_then(|t| t.timestamp_nanos_opt())
    };
    Window { start_ns: nanos(start).unwrap_or(i64::MIN), end_ns: nanos(end).unwrap_or(i64::MAX) }
}
