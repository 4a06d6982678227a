//! The arguments of `pulsora sql`, and statements from them, from standard input or from the prompt.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueHint};
use pulsora_model::{Error, Result};
use pulsora_server::config::parse_duration;

use super::output::{Format, Output};
use super::prompt::prompt;
use super::session::{Session, read_param};
use super::statements::{is_blank, next_statement};
use crate::cli::command::Outcome;
use crate::cli::place::{Missing, Place, PlaceArgs};
use crate::cli::report;

/// Arguments of `pulsora sql`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pulsora sql \"SHOW TABLES\"
  pulsora sql \"SELECT * FROM cpu WHERE host = ?\" --param a --format csv > cpu.csv
  pulsora sql \"SELECT * FROM prices\" --output prices.parquet
  pulsora sql --data-dir ./data \"SELECT count(*) FROM prices\"
  pulsora sql < report.sql
  pulsora sql                     a prompt; \\? there lists its commands")]
pub(in crate::cli) struct SqlArgs {
    /// One or more statements, separated by `;` [default: a prompt, or standard input]
    statement: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
    /// How answers are written [default: by the extension of --output, else table]
    #[arg(long, short, value_enum)]
    format: Option<Format>,
    /// Write the answer to a file
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// A value for the next `?` (or $1, $2, …): a number, true, false, null, else text
    #[arg(long = "param", value_name = "VALUE", allow_hyphen_values = true)]
    params: Vec<String>,
    /// Longest run of a statement, such as 30s
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
}

pub(in crate::cli) fn run(args: &SqlArgs) -> Result<Outcome> {
    let format = args.format.or_else(|| Format::of_file(args.output.as_deref()?));
    let format = format.unwrap_or(Format::Table);
    if format.is_binary() && args.output.is_none() && io::stdout().is_terminal() {
        return Err(
            report::usage("this format is not for a terminal").hint("name a file with --output")
        );
    }
    let timeout = args.timeout.as_deref().map(parse_duration).transpose()?;
    let interactive = args.statement.is_none() && io::stdin().is_terminal();
    let text = match &args.statement {
        Some(text) => text.clone(),
        None if interactive => String::new(),
        None => standard_input()?,
    };
    let session = Session {
        place: args.place.open(Missing::Refused)?,
        database: args.place.database()?.to_string(),
        params: args.params.iter().map(|text| read_param(text)).collect(),
        timeout,
    };
    let mut output = Output::open(args.output.as_deref())?;
    if interactive {
        let place = prompt(session, format, &mut output)?;
        return finish(place, &mut output);
    }
    let outcome = statements(&session, &text, format, &mut output);
    let closed = finish(session.place, &mut output);
    outcome.and(closed)
}

fn finish(place: Place, output: &mut Output) -> Result<Outcome> {
    output.finish()?;
    place.close()?;
    Ok(Outcome::Done)
}

fn standard_input() -> Result<String> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| Error::io("read statements from standard input", error))?;
    Ok(text)
}

/// Runs one statement after the other; the first error ends it.
fn statements(session: &Session, text: &str, format: Format, output: &mut Output) -> Result<()> {
    if is_blank(text) {
        return Err(report::usage("there is no statement").hint("pulsora sql \"SHOW TABLES\""));
    }
    let mut rest = text;
    while !is_blank(rest) {
        let (statement, after) = next_statement(rest).unwrap_or((rest, ""));
        rest = after;
        if is_blank(statement) {
            continue;
        }
        let begun = Instant::now();
        let answered = output.answer(session.run(statement)?, format, begun)?;
        if format == Format::Table {
            report::say(&answered.text());
        }
    }
    Ok(())
}
