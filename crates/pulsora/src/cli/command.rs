//! The commands, their help, and which file runs them.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use pulsora_model::Result;

use super::bench::BenchArgs;
use super::check::CheckArgs;
use super::compact::CompactArgs;
use super::completions::CompletionsArgs;
use super::config::ConfigArgs;
use super::import::ImportArgs;
use super::sql::SqlArgs;
use super::{bench, check, compact, completions, config, flags, import, report, serve, sql};

const EXAMPLES: &str = "\
Examples:
  pulsora                                              serve 127.0.0.1:8080, data in ./data
  pulsora serve --listen 0.0.0.0:8080 --data-dir /var/lib/pulsora
  pulsora import prices.csv.gz --table prices --tags symbol
  pulsora sql \"SELECT symbol, max(high) FROM prices GROUP BY symbol\"
  pulsora sql                                          a prompt
  pulsora check --data-dir ./data
  pulsora compact --data-dir ./data
  pulsora bench ingest --protocol msgpack              how fast this machine is";

const SERVE_EXAMPLES: &str = "\
Examples:
  pulsora serve
  pulsora serve -c pulsora.toml --listen 0.0.0.0:8080
  PULSORA_STORAGE__FLUSH_AGE=1m pulsora serve --memory-limit 2GiB --query.timeout 30s

Every key of the configuration is a flag, --section.key; --help shows all of them.";

/// How a command ended, where that is not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Everything was done.
    Done,
    /// What was wrong has been said.
    Failed,
}

/// Runs the command line and gives the exit code: 0 done, 1 failed, 2 wrong usage.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let matches = match root().try_get_matches_from(with_serve(args)) {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version go to standard output with code 0, errors to standard error with 2.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match dispatch(&matches) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::FAILURE,
        Err(error) => {
            report::show(&error);
            ExitCode::FAILURE
        }
    }
}

/// The whole command line.
pub(super) fn root() -> Command {
    let serve =
        flags::add(Command::new("serve").about("Serve HTTP (also what `pulsora` alone does)"));
    let about_config =
        "Print the effective configuration with what each key does and where it came from";
    Command::new("pulsora")
        .bin_name("pulsora")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A time-series database in one binary")
        .after_help(EXAMPLES)
        .subcommand_required(true)
        .subcommand(serve.after_help(SERVE_EXAMPLES))
        .subcommand(command::<ImportArgs>(
            "import",
            "Import files into a server or a data directory",
        ))
        .subcommand(command::<SqlArgs>(
            "sql",
            "Run SQL on a server or a data directory; alone, a prompt",
        ))
        .subcommand(flags::add(command::<ConfigArgs>("config", about_config)))
        .subcommand(command::<CheckArgs>(
            "check",
            "Verify every checksum of a data directory at rest",
        ))
        .subcommand(command::<CompactArgs>(
            "compact",
            "Merge the segments of a data directory at rest, and turn cold ones into Parquet",
        ))
        .subcommand(command::<BenchArgs>(
            "bench",
            "Measure how fast this machine takes rows in and answers queries",
        ))
        .subcommand(command::<CompletionsArgs>(
            "completions",
            "Print a completion script for a shell",
        ))
}

/// A command with its arguments.
fn command<T: Args>(name: &'static str, about: &'static str) -> Command {
    // Last, since the arguments bring the doc of their struct along.
    T::augment_args(Command::new(name)).about(about)
}

/// Puts `serve` where no command is named: `pulsora`, `pulsora --listen …`.
fn with_serve(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    let own = ["-h", "--help", "-V", "--version"];
    let is_flag = |arg: &OsStr| arg.as_encoded_bytes().starts_with(b"-");
    let serve = match args.get(1) {
        None => true,
        Some(first) => is_flag(first) && !own.iter().any(|flag| first == flag),
    };
    if serve {
        args.insert(args.len().min(1), "serve".into());
    }
    args
}

fn dispatch(matches: &ArgMatches) -> Result<Outcome> {
    let Some((name, matches)) = matches.subcommand() else {
        return Err(report::usage("no command is named").hint("`pulsora --help` lists them"));
    };
    match name {
        "serve" => serve::run(matches),
        "import" => import::run(&read::<ImportArgs>(matches)?),
        "sql" => sql::run(&read::<SqlArgs>(matches)?),
        "config" => config::run(&read::<ConfigArgs>(matches)?, matches),
        "check" => check::run(&read::<CheckArgs>(matches)?),
        "compact" => compact::run(&read::<CompactArgs>(matches)?),
        "bench" => bench::run(&read::<BenchArgs>(matches)?),
        _ => completions::run(&read::<CompletionsArgs>(matches)?),
    }
}

fn read<T: FromArgMatches>(matches: &ArgMatches) -> Result<T> {
    T::from_arg_matches(matches).map_err(|error| report::usage(error.to_string()))
}
