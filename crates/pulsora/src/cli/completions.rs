//! `pulsora completions`: a script that completes this command line in a shell.

use clap::Args;
use clap_complete::Shell;
use pulsora_model::Result;

use super::command::{Outcome, root};
use super::report;

/// Arguments of `pulsora completions`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  source <(pulsora completions bash)
  pulsora completions zsh > ~/.zfunc/_pulsora
  pulsora completions fish > ~/.config/fish/completions/pulsora.fish")]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut root(), "pulsora", &mut script);
    report::print(&script)?;
    Ok(Outcome::Done)
}
