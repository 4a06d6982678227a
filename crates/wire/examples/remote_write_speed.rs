//! Samples per second of the remote-write parser alone, on one core, against tables and series that are
//! known: `cargo run --release -p pulsora-wire --example remote_write_speed`.
//!
//! 100 metrics of 200 targets with 6 labels each, one sample a series, 2,000 series a request, as a
//! Prometheus with `max_samples_per_send: 2000` sends them. Figures: CPU time of the thread, median of
//! 25 passes and the fastest, unpacked and from snappy.

use std::collections::HashMap;
use std::sync::Arc;

use pulsora_model::schema::SchemaLookup;
use pulsora_model::series::{SeriesLimits, SeriesRegistry};
use pulsora_model::{
    Column, ColumnId, ColumnKind, ColumnType, DatabaseId, Mode, Name, PartitionWidth, TableId,
    TableSchema,
};
use pulsora_wire::body::unpack_snappy;
use pulsora_wire::remote_write::{Version, parse};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PASSES: usize = 25;
const METRICS: usize = 100;
const TARGETS: usize = 200;
const SERIES_PER_REQUEST: usize = 2_000;
const LABELS: [&str; 5] = ["cluster", "device", "environment", "instance", "job"];

/// The tables of all metrics, with their series.
struct Tables(HashMap<String, (Arc<TableSchema>, Arc<SeriesRegistry>)>);

impl SchemaLookup for Tables {
    fn schema(&self, table: &str) -> Option<Arc<TableSchema>> {
        self.0.get(table).map(|(schema, _)| schema.clone())
    }

    fn registry(&self, table: &TableSchema) -> Option<Arc<SeriesRegistry>> {
        self.0.get(table.name.as_str()).map(|(_, registry)| registry.clone())
    }
}

fn metric(n: usize) -> String {
    format!("node_subsystem_{}_figure_{n}_total", n % 7)
}

fn table(n: usize) -> (Arc<TableSchema>, Arc<SeriesRegistry>) {
    let column = |id: u32, name: &str, kind, ty| Column {
        id: ColumnId(id),
        name: Name::new(name).expect("a name"),
        kind,
        ty,
    };
    let mut columns = vec![column(1, "time", ColumnKind::Time, ColumnType::Timestamp)];
    for (label, id) in LABELS.iter().zip(2..) {
        columns.push(column(id, label, ColumnKind::Tag, ColumnType::Utf8));
    }
    columns.push(column(7, "value", ColumnKind::Field, ColumnType::F64));
    let schema = TableSchema {
        id: TableId(n as u32),
        database: DatabaseId(1),
        name: Name::new(&metric(n)).expect("a name"),
        version: 1,
        next_column: ColumnId(8),
        columns,
        mode: Mode::Upsert,
        partition: PartitionWidth::Auto,
        dropped: Vec::new(),
        created_at_ns: 0,
        codec: None,
        retention_ns: None,
    };
    (Arc::new(schema), Arc::new(SeriesRegistry::new(SeriesLimits::default())))
}

fn put(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn sample(n: usize) -> Vec<u8> {
    let mut out = vec![0x09];
    out.extend_from_slice(&(n as f64 * 0.37).to_bits().to_le_bytes());
    out.push(0x10);
    put_varint(&mut out, 1_700_000_000_000 + n as u64 % 15_000);
    out
}

/// Names and values of the labels of series `n`.
fn labels(n: usize) -> Vec<[String; 2]> {
    let target = n / METRICS;
    let values = [
        format!("eu-central-{}", target % 3),
        format!("disk{}", target % 5),
        "production".to_owned(),
        format!("node-{target:04}.example.internal:9100"),
        "node-exporter".to_owned(),
    ];
    let labels = LABELS.iter().map(|label| (*label).to_owned()).zip(values);
    std::iter::once(("__name__".to_owned(), metric(n % METRICS)))
        .chain(labels)
        .map(|(name, value)| [name, value])
        .collect()
}

fn request_v1(series: std::ops::Range<usize>) -> Vec<u8> {
    let mut body = Vec::new();
    for n in series {
        let mut message = Vec::new();
        for [name, value] in labels(n) {
            let mut label = Vec::new();
            put(&mut label, 1, name.as_bytes());
            put(&mut label, 2, value.as_bytes());
            put(&mut message, 1, &label);
        }
        put(&mut message, 2, &sample(n));
        put(&mut body, 1, &message);
    }
    body
}

fn request_v2(series: std::ops::Range<usize>) -> Vec<u8> {
    let mut symbols = vec![String::new()];
    let mut messages = Vec::new();
    for n in series {
        let mut numbers = Vec::new();
        for text in labels(n).into_iter().flatten() {
            let at = symbols.iter().position(|symbol| *symbol == text).unwrap_or_else(|| {
                symbols.push(text);
                symbols.len() - 1
            });
            put_varint(&mut numbers, at as u64);
        }
        let mut message = Vec::new();
        put(&mut message, 1, &numbers);
        put(&mut message, 2, &sample(n));
        put(&mut messages, 5, &message);
    }
    let mut body = Vec::new();
    symbols.iter().for_each(|symbol| put(&mut body, 4, symbol.as_bytes()));
    body.extend(messages);
    body
}

fn main() {
    let tables = Tables((0..METRICS).map(|n| (metric(n), table(n))).collect());
    for (name, version) in [("1.0", Version::V1), ("2.0", Version::V2)] {
        let requests: Vec<Vec<u8>> = (0..METRICS * TARGETS / SERIES_PER_REQUEST)
            .map(|n| n * SERIES_PER_REQUEST..(n + 1) * SERIES_PER_REQUEST)
            .map(|series| match version {
                Version::V1 => request_v1(series),
                Version::V2 => request_v2(series),
            })
            .collect();
        let packed: Vec<Vec<u8>> = requests
            .iter()
            .map(|body| snap::raw::Encoder::new().compress_vec(body).expect("a small body"))
            .collect();
        let bytes: usize = requests.iter().map(Vec::len).sum();
        let samples = METRICS * TARGETS;
        println!("{name}: {} bytes a sample, unpacked", bytes / samples);
        measure("  parser", samples, || {
            requests.iter().for_each(|body| check(parse(body, version, &tables)));
        });
        measure("  with snappy", samples, || {
            for body in &packed {
                let body = unpack_snappy(body, u64::MAX).expect("a block");
                check(parse(&body, version, &tables));
            }
        });
    }
}

fn check(read: pulsora_model::Result<pulsora_wire::remote_write::RemoteWrite>) {
    let parsed = read.expect("a request").parsed;
    assert_eq!((parsed.rows, parsed.rejected), (SERIES_PER_REQUEST as u64, 0));
}

fn measure(what: &str, samples: usize, mut pass: impl FnMut()) {
    pass();
    let mut seconds: Vec<f64> = (0..PASSES)
        .map(|_| {
            let began = cpu_seconds();
            pass();
            cpu_seconds() - began
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!(
        "{what}: {:.0} samples/s median, {:.0} fastest",
        samples as f64 / seconds[PASSES / 2],
        samples as f64 / seconds[0]
    );
}

/// Time that this thread has run: other programs take theirs from the clock on the wall, not from it.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let ns: u64 = text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds");
    ns as f64 / 1e9
}
