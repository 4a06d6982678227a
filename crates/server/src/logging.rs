//! The log: pretty or JSON lines, to standard error or to a file that is appended to.

use std::fs::OpenOptions;
use std::io::IsTerminal;
use std::sync::Mutex;

use pulsora_model::{Code, Error, Result};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{LogFormat, LoggingConfig};

/// Target of the one line per request.
pub const ACCESS: &str = "pulsora::access";
/// Target of the figures of writes and queries.
pub const PERFORMANCE: &str = "pulsora::performance";

/// Installs the log of the process. Call once, before anything logs.
///
/// # Errors
/// `invalid_config` when `logging.level` is no filter or a log is installed already, `io_error` when
/// the file cannot be opened.
pub fn install(config: &LoggingConfig) -> Result<()> {
    let filter = EnvFilter::try_new(&config.level).map_err(|error| {
        Error::new(Code::InvalidConfig, format!("logging.level: {error}")).hint(
            "use error, warn, info, debug, trace, or filters such as info,pulsora_storage=debug",
        )
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(config.file.is_none() && std::io::stderr().is_terminal())
        .with_writer(writer(config)?);
    let installed = match config.format {
        LogFormat::Pretty => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(|error| Error::new(Code::InvalidConfig, format!("install the log: {error}")))
}

fn writer(config: &LoggingConfig) -> Result<BoxMakeWriter> {
    let Some(path) = &config.file else {
        return Ok(BoxMakeWriter::new(std::io::stderr));
    };
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|error| Error::io(format!("open the log {}", path.display()), error))?;
    // The mutex guards the order of whole lines.
    Ok(BoxMakeWriter::new(Mutex::new(file)))
}
