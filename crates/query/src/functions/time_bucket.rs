//! `time_bucket(width, time[, origin])`: the start of the bucket that `time` lies in.
//!
//! `width` is an interval or a text (`5m`, `1 day`, `1 month`). Buckets of months start at 2000-01-01
//! and all others at Monday 2000-01-03 (as in TimescaleDB and DuckDB), so that weeks start on Mondays
//! and every width that divides a day starts at midnight, UTC. With `origin` they start there.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimestampNanosecondType};
use chrono::{DateTime, Datelike, Months, Utc};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use pulsora_model::types::{UTC, timestamp_type};

use super::width::Width;

/// Monday 2000-01-03, nanoseconds: where buckets of fixed widths start.
pub(crate) const ORIGIN_NS: i64 = 946_857_600_000_000_000;
/// 2000-01-01.
const ORIGIN_MONTHS_NS: i64 = 946_684_800_000_000_000;

const USAGE: &str = "time_bucket takes a width, a time and optionally an origin, \
                     like time_bucket('5m', time)";

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TimeBucket {
    signature: Signature,
}

impl TimeBucket {
    pub(super) fn new() -> TimeBucket {
        TimeBucket { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(timestamp_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), timestamp_type(), nullable)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if !(2..=3).contains(&types.len()) {
            return plan_err!("{USAGE}");
        }
        let width = match &types[0] {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
            _ => return plan_err!("{USAGE}; the width is an interval or a text"),
        };
        let mut coerced = vec![width];
        for ty in &types[1..] {
            match ty {
                DataType::Timestamp(_, _)
                | DataType::Date32
                | DataType::Date64
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Null => coerced.push(timestamp_type()),
                _ => return plan_err!("{USAGE}; the second argument is a time"),
            }
        }
        Ok(coerced)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [width, time, origin @ ..] = args.args.as_slice() else { return exec_err!("{USAGE}") };
        let width = constant_width(width)?;
        let origin = match origin.first() {
            None => None,
            Some(ColumnarValue::Scalar(ScalarValue::TimestampNanosecond(Some(origin), _))) => {
                Some(*origin)
            }
            Some(_) => return exec_err!("the origin of time_bucket is one time for all rows"),
        };
        let buckets = Buckets::new(width, origin);
        match time {
            ColumnarValue::Scalar(ScalarValue::TimestampNanosecond(time, _)) => {
                let start = time.map(|time| buckets.start(time)).transpose()?;
                Ok(ColumnarValue::Scalar(ScalarValue::TimestampNanosecond(start, Some(UTC.into()))))
            }
            ColumnarValue::Scalar(other) => exec_err!("{other} is not a time"),
            ColumnarValue::Array(times) => Ok(ColumnarValue::Array(buckets.starts(times)?)),
        }
    }

    /// Of times in order the buckets are in order.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        let [width, time, origin @ ..] = inputs else { return Ok(SortProperties::Unordered) };
        let constant = |input: &ExprProperties| input.sort_properties == SortProperties::Singleton;
        if constant(width) && origin.iter().all(constant) {
            return Ok(time.sort_properties);
        }
        Ok(SortProperties::Unordered)
    }
}

fn constant_width(width: &ColumnarValue) -> Result<Width> {
    let parsed = match width {
        ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))) => Width::parse(text),
        ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(interval))) => {
            Width::of_interval(*interval)
        }
        _ => return exec_err!("the width of time_bucket is one interval or text for all rows"),
    };
    parsed.map_err(|message| exec_datafusion_err!("{message}"))
}

/// Where buckets start.
struct Buckets {
    width: Width,
    origin_ns: i64,
}

impl Buckets {
    fn new(width: Width, origin: Option<i64>) -> Buckets {
        let usual = match width {
            Width::Nanoseconds(_) => ORIGIN_NS,
            Width::Months(_) => ORIGIN_MONTHS_NS,
        };
        Buckets { width, origin_ns: origin.unwrap_or(usual) }
    }

    fn starts(&self, times: &ArrayRef) -> Result<ArrayRef> {
        let Some(times) = times.as_primitive_opt::<TimestampNanosecondType>() else {
            return exec_err!("the second argument of time_bucket is a time");
        };
        let starts: TimestampNanosecondArray = times.try_unary(|time| self.start(time))?;
        debug_assert_eq!(starts.len(), times.len(), "one start per time");
        Ok(Arc::new(starts.with_timezone(UTC)))
    }

    fn start(&self, time_ns: i64) -> Result<i64> {
        let start = match self.width {
            Width::Nanoseconds(width) => {
                let (time, origin) = (i128::from(time_ns), i128::from(self.origin_ns));
                let start = time - (time - origin).rem_euclid(i128::from(width));
                i64::try_from(start).ok()
            }
            Width::Months(months) => self.start_of_months(time_ns, months),
        };
        start.ok_or_else(|| {
            exec_datafusion_err!(
                "the bucket of {time_ns} ns starts before the first time, 1677-09-21"
            )
        })
    }

    fn start_of_months(&self, time_ns: i64, months: i32) -> Option<i64> {
        let origin = DateTime::<Utc>::from_timestamp_nanos(self.origin_ns);
        let time = DateTime::<Utc>::from_timestamp_nanos(time_ns);
        let month_of = |t: &DateTime<Utc>| t.year() * 12 + t.month0() as i32;
        let passed = month_of(&time) - month_of(&origin);
        let mut steps = passed.div_euclid(months);
        let mut start = add_months(origin, steps * months)?;
        // Within the month of the origin's day the bucket may not have begun yet.
        if start > time {
            steps -= 1;
            start = add_months(origin, steps * months)?;
        }
        start.timestamp_nanos_opt()
    }
}

fn add_months(time: DateTime<Utc>, months: i32) -> Option<DateTime<Utc>> {
    let step = Months::new(months.unsigned_abs());
    if months < 0 { time.checked_sub_months(step) } else { time.checked_add_months(step) }
}
