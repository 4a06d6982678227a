//! What a fold asks: aggregates of a table by tags and buckets of time. Plain data in ids and bounds.

use pulsora_model::{Code, ColumnId, Error, Result, TableId};

use crate::read::field::FieldPredicate;
use crate::read::scan::{TagPredicate, TimeRange};

/// Aggregates of the matching rows of a table, by tags and buckets of time.
#[derive(Clone, Debug)]
pub struct Fold {
    /// The table.
    pub table: TableId,
    /// Rows outside are left out.
    pub time: TimeRange,
    /// All must hold.
    pub tags: Vec<TagPredicate>,
    /// All must hold.
    pub fields: Vec<FieldPredicate>,
    /// Tags whose values make a group, in the order of the result's columns.
    pub by: Vec<ColumnId>,
    /// Buckets of time, `None` = one for all of time.
    pub bucket: Option<Bucket>,
    /// One column of the result each.
    pub aggregates: Vec<Aggregate>,
    /// Only the newest this many buckets that have rows; needs `bucket` and an empty `by`.
    pub newest_buckets: Option<usize>,
}

impl Fold {
    /// A fold of a whole table that asks for nothing yet.
    pub fn all(table: TableId) -> Fold {
        Fold {
            table,
            time: TimeRange::ALL,
            tags: Vec::new(),
            fields: Vec::new(),
            by: Vec::new(),
            bucket: None,
            aggregates: Vec::new(),
            newest_buckets: None,
        }
    }
}

/// Buckets of equal width: a row lies in the one that starts at
/// `origin + floor((time - origin) / width) * width`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Nanoseconds, at least 1.
    pub width_ns: i64,
    /// Start of one of the buckets.
    pub origin_ns: i64,
}

impl Bucket {
    /// The number of the bucket of a time; that of the origin is 0.
    pub fn number(&self, time_ns: i64) -> i64 {
        match time_ns.checked_sub(self.origin_ns) {
            Some(distance) => distance.div_euclid(self.width_ns),
            None => {
                let distance = i128::from(time_ns) - i128::from(self.origin_ns);
                // |distance| < 2^64: of widths over 1 ns the quotient fits; of 1 ns it is cut, and
                // `start_ns` of the cut number is an error.
                let number = distance.div_euclid(i128::from(self.width_ns));
                number.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
            }
        }
    }

    /// First and last nanosecond of a bucket, cut to what i64 can hold.
    pub fn range(&self, number: i64) -> TimeRange {
        let start = i128::from(self.origin_ns) + i128::from(number) * i128::from(self.width_ns);
        let cut = |time: i128| time.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        TimeRange { start_ns: cut(start), end_ns: cut(start + i128::from(self.width_ns) - 1) }
    }

    /// First nanosecond of a bucket.
    ///
    /// # Errors
    /// `sql_invalid` when it lies before the first timestamp.
    pub fn start_ns(&self, number: i64) -> Result<i64> {
        let start = i128::from(self.origin_ns) + i128::from(number) * i128::from(self.width_ns);
        i64::try_from(start).map_err(|_| {
            let message = "a bucket of time starts before 1677-09-21, where timestamps begin";
            Error::new(Code::SqlInvalid, message).hint("use another origin or width")
        })
    }
}

/// A function of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// The function.
    pub function: Function,
    /// Its column; not looked at by [`Function::CountRows`].
    pub column: ColumnId,
}

/// What is computed of the rows of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Number of rows, Int64.
    CountRows,
    /// Number of values, Int64.
    Count,
    /// Sum of the values: Int64, UInt64 or Float64 as the column; outside that type an error.
    Sum,
    /// Mean of the values, Float64.
    Mean,
    /// Least value. Floats by total order: NaN is above, -NaN below all others.
    Min,
    /// Greatest value, in the same order.
    Max,
    /// Value of the earliest row that has one; of equal times any.
    First,
    /// Value of the latest row that has one; of equal times any.
    Last,
    /// Value, null included, of the earliest row. All `FirstRow` of a fold give the same row.
    FirstRow,
    /// Value, null included, of the latest row. All `LastRow` of a fold give the same row.
    LastRow,
}
