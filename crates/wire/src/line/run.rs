//! A run of lines that look like the one before them: guessed, compared, and written straight into
//! the columns.
//!
//! Not responsible for anything else: the first line that is not exactly as guessed ends the run
//! before it, and the exact reader ([`super::parser`]) says what it is.
//!
//! Invariant: a line that is taken is a line that the exact reader would store, with the same
//! series, values and time.

use memchr::memchr2;

use pulsora_model::Scalar;
use pulsora_model::builder::Lanes;
use pulsora_model::column::Lane;
use pulsora_model::convert::exact_i64;

use super::numbers::Numbers;
use super::scan::{IN_QUOTES, prefix_end, unescape};
use super::value::{Value, read, read_time};
use super::words::{Expected, decimal, digits, integer};
use crate::items::{Clock, Time};

/// The time of the line before: many lines have the same one.
#[derive(Default)]
pub(super) struct LastTime(Option<(Expected, i64)>);

/// What the lines of a run have in common.
pub(super) struct Run<'r, 'a> {
    pub(super) text: &'a str,
    pub(super) measurement: &'r Expected,
    pub(super) names: &'r [Expected],
    pub(super) numbers: Numbers<'r, 'a>,
    pub(super) clock: &'r mut Clock,
    pub(super) last_time: &'r mut LastTime,
    /// Longer texts are for the exact reader to refuse.
    pub(super) text_bytes_max: usize,
}

impl Run<'_, '_> {
    /// Takes lines from `at` on, up to the room in `lanes`; gives how many, and where the last one
    /// ended.
    pub(super) fn lines(&mut self, mut at: usize, lanes: &mut Lanes<'_>) -> (usize, usize) {
        let room = lanes.times.len();
        let mut row = 0;
        while row < room && at < self.text.len() {
            let Some(end) = self.line(at, row, lanes) else { break };
            at = end;
            row += 1;
        }
        (row, at)
    }

    /// Takes the line at `start`, if it is as guessed; gives where the next one starts.
    #[inline]
    fn line(&mut self, start: usize, row: usize, lanes: &mut Lanes<'_>) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let tags = self.measurement.after(bytes, start)?;
        let mut at = match bytes.get(tags)? {
            b' ' => tags,
            b',' => prefix_end(bytes, tags).ok()?,
            _ => return None,
        };
        let series = self.numbers.find(self.text, tags..at)?;
        for (name, lane) in self.names.iter().zip(&mut lanes.values) {
            at = name.after(bytes, at)?;
            at = self.value(at, row, lane)?;
        }
        let (time_ns, end) = self.time(at)?;
        lanes.times[row] = time_ns;
        lanes.codes[row] = series;
        Some(end)
    }

    /// Takes the value at `at`; gives where it ends.
    #[inline]
    fn value(&self, at: usize, row: usize, lane: &mut Lane<'_>) -> Option<usize> {
        let bytes = self.text.as_bytes();
        match lane {
            Lane::I64(values) => {
                if let Some((value, end)) = integer(bytes, at) {
                    values[row] = value;
                    return Some(end);
                }
            }
            Lane::F64(values) => {
                if let Some((value, end)) = decimal(bytes, at) {
                    values[row] = value;
                    return Some(end);
                }
            }
            Lane::Text(texts) if *bytes.get(at)? == b'"' => {
                let end = at + 1 + memchr2(b'"', b'\\', &bytes[at + 1..])?;
                if bytes[end] == b'"' && end - at <= self.text_bytes_max {
                    return texts.push(&self.text[at + 1..end]).then_some(end + 1);
                }
            }
            _ => {}
        }
        self.uncommon_value(at, row, lane)
    }

    /// [`Run::value`] for every spelling, and for values that their column takes in its own type.
    fn uncommon_value(&self, at: usize, row: usize, lane: &mut Lane<'_>) -> Option<usize> {
        let (value, end) = read(self.text, at).ok()?;
        match (value, lane) {
            (Value::Scalar(Scalar::I64(value)), Lane::I64(values)) => values[row] = value,
            (Value::Scalar(Scalar::U64(value)), Lane::U64(values)) => values[row] = value,
            (Value::Scalar(Scalar::F64(value)), Lane::F64(values)) => values[row] = value,
            (Value::Scalar(Scalar::I64(value)), Lane::F64(values)) if exact_i64(value) => {
                values[row] = value as f64;
            }
            (Value::Scalar(Scalar::Bool(value)), Lane::Bool(values)) => values[row] = value,
            (Value::Escaped(raw), Lane::Text(texts)) => {
                let text = unescape(raw, IN_QUOTES);
                if text.len() > self.text_bytes_max || !texts.push(&text) {
                    return None;
                }
            }
            _ => return None,
        }
        Some(end)
    }

    /// Takes the rest of a line behind its fields: its time in nanoseconds, and where the next line
    /// starts.
    #[inline]
    fn time(&mut self, at: usize) -> Option<(i64, usize)> {
        if let Some((text, time_ns)) = &self.last_time.0
            && let Some(end) = text.after(self.text.as_bytes(), at)
        {
            return Some((*time_ns, end));
        }
        self.new_time(at)
    }

    fn new_time(&mut self, at: usize) -> Option<(i64, usize)> {
        let bytes = self.text.as_bytes();
        let (time, end) = match bytes.get(at) {
            Some(b' ') => match digits(bytes, at + 1) {
                Some((number, end)) if bytes[end] == b'\n' => (Time::Number(number as i64), end),
                _ => {
                    let (number, end) = read_time(self.text, at + 1).ok()?;
                    (Time::Number(number), end)
                }
            },
            _ => (Time::Now, at),
        };
        let end = match bytes[end..] {
            [] => end,
            [b'\n', ..] | [b'\r'] => end + 1,
            [b'\r', b'\n', ..] => end + 2,
            _ => return None,
        };
        let time_ns = self.clock.to_ns(time).ok()?;
        self.clock.settle(time);
        if bytes[..end].ends_with(b"\n") {
            self.last_time.0 = Some((Expected::new(&bytes[at..end]), time_ns));
        }
        Some((time_ns, end))
    }
}

#[cfg(test)]
mod tests;
