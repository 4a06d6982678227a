//! The log: pretty or JSON lines, to standard error or to a file that is appended to.

use std::fs::{File, OpenOptions};
use std::io::IsTerminal;
use std::path::Path;

use pulsora_model::{Code, Error, Result};
use tracing_subscriber::EnvFilter;

use super::lines::{Lines, LinesGuard};
use crate::config::{LogFormat, LoggingConfig};

/// Target of the one line per request.
pub const ACCESS: &str = "pulsora::access";
/// Target of the figures of writes and queries.
pub const PERFORMANCE: &str = "pulsora::performance";
/// Rows of the smallest write that has figures of its own: below, the line of the request says it all
/// and a second one would cost more than the rows.
pub const PERFORMANCE_ROWS_MIN: u64 = 1_000;

/// Installs the log of the process. Call once, before anything logs; what is logged is complete when
/// the guard is dropped.
///
/// # Errors
/// `invalid_config` when `logging.level` is no filter or a log is installed already, `io_error` when
/// the file cannot be opened.
pub fn install(config: &LoggingConfig) -> Result<LinesGuard> {
    let filter = EnvFilter::try_new(&config.level).map_err(|error| {
        Error::new(Code::InvalidConfig, format!("logging.level: {error}")).hint(
            "use error, warn, info, debug, trace, or filters such as info,pulsora_storage=debug",
        )
    })?;
    let (lines, guard) = match &config.file {
        None => Lines::start(std::io::stderr()),
        Some(path) => Lines::start(open(path)?),
    }?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(config.file.is_none() && std::io::stderr().is_terminal())
        .with_writer(lines);
    let installed = match config.format {
        LogFormat::Pretty => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed
        .map_err(|error| Error::new(Code::InvalidConfig, format!("install the log: {error}")))?;
    Ok(guard)
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|error| Error::io(format!("open the log {}", path.display()), error))
}
