//! What can be set of compaction.

use std::fmt;
use std::ops::Range;

use pulsora_model::{Code, Error, Result};

/// What a source of a rewrite takes: a batch of 8,192 rows, about 1 MiB for fifteen columns, and what it
/// was decoded from.
const SOURCE_BYTES: u64 = 2 << 20;

/// Most units of one rewrite, however much memory there is.
const UNITS_MAX: u64 = 64;

/// An output that is being written: at most 64 MiB, which is what a hot segment should not pass.
const OUTPUT_BYTES: Range<u64> = 4 << 20..64 << 20;

/// Settings of compaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactionOptions {
    /// Whether segments are rewritten without being asked for.
    pub enabled: bool,
    /// Rewrites at the same time, at least 1. With two or more, one is kept for small ones: a merge of
    /// hours of data must not keep those of the last seconds waiting.
    pub jobs_max: usize,
    /// Memory of all of them, bytes. Half of a job's share is for its output, half for its inputs.
    pub memory_bytes: u64,
    /// Bytes per second that all of them read and write together; 0 = as fast as the disk.
    pub bytes_per_second: u64,
    /// Largest Parquet segment, bytes.
    pub target_file_bytes: u64,
    /// When what is not urgent may run; empty = always.
    pub windows: Vec<DayWindow>,
}

impl Default for CompactionOptions {
    fn default() -> CompactionOptions {
        CompactionOptions {
            enabled: true,
            jobs_max: 2,
            memory_bytes: 128 << 20,
            bytes_per_second: 0,
            target_file_bytes: 512 << 20,
            windows: Vec::new(),
        }
    }
}

impl CompactionOptions {
    fn job_bytes(&self) -> u64 {
        self.memory_bytes / self.jobs_max.max(1) as u64
    }

    /// Bytes that an output may take in memory.
    pub(crate) fn output_bytes(&self) -> u64 {
        (self.job_bytes() / 2).clamp(OUTPUT_BYTES.start, OUTPUT_BYTES.end)
    }

    /// Most units of one rewrite.
    pub(crate) fn units_max(&self) -> usize {
        (self.job_bytes() / 2 / SOURCE_BYTES).clamp(4, UNITS_MAX) as usize
    }

    /// Whether a moment of the wall clock lies in one of the windows.
    pub(crate) fn is_open(&self, now_ns: i64) -> bool {
        const MINUTE_NS: i64 = 60_000_000_000;
        let minute = now_ns.div_euclid(MINUTE_NS).rem_euclid(i64::from(DayWindow::DAY)) as u16;
        self.windows.is_empty() || self.windows.iter().any(|window| window.contains(minute))
    }
}

/// A part of every day, UTC, by the minute; over midnight where it ends before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayWindow {
    start: u16,
    end: u16,
}

impl DayWindow {
    const DAY: u16 = 24 * 60;

    /// Reads a list of windows such as `22:00-06:00, 12:00-13:30`; an empty one is always.
    ///
    /// # Errors
    /// `invalid_config`.
    pub fn parse_list(text: &str) -> Result<Vec<DayWindow>> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(DayWindow::parse).collect()
    }

    fn parse(text: &str) -> Result<DayWindow> {
        let window = text
            .split_once('-')
            .and_then(|(start, end)| Some(DayWindow { start: minute(start)?, end: minute(end)? }));
        window
            .filter(|window| window.start != window.end && window.start < DayWindow::DAY)
            .ok_or_else(|| {
                Error::new(Code::InvalidConfig, format!("{text:?} is not a part of a day"))
                    .hint("write 22:00-06:00 (UTC), several separated by commas; empty is always")
            })
    }

    fn contains(self, minute: u16) -> bool {
        if self.start < self.end {
            (self.start..self.end).contains(&minute)
        } else {
            minute >= self.start || minute < self.end
        }
    }
}

impl fmt::Display for DayWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, "{}-{}", time(self.start), time(self.end))
    }
}

/// Minutes since midnight of `HH:MM`; 24:00 is the end of the day.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DayWindow::DAY).then_some(minute)
}
