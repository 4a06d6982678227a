//! Latency of queries over the rows that `ingest` has sent, and the memory of the server.
//!
//! `cargo run --release -p pulsora-bench --example query -- --url http://127.0.0.1:8080 --pid <pid>`
//!
//! | flag | default | |
//! |---|---|---|
//! | `--url` | `http://127.0.0.1:8080` | the server |
//! | `--table`, `--hosts` | `cpu`, 1000 | what is asked for; hosts as in `ingest` |
//! | `--requests` | 2000 | row API requests of each kind |
//! | `--seed` | 123 | which series and times |
//! | `--pid` | | process whose anonymous memory is read |
//! | `--memory-only` | | only the memory |
//! | `--json` | | JSON instead of lines of a Markdown table |

use std::process::ExitCode;
use std::time::Instant;

use pulsora_bench::args::Args;
use pulsora_bench::outcome::exit_code;
use pulsora_bench::report::Report;
use pulsora_load::clients::{Plan, Until, perform};
use pulsora_load::http::Client;

/// Runs of each SQL statement; the median is reported.
const SQL_RUNS: usize = 5;

struct Settings {
    url: String,
    table: String,
    hosts: u64,
    requests: usize,
    seed: u64,
    pid: Option<u32>,
    memory_only: bool,
    json: bool,
}

fn main() -> ExitCode {
    exit_code(settings().and_then(|settings| measure(&settings)))
}

fn settings() -> Result<Settings, String> {
    let mut args = Args::of_process()?;
    let settings = Settings {
        url: args.take("url", "http://127.0.0.1:8080".to_owned())?,
        table: args.take("table", "cpu".to_owned())?,
        hosts: args.take::<u64>("hosts", 1_000)?.max(1),
        requests: args.take("requests", 2_000)?,
        seed: args.take("seed", 123)?,
        pid: args.take_if_given("pid")?,
        memory_only: args.take("memory-only", false)?,
        json: args.take("json", false)?,
    };
    args.finish()?;
    Ok(settings)
}

fn measure(settings: &Settings) -> Result<(), String> {
    let mut report = Report::new(settings.json);
    if !settings.memory_only {
        let range = time_range(settings)?;
        for clients in [1, 16] {
            points(settings, range, clients, 60, "a minute of a series", &mut report)?;
        }
        points(settings, range, 1, 3_600, "an hour of a series", &mut report)?;
        sql(settings, &mut report)?;
    }
    if let Some(pid) = settings.pid {
        let what = if settings.memory_only { "memory, idle" } else { "memory after the queries" };
        report.add(what, anonymous_memory(pid)? as f64 / 1e6, "MB");
    }
    report.print();
    Ok(())
}

/// First and last time of the table, nanoseconds.
fn time_range(settings: &Settings) -> Result<(i64, i64), String> {
    let client = Client::new(&settings.url);
    let statement = format!(
        "SELECT CAST(min(time) AS BIGINT), CAST(max(time) AS BIGINT) FROM {}",
        settings.table
    );
    let rows = client.sql(&statement)?;
    let time = |at: usize| rows.first().and_then(|row| row[at].as_i64());
    let range = time(0).zip(time(1));
    range.ok_or_else(|| format!("table {} has no rows", settings.table))
}

/// Row API requests for one series and `seconds` seconds.
fn points(
    settings: &Settings,
    (first, last): (i64, i64),
    clients: usize,
    seconds: i64,
    what: &str,
    report: &mut Report,
) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(settings.seed);
    let span = seconds * 1_000_000_000;
    let paths: Vec<String> = (0..settings.requests)
        .map(|_| {
            let start = first + random.i64(0..(last - first - span).max(1));
            let host = random.u64(0..settings.hosts);
            let (table, end) = (&settings.table, start + span - 1);
            format!("/tables/{table}/query?start={start}&end={end}&tags=hostname:host_{host}")
        })
        .collect();
    let client = || Ok(Client::new(&settings.url));
    let request = |client: &mut Client, number| {
        let path = &paths[number as usize];
        let answer = client.get(path)?;
        match answer.status {
            200 => Ok(()),
            _ => Err(format!("{path}: {}", answer.text())),
        }
    };
    let plan = Plan { clients, first: 0, until: Until::Requests(paths.len() as u64) };
    let (run, _) = perform(plan, client, request, || {})?;
    let what = format!("row API, {what}, {clients} client{}", if clients == 1 { "" } else { "s" });
    report.add(format!("{what}: median"), run.quantile_ms(0.5), "ms");
    report.add(format!("{what}: p99"), run.quantile_ms(0.99), "ms");
    let rate = paths.len() as f64 / run.elapsed.as_secs_f64();
    report.add(format!("{what}: throughput"), rate, "requests/s");
    Ok(())
}

/// SQL over every row of the table.
fn sql(settings: &Settings, report: &mut Report) -> Result<(), String> {
    let client = Client::new(&settings.url);
    let table = &settings.table;
    let rows = client.sql(&format!("SELECT count(*) FROM {table}"))?;
    let rows = rows.first().and_then(|row| row[0].as_f64()).unwrap_or_default();
    let statements = [
        ("count(*)", format!("SELECT count(*) FROM {table}")),
        (
            "sum, avg, min, max of a field",
            format!(
                "SELECT sum(usage_user), avg(usage_user), min(usage_user), max(usage_user) FROM {table}"
            ),
        ),
        (
            "avg of three fields by host",
            format!(
                "SELECT hostname, avg(usage_user), avg(usage_system), avg(usage_idle) FROM {table} GROUP BY hostname"
            ),
        ),
        (
            "max by hour",
            format!(
                "SELECT time_bucket('1 hour', time) AS hour, max(usage_user) FROM {table} GROUP BY 1 ORDER BY 1"
            ),
        ),
    ];
    for (what, statement) in statements {
        let mut times = Vec::new();
        for _ in 0..SQL_RUNS {
            let since = Instant::now();
            client.sql(&statement)?;
            times.push(since.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let millions = rows / 1e6;
        report.add(format!("SQL, {what}, {millions:.1} million rows"), times[SQL_RUNS / 2], "ms");
    }
    Ok(())
}

/// Anonymous memory of a process, bytes.
fn anonymous_memory(pid: u32) -> Result<u64, String> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| format!("{path} does not tell the anonymous memory"))
}
