//! Bits per value and speed of every codec, beside other formats, on real and made series.
//!
//! `cargo run --release -p pulsora-bench --example codecs`
//!
//! | flag | default | |
//! |---|---|---|
//! | `--data` | `../shared/data` | real series: `stocks.csv` and `nab/*.csv`; left out where they are absent |
//! | `--series`, `--codec` | | only the series, the codecs, whose name has this in it |
//! | `--milliseconds` | 50 | how long an encoder or decoder is tried, at least |
//! | `--summary` | | only the summary |
//! | `--json` | | JSON lines instead of Markdown |
//!
//! Blocks of 65,536 values, best of at least five tries. A codec of ours that is declared fast decodes vector by vector into a
//! buffer of one vector that is used again, as a scan does; all others decode block by block into a buffer
//! that is used again. What zstd and lz4 decode to is the bytes of the values. Parquet is a column of a file in
//! memory with one data page per block, sizes are those of the pages. Every codec must give back what it
//! was given, bit for bit.

mod contenders;
mod measure;
mod ours;
mod parquet_column;
mod series;
mod summary;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use contenders::Contender;
use measure::{Measured, measure};
use pulsora_bench::args::Args;
use pulsora_bench::outcome::exit_code;
use series::{Column, Series};

struct Settings {
    data: PathBuf,
    series: String,
    codec: String,
    time: Duration,
    summary: bool,
    json: bool,
}

fn main() -> ExitCode {
    exit_code(settings().and_then(|settings| compare(&settings)))
}

fn settings() -> Result<Settings, String> {
    let mut args = Args::of_process()?;
    let settings = Settings {
        data: args.take("data", PathBuf::from("../shared/data"))?,
        series: args.take("series", String::new())?,
        codec: args.take("codec", String::new())?,
        time: Duration::from_millis(args.take("milliseconds", 50)?),
        summary: args.take("summary", false)?,
        json: args.take("json", false)?,
    };
    args.finish()?;
    Ok(settings)
}

fn compare(settings: &Settings) -> Result<(), String> {
    let mut all = series::real(&settings.data)?;
    if all.is_empty() {
        eprintln!("no real series in {}: see --data", settings.data.display());
    }
    all.extend(series::made());
    all.retain(|series| series.name.contains(&settings.series));
    let mut results = Vec::new();
    for series in &all {
        let measured = compare_on(settings, series)?;
        if settings.json {
            measured.iter().for_each(|one| println!("{}", one.json(series)));
        } else if !settings.summary {
            table(series, &measured);
        }
        results.push((series, measured));
    }
    let pairs = summary::pairs(settings.time)?;
    summary::print(&results, &pairs, settings.json);
    Ok(())
}

/// What every contender does with a series, the smallest first.
fn compare_on(settings: &Settings, series: &Series) -> Result<Vec<Measured>, String> {
    let mut contenders: Vec<Box<dyn Contender>> = ours::contenders(series.column.kind());
    contenders.extend(contenders::others(&series.column));
    contenders.extend(parquet_column::contenders(&series.column));
    contenders.retain(|contender| contender.name().contains(&settings.codec));
    let mut measured = Vec::new();
    for contender in &mut contenders {
        measured.extend(measure(contender.as_mut(), series, settings.time)?);
    }
    measured.sort_by_key(|one| one.bytes);
    Ok(measured)
}

fn table(series: &Series, measured: &[Measured]) {
    let (unit, values) = match &series.column {
        Column::Text { .. } => ("MB/s", "strings"),
        _ => ("M values/s", "values"),
    };
    println!("\n### {}, {} {values}\n", series.name, series.column.len());
    println!("| codec | bits per value | encode {unit} | decode {unit} | |\n|---|---|---|---|---|");
    for one in measured {
        let (name, bits) = (&one.name, one.bits_per_value());
        let (encode, decode) = (one.encode / 1e6, one.decode / 1e6);
        println!("| {name} | {bits:.2} | {encode:.0} | {decode:.0} | {} |", one.note);
    }
}
