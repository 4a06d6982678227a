//! `pulsora config`: the effective configuration, or the reference page of all keys.

use clap::{ArgMatches, Args};
use pulsora_model::Result;
use pulsora_server::config::markdown;

use super::command::Outcome;
use super::{flags, report};

/// Arguments of `pulsora config`, beside those of the configuration itself.
#[derive(Args, Debug)]
pub(super) struct ConfigArgs {
    /// Print the reference page of all keys instead (docs/configuration.md)
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(args: &ConfigArgs, matches: &ArgMatches) -> Result<Outcome> {
    let text = if args.markdown { markdown() } else { flags::load(matches)?.print() };
    report::print(text.as_bytes())?;
    Ok(Outcome::Done)
}
