//! The prompt: lines with history and completion, statements up to their `;`, commands that start
//! with a backslash.

use std::path::PathBuf;
use std::time::Instant;

use pulsora_model::{Error, Result};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::complete::{Names, candidates, quoted};
use super::output::{Format, Output};
use super::session::Session;
use super::statements::{is_blank, next_statement};
use crate::cli::place::Place;
use crate::cli::progress::rows;
use crate::cli::report;

const HELP: &str = "\
statements end with ;      Tab completes      the up arrow brings earlier ones back
  \\d          tables                  \\d TABLE    columns of a table
  \\l          databases               \\c NAME     use another database
  \\timing     time of each statement on or off
  \\?          this help               \\q          leave (also Ctrl-D)";

/// Statements that are remembered.
const HISTORY_MAX: usize = 10_000;

/// What a line of the prompt asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Quit,
    Help,
    Timing,
    Use(String),
    /// Statements, also those that a command stands for.
    Run(String),
    Unknown(String),
}

/// What a line, or several up to a `;`, asks for.
pub(super) fn asked(line: &str) -> Asked {
    let line = line.trim();
    if !line.starts_with('\\') {
        let bare = line.trim_end_matches(';').trim();
        if bare.eq_ignore_ascii_case("quit") || bare.eq_ignore_ascii_case("exit") {
            return Asked::Quit;
        }
        return Asked::Run(line.to_owned());
    }
    let line = line.trim_end_matches(';').trim();
    let (command, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = argument.trim();
    match command {
        "\\q" => Asked::Quit,
        "\\?" | "\\h" => Asked::Help,
        "\\timing" => Asked::Timing,
        "\\l" => Asked::Run("SHOW DATABASES".to_owned()),
        "\\d" if argument.is_empty() => Asked::Run("SHOW TABLES".to_owned()),
        "\\d" => Asked::Run(format!("DESCRIBE {}", as_name(argument))),
        "\\c" if !argument.is_empty() => Asked::Use(argument.trim_matches('"').to_owned()),
        _ => Asked::Unknown(command.to_owned()),
    }
}

/// A name as it was typed: with its own quotes, as `database.table`, or bare.
fn as_name(argument: &str) -> String {
    if argument.contains('"') || argument.contains('.') {
        argument.to_owned()
    } else {
        quoted(argument)
    }
}

/// Whether a line is whole: a command, or ended by `;`, or blank.
pub(super) fn is_whole(line: &str) -> bool {
    let Asked::Run(text) = asked(line) else { return true };
    if line.trim_start().starts_with('\\') {
        return true;
    }
    let mut rest = text.as_str();
    while let Some((_, after)) = next_statement(rest) {
        rest = after;
    }
    is_blank(rest)
}

/// Runs the prompt until the user leaves.
///
/// # Errors
/// `io_error` when the terminal fails; errors of statements are shown.
pub(super) fn prompt(mut session: Session, format: Format, output: &mut Output) -> Result<Place> {
    let failed = |error| Error::io("read the terminal", std::io::Error::other(error));
    let config = Config::builder()
        .max_history_size(HISTORY_MAX)
        .map_err(failed)?
        .completion_type(CompletionType::List)
        .build();
    let mut editor: Editor<Words, FileHistory> = Editor::with_config(config).map_err(failed)?;
    editor.set_helper(Some(Words { names: session.names()? }));
    let history = history_file();
    if let Some(path) = &history {
        // Absent at the first time.
        let _ = editor.load_history(path);
    }
    greet(&session);
    let mut timing = true;
    loop {
        let line = match editor.readline(&format!("{}> ", session.database)) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(failed(error)),
        };
        if line.trim().is_empty() {
            continue;
        }
        // A history that cannot grow is no reason to stop.
        let _ = editor.add_history_entry(line.trim());
        match asked(&line) {
            Asked::Quit => break,
            Asked::Help => report::say(HELP),
            Asked::Timing => {
                timing = !timing;
                report::say(if timing { "timing is on" } else { "timing is off" });
            }
            Asked::Use(name) => session.database = name,
            Asked::Unknown(command) => {
                report::say(&format!("{command} is not a command; \\? lists them"));
            }
            Asked::Run(text) => run(&session, &text, format, output, timing),
        }
        if changes_names(&line) {
            // Without them only completion is poorer.
            editor.set_helper(Some(Words { names: session.names().unwrap_or_default() }));
        }
    }
    if let Some(path) = &history
        && let Err(error) = editor.save_history(path)
    {
        report::say(&format!("the history was not saved to {}: {error}", path.display()));
    }
    Ok(session.place)
}

fn greet(session: &Session) {
    let place = match &session.place {
        Place::Server(client) => client.base().to_owned(),
        Place::Directory(_) => "a data directory".to_owned(),
    };
    report::say(&format!(
        "pulsora {} on {place}; statements end with ;  \\? helps, \\q leaves",
        env!("CARGO_PKG_VERSION")
    ));
}

/// Runs statements and shows what became of them.
fn run(session: &Session, text: &str, format: Format, output: &mut Output, timing: bool) {
    let mut rest = text;
    while !is_blank(rest) {
        let (statement, after) = next_statement(rest).unwrap_or((rest, ""));
        rest = after;
        if is_blank(statement) {
            continue;
        }
        let begun = Instant::now();
        let answered = session
            .run(statement)
            .and_then(|answer| output.answer(answer, format, begun))
            .and_then(|answered| output.finish().map(|()| answered));
        match answered {
            Ok(answered) if timing => report::say(&answered.text()),
            Ok(answered) => report::say(&rows(answered.rows)),
            Err(error) => report::show(&error),
        }
    }
}

/// Whether other tables or columns may be there after this line.
fn changes_names(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or("").to_ascii_uppercase();
    ["CREATE", "DROP", "INSERT", "\\C"].contains(&first.as_str())
}

fn history_file() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
    Some(PathBuf::from(home).join(".pulsora_history"))
}

/// What helps while a line is typed.
struct Words {
    names: Names,
}

impl Helper for Words {}
impl Hinter for Words {
    type Hint = String;
}
impl Highlighter for Words {}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(candidates(&self.names, line, cursor))
    }
}

impl Validator for Words {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_whole(context.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}
