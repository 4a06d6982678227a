//! Rows per second of the line-protocol parser alone, on one core, against a table that exists.
//!
//! `cargo run --release -p pulsora-wire --example parse_speed [workload [rows per request [hosts]]]`;
//! without a workload all of them, with 4,000 hosts. The allocator is that of the server. Figures: CPU
//! time of the thread over all passes (to the tick of the kernel), and the wall time of the median pass
//! and the fastest.

use std::sync::Arc;
use std::time::Instant;

use pulsora_model::schema::SchemaLookup;
use pulsora_model::series::{SeriesLimits, SeriesRegistry};
use pulsora_model::time::Precision;
use pulsora_model::{
    Column, ColumnId, ColumnKind, ColumnType, DatabaseId, Mode, Name, PartitionWidth, TableId,
    TableSchema,
};
use pulsora_wire::line::{LineOptions, parse};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rows of one pass, or one of every host.
const ROWS_MIN: u64 = 80_000;

/// Rows of all passes, about.
const ROWS_ALL: u64 = 2_000_000;

/// A kind of lines: its name, the columns of its table, and the line of a host at a time.
struct Workload {
    name: &'static str,
    tables: Vec<Form>,
    line: fn(&mut Random, u64, u64, &mut String),
}

/// A table: its name, tags and fields.
type Form = (&'static str, Vec<&'static str>, Vec<(&'static str, ColumnType)>);

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

const TSBS_TAGS: [&str; 10] = [
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
const TSBS_FIELDS: [&str; 10] = [
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

fn tsbs_tags(host: u64, out: &mut String) {
    let mut of_host = Random(host);
    let mut pick = |bound| of_host.below(bound);
    let region = ["us-east-1", "us-west-2", "eu-central-1", "ap-southeast-1"][pick(4) as usize];
    let zone = ["a", "b", "c"][pick(3) as usize];
    let os = ["Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"][pick(3) as usize];
    let arch = ["x64", "x86"][pick(2) as usize];
    let team = ["SF", "NYC", "LON", "CHI"][pick(4) as usize];
    let stage = ["production", "staging", "test"][pick(3) as usize];
    let (rack, service, version) = (pick(100), pick(20), pick(2));
    *out += &format!(
        ",hostname=host_{host},region={region},datacenter={region}{zone},rack={rack},os={os},arch={arch},team={team},\
         service={service},service_version={version},service_environment={stage}"
    );
}

fn tsbs(random: &mut Random, host: u64, time: u64, out: &mut String) {
    *out += "cpu";
    tsbs_tags(host, out);
    for (i, field) in TSBS_FIELDS.iter().enumerate() {
        *out += &format!("{}{field}={}i", [" ", ","][i.min(1)], random.below(101));
    }
    *out += &format!(" {time}\n");
}

fn floats(random: &mut Random, host: u64, time: u64, out: &mut String) {
    *out += "cpu";
    tsbs_tags(host, out);
    for (i, field) in TSBS_FIELDS.iter().enumerate() {
        let (whole, part) = (random.below(101), random.below(100));
        *out += &format!("{}{field}={whole}.{part:02}", [" ", ","][i.min(1)]);
    }
    *out += &format!(" {time}\n");
}

fn one_tag(random: &mut Random, host: u64, time: u64, out: &mut String) {
    let (a, b) = (random.below(1_000_000), random.below(1_000_000));
    *out += &format!("sensor,device=d{host} a={a}i,b={}.{} {time}\n", b / 1_000, b % 1_000);
}

fn texts(random: &mut Random, host: u64, time: u64, out: &mut String) {
    let id = random.next();
    *out += &format!(
        "log,host=h{host} level=\"info\",message=\"request {id:016x} to /api/v2/write took 12 ms, {}\",status=204i {time}\n",
        "and the text goes on for a while; ".repeat(5)
    );
}

fn escapes(random: &mut Random, host: u64, time: u64, out: &mut String) {
    let (a, b) = (random.below(101), random.below(101));
    *out += &format!(
        "my\\ disk,host\\ name=host\\ {host},path=C:\\\\data\\,1 used\\ bytes={a}i,free\\ bytes={b}i,note=\"a \\\"quoted\\\" word\" {time}\n"
    );
}

fn telegraf(random: &mut Random, host: u64, time: u64, out: &mut String) {
    let mut next = || random.below(10_000);
    let (a, b, c, d, e) = (next(), next(), next(), next(), next());
    *out += &match host % 3 {
        0 => format!("cpu,cpu=cpu0,host=h{host} usage_user={a}.5,usage_idle={b}.25 {time}\n"),
        1 => {
            format!("mem,host=h{host} used={a}i,free={b}i,total={c}i,used_percent={d}.75 {time}\n")
        }
        _ => format!(
            "net,host=h{host},interface=eth0 in={a}i,out={b}i,drops={c}i,errs={d}i,mtu={e}i {time}\n"
        ),
    };
}

fn workloads() -> Vec<Workload> {
    use ColumnType::{F64, I64, Utf8};
    let all = |ty| TSBS_FIELDS.iter().map(|name| (*name, ty)).collect::<Vec<_>>();
    let tags = TSBS_TAGS.to_vec();
    vec![
        Workload { name: "tsbs", tables: vec![("cpu", tags.clone(), all(I64))], line: tsbs },
        Workload { name: "floats", tables: vec![("cpu", tags, all(F64))], line: floats },
        Workload {
            name: "one-tag",
            tables: vec![("sensor", vec!["device"], vec![("a", I64), ("b", F64)])],
            line: one_tag,
        },
        Workload {
            name: "texts",
            tables: vec![(
                "log",
                vec!["host"],
                vec![("level", Utf8), ("message", Utf8), ("status", I64)],
            )],
            line: texts,
        },
        Workload {
            name: "escapes",
            tables: vec![(
                "my disk",
                vec!["host name", "path"],
                vec![("used bytes", I64), ("free bytes", I64), ("note", Utf8)],
            )],
            line: escapes,
        },
        Workload {
            name: "telegraf",
            tables: vec![
                ("cpu", vec!["cpu", "host"], vec![("usage_user", F64), ("usage_idle", F64)]),
                (
                    "mem",
                    vec!["host"],
                    vec![("used", I64), ("free", I64), ("total", I64), ("used_percent", F64)],
                ),
                (
                    "net",
                    vec!["host", "interface"],
                    vec![("in", I64), ("out", I64), ("drops", I64), ("errs", I64), ("mtu", I64)],
                ),
            ],
            line: telegraf,
        },
    ]
}

/// The tables of a workload, as they are after its first rows.
struct Tables(Vec<(Arc<TableSchema>, Arc<SeriesRegistry>)>);

impl SchemaLookup for Tables {
    fn schema(&self, table: &str) -> Option<Arc<TableSchema>> {
        self.0.iter().map(|(schema, _)| schema).find(|schema| schema.name == *table).cloned()
    }

    fn registry(&self, table: &TableSchema) -> Option<Arc<SeriesRegistry>> {
        self.0.iter().find(|(schema, _)| schema.id == table.id).map(|(_, all)| Arc::clone(all))
    }
}

fn schema(
    id: u32,
    name: &'static str,
    tags: &[&'static str],
    fields: &[(&'static str, ColumnType)],
) -> TableSchema {
    let time = ("time", ColumnKind::Time, ColumnType::Timestamp);
    let tags = tags.iter().map(|name| (*name, ColumnKind::Tag, ColumnType::Utf8));
    let fields = fields.iter().map(|(name, ty)| (*name, ColumnKind::Field, *ty));
    let columns: Vec<Column> = std::iter::once(time)
        .chain(tags)
        .chain(fields)
        .zip(1..)
        .map(|((name, kind, ty), id)| Column {
            id: ColumnId(id),
            name: Name::literal(name),
            kind,
            ty,
        })
        .collect();
    TableSchema {
        id: TableId(id),
        database: DatabaseId(1),
        name: Name::literal(name),
        version: 1,
        next_column: ColumnId(columns.len() as u32 + 1),
        columns,
        mode: Mode::Upsert,
        partition: PartitionWidth::Auto,
        dropped: Vec::new(),
        created_at_ns: 0,
        codec: None,
        retention_ns: None,
    }
}

fn requests(workload: &Workload, rows: u64, rows_per_request: u64, hosts: u64) -> Vec<String> {
    let mut random = Random(1);
    let mut bodies = Vec::new();
    let mut body = String::new();
    for row in 0..rows {
        let time = 1_451_606_400_000_000_000 + row / hosts * 10_000_000_000;
        (workload.line)(&mut random, row % hosts, time, &mut body);
        if (row + 1) % rows_per_request == 0 {
            bodies.push(std::mem::take(&mut body));
        }
    }
    bodies
}

fn pass(bodies: &[String], tables: &Tables) -> u64 {
    let options = LineOptions { precision: Precision::Nanosecond, now_ns: 0 };
    bodies
        .iter()
        .map(|body| {
            let parsed = parse(body.as_bytes(), &options, tables).expect("a valid body");
            assert_eq!(parsed.rejected, 0, "{:?}", parsed.details);
            std::hint::black_box(&parsed.tables);
            parsed.rows
        })
        .sum()
}

fn measure(workload: &Workload, rows_per_request: u64, hosts: u64) {
    let rows = hosts.max(ROWS_MIN).next_multiple_of(rows_per_request);
    let passes = ROWS_ALL.div_ceil(rows);
    let bodies = requests(workload, rows, rows_per_request, hosts);
    let bytes: usize = bodies.iter().map(String::len).sum();
    let schemas = workload.tables.iter().zip(1..);
    let tables = schemas.map(|((name, tags, fields), id)| {
        let registry = SeriesRegistry::new(SeriesLimits::default());
        (Arc::new(schema(id, name, tags, fields)), Arc::new(registry))
    });
    let tables = Tables(tables.collect());
    assert_eq!(pass(&bodies, &tables), rows);
    let cpu_before = cpu_ns();
    let mut wall_ns: Vec<f64> = (0..passes)
        .map(|_| {
            let started = Instant::now();
            pass(&bodies, &tables);
            started.elapsed().as_nanos() as f64 / rows as f64
        })
        .collect();
    let cpu_ns = (cpu_ns() - cpu_before) / (passes * rows) as f64;
    wall_ns.sort_by(f64::total_cmp);
    println!(
        "{:9} {rows_per_request:>6} rows/request, {:>4} B/row: CPU {cpu_ns:>5.0} ns/row = {:>5.2} M rows/s; wall {:>5.0} ns, fastest {:>5.0} ns = {:>5.2} M rows/s",
        workload.name,
        bytes as u64 / rows,
        1e3 / cpu_ns,
        wall_ns[wall_ns.len() / 2],
        wall_ns[0],
        1e3 / wall_ns[0],
    );
}

/// CPU time of this thread so far, in nanoseconds.
fn cpu_ns() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(f64::NAN)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next();
    let mut number = || arguments.next().map(|number| number.parse().expect("a number"));
    let (rows, hosts): (Option<u64>, Option<u64>) = (number(), number());
    for workload in workloads() {
        if wanted.as_ref().is_none_or(|wanted| *wanted == workload.name) {
            for rows in rows.map_or(vec![1_000, 10_000], |rows| vec![rows]) {
                measure(&workload, rows, hosts.unwrap_or(4_000));
            }
        }
    }
}
