//! The sixteen query types of the TSBS cpu-only workload against a running server.
//!
//! `cargo run --release -p pulsora-bench --example tsbs -- --url http://127.0.0.1:8080 --hosts 4000 --hours 24`
//!
//! | flag | default | |
//! |---|---|---|
//! | `--url`, `--table` | `http://127.0.0.1:8080`, `cpu` | who is asked |
//! | `--hosts`, `--hours`, `--start` | 100, 24, 1767225600000000000 | the rows, as in `generate` |
//! | `--types` | `all` | names separated by commas; a part of a name stands for all that have it |
//! | `--runs`, `--from` | 20, 0 | how many questions of each type, after how many left out |
//! | `--last-value` | | the newest rows by aggregates and not by `DISTINCT ON` |
//! | `--log` | | log of the server, written as JSON: its own times are read there |
//! | `--print` | | only the statements, as JSON lines |
//! | `--json` | | JSON lines instead of a Markdown table |
//!
//! Answers are Arrow, and the clock of the client stops when all of one has been read. The first question of
//! each type is asked once before the clock runs.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pulsora_bench::args::Args;
use pulsora_bench::outcome::exit_code;
use pulsora_load::cpu::{START_NS, Workload};
use pulsora_load::http::Client;
use pulsora_load::statements::{QueryType, Question, chosen, questions};
use serde_json::{Value, json};

/// How long the line of a query may take to the log.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

struct Settings {
    url: String,
    table: String,
    workload: Workload,
    hours: f64,
    types: Vec<QueryType>,
    runs: usize,
    from: usize,
    last_value: bool,
    log: Option<PathBuf>,
    print: bool,
    json: bool,
}

fn main() -> ExitCode {
    exit_code(settings().and_then(|settings| ask(&settings)))
}

fn settings() -> Result<Settings, String> {
    let mut args = Args::of_process()?;
    let hosts = args.take::<usize>("hosts", 100)?.max(1);
    let start_ns = args.take("start", START_NS)?;
    let settings = Settings {
        url: args.take("url", "http://127.0.0.1:8080".to_owned())?,
        table: args.take("table", "cpu".to_owned())?,
        workload: Workload { start_ns, ..Workload::of_hosts(hosts) },
        hours: args.take("hours", 24.0)?,
        types: chosen(&args.take("types", "all".to_owned())?)?,
        runs: args.take::<usize>("runs", 20)?.max(1),
        from: args.take("from", 0)?,
        last_value: args.take("last-value", false)?,
        log: args.take_if_given("log")?,
        print: args.take("print", false)?,
        json: args.take("json", false)?,
    };
    args.finish()?;
    Ok(settings)
}

fn ask(settings: &Settings) -> Result<(), String> {
    if !settings.json && !settings.print {
        println!(
            "| type | median ms | p99 ms | in the server: median ms | p99 ms | answer bytes |"
        );
        println!("|---|---|---|---|---|---|");
    }
    for of in &settings.types {
        let runs = settings.from + settings.runs;
        let asked =
            questions(*of, settings.workload, settings.hours, runs).split_off(settings.from);
        if settings.print {
            asked.iter().enumerate().for_each(|(at, question)| print(settings, at, question));
        } else {
            measure(settings, *of, &asked)?;
        }
    }
    Ok(())
}

fn print(settings: &Settings, at: usize, question: &Question) {
    let sql = question.sql(&settings.table, settings.last_value);
    let (start, end) = (question.window.start, question.window.end);
    let run = settings.from + at;
    let (of, hosts) = (question.of.name, &question.hosts);
    println!(
        "{}",
        json!({"type": of, "run": run, "start_ns": start, "end_ns": end, "hosts": hosts, "sql": sql})
    );
}

fn measure(settings: &Settings, of: QueryType, asked: &[Question]) -> Result<(), String> {
    let client = Client::new(&settings.url);
    let mut log = settings.log.as_deref().map(Log::open).transpose()?;
    let (mut times, mut server_times, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (at, question) in asked.iter().take(1).chain(asked).enumerate() {
        let sql = question.sql(&settings.table, settings.last_value);
        let body = json!({ "sql": sql }).to_string();
        let since = Instant::now();
        let answer = client.post("/api/v1/query/arrow", "application/json", body.as_bytes())?;
        let took = since.elapsed();
        if answer.status != 200 {
            return Err(format!("{sql}: {}", answer.text()));
        }
        let server = log.as_mut().map(Log::next_query_ms).transpose()?;
        if at > 0 {
            times.push(took.as_secs_f64() * 1e3);
            server_times.extend(server);
            bytes += answer.body.len();
        }
    }
    report(settings, of, &times, &server_times, bytes / times.len());
    Ok(())
}

fn report(settings: &Settings, of: QueryType, times: &[f64], server: &[f64], bytes: usize) {
    let [median, p99] = [0.5, 0.99].map(|share| quantile(times, share));
    let [server_median, server_p99] = [0.5, 0.99].map(|share| quantile(server, share));
    if settings.json {
        let line = json!({
            "type": of.name,
            "runs": times.len(),
            "median_ms": median,
            "p99_ms": p99,
            "server_median_ms": server_median,
            "server_p99_ms": server_p99,
            "answer_bytes": bytes,
            "ms": times,
            "server_ms": server,
        });
        println!("{line}");
    } else {
        let text = |ms: Option<f64>| ms.map_or("–".to_owned(), |ms| format!("{ms:.2}"));
        let [median, p99, server_median, server_p99] =
            [median, p99, server_median, server_p99].map(text);
        println!("| {} | {median} | {p99} | {server_median} | {server_p99} | {bytes} |", of.name);
    }
}

/// The time that this share of the runs did not exceed.
fn quantile(times: &[f64], share: f64) -> Option<f64> {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let at = (times.len() as f64 * share).ceil() as usize;
    times.get(at.saturating_sub(1)).copied()
}

/// The log of the server, from where it has been read.
struct Log {
    file: File,
    unread: String,
}

impl Log {
    /// From its end.
    fn open(path: &std::path::Path) -> Result<Log, String> {
        let mut file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        file.seek(SeekFrom::End(0)).map_err(|error| error.to_string())?;
        Ok(Log { file, unread: String::new() })
    }

    /// What the next SQL query in the log took in the server: from its arrival until all of its answer had
    /// been handed to the connection.
    fn next_query_ms(&mut self) -> Result<f64, String> {
        let since = Instant::now();
        loop {
            self.file.read_to_string(&mut self.unread).map_err(|error| error.to_string())?;
            while let Some((line, rest)) = self.unread.split_once('\n') {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                self.unread = rest.to_owned();
                if line["kind"] == "sql" {
                    return line["duration_ms"]
                        .as_f64()
                        .ok_or_else(|| "a query without a time".to_owned());
                }
            }
            if since.elapsed() > LOG_PATIENCE {
                return Err(
                    "the log does not tell of the query; is logging.format json?".to_owned()
                );
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}
