//! The rows of the TSBS cpu-only workload, from a seed.
//!
//! Ten tags, ten integer fields that walk at random between 0 and 100, one row per host every ten seconds,
//! all hosts at one time before the next time. With seed 123 these are the rows that the generator of the
//! Time Series Benchmark Suite makes, byte for byte as line protocol (`generate --check`).

use crate::random::Random;
use crate::rows::{Field, Kind, Layout};

/// Names of the tags, in their order.
pub const TAGS: [&str; 10] = [
    "hostname",
    "region",
    "datacenter",
    "rack",
    "os",
    "arch",
    "team",
    "service",
    "service_version",
    "service_environment",
];

/// Names of the fields, in their order.
pub const FIELDS: [&str; 10] = [
    "usage_user",
    "usage_system",
    "usage_idle",
    "usage_nice",
    "usage_iowait",
    "usage_irq",
    "usage_softirq",
    "usage_steal",
    "usage_guest",
    "usage_guest_nice",
];

/// The columns of the workload.
pub const LAYOUT: Layout = Layout { table: "cpu", tags: &TAGS, fields: &INTEGERS };

const INTEGERS: [Field; FIELDS.len()] = {
    let mut fields = [Field { name: "", kind: Kind::Integer }; FIELDS.len()];
    let mut at = 0;
    while at < FIELDS.len() {
        fields[at].name = FIELDS[at];
        at += 1;
    }
    fields
};

/// The usual beginning of the rows: 2026-01-01T00:00:00Z, nanoseconds.
pub const START_NS: i64 = 1_767_225_600_000_000_000;

/// The usual time between two rows of a host: ten seconds.
pub const STEP_NS: i64 = 10_000_000_000;

const REGIONS: [(&str, &str); 9] = [
    ("us-east-1", "abce"),
    ("us-west-1", "ab"),
    ("us-west-2", "abc"),
    ("eu-west-1", "abc"),
    ("eu-central-1", "ab"),
    ("ap-southeast-1", "ab"),
    ("ap-southeast-2", "ab"),
    ("ap-northeast-1", "ac"),
    ("sa-east-1", "abc"),
];

const SYSTEMS: [&str; 3] = ["Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"];
const ARCHITECTURES: [&str; 2] = ["x64", "x86"];
const TEAMS: [&str; 4] = ["SF", "NYC", "LON", "CHI"];
const ENVIRONMENTS: [&str; 3] = ["production", "staging", "test"];

/// What is made.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Hosts, at least 1.
    pub hosts: usize,
    /// Seed of all random numbers.
    pub seed: i64,
    /// Time of the first rows, nanoseconds.
    pub start_ns: i64,
    /// Between two rows of a host, nanoseconds.
    pub step_ns: i64,
}

impl Workload {
    /// The usual beginning and interval, and the seed of the published figures.
    pub fn of_hosts(hosts: usize) -> Workload {
        Workload { hosts, seed: 123, start_ns: START_NS, step_ns: STEP_NS }
    }

    /// Rows of this many hours.
    pub fn rows_of_hours(&self, hours: f64) -> usize {
        (hours * 3.6e12 / self.step_ns as f64) as usize * self.hosts
    }
}

/// One row.
#[derive(Clone, Copy)]
pub struct Row {
    /// Nanoseconds.
    pub time: i64,
    /// Position in [`Fleet::tags`].
    pub host: usize,
    /// Values of [`FIELDS`], 0 to 100.
    pub values: [u8; 10],
}

/// The hosts, and where their values stand.
pub struct Fleet {
    /// Values of [`TAGS`] for each host.
    pub tags: Vec<[String; 10]>,
    walks: Vec<[f64; 10]>,
    random: Random,
    host: usize,
    time: i64,
    step_ns: i64,
}

impl Fleet {
    /// The fleet before its first row.
    pub fn new(workload: Workload) -> Fleet {
        let mut random = Random::new(workload.seed);
        let hosts = (0..workload.hosts).map(|host| {
            let walks: [f64; 10] = std::array::from_fn(|_| random.float() * 100.0);
            (tags(host, &mut random), walks)
        });
        let (tags, walks) = hosts.unzip();
        let Workload { start_ns: time, step_ns, .. } = workload;
        Fleet { tags, walks, random, host: 0, time, step_ns }
    }

    /// The next `rows` rows.
    pub fn rows(&mut self, rows: usize) -> Vec<Row> {
        (0..rows).map(|_| self.row()).collect()
    }

    /// The first time that none of the rows so far has, nanoseconds.
    pub fn next_time(&self) -> i64 {
        if self.host == 0 { self.time } else { self.time + self.step_ns }
    }

    /// The next row.
    pub fn row(&mut self) -> Row {
        let walk = &mut self.walks[self.host];
        let row = Row { time: self.time, host: self.host, values: walk.map(|value| value as u8) };
        for value in walk {
            *value = (*value + self.random.normal()).clamp(0.0, 100.0);
        }
        self.host += 1;
        if self.host == self.tags.len() {
            (self.host, self.time) = (0, self.time + self.step_ns);
        }
        row
    }
}

/// Tags in the order in which they are drawn.
fn tags(host: usize, random: &mut Random) -> [String; 10] {
    let (region, zones) = REGIONS[random.below(REGIONS.len() as u32) as usize];
    let zone = random.below(zones.len() as u32) as usize;
    let rack = random.below_wide(100).to_string();
    let (arch, os) = (one_of(&ARCHITECTURES, random), one_of(&SYSTEMS, random));
    let (service, version) = (random.below_wide(20).to_string(), random.below_wide(2).to_string());
    let (environment, team) = (one_of(&ENVIRONMENTS, random), one_of(&TEAMS, random));
    let (hostname, datacenter) =
        (format!("host_{host}"), format!("{region}{}", &zones[zone..=zone]));
    let region = region.to_owned();
    [hostname, region, datacenter, rack, os, arch, team, service, version, environment]
}

fn one_of(list: &[&str], random: &mut Random) -> String {
    list[random.below(list.len() as u32) as usize].to_owned()
}
