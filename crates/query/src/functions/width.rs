//! The width of a bucket: so many nanoseconds, or so many calendar months.

use arrow::datatypes::IntervalMonthDayNano;

const DAY_NS: i64 = 86_400_000_000_000;

/// A width; always above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    Nanoseconds(i64),
    Months(i32),
}

/// Units of a text width, with their nanoseconds or months.
const UNITS: &[(&[&str], Width)] = &[
    (&["ns", "nanosecond", "nanoseconds"], Width::Nanoseconds(1)),
    (&["us", "µs", "microsecond", "microseconds"], Width::Nanoseconds(1_000)),
    (&["ms", "millisecond", "milliseconds"], Width::Nanoseconds(1_000_000)),
    (&["s", "sec", "secs", "second", "seconds"], Width::Nanoseconds(1_000_000_000)),
    (&["m", "min", "mins", "minute", "minutes"], Width::Nanoseconds(60_000_000_000)),
    (&["h", "hr", "hour", "hours"], Width::Nanoseconds(3_600_000_000_000)),
    (&["d", "day", "days"], Width::Nanoseconds(DAY_NS)),
    (&["w", "week", "weeks"], Width::Nanoseconds(7 * DAY_NS)),
    (&["mo", "mon", "month", "months"], Width::Months(1)),
    (&["q", "quarter", "quarters"], Width::Months(3)),
    (&["y", "yr", "year", "years"], Width::Months(12)),
];

impl Width {
    /// `5m`, `1 day`, `1h30m`, `month`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(crate) fn parse(text: &str) -> Result<Width, String> {
        let (mut nanoseconds, mut months) = (0i64, 0i64);
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err("the width of a bucket is empty".into());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let number = match &rest[..digits] {
                "" => 1,
                digits => digits.parse().map_err(|_| format!("{text:?} is too wide"))?,
            };
            rest = rest[digits..].trim_start();
            let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
            let wide = || format!("{text:?} is too wide");
            match unit(&rest[..letters]) {
                Some(Width::Nanoseconds(one)) => {
                    let part = one.checked_mul(number).ok_or_else(wide)?;
                    nanoseconds = nanoseconds.checked_add(part).ok_or_else(wide)?;
                }
                Some(Width::Months(one)) => {
                    let part = i64::from(one).checked_mul(number).ok_or_else(wide)?;
                    months = months.checked_add(part).ok_or_else(wide)?;
                }
                None => {
                    return Err(format!(
                        "{text:?} is not a width: use a number with ns, us, ms, s, m, h, d, w, mo or y"
                    ));
                }
            }
            rest = rest[letters..].trim_start();
        }
        Width::new(months, nanoseconds)
    }

    /// # Errors
    /// When the interval is not above zero, or mixes months with shorter units.
    pub(crate) fn of_interval(interval: IntervalMonthDayNano) -> Result<Width, String> {
        let days = i64::from(interval.days) * DAY_NS;
        let nanoseconds =
            days.checked_add(interval.nanoseconds).ok_or("the width of a bucket is too large")?;
        Width::new(i64::from(interval.months), nanoseconds)
    }

    fn new(months: i64, nanoseconds: i64) -> Result<Width, String> {
        match (months, nanoseconds) {
            (0, nanoseconds) if nanoseconds > 0 => Ok(Width::Nanoseconds(nanoseconds)),
            (months, 0) if months > 0 => i32::try_from(months)
                .map(Width::Months)
                .map_err(|_| "the width is too large".into()),
            (0, _) | (_, 0) => Err("the width of a bucket must be above zero".into()),
            _ => Err("the width of a bucket cannot mix months with shorter units".into()),
        }
    }
}

fn unit(name: &str) -> Option<Width> {
    // A lone capital M is a month elsewhere and a minute here: neither is guessed.
    if name == "M" {
        return None;
    }
    let name = name.to_lowercase();
    UNITS.iter().find(|(names, _)| names.contains(&name.as_str())).map(|(_, width)| *width)
}
