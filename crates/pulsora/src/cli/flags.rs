//! Flags from the table of configuration keys, and the configuration they end up in.
//!
//! Invariant (tested): every key is a flag, by its short name where it has one and always as
//! `--section.key`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use pulsora_model::Result;
use pulsora_server::config::{Config, Key, Kind, keys};

const HEADING: &str = "Configuration";
const FILE: &str = "config";

/// Adds `-c FILE` and a flag for every key.
pub(super) fn add(command: Command) -> Command {
    let file = Arg::new(FILE)
        .short('c')
        .long("config")
        .value_name("FILE")
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf))
        .help_heading(HEADING)
        .help("Configuration file (TOML); the environment and flags win over it");
    keys().iter().fold(command.arg(file), |command, key| command.arg(flag(key)))
}

fn flag(key: &'static Key) -> Arg {
    let arg = Arg::new(key.name)
        .value_name(value_name(key.kind))
        .help_heading(HEADING)
        .help(first_sentence(key.doc))
        .long_help(long_help(key))
        .hide_possible_values(true);
    let arg = match key.flag {
        Some(short) => arg.long(short).alias(key.name),
        None => arg.long(key.name).hide_short_help(true),
    };
    match key.kind {
        Kind::Path => arg.value_hint(ValueHint::AnyPath),
        Kind::Bool => arg.value_parser(PossibleValuesParser::new(["true", "false"])),
        Kind::Choice(words) => arg.value_parser(PossibleValuesParser::new(words)),
        _ => arg,
    }
}

fn value_name(kind: Kind) -> String {
    match kind {
        Kind::Text => "TEXT".to_owned(),
        Kind::Address => "HOST:PORT".to_owned(),
        Kind::Path => "PATH".to_owned(),
        Kind::Bool => "true|false".to_owned(),
        Kind::Count { .. } => "NUMBER".to_owned(),
        Kind::Bytes => "SIZE".to_owned(),
        Kind::Duration => "TIME".to_owned(),
        Kind::Choice(words) => words.join("|"),
    }
}

/// The first sentence of a doc up to its details, without a full stop: the line of the short help.
fn first_sentence(doc: &str) -> String {
    let ends = [". ", ": ", "; "].iter().filter_map(|end| doc.find(end));
    doc[..ends.min().unwrap_or(doc.len())].trim_end_matches('.').to_owned()
}

fn long_help(key: &Key) -> String {
    let default = if key.default.is_empty() { "(not set)" } else { key.default };
    format!("{}\n[default: {default}] [env: {}] [key: {}]", key.doc, key.variable(), key.name)
}

/// The flags that were given: key name and value.
pub(super) fn given(matches: &ArgMatches) -> Vec<(String, String)> {
    keys()
        .iter()
        .filter_map(|key| {
            let value = matches.get_one::<String>(key.name)?;
            Some((key.name.to_owned(), value.clone()))
        })
        .collect()
}

/// The configuration from file, environment and flags.
///
/// # Errors
/// Those of [`Config::load`].
pub(super) fn load(matches: &ArgMatches) -> Result<Config> {
    let file = matches.get_one::<PathBuf>(FILE);
    Config::load(file.map(PathBuf::as_path), environment(), &given(matches))
}

/// The variables that are text; others cannot be ours.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
