//! One numeric series: points in, points out.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pulsora_model::{Code, Result, Timestamp};
use pulsora_storage::TimeRange;

use super::appenders::Appenders;
use super::buffer::id_text;
use super::{SERIES_TABLE, SERIES_TAG};
use crate::points::Points;
use crate::query::points_of;
use crate::series_key::SeriesKey;

/// Nanoseconds of a millisecond.
const MS: i64 = 1_000_000;

/// A handle of one numeric series: table `series`, tag `id` (32 hex digits), field `value`; of two
/// points with one time the later one counts.
///
/// **Points are gathered in the process**: an appended point is neither durable nor visible until its
/// buffer has been sent, which happens at 64 KiB, after 10 ms, or at [`Series::flush`]. When a flush
/// has returned without an error, everything appended before it is as durable as the database was
/// told to be, and visible. What went wrong with points that were sent in between is reported by the
/// next append or flush of any series of the database, once.
///
/// Handles are cheap: making and cloning one allocates nothing, all handles of a database share its
/// buffers, and any thread may use any of them. Points of one series are stored in the order of their
/// appends; keep a handle for a series that is appended to often (it remembers its place).
pub struct Series {
    appenders: Arc<Appenders>,
    id: u128,
    /// Generation and code of the last append: see `Buffer::code`. Only a hint.
    place: AtomicU64,
}

impl Clone for Series {
    fn clone(&self) -> Series {
        Series::new(&self.appenders, self.id)
    }
}

impl Series {
    pub(crate) fn new(appenders: &Arc<Appenders>, id: u128) -> Series {
        Series { appenders: Arc::clone(appenders), id, place: AtomicU64::new(0) }
    }

    /// The id.
    pub fn id(&self) -> u128 {
        self.id
    }

    /// Appends a point; `ts_ms` is in milliseconds since 1970-01-01 UTC. Blocks only while the engine
    /// is behind by some megabytes.
    ///
    /// # Errors
    /// `invalid_time` when the time is out of range; `closed`; and, once, what points of this database
    /// that were appended earlier failed with. Then this point has not been taken.
    #[inline]
    pub fn append(&self, ts_ms: i64, value: f64) -> Result<()> {
        let Some(time_ns) = ts_ms.checked_mul(MS) else {
            return Timestamp::from_ms(ts_ms).map(drop);
        };
        let place = self.place.load(Ordering::Relaxed);
        let now = self.appenders.append(self.id, place, time_ns, value)?;
        if now != place {
            self.place.store(now, Ordering::Relaxed);
        }
        Ok(())
    }

    /// [`Series::append`] that does not block the thread while the engine is behind.
    ///
    /// # Errors
    /// As [`Series::append`].
    pub async fn append_async(&self, ts_ms: i64, value: f64) -> Result<()> {
        self.appenders.room().await;
        self.append(ts_ms, value)
    }

    /// Sends what all series of the database have gathered, and waits until it is as durable as the
    /// database was told to be, and visible.
    ///
    /// # Errors
    /// What any point appended before failed with, and how many were lost.
    pub fn flush(&self) -> Result<()> {
        self.appenders.flush()
    }

    /// [`Series::flush`] as a future.
    ///
    /// # Errors
    /// As [`Series::flush`].
    pub async fn flush_async(&self) -> Result<()> {
        self.appenders.flush_async().await
    }

    /// The stored points in a range of milliseconds (`a..=b`, `a..b`, `a..`, `..`), in the order of
    /// their times; none for a series that nobody has written. Points that are still gathered in the
    /// process are not among them.
    ///
    /// # Errors
    /// `type_conflict`, `column_not_found` when the table `series` is another's; the iterator gives
    /// `corrupt` and `io_error`.
    pub fn range(&self, range_ms: impl RangeBounds<i64>) -> Result<Points> {
        let engine = self.appenders.engine();
        let key = SeriesKey::with_tags(SERIES_TABLE, &[(SERIES_TAG, &id_text(self.id))])?;
        let points =
            points_of(&engine.snapshot(), self.appenders.database(), &key, time_range(&range_ms));
        match points {
            Err(error) if error.code() == Code::TableNotFound => Ok(Points::new(Vec::new())),
            points => points,
        }
    }
}

/// A range of milliseconds as nanoseconds; what lies beyond the range of times is cut, since nothing
/// is stored there.
fn time_range(range_ms: &impl RangeBounds<i64>) -> TimeRange {
    let start_ns = match range_ms.start_bound() {
        Bound::Unbounded => i64::MIN,
        Bound::Included(ms) => ms.saturating_mul(MS),
        Bound::Excluded(ms) => ms.saturating_mul(MS).saturating_add(1),
    };
    let end_ns = match range_ms.end_bound() {
        Bound::Unbounded => i64::MAX,
        Bound::Included(ms) => ms.saturating_mul(MS),
        Bound::Excluded(ms) => ms.saturating_mul(MS).saturating_sub(1),
    };
    TimeRange { start_ns, end_ns }
}
