//! Measures the parsers of columns, rows and items on one core: nanoseconds a row by format, of bodies
//! prepared before.
//!
//! ```text
//! cargo run --release -p pulsora-wire --example column_speed [format…]
//! ```
//!
//! Formats: `msgpack` and `arrow` (TSBS shape: ten tags, ten integers, 10,000 rows of 4,000 hosts),
//! `dictionary` (the same, tags as dictionaries), `small` (MessagePack, one tag, two fields, 1,000
//! rows), `rows` (MessagePack row form), `csv` (time, symbol, price, volume; 100,000 rows), `csv_new`
//! (the same into a table that does not exist), `epoch` (the same, times in milliseconds), `ndjson`.
//! Each figure is a mean over a second and a half, in processor time.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow::datatypes::Int32Type;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use pulsora_model::schema::SchemaLookup;
use pulsora_model::series::{SeriesLimits, SeriesRegistry};
use pulsora_model::time::{Precision, time_text};
use pulsora_model::{
    Column, ColumnId, ColumnKind, ColumnType, DatabaseId, KnownTable, Mode, Name, PartitionWidth,
    TableId, TableSchema,
};
use pulsora_wire::msgpack::{self, MsgpackOptions};
use pulsora_wire::rows::{RowFormat, RowOptions};

const HOSTS: usize = 4_000;
const START_NS: i64 = 1_451_606_400_000_000_000;
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

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    for (name, case) in CASES {
        if wanted.is_empty() || wanted.iter().any(|other| other == name) {
            let case = case();
            let ns = measure(&case);
            println!("{name:<11} {:>7} rows {:>9} bytes {ns:>7.1} ns/row", case.rows, case.bytes);
        }
    }
}

/// Prepares a case.
type Prepare = fn() -> Case;

const CASES: [(&str, Prepare); 9] = [
    ("msgpack", || tsbs_msgpack(10_000)),
    ("small", || small_msgpack(1_000)),
    ("rows", || row_msgpack(1_000)),
    ("arrow", || tsbs_arrow(10_000, false)),
    ("dictionary", || tsbs_arrow(10_000, true)),
    ("csv", || csv(100_000, Times::Text, true)),
    ("csv_new", || csv(100_000, Times::Text, false)),
    ("epoch", || csv(100_000, Times::Epoch, true)),
    ("ndjson", || ndjson(10_000)),
];

/// A prepared body with how it is parsed; the closure gives the rows.
struct Case {
    rows: usize,
    bytes: usize,
    parse: Box<dyn Fn() -> u64>,
}

/// Mean over a second and a half, in processor time of this thread: other processes do not count.
fn measure(case: &Case) -> f64 {
    let round = || assert_eq!(black_box((case.parse)()), case.rows as u64);
    (0..3).for_each(|_| round());
    let (wall, start, mut rounds) = (Instant::now(), processor_time(), 0);
    while wall.elapsed() < Duration::from_millis(1_500) {
        round();
        rounds += 1;
    }
    (processor_time() - start).as_nanos() as f64 / (rounds * case.rows) as f64
}

/// What the scheduler counts for this thread; the wall clock where it does not say.
fn processor_time() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ns = counted.and_then(|text| text.split(' ').next()?.parse().ok());
    ns.map_or_else(|| START.get_or_init(Instant::now).elapsed(), Duration::from_nanos)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn tag_values(host: usize) -> [String; 10] {
    let mut random = Random(host as u64);
    let mut pick = |texts: &[&str]| texts[random.below(texts.len() as u64) as usize].to_owned();
    let region = pick(&["us-east-1", "us-west-2", "eu-central-1", "ap-southeast-2"]);
    let zone = pick(&["a", "b", "c"]);
    [
        format!("host_{host}"),
        region.clone(),
        format!("{region}{zone}"),
        (host % 100).to_string(),
        pick(&["Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"]),
        pick(&["x64", "x86"]),
        pick(&["SF", "NYC", "LON", "CHI"]),
        (host % 20).to_string(),
        (host % 2).to_string(),
        pick(&["production", "staging", "test"]),
    ]
}

fn table_of(name: &'static str, tags: &[&str], fields: &[(&str, ColumnType)]) -> Arc<TableSchema> {
    let columns = std::iter::once(("time", ColumnKind::Time, ColumnType::Timestamp))
        .chain(tags.iter().map(|tag| (*tag, ColumnKind::Tag, ColumnType::Utf8)))
        .chain(fields.iter().map(|(field, ty)| (*field, ColumnKind::Field, *ty)));
    let columns: Vec<Column> = columns
        .zip(1..)
        .map(|((name, kind, ty), id)| Column {
            id: ColumnId(id),
            name: Name::new(name).expect("a fixed name"),
            kind,
            ty,
        })
        .collect();
    Arc::new(TableSchema {
        id: TableId(1),
        database: DatabaseId(1),
        name: Name::literal(name),
        version: 1,
        next_column: ColumnId(columns.len() as u32 + 1),
        columns,
        mode: Mode::Append,
        partition: PartitionWidth::Auto,
        dropped: Vec::new(),
        created_at_ns: 0,
        codec: None,
        retention_ns: None,
    })
}

fn tsbs_table() -> Arc<TableSchema> {
    table_of("cpu", &TAGS, &FIELDS.map(|field| (field, ColumnType::I64)))
}

/// Time, tags and values of row `row`: all hosts at one time, then the next.
fn tsbs_time(row: usize) -> i64 {
    START_NS + (row / HOSTS) as i64 * 10_000_000_000
}

struct Pack(Vec<u8>);

impl Pack {
    fn head(&mut self, small: u8, large: u8, len: usize) {
        if len < 16 {
            self.0.push(small | len as u8);
        } else {
            self.0.push(large);
            self.0.extend((len as u16).to_be_bytes());
        }
    }
    fn map(&mut self, len: usize) {
        self.head(0x80, 0xde, len);
    }
    fn array(&mut self, len: usize) {
        self.head(0x90, 0xdc, len);
    }
    fn text(&mut self, text: &str) {
        match text.len() {
            len @ ..32 => self.0.push(0xa0 | len as u8),
            len => self.0.extend([0xd9, len as u8]),
        }
        self.0.extend(text.as_bytes());
    }
    fn int(&mut self, value: i64) {
        match value {
            0..128 => self.0.push(value as u8),
            _ => {
                self.0.push(0xd3);
                self.0.extend(value.to_be_bytes());
            }
        }
    }
    fn float(&mut self, value: f64) {
        self.0.push(0xcb);
        self.0.extend(value.to_be_bytes());
    }
}

/// A database of one table, whose series are counted.
struct OneTable(KnownTable);

impl OneTable {
    fn new(schema: Arc<TableSchema>) -> OneTable {
        let registry = Arc::new(SeriesRegistry::new(SeriesLimits::default()));
        OneTable(KnownTable { schema, registry: Some(registry) })
    }
}

impl SchemaLookup for OneTable {
    fn schema(&self, table: &str) -> Option<Arc<TableSchema>> {
        (*self.0.schema.name == *table).then(|| Arc::clone(&self.0.schema))
    }

    fn registry(&self, _: &TableSchema) -> Option<Arc<SeriesRegistry>> {
        self.0.registry.clone()
    }
}

fn msgpack_case(rows: usize, body: Vec<u8>, schema: Arc<TableSchema>) -> Case {
    let options = MsgpackOptions { precision: Precision::Nanosecond, now_ns: 0 };
    let lookup = OneTable::new(schema);
    let bytes = body.len();
    let parse =
        Box::new(move || msgpack::parse(&body, &options, &lookup).expect("a valid body").rows);
    Case { rows, bytes, parse }
}

fn tsbs_msgpack(rows: usize) -> Case {
    let mut random = Random(1);
    let mut pack = Pack(Vec::new());
    pack.map(3);
    pack.text("m");
    pack.text("cpu");
    pack.text("columns");
    pack.map(21);
    pack.text("time");
    pack.array(rows);
    (0..rows).for_each(|row| pack.int(tsbs_time(row)));
    for (index, tag) in TAGS.iter().enumerate() {
        pack.text(tag);
        pack.array(rows);
        (0..rows).for_each(|row| pack.text(&tag_values(row % HOSTS)[index]));
    }
    for field in FIELDS {
        pack.text(field);
        pack.array(rows);
        (0..rows).for_each(|_| pack.int(random.below(101) as i64));
    }
    pack.text("tags");
    pack.array(10);
    TAGS.iter().for_each(|tag| pack.text(tag));
    msgpack_case(rows, pack.0, tsbs_table())
}

fn small_table() -> Arc<TableSchema> {
    table_of("small", &["sensor"], &[("value", ColumnType::F64), ("count", ColumnType::I64)])
}

fn small_msgpack(rows: usize) -> Case {
    let mut random = Random(2);
    let mut pack = Pack(Vec::new());
    pack.map(3);
    pack.text("m");
    pack.text("small");
    pack.text("columns");
    pack.map(4);
    pack.text("time");
    pack.array(rows);
    (0..rows).for_each(|row| pack.int(START_NS + row as i64 * 1_000_000));
    pack.text("sensor");
    pack.array(rows);
    (0..rows).for_each(|row| pack.text(&format!("sensor_{}", row % 100)));
    pack.text("value");
    pack.array(rows);
    (0..rows).for_each(|_| pack.float(random.below(10_000) as f64 / 100.0));
    pack.text("count");
    pack.array(rows);
    (0..rows).for_each(|_| pack.int(random.below(1_000) as i64));
    pack.text("tags");
    pack.array(1);
    pack.text("sensor");
    msgpack_case(rows, pack.0, small_table())
}

fn row_msgpack(rows: usize) -> Case {
    let mut random = Random(3);
    let mut pack = Pack(Vec::new());
    pack.array(rows);
    for row in 0..rows {
        pack.map(4);
        pack.text("m");
        pack.text("small");
        pack.text("t");
        pack.int(START_NS + row as i64 * 1_000_000);
        pack.text("tags");
        pack.map(1);
        pack.text("sensor");
        pack.text(&format!("sensor_{}", row % 100));
        pack.text("fields");
        pack.map(2);
        pack.text("value");
        pack.float(random.below(10_000) as f64 / 100.0);
        pack.text("count");
        pack.int(random.below(1_000) as i64);
    }
    msgpack_case(rows, pack.0, small_table())
}

fn row_case(
    rows: usize,
    format: RowFormat,
    body: Vec<u8>,
    schema: Option<Arc<TableSchema>>,
) -> Case {
    let body = Bytes::from(body);
    let bytes = body.len();
    let options = match &schema {
        Some(_) => RowOptions::default(),
        None => RowOptions { tags: vec!["symbol".to_owned()], ..RowOptions::default() },
    };
    let name = schema.as_ref().map_or(Name::literal("t"), |schema| schema.name.clone());
    let known = schema.map(|schema| OneTable::new(schema).0);
    let parse = Box::new(move || {
        format.parse(&name, &body, &options, known.clone()).expect("a valid body").rows
    });
    Case { rows, bytes, parse }
}

fn tsbs_arrow(rows: usize, dictionary: bool) -> Case {
    let mut random = Random(4);
    let times = TimestampNanosecondArray::from_iter_values((0..rows).map(tsbs_time));
    let mut columns: Vec<(&str, ArrayRef)> = vec![("time", Arc::new(times))];
    for (index, tag) in TAGS.iter().enumerate() {
        let texts = (0..rows).map(|row| tag_values(row % HOSTS)[index].clone());
        let array: ArrayRef = if dictionary {
            let texts: Vec<String> = texts.collect();
            let array: DictionaryArray<Int32Type> = texts.iter().map(String::as_str).collect();
            Arc::new(array)
        } else {
            Arc::new(StringArray::from_iter_values(texts))
        };
        columns.push((tag, array));
    }
    for field in FIELDS {
        let values = (0..rows).map(|_| random.below(101) as i64);
        columns.push((field, Arc::new(Int64Array::from_iter_values(values))));
    }
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("memory");
    writer.write(&batch).expect("memory");
    row_case(rows, RowFormat::Arrow, writer.into_inner().expect("memory"), Some(tsbs_table()))
}

#[derive(Clone, Copy)]
enum Times {
    Text,
    Epoch,
}

fn csv(rows: usize, times: Times, exists: bool) -> Case {
    let mut random = Random(5);
    let mut body = String::from("time,symbol,price,volume\n");
    for row in 0..rows {
        let time_ns = START_NS + row as i64 * 1_000_000;
        let time = match times {
            Times::Text => time_text(time_ns),
            Times::Epoch => (time_ns / 1_000_000).to_string(),
        };
        let symbol = format!("SYM{:03}", random.below(500));
        let price = random.below(100_000) as f64 / 100.0;
        body += &format!("{time},{symbol},{price},{}\n", random.below(100_000));
    }
    let fields = [("price", ColumnType::F64), ("volume", ColumnType::I64)];
    let schema = exists.then(|| table_of("trades", &["symbol"], &fields));
    row_case(rows, RowFormat::Csv, body.into_bytes(), schema)
}

fn ndjson(rows: usize) -> Case {
    let mut random = Random(6);
    let mut body = String::new();
    for row in 0..rows {
        let time = time_text(START_NS + row as i64 * 1_000_000);
        let value = random.below(10_000) as f64 / 100.0;
        let (sensor, count) = (row % 100, random.below(1_000));
        body += &format!(
            "{{\"time\":\"{time}\",\"sensor\":\"sensor_{sensor}\",\"value\":{value},\"count\":{count}}}\n"
        );
    }
    row_case(rows, RowFormat::Ndjson, body.into_bytes(), Some(small_table()))
}
