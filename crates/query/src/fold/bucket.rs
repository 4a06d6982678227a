//! Which calls of the bucketing functions give buckets of one width, and which buckets.

use arrow::datatypes::IntervalDayTime;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;
use pulsora_model::TableSchema;
use pulsora_storage::Bucket;

use super::expressions::is_time;
use crate::functions::{ORIGIN_NS, Width};

/// Units of `date_trunc` with one width in UTC, nanoseconds. Weeks start on Mondays.
const TRUNCATED: &[(&str, i64)] = &[
    ("microsecond", 1_000),
    ("millisecond", 1_000_000),
    ("second", 1_000_000_000),
    ("minute", 60_000_000_000),
    ("hour", 3_600_000_000_000),
    ("day", 86_400_000_000_000),
    ("week", 604_800_000_000_000),
];

/// The buckets of a call, if it is of the time column and all buckets have one width.
pub(super) fn bucket(expr: &Expr, table: &TableSchema) -> Option<Bucket> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return None };
    let [width, time, origin @ ..] = args.as_slice() else { return None };
    let Expr::Literal(width, _) = width else { return None };
    if !is_time(time, table) || origin.len() > 1 {
        return None;
    }
    let origin = match origin.first() {
        None => None,
        Some(Expr::Literal(ScalarValue::TimestampNanosecond(Some(origin), _), _)) => Some(*origin),
        Some(_) => return None,
    };
    match func.name() {
        "time_bucket" => {
            let origin_ns = origin.unwrap_or(ORIGIN_NS);
            Some(Bucket { width_ns: fixed(time_bucket_width(width)?)?, origin_ns })
        }
        "date_bin" => {
            let origin_ns = origin.unwrap_or(0);
            Some(Bucket { width_ns: fixed(interval(width)?)?, origin_ns })
        }
        "date_trunc" if origin.is_none() => truncated(width),
        _ => None,
    }
}

fn fixed(width: Width) -> Option<i64> {
    match width {
        Width::Nanoseconds(width) => Some(width),
        Width::Months(_) => None,
    }
}

fn time_bucket_width(width: &ScalarValue) -> Option<Width> {
    match width {
        ScalarValue::Utf8(Some(text)) => Width::parse(text).ok(),
        other => interval(other),
    }
}

fn interval(width: &ScalarValue) -> Option<Width> {
    match width {
        ScalarValue::IntervalMonthDayNano(Some(interval)) => Width::of_interval(*interval).ok(),
        ScalarValue::IntervalDayTime(Some(IntervalDayTime { days, milliseconds })) => {
            let nanoseconds = i64::from(*milliseconds) * 1_000_000;
            let interval = arrow::datatypes::IntervalMonthDayNano::new(0, *days, nanoseconds);
            Width::of_interval(interval).ok()
        }
        _ => None,
    }
}

fn truncated(unit: &ScalarValue) -> Option<Bucket> {
    let unit = unit.try_as_str()??.to_lowercase();
    let (_, width_ns) = TRUNCATED.iter().find(|(name, _)| *name == unit)?;
    let origin_ns = if unit == "week" { ORIGIN_NS } else { 0 };
    Some(Bucket { width_ns: *width_ns, origin_ns })
}
