//! Rows per second that a server accepts, and the latency of a request.
//!
//! `cargo run --release -p pulsora-bench --example ingest -- --url http://127.0.0.1:8080 --protocol line`
//!
//! | flag | default | |
//! |---|---|---|
//! | `--url` | `http://127.0.0.1:8080` | the server |
//! | `--protocol` | `line` | `line`, `msgpack` or `csv` |
//! | `--rows`, `--batch`, `--clients` | 1000000, 5000, 4 | how many, in requests of how many, by how many at once |
//! | `--hosts`, `--seed` | 1000, 123 | the fleet |
//! | `--skip` | 0 | rows of the fleet that are made and not sent |
//! | `--rate`, `--round` | , 1000000 | most rows sent in a second; rows whose bodies are made at once |
//! | `--table` | `cpu` | the table |
//! | `--durability` | the server's | `fsync`, `async` or `off` |
//! | `--json` | | JSON instead of lines of a Markdown table |
//!
//! Bodies are made before the clock runs, `--round` rows at a time, so that the client costs as little as
//! it can. A request that is asked to come again later comes again; its latency counts all of that.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use pulsora_bench::args::Args;
use pulsora_bench::bodies::{Bodies, Protocol};
use pulsora_bench::cpu::{Fleet, Workload};
use pulsora_bench::http::Client;
use pulsora_bench::latency::{self, Run};
use pulsora_bench::outcome::exit_code;
use pulsora_bench::report::Report;

/// Rows whose bodies are made at once, by default.
const ROUND_ROWS: usize = 1_000_000;

struct Settings {
    url: String,
    protocol: Protocol,
    rows: usize,
    batch: usize,
    clients: usize,
    hosts: usize,
    seed: i64,
    skip: usize,
    rate: Option<f64>,
    round: usize,
    table: String,
    durability: Option<String>,
    json: bool,
}

fn main() -> ExitCode {
    exit_code(settings().and_then(|settings| ingest(&settings)))
}

fn settings() -> Result<Settings, String> {
    let mut args = Args::of_process()?;
    let settings = Settings {
        url: args.take("url", "http://127.0.0.1:8080".to_owned())?,
        protocol: args.take("protocol", Protocol::Line)?,
        rows: args.take("rows", 1_000_000)?,
        batch: args.take::<usize>("batch", 5_000)?.max(1),
        clients: args.take::<usize>("clients", 4)?.max(1),
        hosts: args.take::<usize>("hosts", 1_000)?.max(1),
        seed: args.take("seed", 123)?,
        skip: args.take("skip", 0)?,
        rate: args.take_if_given("rate")?,
        round: args.take::<usize>("round", ROUND_ROWS)?.max(1),
        table: args.take("table", "cpu".to_owned())?,
        durability: args.take_if_given("durability")?,
        json: args.take("json", false)?,
    };
    args.finish()?;
    Ok(settings)
}

fn ingest(settings: &Settings) -> Result<(), String> {
    let mut fleet =
        Fleet::new(Workload { seed: settings.seed, ..Workload::of_hosts(settings.hosts) });
    skip(&mut fleet, settings.skip);
    let (mut run, mut bytes, mut left) = (Run::none(), 0, settings.rows);
    while left > 0 {
        let round = left.min(settings.round);
        let rows = fleet.rows(round);
        let batches = rows.chunks(settings.batch);
        let writer = Bodies::new(settings.protocol, &settings.table, &fleet);
        let bodies: Vec<Vec<u8>> = batches.map(|rows| writer.body(rows)).collect();
        bytes += bodies.iter().map(Vec::len).sum::<usize>();
        run.add(&send(settings, &bodies)?);
        left -= round;
    }
    let mut report = Report::new(settings.json);
    let seconds = run.elapsed.as_secs_f64();
    let what = format!(
        "{}, {} rows a request, {} clients",
        settings.protocol.name(),
        settings.batch,
        settings.clients
    );
    report.add(what.clone(), settings.rows as f64 / seconds, "rows/s");
    report.add(format!("{what}: body bytes"), bytes as f64 / seconds / 1e6, "MB/s");
    report.add(format!("{what}: median latency"), run.quantile_ms(0.5), "ms");
    report.add(format!("{what}: p99 latency"), run.quantile_ms(0.99), "ms");
    report.print();
    Ok(())
}

fn skip(fleet: &mut Fleet, mut rows: usize) {
    while rows > 0 {
        rows -= fleet.rows(rows.min(ROUND_ROWS)).len();
    }
}

fn send(settings: &Settings, bodies: &[Vec<u8>]) -> Result<Run, String> {
    let mut path = settings.protocol.path(&settings.table);
    if let Some(durability) = &settings.durability {
        path.push_str(&format!("&durability={durability}"));
    }
    let content_type = settings.protocol.content_type();
    let since = Instant::now();
    latency::run(&settings.url, settings.clients, bodies.len(), |client, number| {
        if let Some(rate) = settings.rate {
            let due = Duration::from_secs_f64((number * settings.batch) as f64 / rate);
            std::thread::sleep(due.saturating_sub(since.elapsed()));
        }
        send_until_accepted(client, &path, content_type, &bodies[number])
    })
}

fn send_until_accepted(
    client: &Client,
    path: &str,
    content_type: &str,
    body: &[u8],
) -> Result<(), String> {
    loop {
        let answer = client.post(path, content_type, body)?;
        match answer.status {
            200..=299 => return Ok(()),
            429 | 503 => std::thread::sleep(Duration::from_millis(20)),
            _ => return Err(format!("{path}: {}", answer.text())),
        }
    }
}
