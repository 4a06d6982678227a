//! Times of a row body: texts and numbers to nanoseconds.
//!
//! Numbers without a declared unit are kept raw until the end of the body, where the largest
//! magnitude decides the unit of all of them. One body writes its times in one way: all text or all
//! numbers.

use arrow::array::BooleanArray;
use pulsora_model::name::prefix;
use pulsora_model::time::{Precision, column_precision, parse_time, parse_with_pattern};
use pulsora_model::{Code, Error, Result};

use super::infer::{parse_int, parse_uint};
use super::options::TimeFormat;
use super::outcome::RowError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Number,
}

/// Reads the time cells of one body.
#[derive(Debug)]
pub(crate) struct Times<'o> {
    format: Option<&'o TimeFormat>,
    form: Option<Form>,
    /// Fractions of a unit, in 1e-9, by row; ascending. Only while the unit is open.
    fractions: Vec<(usize, u32)>,
}

impl<'o> Times<'o> {
    pub(crate) fn new(format: Option<&'o TimeFormat>) -> Times<'o> {
        Times { format, form: None, fractions: Vec::new() }
    }

    /// Reads the time of row `row` of the batch; nanoseconds, or the raw number when the unit is
    /// open until [`Times::finish`].
    pub(crate) fn read(&mut self, text: &str, row: usize) -> Result<i64, RowError> {
        let text = text.trim_ascii();
        match self.format {
            Some(TimeFormat::Pattern(pattern)) => Ok(parse_with_pattern(text, pattern)?),
            Some(TimeFormat::Rfc3339) => Ok(parse_time(text)?),
            Some(TimeFormat::Unit(unit)) => {
                let (whole, fraction) = decimal(text).ok_or_else(|| not_a_number(text))?;
                self.number(whole, fraction, *unit, row)
            }
            None => match decimal(text) {
                Some((whole, fraction)) => {
                    self.same_form(Form::Number)?;
                    self.number(whole, fraction, Precision::Auto, row)
                }
                None => {
                    let time = parse_time(text)?;
                    self.same_form(Form::Text)?;
                    Ok(time)
                }
            },
        }
    }

    /// [`Times::read`] for texts that need no second look, once a row has shown how the times of the
    /// body are written; `None` for others.
    #[inline]
    pub(crate) fn read_quick(&self, text: &str, minute: &mut MinuteText) -> Option<i64> {
        match (self.format, self.form) {
            (Some(TimeFormat::Rfc3339), _) | (None, Some(Form::Text)) => minute.read(text),
            (Some(TimeFormat::Unit(unit)), _) => self.number_quick(text, *unit),
            (None, Some(Form::Number)) => self.number_quick(text, Precision::Auto),
            (None, None) | (Some(TimeFormat::Pattern(_)), _) => None,
        }
    }

    #[inline]
    fn number_quick(&self, text: &str, unit: Precision) -> Option<i64> {
        if !self.fractions.is_empty() || text.len() > 19 {
            return None;
        }
        let value = parse_int(text.as_bytes()).filter(|_| !text.starts_with(['-', '+']))?;
        value.checked_mul(unit.unit_ns().unwrap_or(1))
    }

    /// Reads a time that is an integer.
    pub(crate) fn read_int(&mut self, value: i64, row: usize) -> Result<i64, RowError> {
        match self.format {
            None => {
                self.same_form(Form::Number)?;
                self.number(value, 0, Precision::Auto, row)
            }
            Some(TimeFormat::Unit(unit)) => self.number(value, 0, *unit, row),
            Some(_) => self.read(&value.to_string(), row),
        }
    }

    /// Reads a time that is a float.
    pub(crate) fn read_float(&mut self, value: f64, row: usize) -> Result<i64, RowError> {
        let (whole, fraction) = from_float(value)
            .ok_or_else(|| RowError::new(Code::InvalidTime, format!("{value} is not a time")))?;
        let unit = match self.format {
            None => {
                self.same_form(Form::Number)?;
                Precision::Auto
            }
            Some(TimeFormat::Unit(unit)) => *unit,
            Some(_) => return self.read(&value.to_string(), row),
        };
        self.number(whole, fraction, unit, row)
    }

    /// Keeps only some of the rows.
    pub(crate) fn retain(&mut self, times: &mut Vec<i64>, keep: &BooleanArray) {
        let fractions = std::mem::take(&mut self.fractions);
        let mut fractions = fractions.into_iter().peekable();
        let mut kept = Vec::with_capacity(times.len());
        for (row, time) in times.iter().enumerate() {
            let fraction = fractions.next_if(|(at, _)| *at == row);
            if keep.value(row) {
                self.fractions.extend(fraction.map(|(_, fraction)| (kept.len(), fraction)));
                kept.push(*time);
            }
        }
        *times = kept;
    }

    fn same_form(&mut self, form: Form) -> Result<(), RowError> {
        if *self.form.get_or_insert(form) == form {
            return Ok(());
        }
        let message = match form {
            Form::Text => "this time is text, those before it are numbers",
            Form::Number => "this time is a number, those before it are text",
        };
        Err(RowError::new(Code::InvalidTime, message)
            .hint("write all times of one body in the same way"))
    }

    fn number(
        &mut self,
        whole: i64,
        fraction: u32,
        unit: Precision,
        row: usize,
    ) -> Result<i64, RowError> {
        match unit.unit_ns() {
            Some(unit_ns) => {
                to_ns(whole, fraction, unit_ns).ok_or_else(|| out_of_range(whole).into())
            }
            None => {
                while self.fractions.last().is_some_and(|(last, _)| *last >= row) {
                    self.fractions.pop();
                }
                if fraction > 0 {
                    self.fractions.push((row, fraction));
                }
                Ok(whole)
            }
        }
    }

    /// Whether the times are raw numbers whose unit the whole body decides.
    pub(crate) fn is_open(&self) -> bool {
        match self.format {
            Some(TimeFormat::Unit(unit)) => unit.unit_ns().is_none(),
            Some(_) => false,
            None => self.form == Some(Form::Number),
        }
    }

    /// Turns raw numbers into nanoseconds, once all rows are there.
    ///
    /// # Errors
    /// `mixed_time_units`, or `invalid_time` for a number that is out of range in its unit.
    pub(crate) fn finish(&self, times: &mut [i64]) -> Result<()> {
        if !self.is_open() {
            return Ok(());
        }
        let unit = column_precision(times.iter().copied())?.unit_ns().unwrap_or(1);
        let mut fractions = self.fractions.iter().peekable();
        for (row, time) in times.iter_mut().enumerate() {
            let fraction = fractions.next_if(|(at, _)| *at == row).map_or(0, |(_, f)| *f);
            *time = to_ns(*time, fraction, unit).ok_or_else(|| out_of_range(*time))?;
        }
        Ok(())
    }
}

/// Reads RFC 3339 in UTC, of which the minute is mostly that of the text before.
#[derive(Debug, Default)]
pub(crate) struct MinuteText {
    /// `2024-01-31T12:34:` and its nanoseconds.
    minute: Option<([u8; 17], i64)>,
}

impl MinuteText {
    /// `minute`, then `SS`, `.` with one to nine digits or nothing, and `Z` or nothing; `None` for
    /// other texts, times or not.
    #[inline]
    pub(crate) fn read(&mut self, text: &str) -> Option<i64> {
        let (minute, rest) = text.as_bytes().split_first_chunk::<17>()?;
        let base = match &self.minute {
            Some((known, base)) if known == minute => *base,
            _ => self.read_minute(minute, text)?,
        };
        let [tens @ b'0'..=b'5', ones @ b'0'..=b'9', rest @ ..] = rest else { return None };
        let seconds = i64::from((tens - b'0') * 10 + (ones - b'0'));
        let nanos = match rest.strip_suffix(b"Z").unwrap_or(rest) {
            [] => 0,
            [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
                let digits_ns = parse_uint(digits)? as i64;
                digits_ns * POWERS[9 - digits.len()]
            }
            _ => return None,
        };
        base.checked_add(seconds * 1_000_000_000 + nanos)
    }

    #[cold]
    fn read_minute(&mut self, minute: &[u8; 17], text: &str) -> Option<i64> {
        let whole = text.get(..17)?;
        if !minute[0].is_ascii_digit() || minute[16] != b':' {
            return None;
        }
        let base = parse_time(&format!("{whole}00")).ok()?;
        self.minute = Some((*minute, base));
        Some(base)
    }
}

/// Powers of ten up to a second in nanoseconds.
const POWERS: [i64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

fn not_a_number(text: &str) -> RowError {
    RowError::new(
        Code::InvalidTime,
        format!("{:?} is not a number, and time_format asks for one", prefix(text, 40)),
    )
    .hint("leave time_format out, or use rfc3339")
}

pub(crate) fn out_of_range(value: i64) -> Error {
    Error::new(
        Code::InvalidTime,
        format!("time {value} is out of range: it lies outside 1677-09-21 to 2262-04-11"),
    )
    .hint("check the unit of the times (time_format)")
}

/// `whole` units and `fraction` 1e-9 units in nanoseconds; `None` when out of range.
fn to_ns(whole: i64, fraction: u32, unit_ns: i64) -> Option<i64> {
    if fraction == 0 {
        return whole.checked_mul(unit_ns);
    }
    let part = i128::from(fraction) * i128::from(unit_ns) / 1_000_000_000;
    i64::try_from(i128::from(whole) * i128::from(unit_ns) + part).ok()
}

/// A decimal number as its floor and the rest in 1e-9; digits beyond are cut.
pub(crate) fn decimal(text: &str) -> Option<(i64, u32)> {
    let bytes = text.as_bytes();
    let start = usize::from(bytes.first() == Some(&b'-'));
    let whole = start + bytes[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    if whole == start {
        return None;
    }
    if whole == bytes.len() {
        return parse_int(bytes).map(|value| (value, 0));
    }
    if bytes[whole] != b'.' {
        return exponent(bytes);
    }
    let digits = &bytes[whole + 1..];
    if !digits.iter().all(u8::is_ascii_digit) {
        return exponent(bytes);
    }
    let fraction =
        (0..9).fold(0u32, |value, i| value * 10 + digits.get(i).map_or(0, |b| u32::from(b - b'0')));
    floor(parse_int(&bytes[..whole])?, fraction, start == 1)
}

/// Numbers with an exponent, by way of a float.
fn exponent(bytes: &[u8]) -> Option<(i64, u32)> {
    if !bytes.iter().any(|b| matches!(b, b'e' | b'E')) {
        return None;
    }
    from_float(fast_float2::parse::<f64, _>(bytes).ok()?)
}

/// A float as its floor and the rest in 1e-9; `None` when it is not a number or beyond i64.
pub(crate) fn from_float(value: f64) -> Option<(i64, u32)> {
    let whole = value.floor();
    // i64::MAX as f64 is 2^63, the first value that does not fit.
    if !(whole >= i64::MIN as f64 && whole < i64::MAX as f64) {
        return None;
    }
    Some((whole as i64, ((value - whole) * 1e9) as u32))
}

fn floor(whole: i64, fraction: u32, negative: bool) -> Option<(i64, u32)> {
    if negative && fraction > 0 {
        return Some((whole.checked_sub(1)?, 1_000_000_000 - fraction));
    }
    Some((whole, fraction))
}
