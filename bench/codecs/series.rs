//! The series that are compared.
//!
//! Responsible for reading the real ones and for making the others, always the same.

use std::fs;
use std::path::Path;

use pulsora_codec::codec::{BLOCK_VALUES_MAX, Kind, Text, Values};
use pulsora_load::cpu::{Fleet, START_NS, STEP_NS, Workload};
use pulsora_load::random::Random;

/// Blocks of a made series.
const MADE_BLOCKS: usize = 4;
const MADE_VALUES: usize = MADE_BLOCKS * BLOCK_VALUES_MAX;
const SECOND_NS: i64 = 1_000_000_000;

/// A series.
pub struct Series {
    /// Its name in reports.
    pub name: String,
    /// Whether it has been measured in the world.
    pub real: bool,
    /// Its values.
    pub column: Column,
}

/// Values of one kind.
pub enum Column {
    /// Integers, and times in nanoseconds.
    Integers(Vec<i64>),
    /// Floats.
    Floats(Vec<f64>),
    /// Booleans.
    Booleans(Vec<bool>),
    /// Strings end to end.
    Text {
        /// One more than there are strings, from 0.
        offsets: Vec<u32>,
        /// The strings.
        bytes: Vec<u8>,
    },
}

impl Column {
    fn of_strings(strings: impl IntoIterator<Item = String>) -> Column {
        let (mut offsets, mut bytes) = (vec![0], Vec::new());
        for string in strings {
            bytes.extend_from_slice(string.as_bytes());
            offsets.push(bytes.len() as u32);
        }
        Column::Text { offsets, bytes }
    }

    /// What the values are.
    pub fn kind(&self) -> Kind {
        match self {
            Column::Integers(_) => Kind::Integers,
            Column::Floats(_) => Kind::Floats,
            Column::Booleans(_) => Kind::Booleans,
            Column::Text { .. } => Kind::Text,
        }
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        match self {
            Column::Integers(values) => values.len(),
            Column::Floats(values) => values.len(),
            Column::Booleans(values) => values.len(),
            Column::Text { offsets, .. } => offsets.len() - 1,
        }
    }

    /// The values by blocks.
    pub fn blocks(&self) -> Vec<Block<'_>> {
        let starts = (0..self.len()).step_by(BLOCK_VALUES_MAX);
        starts.map(|start| self.block(start, (start + BLOCK_VALUES_MAX).min(self.len()))).collect()
    }

    fn block(&self, start: usize, end: usize) -> Block<'_> {
        match self {
            Column::Integers(values) => Block::Integers(&values[start..end]),
            Column::Floats(values) => Block::Floats(&values[start..end]),
            Column::Booleans(values) => Block::Booleans(&values[start..end]),
            Column::Text { offsets, bytes } => {
                let first = offsets[start];
                let bytes = &bytes[first as usize..offsets[end] as usize];
                let offsets = offsets[start..=end].iter().map(|offset| offset - first).collect();
                Block::Text { offsets, bytes }
            }
        }
    }
}

/// Values of one block.
pub enum Block<'a> {
    /// See [`Column::Integers`].
    Integers(&'a [i64]),
    /// See [`Column::Floats`].
    Floats(&'a [f64]),
    /// See [`Column::Booleans`].
    Booleans(&'a [bool]),
    /// See [`Column::Text`].
    Text {
        /// From 0.
        offsets: Vec<u32>,
        /// The strings.
        bytes: &'a [u8],
    },
}

impl Block<'_> {
    /// As the codecs take them.
    pub fn values(&self) -> Values<'_> {
        match self {
            Block::Integers(values) => Values::Integers(values),
            Block::Floats(values) => Values::Floats(values),
            Block::Booleans(values) => Values::Booleans(values),
            Block::Text { offsets, bytes } => Values::Text(Text { offsets, bytes }),
        }
    }
}

/// The series below a directory; none where it is absent.
///
/// # Errors
/// When a file is not what it should be.
pub fn real(dir: &Path) -> Result<Vec<Series>, String> {
    let mut series = Vec::new();
    if let Ok(text) = fs::read_to_string(dir.join("stocks.csv")) {
        series.extend(columns("stocks", &text)?);
    }
    let files = fs::read_dir(dir.join("nab")).into_iter().flatten().flatten();
    let mut paths: Vec<_> = files.map(|file| file.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    paths.sort();
    for path in paths {
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        series.extend(columns(&name, &text)?);
    }
    Ok(series)
}

/// The columns of a CSV file: integers where all values are, times where they look like it, else floats;
/// other texts are left out.
fn columns(file: &str, text: &str) -> Result<Vec<Series>, String> {
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    if rows.iter().any(|row| row.len() != names.len()) {
        return Err(format!("{file}: a row has not {} columns", names.len()));
    }
    let columns = names.iter().enumerate().filter_map(|(at, name)| {
        let texts = || rows.iter().map(|row| row[at]);
        let integers = || texts().map(|text| text.parse().ok()).collect::<Option<Vec<i64>>>();
        let times = || texts().map(time).collect::<Option<Vec<i64>>>();
        let floats = || texts().map(|text| text.parse().ok()).collect::<Option<Vec<f64>>>();
        let whole = integers().or_else(times).map(Column::Integers);
        let column = whole.or_else(|| floats().map(Column::Floats))?;
        Some(Series { name: format!("{file} {}", name.to_lowercase()), real: true, column })
    });
    Ok(columns.collect())
}

/// `2000-03-01` or `2000-03-01 12:34:56` as nanoseconds since 1970; `None` for a text of another shape.
fn time(text: &str) -> Option<i64> {
    let (date, clock) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let numbers = |text: &str, by: char| -> Option<[i64; 3]> {
        let parts: Option<Vec<i64>> = text.split(by).map(|part| part.parse().ok()).collect();
        parts?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    // Years begin in March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * SECOND_NS)
}

/// The series that are made.
pub fn made() -> Vec<Series> {
    let mut random = Random::new(1);
    let mut series = vec![
        ("walk of two decimals", Column::Floats(two_decimals(&mut random, MADE_VALUES))),
        ("integer walk", Column::Integers(integer_walk(&mut random, MADE_VALUES))),
        ("floats of full mantissa", Column::Floats(full_mantissa(&mut random))),
        ("regular times", Column::Integers(regular_times(MADE_VALUES))),
        ("jittered times", Column::Integers(jittered_times(&mut random))),
        ("a status that seldom changes", Column::Integers(seldom(&mut random, |at| 200 + at % 7))),
        (
            "a setting that seldom changes",
            Column::Floats(seldom(&mut random, |at| 18.5 + at as f64 / 10.0)),
        ),
        ("one of eight prices", Column::Floats(one_of_eight(&mut random))),
        ("an integer that never changes", Column::Integers(vec![1_500; MADE_VALUES])),
        ("a float that never changes", Column::Floats(vec![0.1; MADE_VALUES])),
        ("a switch that seldom changes", Column::Booleans(seldom(&mut random, |at| at % 2 == 0))),
        ("coin flips", Column::Booleans((0..MADE_VALUES).map(|_| random.below(2) == 0).collect())),
        ("log messages", Column::of_strings((0..BLOCK_VALUES_MAX).map(|_| message(&mut random)))),
        ("request paths", Column::of_strings((0..BLOCK_VALUES_MAX).map(|_| path(&mut random)))),
        ("host names", Column::of_strings((0..MADE_VALUES).map(host))),
    ];
    series.extend(tsbs());
    let named =
        |(name, column): (&str, Column)| Series { name: name.to_owned(), real: false, column };
    series.into_iter().map(named).collect()
}

/// Prices: steps of a few hundredths, never below 1.
pub fn two_decimals(random: &mut Random, values: usize) -> Vec<f64> {
    let mut cents = 10_000.0_f64;
    let next = |_| {
        cents = (cents + random.normal() * 10.0).max(100.0);
        cents.round() / 100.0
    };
    (0..values).map(next).collect()
}

/// Steps of N(0, 1) between 0 and 100, cut to integers: as the fields of the benchmark suite.
pub fn integer_walk(random: &mut Random, values: usize) -> Vec<i64> {
    let mut value = 50.0_f64;
    let next = |_| {
        value = (value + random.normal()).clamp(0.0, 100.0);
        value as i64
    };
    (0..values).map(next).collect()
}

fn full_mantissa(random: &mut Random) -> Vec<f64> {
    let mut value = 50.0;
    let next = |_| {
        value += random.normal();
        value
    };
    (0..MADE_VALUES).map(next).collect()
}

/// The next value every thousand rows or so.
fn seldom<T>(random: &mut Random, value: impl Fn(i64) -> T) -> Vec<T> {
    let mut changes = 0;
    let next = |_| {
        changes += i64::from(random.below(1_000) == 0);
        value(changes)
    };
    (0..MADE_VALUES).map(next).collect()
}

/// Any of eight values that have nothing to do with each other.
fn one_of_eight(random: &mut Random) -> Vec<f64> {
    let prices: Vec<f64> = (0..8).map(|_| random.float() * 1e6).collect();
    (0..MADE_VALUES).map(|_| prices[random.below(8) as usize]).collect()
}

/// Every ten seconds.
pub fn regular_times(values: usize) -> Vec<i64> {
    (0..values).map(|at| START_NS + at as i64 * STEP_NS).collect()
}

/// Every ten seconds, up to 20 ms late, in whole milliseconds.
fn jittered_times(random: &mut Random) -> Vec<i64> {
    let late = |time: i64| time + i64::from(random.below(21)) * 1_000_000;
    regular_times(MADE_VALUES).into_iter().map(late).collect()
}

/// Two fields and the times of the benchmark suite's hosts, host after host.
fn tsbs() -> [(&'static str, Column); 3] {
    const HOSTS: usize = 31;
    let workload = Workload::of_hosts(HOSTS);
    let rows = workload.rows_of_hours(24.0);
    let mut by_host = Fleet::new(workload).rows(rows);
    by_host.sort_by_key(|row| row.host);
    by_host.truncate(MADE_VALUES);
    let field = |at: usize| by_host.iter().map(|row| i64::from(row.values[at])).collect();
    [
        ("TSBS usage_user, host by host", Column::Integers(field(0))),
        ("TSBS usage_guest_nice, host by host", Column::Integers(field(9))),
        (
            "TSBS times, host by host",
            Column::Integers(by_host.iter().map(|row| row.time).collect()),
        ),
    ]
}

fn message(random: &mut Random) -> String {
    let mut number = |bound| random.below(bound);
    match number(5) {
        0 => format!(
            "connection from 10.0.{}.{} port {} accepted",
            number(4),
            number(250),
            1_024 + number(60_000)
        ),
        1 => format!(
            "request {:08x} finished in {} ms with status {}",
            number(1 << 30),
            number(2_000),
            [200, 204, 404, 500][number(4) as usize]
        ),
        2 => format!(
            "worker {} took job {} from the queue, {} left",
            number(16),
            number(1 << 20),
            number(100)
        ),
        3 => format!("cache miss for key user:{}:profile, loading from the store", number(100_000)),
        _ => format!(
            "disk /dev/sd{} is {} % full, {} inodes free",
            char::from(b'a' + number(6) as u8),
            number(100),
            number(1 << 24)
        ),
    }
}

fn path(random: &mut Random) -> String {
    const PARTS: [&str; 8] =
        ["users", "orders", "items", "images", "search", "reports", "sessions", "prices"];
    let [first, second] = [0, 0].map(|_| PARTS[random.below(8) as usize]);
    format!("/api/v2/{first}/{}/{second}?page={}", random.below(10_000), random.below(30))
}

/// A tag, host by host.
fn host(at: usize) -> String {
    format!("host_{}", at / 8_640)
}
