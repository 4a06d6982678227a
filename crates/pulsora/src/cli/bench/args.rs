//! The arguments of `pulsora bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// Arguments of `pulsora bench`.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(in crate::cli) struct BenchArgs {
    #[command(subcommand)]
    pub command: BenchCommand,
}

/// What is measured.
#[derive(Subcommand, Debug)]
pub(in crate::cli) enum BenchCommand {
    /// Rows per second that are taken in, on disk and visible
    Ingest(IngestArgs),
    /// Latency of the sixteen TSBS queries
    Query(QueryArgs),
}

const INGEST_HELP: &str = "\
Examples:
  pulsora bench ingest                                     a server of its own, 10 s of line protocol
  pulsora bench ingest --protocol msgpack --clients 16 --batch 5000 --seconds 60 --warm-up 5
  pulsora bench ingest --protocol arrow --rows 10000000 --verify-crash --json
  pulsora bench ingest --url http://db:8080 --durability async
  pulsora bench ingest --data-dir ./bench-data             the library, without HTTP

Without --url and --data-dir a server of this binary is started on a free port over a temporary directory
(below TMPDIR; that disk is what is measured) and stopped at the end. PULSORA_SECTION__KEY variables are its
configuration: PULSORA_MEMORY__LIMIT=512MB pulsora bench ingest …

What the figures mean:
  accepted  from the first request to the last answer
  fsynced   the same where --durability is fsync; else until everything is flushed
  visible   until a query has counted all rows
  flushed   until the memtables are segments
At the end every row is read back: their number and the sum of every field must be those of the accepted
requests, or the command fails.

Bodies are made before the clock runs, up to 256 MiB of them. A longer run sends them again with their
times moved on in place: rows are new, their values repeat. With --exact every row is the generator's own:
bodies are made in rounds, and the clock (not the server) rests meanwhile.

Shapes: tsbs = ten tags and ten integers, one row per host and 10 s, as the TSBS cpu-only generator makes
them; small = one tag, a float and an integer; trades = symbol, price and volume. Tags of Arrow are
dictionaries with 32-bit keys. Rows begin at 2026-01-01, or after the newest of a table that has rows.";

/// Arguments of `pulsora bench ingest`.
#[derive(Args, Debug)]
#[command(after_help = INGEST_HELP)]
pub(in crate::cli) struct IngestArgs {
    /// How rows are sent
    #[arg(long, value_name = "line|msgpack|arrow|csv", default_value = "line", hide_possible_values = true, value_parser = ["line", "msgpack", "arrow", "csv"])]
    pub protocol: String,
    /// What rows look like [default: tsbs; csv: trades]
    #[arg(long, value_name = "tsbs|small|trades", hide_possible_values = true, value_parser = ["tsbs", "small", "trades"])]
    pub shape: Option<String>,
    /// Hosts, sensors or symbols
    #[arg(long, value_name = "NUMBER", default_value_t = 4_000)]
    pub hosts: usize,
    /// How many rows are sent, up to whole requests where the bodies are used again
    #[arg(long, value_name = "NUMBER", conflicts_with = "seconds")]
    pub rows: Option<usize>,
    /// How long rows are sent [default: 10]
    #[arg(long, value_name = "NUMBER")]
    pub seconds: Option<f64>,
    /// How long rows are sent before the clock runs; they are read back too
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    pub warm_up: f64,
    /// Rows of a request
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    pub batch: usize,
    /// Clients, each with a connection and one request on its way
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    pub clients: usize,
    /// When a request is answered
    #[arg(long, value_name = "fsync|async|off", default_value = "fsync", hide_possible_values = true, value_parser = ["fsync", "async", "off"])]
    pub durability: String,
    #[command(flatten)]
    pub place: BenchPlaceArgs,
    /// Another system than Pulsora at --url that takes the protocol at this path; its rows are not read back
    #[arg(long, value_name = "PATH", requires = "url", conflicts_with = "verify_crash")]
    pub path: Option<String>,
    /// The table [default: by the shape]
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// Send a tenth more afterwards, kill the server (SIGKILL) with the last answer, start it again and read everything back
    #[arg(long, conflicts_with_all = ["url", "data_dir"])]
    pub verify_crash: bool,
    /// Send the generator's own rows, none twice; rows of the table with their keys are replaced
    #[arg(long, requires = "rows", conflicts_with = "warm_up")]
    pub exact: bool,
    /// Rows of the generator that are left out first
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub skip: usize,
    /// Most rows sent in a second
    #[arg(long, value_name = "ROWS")]
    pub rate: Option<f64>,
    /// Seed of the rows
    #[arg(long, value_name = "NUMBER", default_value_t = 123)]
    pub seed: i64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const QUERY_HELP: &str = "\
Examples:
  pulsora bench query                                      a server of its own, 100 hosts for 24 hours
  pulsora bench query --hosts 4000 --hours 12 --runs 100 --type double-groupby
  pulsora bench query --url http://db:8080 --hosts 1000 --hours 24 --type all --clients 4

A server of its own and --load get the rows first, by MessagePack; otherwise they must be there:
  pulsora bench ingest --url http://db:8080 --hosts 1000 --rows 8640000 --exact
Questions (windows and hosts) are the same in every run. Answers are Arrow, and the clock stops when all of one
has been read; the first question of each type is asked once before the clock runs.";

/// Arguments of `pulsora bench query`.
#[derive(Args, Debug)]
#[command(after_help = QUERY_HELP)]
pub(in crate::cli) struct QueryArgs {
    /// Query types by name or a part of it, separated by commas
    #[arg(long = "type", value_name = "all|TYPES", default_value = "all")]
    pub types: String,
    /// Hosts of the rows
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub hosts: usize,
    /// Hours of the rows
    #[arg(long, value_name = "NUMBER", default_value_t = 24.0)]
    pub hours: f64,
    /// Questions of each type
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub runs: usize,
    /// Clients that ask at once
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub clients: usize,
    #[command(flatten)]
    pub place: BenchPlaceArgs,
    /// The table
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    pub table: String,
    /// Send the rows first
    #[arg(long)]
    pub load: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Where it is measured.
#[derive(Args, Debug)]
pub(in crate::cli) struct BenchPlaceArgs {
    /// A server that runs [default: one of its own]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, conflicts_with = "data_dir")]
    pub url: Option<String>,
    /// A data directory instead of a server; no server may have it open
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub data_dir: Option<PathBuf>,
}
