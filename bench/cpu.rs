//! The rows of the TSBS cpu-only workload, from a seed.
//!
//! Same shape as the Time Series Benchmark Suite makes (ten tags, ten integer fields that walk at random
//! between 0 and 100, one row per host every ten seconds, all hosts at one time before the next time);
//! not the same bytes, for the random numbers are other ones.

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

/// 2026-01-01T00:00:00Z, nanoseconds.
pub const START_NS: i64 = 1_767_225_600_000_000_000;

/// Ten seconds between two rows of a host.
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
    random: fastrand::Rng,
    next_row: u64,
}

impl Fleet {
    /// A fleet of `hosts` hosts before its first row.
    pub fn new(hosts: usize, seed: u64) -> Fleet {
        let mut random = fastrand::Rng::with_seed(seed);
        let tags = (0..hosts).map(|host| tags(host, &mut random)).collect();
        let walks = (0..hosts).map(|_| std::array::from_fn(|_| random.f64() * 100.0)).collect();
        Fleet { tags, walks, random, next_row: 0 }
    }

    /// The next `rows` rows.
    pub fn rows(&mut self, rows: usize) -> Vec<Row> {
        (0..rows).map(|_| self.row()).collect()
    }

    fn row(&mut self) -> Row {
        let hosts = self.tags.len() as u64;
        let (epoch, host) = (self.next_row / hosts, (self.next_row % hosts) as usize);
        self.next_row += 1;
        let values = std::array::from_fn(|field| {
            let value = self.walks[host][field] as u8;
            let step = normal(&mut self.random);
            self.walks[host][field] = (self.walks[host][field] + step).clamp(0.0, 100.0);
            value
        });
        Row { time: START_NS + epoch as i64 * STEP_NS, host, values }
    }
}

fn tags(host: usize, random: &mut fastrand::Rng) -> [String; 10] {
    let (region, zones) = REGIONS[random.usize(0..REGIONS.len())];
    let zone = &zones[random.usize(0..zones.len())..][..1];
    let mut one_of = |list: &[&str]| list[random.usize(0..list.len())].to_owned();
    let (os, arch) =
        (one_of(&["Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"]), one_of(&["x64", "x86"]));
    let (team, environment) =
        (one_of(&["SF", "NYC", "LON", "CHI"]), one_of(&["production", "staging", "test"]));
    [
        format!("host_{host}"),
        region.to_owned(),
        format!("{region}{zone}"),
        random.u32(0..100).to_string(),
        os,
        arch,
        team,
        random.u32(0..20).to_string(),
        random.u32(0..2).to_string(),
        environment,
    ]
}

/// Nearly N(0, 1): the sum of twelve uniform numbers has variance 1.
fn normal(random: &mut fastrand::Rng) -> f64 {
    (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
}
