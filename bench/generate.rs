//! The rows of the workload on standard output or in a file, for other databases and for comparing sums.
//!
//! `cargo run --release -p pulsora-bench --example generate -- --hosts 100 --hours 24 | sha256sum`
//!
//! | flag | default | |
//! |---|---|---|
//! | `--format` | `line` | `line` or `csv`, in order of time; `parquet`, in order of host name and time |
//! | `--hosts`, `--hours`, `--seed` | 100, 24, 123 | how many rows, and which |
//! | `--shape`, `--rows` | `tsbs`, by the hours | `small` or `trades` (not as Parquet); so many rows |
//! | `--start` | 1767225600000000000 | time of the first rows, nanoseconds (2016-01-01 is 1451606400000000000) |
//! | `--out` | standard output | a file; Parquet needs one |
//!
//! With seed 123 the line protocol is that of the Time Series Benchmark Suite's own generator, byte for byte;
//! its sums stand in `docs/benchmarks.md`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt32Array,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit, UInt32Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use pulsora_bench::args::Args;
use pulsora_bench::outcome::exit_code;
use pulsora_load::body::Bodies;
use pulsora_load::cpu::{FIELDS, Fleet, START_NS, TAGS, Workload};
use pulsora_load::protocol::Protocol;
use pulsora_load::rows::{Shape, Source};

/// Rows that are made before they are written.
const ROUND_ROWS: usize = 100_000;

struct Settings {
    format: String,
    shape: Shape,
    workload: Workload,
    rows: usize,
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    exit_code(settings().and_then(|settings| generate(&settings)))
}

fn settings() -> Result<Settings, String> {
    let mut args = Args::of_process()?;
    let hosts = args.take::<usize>("hosts", 100)?.max(1);
    let (seed, start_ns) = (args.take("seed", 123)?, args.take("start", START_NS)?);
    let workload = Workload { seed, start_ns, ..Workload::of_hosts(hosts) };
    let rows = workload.rows_of_hours(args.take("hours", 24.0)?);
    let (shape, rows) = (args.take("shape", Shape::Tsbs)?, args.take("rows", rows)?);
    let (format, out) = (args.take("format", "line".to_owned())?, args.take_if_given("out")?);
    args.finish()?;
    Ok(Settings { format, shape, workload, rows, out })
}

fn generate(settings: &Settings) -> Result<(), String> {
    let since = Instant::now();
    match (settings.format.as_str(), &settings.out) {
        ("parquet", _) if settings.shape != Shape::Tsbs => {
            Err("Parquet has the shape tsbs".to_owned())
        }
        ("parquet", Some(path)) => parquet(settings, path),
        ("parquet", None) => Err("Parquet needs a file: --out".to_owned()),
        ("line", out) => text(settings, Protocol::Line, out.as_ref()),
        ("csv", out) => text(settings, Protocol::Csv, out.as_ref()),
        (other, _) => Err(format!("--format cannot be {other}")),
    }?;
    let seconds = since.elapsed().as_secs_f64();
    let millions = settings.rows as f64 / seconds / 1e6;
    eprintln!("{} rows, {seconds:.1} s, {millions:.2} million rows/s", settings.rows);
    Ok(())
}

fn text(settings: &Settings, protocol: Protocol, path: Option<&PathBuf>) -> Result<(), String> {
    let mut out: Box<dyn Write> = match path {
        None => Box::new(std::io::stdout().lock()),
        Some(path) => Box::new(File::create(path).map_err(|error| error.to_string())?),
    };
    let mut source = Source::new(settings.shape, settings.workload);
    let series = Arc::clone(&source.series);
    let bodies = Bodies::new(protocol, settings.shape.layout().table, &series);
    let mut left = settings.rows;
    while left > 0 {
        let rows = source.rows(left.min(ROUND_ROWS));
        let body = bodies.body(&rows).bytes;
        let head = match protocol {
            Protocol::Csv if left < settings.rows => body.iter().position(|byte| *byte == b'\n'),
            _ => None,
        };
        out.write_all(&body[head.map_or(0, |at| at + 1)..]).map_err(|error| error.to_string())?;
        left -= rows.len();
    }
    out.flush().map_err(|error| error.to_string())
}

/// All values are kept, a byte each, and written host by host.
fn parquet(settings: &Settings, path: &PathBuf) -> Result<(), String> {
    let hosts = settings.workload.hosts;
    let mut fleet = Fleet::new(settings.workload);
    let mut values: Vec<Vec<[u8; 10]>> = vec![Vec::new(); hosts];
    let mut left = settings.rows;
    while left > 0 {
        let rows = fleet.rows(left.min(ROUND_ROWS));
        rows.iter().for_each(|row| values[row.host].push(row.values));
        left -= rows.len();
    }
    let file = File::create(path).map_err(|error| error.to_string())?;
    let zstd = ZstdLevel::try_new(1).map_err(|error| error.to_string())?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(zstd));
    let mut writer = ArrowWriter::try_new(BufWriter::new(file), schema(), Some(properties.build()))
        .map_err(|error| error.to_string())?;
    let mut order: Vec<usize> = (0..hosts).collect();
    order.sort_by(|a, b| fleet.tags[*a][0].cmp(&fleet.tags[*b][0]));
    for host in order {
        let batch = batch(settings.workload, &fleet.tags[host], &values[host]);
        batch.and_then(|batch| writer.write(&batch)).map_err(|error| error.to_string())?;
    }
    writer.close().map(|_| ()).map_err(|error| error.to_string())
}

fn schema() -> Arc<Schema> {
    let text = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let time = Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), false);
    let tags = TAGS.iter().map(|name| Field::new(*name, text.clone(), false));
    let fields = FIELDS.iter().map(|name| Field::new(*name, DataType::Int64, false));
    Arc::new(Schema::new(std::iter::once(time).chain(tags).chain(fields).collect::<Vec<_>>()))
}

/// The rows of one host.
fn batch(
    workload: Workload,
    tags: &[String; 10],
    values: &[[u8; 10]],
) -> Result<RecordBatch, parquet::errors::ParquetError> {
    let time = |at: usize| (workload.start_ns + at as i64 * workload.step_ns) / 1_000;
    let times = TimestampMicrosecondArray::from_iter_values((0..values.len()).map(time));
    let mut columns: Vec<ArrayRef> = vec![Arc::new(times)];
    for tag in tags {
        let keys = UInt32Array::from(vec![0; values.len()]);
        let text = StringArray::from(vec![tag.as_str()]);
        columns.push(Arc::new(DictionaryArray::<UInt32Type>::try_new(keys, Arc::new(text))?));
    }
    for field in 0..FIELDS.len() {
        let column = values.iter().map(|row| i64::from(row[field]));
        columns.push(Arc::new(Int64Array::from_iter_values(column)));
    }
    Ok(RecordBatch::try_new(schema(), columns)?)
}
