//! `pulsora check`: every checksum of a data directory at rest, and what is wrong where.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use indicatif::HumanBytes;
use pulsora_env::Env;
use pulsora_model::Result;
use pulsora_storage::{CheckReport, check};

use super::command::Outcome;
use super::progress::{bytes_bar, grouped, rows};
use super::report;

/// Arguments of `pulsora check`.
#[derive(Args, Debug)]
#[command(after_help = "\
Nothing is changed. The server must be stopped: a directory that is being written cannot be checked.
Exit code 0: sound; 1: damaged, or it could not be checked.")]
pub(super) struct CheckArgs {
    /// The data directory
    #[arg(long, value_name = "PATH", default_value = "./data", value_hint = ValueHint::DirPath)]
    data_dir: PathBuf,
}

pub(super) fn run(args: &CheckArgs) -> Result<Outcome> {
    let bar = bytes_bar(Some(0));
    let checked = check(&Env::real(), &args.data_dir, |progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_done);
        bar.set_message(progress.file.to_owned());
    });
    bar.finish_and_clear();
    let found = checked?;
    report::print(text(&found).as_bytes())?;
    Ok(if found.problems.is_empty() { Outcome::Done } else { Outcome::Failed })
}

/// Notes, problems, and the sum.
fn text(found: &CheckReport) -> String {
    let mut lines = Vec::new();
    lines.extend(found.notes.iter().map(|note| format!("note: {}: {}", note.file, note.message)));
    for problem in &found.problems {
        lines.push(format!("damaged: {}: {}", problem.file, problem.message));
    }
    let (files, bytes, rows) = (grouped(found.files), HumanBytes(found.bytes), rows(found.rows));
    let problems = match found.problems.len() {
        0 => {
            lines.push(format!("ok: {files} files, {bytes}, {rows}"));
            return lines.join("\n") + "\n";
        }
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    lines.push(format!(
        "{problems} in {files} files, {bytes}; restore what is damaged from a backup"
    ));
    lines.join("\n") + "\n"
}
