//! Times and time ranges in parameters: any accepted text, or a number whose unit its magnitude tells.

use pulsora_model::partition::DAY_NS;
use pulsora_model::time::{Precision, is_date_only, parse_time};
use pulsora_model::{Error, Result};
use pulsora_storage::TimeRange;

use crate::params::Params;

/// `start` and `end` of a request, both inclusive; absent ends are open.
///
/// # Errors
/// `invalid_time`, with the name of the parameter.
pub fn time_range(params: &Params) -> Result<TimeRange> {
    let named = |name: &'static str| move |error: Error| error.context(name);
    let start = params.text("start").map(start_time).transpose().map_err(named("start"))?;
    let end = params.text("end").map(end_time).transpose().map_err(named("end"))?;
    Ok(TimeRange {
        start_ns: start.unwrap_or(TimeRange::ALL.start_ns),
        end_ns: end.unwrap_or(TimeRange::ALL.end_ns),
    })
}

/// A time as a number or as text.
///
/// # Errors
/// `invalid_time`.
pub fn start_time(text: &str) -> Result<i64> {
    match text.trim().parse::<i64>() {
        Ok(number) => Precision::Auto.to_ns(number),
        Err(_) => parse_time(text),
    }
}

/// [`start_time`], but a date alone means the end of that day, and a number the end of its unit is
/// not stretched.
///
/// # Errors
/// `invalid_time`.
pub fn end_time(text: &str) -> Result<i64> {
    let time = start_time(text)?;
    let stretch = if is_date_only(text) { DAY_NS - 1 } else { 0 };
    Ok(time.saturating_add(stretch))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(query: &str) -> Result<TimeRange> {
        time_range(&Params::of(&format!("/x?{query}").parse().unwrap()).unwrap())
    }

    #[test]
    fn texts_and_numbers_of_every_unit() {
        let second = 1_700_000_000_000_000_000;
        for text in [
            "1700000000",
            "1700000000000",
            "1700000000000000",
            "1700000000000000000",
            "2023-11-14T22:13:20Z",
            "2023-11-14%2022:13:20",
        ] {
            let range = range(&format!("start={text}&end={text}")).unwrap();
            assert_eq!(range, TimeRange { start_ns: second, end_ns: second }, "{text}");
        }
    }

    #[test]
    fn a_date_ends_with_its_day_and_open_ends_are_open() {
        let range_of_day = range("start=1970-01-02&end=1970-01-02").unwrap();
        assert_eq!(range_of_day, TimeRange { start_ns: DAY_NS, end_ns: 2 * DAY_NS - 1 });
        assert_eq!(range("").unwrap(), TimeRange::ALL);
        assert_eq!(range("end=2262-04-11").unwrap().end_ns, i64::MAX);
    }

    #[test]
    fn what_is_no_time_is_refused_by_name() {
        let error = range("end=soon").unwrap_err();
        assert!(error.message().starts_with("end: "), "{error}");
    }
}
