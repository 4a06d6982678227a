//! Where a command works: a server, or a data directory that this process opens.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use pulsora::{Database, DatabaseOptions};
use pulsora_model::{Name, Result};
use pulsora_server::config::Config;

use super::client::Client;

/// The server when none is named: the default of `server.listen`.
const LOCAL: &str = "http://127.0.0.1:8080";

/// Arguments that name the place.
#[derive(Args, Debug)]
pub(super) struct PlaceArgs {
    /// The server [default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, conflicts_with = "data_dir")]
    url: Option<String>,
    /// A data directory instead of a server; no server may have it open
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
    data_dir: Option<PathBuf>,
    /// The database
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub db: String,
}

/// A server, or an open data directory.
pub(super) enum Place {
    Server(Client),
    Directory(Box<Database>),
}

/// Whether a data directory that is not there is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Made,
    Refused,
}

impl PlaceArgs {
    /// The checked name of the database.
    ///
    /// # Errors
    /// `invalid_name`.
    pub fn database(&self) -> Result<Name> {
        Name::new(&self.db)
    }

    /// Opens the place.
    ///
    /// # Errors
    /// `locked`, `corrupt`, I/O of a directory. A server is asked only later.
    pub fn open(&self, missing: Missing) -> Result<Place> {
        let Some(dir) = &self.data_dir else {
            return Ok(Place::Server(Client::new(self.url.as_deref().unwrap_or(LOCAL))?));
        };
        if missing == Missing::Refused && !dir.join("manifest").exists() {
            return Err(super::report::usage(format!("{} is not a data directory", dir.display()))
                .hint("name the directory that the server was started with; `pulsora import` makes one"));
        }
        // The settings of a server that is started here: from the environment too.
        let flag = ("storage.data_dir".to_owned(), dir.to_string_lossy().into_owned());
        let config = Config::load(None, super::flags::environment(), &[flag])?;
        let options = DatabaseOptions::new(config.storage_options());
        Ok(Place::Directory(Box::new(Database::open_with(options)?)))
    }
}

impl Place {
    /// Ends the work there: an open directory is flushed and unlocked.
    ///
    /// # Errors
    /// What the last flush failed with.
    pub fn close(self) -> Result<()> {
        match self {
            Place::Server(_) => Ok(()),
            Place::Directory(database) => database.close(),
        }
    }
}
