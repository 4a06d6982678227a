//! `pulsora compact`: everything of a data directory at rest made compact, with progress.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueHint};
use indicatif::{HumanBytes, ProgressBar};
use pulsora_env::Env;
use pulsora_model::{Name, Result};
use pulsora_server::config::Config;
use pulsora_storage::{
    CompactFilter, CompactionReport, Engine, EngineStats, FlushFilter, JobStatus, Pending,
};

use super::command::Outcome;
use super::progress::{grouped, rows, rows_bar, span};
use super::report;

/// How often the bar is brought up to date.
const TICK: Duration = Duration::from_millis(100);

/// Arguments of `pulsora compact`.
#[derive(Args, Debug)]
#[command(after_help = "\
Every partition becomes one run of segments, of Parquet where it is cold (storage.hot_for); rows that are
deleted or replaced are left out. The server must be stopped: `POST /api/v1/compaction/trigger` does the
same in a server that runs.

Examples:
  pulsora compact --data-dir /var/lib/pulsora
  pulsora compact --data-dir /var/lib/pulsora --database metrics --table cpu --cold")]
pub(super) struct CompactArgs {
    /// The data directory
    #[arg(long, value_name = "PATH", default_value = "./data", value_hint = ValueHint::DirPath)]
    data_dir: PathBuf,
    /// Only tables of this database
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Only this table; without a database, of `default`
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Make Parquet of everything, whatever its age
    #[arg(long)]
    cold: bool,
}

pub(super) fn run(args: &CompactArgs) -> Result<Outcome> {
    if !args.data_dir.join("manifest").exists() {
        let dir = args.data_dir.display();
        return Err(report::usage(format!("{dir} is not a data directory"))
            .hint("name the directory that the server was started with"));
    }
    let engine = Engine::open(Env::real(), args.options()?)?;
    let outcome = work(&engine, args);
    let closed = engine.close();
    report::print(outcome?.as_bytes())?;
    closed?;
    Ok(Outcome::Done)
}

impl CompactArgs {
    /// The settings of a server that is started here, at full speed and without being asked for more.
    fn options(&self) -> Result<pulsora_storage::Options> {
        let flag = |name: &str, value: String| (name.to_owned(), value);
        let flags = [
            flag("storage.data_dir", self.data_dir.to_string_lossy().into_owned()),
            flag("compaction.enabled", "false".to_owned()),
        ];
        Ok(Config::load(None, super::flags::environment(), &flags)?.storage_options())
    }
}

/// Flushes what the log has, then compacts; gives what is printed.
fn work(engine: &Engine, args: &CompactArgs) -> Result<String> {
    let began = Instant::now();
    let before = engine.stats();
    let name = |name: &Option<String>| name.as_deref().map(Name::new).transpose();
    let (database, table) = (name(&args.database)?, name(&args.table)?);
    let filter = CompactFilter { database: database.clone(), table: table.clone() };
    let bar = rows_bar(Some(0));
    let done = watch(engine, &bar, engine.flush(FlushFilter { database, table, cold: args.cold }))
        .and_then(|()| watch(engine, &bar, engine.compact(&filter)?));
    bar.finish_and_clear();
    done?;
    Ok(text(&before, &engine.stats(), &engine.compaction(), began.elapsed()))
}

/// Waits for an answer and shows how far the jobs are.
fn watch(engine: &Engine, bar: &ProgressBar, mut pending: Pending) -> Result<()> {
    loop {
        if let Some(answer) = pending.try_take() {
            return answer.map(drop);
        }
        let report = engine.compaction();
        let jobs = || report.history.iter().chain(&report.running);
        bar.set_length(jobs().map(|job| job.rows_in).sum());
        bar.set_position(jobs().map(|job| job.rows_read).sum());
        let names = report.running.iter().map(|job| format!("{}.{}", job.database, job.table));
        bar.set_message(names.collect::<Vec<_>>().join(", "));
        std::thread::sleep(TICK);
    }
}

/// One line for each table that was rewritten, and the sum.
fn text(
    before: &EngineStats,
    after: &EngineStats,
    report: &CompactionReport,
    took: Duration,
) -> String {
    let mut tables: BTreeMap<(&str, &str), Sums> = BTreeMap::new();
    for job in report.history.iter().filter(|job| job.status == JobStatus::Completed) {
        let sums = tables.entry((&job.database, &job.table)).or_default();
        sums.segments_in += job.segments_in;
        sums.segments_out += job.segments_out;
        sums.bytes_in += job.bytes_in;
        sums.bytes_out += job.bytes_out;
        sums.rows += job.rows_out;
    }
    let mut lines: Vec<String> = Vec::new();
    for ((database, table), sums) in &tables {
        lines.push(format!("{database}.{table}: {}", sums.text()));
    }
    lines.push(format!(
        "{} segments, {} before; {} segments ({} of Parquet), {} with {} after {}",
        grouped(before.segments),
        HumanBytes(before.segment_bytes),
        grouped(after.segments),
        grouped(after.segments - after.hot_segments),
        HumanBytes(after.segment_bytes),
        rows(after.segment_rows),
        span(took),
    ));
    lines.join("\n") + "\n"
}

/// What was rewritten of a table, over all jobs.
#[derive(Default)]
struct Sums {
    segments_in: u64,
    segments_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    rows: u64,
}

impl Sums {
    fn text(&self) -> String {
        format!(
            "{} segments of {} became {} of {}, {}",
            grouped(self.segments_in),
            HumanBytes(self.bytes_in),
            grouped(self.segments_out),
            HumanBytes(self.bytes_out),
            rows(self.rows)
        )
    }
}
