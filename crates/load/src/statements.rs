//! The sixteen query types of the TSBS cpu-only workload, as SQL with random windows and hosts.
//!
//! Responsible for what is asked, not for asking. The same seed gives the same windows and hosts, for every
//! type anew. Windows begin at whole milliseconds, so that engines of coarser time agree; where the rows
//! cover less time than a type asks for, its window is all of it, and where there are fewer hosts, all hosts.

use std::ops::Range;

use crate::cpu::{FIELDS, Workload};
use crate::random::Random;

/// Seed of the windows and hosts.
const SEED: i64 = 123;
const HOUR_NS: i64 = 3_600_000_000_000;

/// One of the types.
#[derive(Clone, Copy, Debug)]
pub struct QueryType {
    /// The name that the benchmark suite gives it.
    pub name: &'static str,
    shape: Shape,
    hosts: usize,
    hours: i64,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Maximum of the first so many fields by time.
    Max { fields: usize, bucket: &'static str },
    /// Mean of the first so many fields by hour and host.
    Mean { fields: usize },
    /// Maximum of a field in the five minutes before a time, newest first.
    NewestMinutes,
    /// Rows whose usage is above 90.
    High,
    /// The newest row of each host.
    Last,
}

const fn max(
    name: &'static str,
    fields: usize,
    hosts: usize,
    hours: i64,
    bucket: &'static str,
) -> QueryType {
    QueryType { name, shape: Shape::Max { fields, bucket }, hosts, hours }
}

const fn mean(name: &'static str, fields: usize) -> QueryType {
    QueryType { name, shape: Shape::Mean { fields }, hosts: 0, hours: 12 }
}

/// All types, in the usual order.
pub const TYPES: [QueryType; 16] = [
    max("single-groupby-1-1-1", 1, 1, 1, "1 minute"),
    max("single-groupby-1-1-12", 1, 1, 12, "1 minute"),
    max("single-groupby-1-8-1", 1, 8, 1, "1 minute"),
    max("single-groupby-5-1-1", 5, 1, 1, "1 minute"),
    max("single-groupby-5-1-12", 5, 1, 12, "1 minute"),
    max("single-groupby-5-8-1", 5, 8, 1, "1 minute"),
    max("cpu-max-all-1", 10, 1, 8, "1 hour"),
    max("cpu-max-all-8", 10, 8, 8, "1 hour"),
    max("cpu-max-all-32-24", 10, 32, 24, "1 hour"),
    mean("double-groupby-1", 1),
    mean("double-groupby-5", 5),
    mean("double-groupby-all", 10),
    QueryType { name: "groupby-orderby-limit", shape: Shape::NewestMinutes, hosts: 0, hours: 1 },
    QueryType { name: "high-cpu-1", shape: Shape::High, hosts: 1, hours: 12 },
    QueryType { name: "high-cpu-all", shape: Shape::High, hosts: 0, hours: 12 },
    QueryType { name: "lastpoint", shape: Shape::Last, hosts: 0, hours: 12 },
];

/// Types by name, or by a part of their name; `all` is all of them. Names are separated by commas.
///
/// # Errors
/// A sentence that says which name is none.
pub fn chosen(list: &str) -> Result<Vec<QueryType>, String> {
    let mut chosen = Vec::new();
    for part in list.split(',').map(str::trim) {
        let named = |exact: bool| {
            let fits = move |of: &&QueryType| match exact {
                true => of.name == part,
                false => part == "all" || of.name.contains(part),
            };
            TYPES.iter().filter(fits).copied().collect::<Vec<_>>()
        };
        let mut these = named(true);
        if these.is_empty() {
            these = named(false);
        }
        if these.is_empty() {
            return Err(format!("there is no query type {part}"));
        }
        chosen.extend(these);
    }
    Ok(chosen)
}

/// What one query asks for.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its type.
    pub of: QueryType,
    /// Nanoseconds, the end not included.
    pub window: Range<i64>,
    /// Names; none means all hosts.
    pub hosts: Vec<String>,
}

/// `runs` questions of a type about the rows of so many hours.
pub fn questions(of: QueryType, workload: Workload, hours: f64, runs: usize) -> Vec<Question> {
    let mut random = Random::new(SEED);
    let end = workload.start_ns + (hours * HOUR_NS as f64) as i64 + 1_000_000_000;
    (0..runs).map(|_| question(of, workload, end, &mut random)).collect()
}

fn question(of: QueryType, workload: Workload, end: i64, random: &mut Random) -> Question {
    let length = (of.hours * HOUR_NS).min(end - workload.start_ns);
    let free = (end - workload.start_ns - length).max(1);
    let start = (workload.start_ns + random.below_wide(free as u64) as i64) / 1_000_000 * 1_000_000;
    let mut hosts: Vec<String> = Vec::new();
    while hosts.len() < of.hosts.min(workload.hosts) {
        let host = format!("host_{}", random.below(workload.hosts as u32));
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    Question { of, window: start..start + length, hosts }
}

impl Question {
    /// The statement. `last_value` asks for the newest rows by aggregates and not by `DISTINCT ON`.
    pub fn sql(&self, table: &str, last_value: bool) -> String {
        let Range { start, end } = self.window;
        let (start, end) = (civil(start), civil(end));
        let window = format!("time >= '{start}' AND time < '{end}'");
        let hosts = match &*self.hosts {
            [] => String::new(),
            hosts => format!("hostname IN ('{}') AND ", hosts.join("', '")),
        };
        match self.of.shape {
            Shape::Max { fields, bucket } => {
                let maxima = listed(fields, "max");
                format!(
                    "SELECT date_bin(INTERVAL '{bucket}', time) AS bucket, {maxima} FROM {table} \
                     WHERE {hosts}{window} GROUP BY 1 ORDER BY 1"
                )
            }
            Shape::Mean { fields } => {
                let means = listed(fields, "avg");
                format!(
                    "SELECT date_bin(INTERVAL '1 hour', time) AS bucket, hostname, {means} FROM {table} \
                     WHERE {window} GROUP BY 1, hostname ORDER BY 1, hostname"
                )
            }
            Shape::NewestMinutes => format!(
                "SELECT date_bin(INTERVAL '1 minute', time) AS bucket, max(usage_user) AS max_usage_user \
                 FROM {table} WHERE time < '{end}' GROUP BY 1 ORDER BY 1 DESC LIMIT 5"
            ),
            Shape::High => {
                format!("SELECT * FROM {table} WHERE {hosts}usage_user > 90.0 AND {window}")
            }
            Shape::Last if last_value => {
                let last = |name: &str| format!("last_value({name} ORDER BY time) AS {name}");
                let columns: Vec<String> = FIELDS.iter().map(|name| last(name)).collect();
                format!(
                    "SELECT hostname, max(time) AS time, {} FROM {table} GROUP BY hostname ORDER BY hostname",
                    columns.join(", ")
                )
            }
            Shape::Last => {
                format!("SELECT DISTINCT ON (hostname) * FROM {table} ORDER BY hostname, time DESC")
            }
        }
    }
}

fn listed(fields: usize, function: &str) -> String {
    let one = |name: &&str| format!("{function}({name}) AS {function}_{name}");
    FIELDS[..fields].iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A time as SQL reads it, UTC, with milliseconds.
fn civil(time: i64) -> String {
    let (days, within) = (time.div_euclid(24 * HOUR_NS), time.rem_euclid(24 * HOUR_NS));
    // Days since 0000-03-01, so that the leap day is the last of its year; 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (year + era * 400, month + 3),
        _ => (year + era * 400 + 1, month - 9),
    };
    let seconds = within / 1_000_000_000;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        within / 1_000_000 % 1_000
    )
}
