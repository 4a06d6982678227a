//! How fast the engine alone takes rows of TSBS shape (ten tags, ten integer fields that walk), until
//! they are acknowledged and until they are in segments.
//!
//! ```text
//! cargo run --release -p pulsora-storage --example measure_ingest -- \
//!     [--hosts 4000] [--rows 20000000] [--batch 10000] [--clients 8] [--durability fsync|async|off] \
//!     [--mode upsert|append] [--flush-mb 64] [--memtables-mb 256] [--settle true] [--dir DIR]
//! ```
//!
//! Batches are made before the clock, as a parser would hand them over; clients only give them new times.
//! Rows come as collectors send them: all hosts at one time before the next time. `--settle` waits until
//! nothing is rewritten any more, so that the bytes on disk are those of the table at rest.
//!
//! Not responsible for: parsing and HTTP (`pulsora bench` measures those), nor for what is right (tests do).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array};
use pulsora_env::Env;
use pulsora_model::builder::TagIndex;
use pulsora_model::schema::TableOptions;
use pulsora_model::{
    Batch, BatchBuilder, ColumnKind, ColumnType, FieldColumn, Mode, Name, PartitionWidth,
    TableWrite,
};
use pulsora_storage::{
    Catalog, Command, Durability, Engine, EngineStats, FlushFilter, NewColumn, NewTable, Options,
    WriteRequest,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TAGS: [&str; 10] = [
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
const FIELDS: [&str; 10] = [
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
const START_NS: i64 = 1_767_225_600_000_000_000;
const STEP_NS: i64 = 10_000_000_000;
/// Rows that are made; later ones repeat their values, forwards and backwards, so that walks stay walks.
const POOL_ROWS: usize = 1 << 18;
/// How long no rewrite may have ended for a table to be at rest: longer than a partition rests.
const QUIET: Duration = Duration::from_secs(60);

struct Flags {
    hosts: usize,
    rows: usize,
    batch: usize,
    clients: usize,
    durability: Durability,
    mode: Mode,
    flush_mb: u64,
    memtables_mb: u64,
    settle: bool,
    dir: Option<PathBuf>,
}

impl Flags {
    fn parse() -> Flags {
        let mut args = std::env::args().skip(1);
        let mut given = BTreeMap::new();
        while let Some(flag) = args.next() {
            let value = args.next().unwrap_or_else(|| panic!("{flag} wants a value"));
            given.insert(flag, value);
        }
        let mut number = |flag: &str, default: usize| {
            given.remove(flag).map_or(default, |text| text.parse().expect("a number"))
        };
        let flags = Flags {
            hosts: number("--hosts", 4_000),
            rows: number("--rows", 20_000_000),
            batch: number("--batch", 10_000),
            clients: number("--clients", 8),
            flush_mb: number("--flush-mb", 64) as u64,
            memtables_mb: number("--memtables-mb", 256) as u64,
            durability: given
                .remove("--durability")
                .map_or(Durability::Fsync, |text| Durability::parse(&text).expect("a durability")),
            mode: match given.remove("--mode").as_deref() {
                Some("append") => Mode::Append,
                None | Some("upsert") => Mode::Upsert,
                Some(other) => panic!("{other} is not a mode"),
            },
            settle: given.remove("--settle").is_some_and(|text| text == "true"),
            dir: given.remove("--dir").map(PathBuf::from),
        };
        assert!(given.is_empty(), "there are no flags {:?}", given.keys());
        flags
    }
}

/// Batches whose values repeat after `self.0.len()` of them.
struct Pool(Vec<Batch>);

impl Pool {
    /// There and back again: the last batch ends where the first one began.
    fn new(flags: &Flags, catalog: &Catalog) -> Pool {
        let epochs = (POOL_ROWS / flags.hosts).max(2).next_multiple_of(2);
        let walks = Walks::new(flags.hosts, epochs / 2);
        let rows = epochs * flags.hosts;
        // As many rounds as fill whole batches, within reason.
        let rounds =
            (1..=8).find(|rounds| (rounds * rows).is_multiple_of(flags.batch)).unwrap_or(1);
        let batches = (rounds * rows / flags.batch).max(1);
        let batch = |number: usize| walks.batch(catalog, number * flags.batch, flags.batch);
        Pool((0..batches).map(batch).collect())
    }

    /// Batch `number` of the load, at its own times.
    fn batch(&self, number: usize, flags: &Flags) -> Batch {
        let first = number * flags.batch;
        let time = |row: usize| START_NS + ((first + row) / flags.hosts) as i64 * STEP_NS;
        let batch = &self.0[number % self.0.len()];
        Batch { time: (0..flags.batch).map(time).collect(), ..batch.clone() }
    }
}

/// Values of all fields, by epoch, then host.
struct Walks {
    hosts: usize,
    epochs: usize,
    fields: Vec<Vec<i8>>,
}

impl Walks {
    fn new(hosts: usize, epochs: usize) -> Walks {
        let mut random = fastrand::Rng::with_seed(123);
        // The sum of twelve uniform numbers less six is about normal.
        let mut normal = move || (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        let mut field = || {
            let mut state: Vec<f64> = (0..hosts).map(|host| (host * 37 % 101) as f64).collect();
            let mut values = Vec::with_capacity(hosts * epochs);
            for _ in 0..epochs {
                for state in &mut state {
                    *state = (*state + normal()).clamp(0.0, 100.0);
                    values.push(*state as i8);
                }
            }
            values
        };
        let fields = FIELDS.iter().map(|_| field()).collect();
        Walks { hosts, epochs, fields }
    }

    /// The place of a row of the load among the values.
    fn place(&self, row: usize) -> usize {
        let (epoch, host) = (row / self.hosts % (2 * self.epochs), row % self.hosts);
        epoch.min(2 * self.epochs - 1 - epoch) * self.hosts + host
    }

    /// As a parser makes it that knows the table and its series.
    fn batch(&self, catalog: &Catalog, first: usize, rows: usize) -> Batch {
        let schema = catalog.table(&Name::literal("default"), &Name::literal("cpu"));
        let schema = schema.expect("the table");
        let registry = catalog.registry(schema.id).cloned();
        let time = Name::literal("time");
        let mut builder = BatchBuilder::new(Some(schema), registry, time, None);
        for tag in TAGS {
            builder.tag(tag).expect("a tag");
        }
        for row in first..first + rows {
            let values = tags(row % self.hosts);
            let mut tags: Vec<_> =
                values.iter().enumerate().map(|(i, value)| (TagIndex(i), value.as_str())).collect();
            let series = builder.series(&mut tags).expect("few series");
            builder.end_row(series, 0);
        }
        let mut batch = builder.finish();
        batch.fields = FIELDS
            .iter()
            .zip(&self.fields)
            .map(|(name, values)| {
                let value = |row: usize| i64::from(values[self.place(row)]);
                let values: ArrayRef =
                    Arc::new(Int64Array::from_iter_values((first..first + rows).map(value)));
                let name = Name::new(name).expect("a name");
                FieldColumn { name, ty: ColumnType::I64, values }
            })
            .collect();
        batch
    }
}

/// The tags of a host: few values each, but the name.
fn tags(host: usize) -> [String; 10] {
    let pick = |salt: usize, count: usize| (host * 7919 + salt * 104_729) / 13 % count;
    let region = pick(1, 9);
    [
        format!("host_{host}"),
        format!("region-{region}"),
        format!("region-{region}{}", pick(2, 3)),
        pick(3, 100).to_string(),
        format!("Ubuntu{}", 15 + pick(4, 3)),
        format!("x{}", 64 + 22 * pick(5, 2)),
        ["SF", "NYC", "LON", "CHI"][pick(6, 4)].to_owned(),
        pick(7, 20).to_string(),
        pick(8, 2).to_string(),
        ["production", "staging", "test"][pick(9, 3)].to_owned(),
    ]
}

/// CPU seconds of this process by the name of the thread, all but clients, which count their own.
fn cpu_by_thread() -> BTreeMap<String, f64> {
    let mut by_name = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        *by_name.entry(read("comm").trim().to_owned()).or_default() += seconds(&read("schedstat"));
    }
    by_name
}

/// What a schedstat says was spent on a processor.
fn seconds(schedstat: &str) -> f64 {
    let ns = schedstat.split(' ').next().and_then(|text| text.parse::<f64>().ok());
    ns.unwrap_or_default() / 1e9
}

fn memory_mb(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kb = line.and_then(|line| line.split_whitespace().next());
    kb.and_then(|kb| kb.parse::<u64>().ok()).unwrap_or_default() / 1024
}

/// Sends all batches from several threads; returns the seconds until the last acknowledgement.
fn send(engine: &Engine, pool: &Pool, flags: &Flags) -> f64 {
    let batches = flags.rows / flags.batch;
    let next = AtomicUsize::new(0);
    let done = Barrier::new(flags.clients + 1);
    let started = Instant::now();
    let request = |number: usize| WriteRequest {
        key: None,
        database: Name::literal("default"),
        tables: vec![TableWrite {
            table: Name::literal("cpu"),
            options: TableOptions::default(),
            schema_version: None,
            batch: pool.batch(number, flags),
        }],
        durability: flags.durability,
    };
    thread::scope(|scope| {
        let client = || {
            while let number = next.fetch_add(1, Ordering::Relaxed)
                && number < batches
            {
                let request = request(number);
                engine.write(request).wait().expect("rows that fit");
            }
            done.wait();
            done.wait();
        };
        for _ in 0..flags.clients {
            thread::Builder::new()
                .name("client".into())
                .spawn_scoped(scope, client)
                .expect("a thread");
        }
        done.wait();
        let spent = started.elapsed().as_secs_f64();
        // Threads that have ended are not counted any more.
        report_cpu("until accepted", flags.rows);
        done.wait();
        spent
    })
}

fn report_cpu(when: &str, rows: usize) {
    let mut by_name = cpu_by_thread();
    // What made the batches.
    by_name.remove(fs::read_to_string("/proc/self/comm").unwrap_or_default().trim());
    let total: f64 = by_name.values().sum();
    print!("{when}: cpu {total:.2} s = {:.0} ns/row;", total * 1e9 / rows as f64);
    for (name, seconds) in by_name {
        print!(" {name} {seconds:.2}");
    }
    println!();
}

fn settle(engine: &Engine) {
    let rewrites = |stats: &EngineStats| (stats.merges, stats.conversions, stats.segments);
    let (mut known, mut since) = (rewrites(&engine.stats()), Instant::now());
    while since.elapsed() < QUIET {
        thread::sleep(Duration::from_millis(500));
        let now = rewrites(&engine.stats());
        if now != known {
            (known, since) = (now, Instant::now());
        }
    }
}

fn report_disk(when: &str, engine: &Engine) {
    let stats = engine.stats();
    println!(
        "{when}: {} rows in {} segments of {:.1} MB = {:.2} bytes/row; {} flushes, {} merges, {} \
         conversions; log {:.1} bytes/row; {} groups, sync {:.2} ms",
        stats.segment_rows,
        stats.segments,
        stats.segment_bytes as f64 / 1e6,
        stats.segment_bytes as f64 / stats.segment_rows.max(1) as f64,
        stats.flushes,
        stats.merges,
        stats.conversions,
        stats.wal_bytes_written as f64 / stats.rows_written.max(1) as f64,
        stats.groups_written,
        stats.sync_seconds * 1e3 / stats.syncs.max(1) as f64,
    );
}

fn create_table(engine: &Engine, flags: &Flags) {
    let column =
        |name: &str, kind, ty| NewColumn { name: Name::new(name).expect("a name"), kind, ty };
    let time = column("time", ColumnKind::Time, ColumnType::Timestamp);
    let tags = TAGS.iter().map(|tag| column(tag, ColumnKind::Tag, ColumnType::Utf8));
    let fields = FIELDS.iter().map(|field| column(field, ColumnKind::Field, ColumnType::I64));
    let table = NewTable {
        name: Name::literal("cpu"),
        columns: std::iter::once(time).chain(tags).chain(fields).collect(),
        mode: flags.mode,
        partition: PartitionWidth::Auto,
        codec: None,
        retention_ns: None,
    };
    let database = Name::literal("default");
    let command = Command::CreateTable { database, table, if_not_exists: false };
    engine.execute(command).wait().expect("a new table");
}

fn measure(dir: &Path, flags: &Flags) {
    let options = Options {
        flush_bytes: flags.flush_mb << 20,
        memtable_bytes: flags.memtables_mb << 20,
        // Tables of old times would be turned into Parquet at once.
        hot_for: Duration::from_secs(365 * 86_400 * 100),
        ..Options::new(dir)
    };
    let engine = Engine::open(Env::real(), options).expect("an empty directory");
    create_table(&engine, flags);
    let pool = Pool::new(flags, &engine.catalog());
    let before = cpu_by_thread().values().sum::<f64>();
    println!("{} batches made in {before:.1} s, {} MB", pool.0.len(), memory_mb("VmRSS:"));
    let started = Instant::now();
    let accepted = send(&engine, &pool, flags);
    engine.flush(FlushFilter::default()).wait().expect("a flush");
    let flushed = started.elapsed().as_secs_f64();
    report_cpu("until flushed (without clients)", flags.rows);
    println!(
        "accepted {:.0} rows/s, flushed {:.0} rows/s ({accepted:.2} s, {flushed:.2} s); peak {} MB",
        flags.rows as f64 / accepted,
        flags.rows as f64 / flushed,
        memory_mb("VmHWM:"),
    );
    report_disk("flushed", &engine);
    if flags.settle {
        settle(&engine);
        report_cpu("settled", flags.rows);
        report_disk("settled", &engine);
    }
    engine.close().expect("a clean end");
}

fn main() {
    let flags = Flags::parse();
    let own =
        tempfile::tempdir_in(flags.dir.as_deref().unwrap_or(Path::new("."))).expect("a directory");
    measure(own.path(), &flags);
}
