//! Where it is measured, and what is asked there beside the measured requests.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use pulsora::{Database, DatabaseOptions, Durability};
use pulsora_load::clients::Plan;
use pulsora_load::figures::{Figures, of_this_process};
use pulsora_load::http::Client;
use pulsora_load::ring::Ring;
use pulsora_load::rows::Layout;
use pulsora_load::send::{HttpTarget, Run, send};
use pulsora_load::sums::Sums;
use pulsora_model::{Code, Error, Result};
use pulsora_server::config::Config;
use serde_json::Value;

use super::args::BenchPlaceArgs;
use super::embedded::EmbeddedTarget;
use super::failed;
use super::own_server::OwnServer;
use super::settings::Settings;
use crate::cli::flags;

/// Where rows go.
pub(super) enum Place {
    /// A server that was started here.
    Own(OwnServer),
    /// A server that runs.
    Server(String),
    /// A data directory that this process has opened.
    Directory(Arc<Database>),
    /// Another system: its address, and the path that takes rows.
    Other { url: String, path: String },
}

/// What a table takes on disk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stored {
    /// Rows in segments and in memory.
    pub rows: u64,
    /// Bytes of its segments.
    pub bytes: u64,
    /// Bytes of log files, of all tables.
    pub wal_bytes: u64,
}

impl Place {
    /// Opens it, or starts a server.
    ///
    /// # Errors
    /// `io_error`; `locked` and `corrupt` of a directory.
    pub fn open(args: &BenchPlaceArgs, durability: Durability) -> Result<Place> {
        match (&args.url, &args.data_dir) {
            (Some(url), _) => {
                let url = url.trim_end_matches('/');
                let scheme = if url.contains("://") { "" } else { "http://" };
                Ok(Place::Server(format!("{scheme}{url}")))
            }
            (None, Some(dir)) => Ok(Place::Directory(Arc::new(open(dir, durability)?))),
            (None, None) => Ok(Place::Own(OwnServer::start()?)),
        }
    }

    /// What it is, for the report.
    pub fn name(&self) -> String {
        match self {
            Place::Own(server) => {
                format!("a server of its own, data in {}", server.data_dir().display())
            }
            Place::Server(url) => format!("the server at {url}"),
            Place::Directory(_) => "the library, without HTTP".to_owned(),
            Place::Other { url, path } => format!("another system at {url}{path}"),
        }
    }

    /// The address; none of a directory.
    pub fn url(&self) -> Option<&str> {
        match self {
            Place::Own(server) => Some(&server.url),
            Place::Server(url) | Place::Other { url, .. } => Some(url),
            Place::Directory(_) => None,
        }
    }

    /// A client for everything that is not timed; none of a directory.
    pub fn client(&self) -> Option<Client> {
        self.url().map(Client::new)
    }

    /// Sends bodies.
    ///
    /// # Errors
    /// What the first refused or lost request says.
    pub fn send(
        &self,
        settings: &Settings,
        ring: &Ring,
        plan: Plan,
        watch: impl FnMut(u64),
    ) -> Result<Run> {
        let (protocol, layout) = (settings.protocol, settings.shape.layout());
        let path = match self {
            Place::Directory(database) => {
                let target = EmbeddedTarget::new(database, protocol, &settings.table, layout)?;
                return send(&&target, ring, plan, settings.rate, watch).map_err(failed);
            }
            Place::Other { path, .. } => path.clone(),
            Place::Own(_) | Place::Server(_) => {
                let path = protocol.path(&settings.table, layout);
                format!("{path}&durability={}", durability_word(settings.durability))
            }
        };
        let base = self.url().unwrap_or_default().to_owned();
        let target = HttpTarget { base, path, content_type: protocol.content_type() };
        send(&target, ring, plan, settings.rate, watch).map_err(failed)
    }

    /// What the rows of a table add up to; nothing where there is no such table.
    ///
    /// # Errors
    /// Those of the query.
    pub fn sums(&self, table: &str, layout: &Layout) -> Result<Sums> {
        let statement = Sums::statement(table, layout);
        let rows = match self {
            Place::Directory(database) => match database.sql(&*statement) {
                Err(error) if error.code() == Code::TableNotFound => return Ok(Sums::default()),
                rows => numbers(&rows?.batches)?,
            },
            _ => match self.ask(&statement)? {
                None => return Ok(Sums::default()),
                Some(rows) => rows,
            },
        };
        Sums::of_answer(&rows).map_err(failed)
    }

    /// The number of rows that a query sees.
    ///
    /// # Errors
    /// Those of the query.
    pub fn count(&self, table: &str) -> Result<u64> {
        let none = Layout { table: "", tags: &[], fields: &[] };
        Ok(self.sums(table, &none)?.rows)
    }

    /// The newest time of a table, nanoseconds; `None` where it has no rows.
    ///
    /// # Errors
    /// Those of the query.
    pub fn newest(&self, table: &str) -> Result<Option<i64>> {
        let statement = format!("SELECT CAST(max(time) AS BIGINT) FROM \"{table}\"");
        let rows = match self {
            Place::Other { .. } => return Ok(None),
            Place::Directory(database) => match database.sql(&*statement) {
                Err(error) if error.code() == Code::TableNotFound => return Ok(None),
                rows => numbers(&rows?.batches)?,
            },
            Place::Own(_) | Place::Server(_) => self.ask(&statement)?.unwrap_or_default(),
        };
        Ok(rows.first().and_then(|row| row[0].as_i64()))
    }

    /// Rows of a statement; `None` when its table is not there.
    fn ask(&self, statement: &str) -> Result<Option<Vec<Value>>> {
        let Some(client) = self.client() else { return Ok(None) };
        let body = serde_json::json!({ "sql": statement }).to_string();
        let answer =
            client.post("/api/v1/query", "application/json", body.as_bytes()).map_err(failed)?;
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if json["code"] == "table_not_found" {
            return Ok(None);
        }
        match json["data"].as_array() {
            Some(rows) if answer.status == 200 => Ok(Some(rows.clone())),
            _ => Err(failed(format!("{statement}: {}", answer.text()))),
        }
    }

    /// Writes all rows in memory to segments.
    ///
    /// # Errors
    /// Those of the flush.
    pub fn flush(&self) -> Result<()> {
        match self {
            Place::Directory(database) => database.flush(),
            Place::Other { .. } => Ok(()),
            Place::Own(_) | Place::Server(_) => {
                let Some(client) = self.client() else { return Ok(()) };
                let answer = client.post("/api/v1/flush", "application/json", b"");
                let answer = answer.map_err(failed)?;
                if answer.status == 200 { Ok(()) } else { Err(failed(answer.text())) }
            }
        }
    }

    /// What a table takes on disk; `None` where nobody tells.
    pub fn stored(&self, table: &str) -> Option<Stored> {
        if let Place::Directory(database) = self {
            let stats = database.engine().stats();
            let of = stats.tables.iter().find(|of| &*of.table == table)?;
            let rows = of.segment_rows + of.memtable_rows;
            return Some(Stored { rows, bytes: of.segment_bytes, wal_bytes: stats.wal_bytes });
        }
        let answer = self.client()?.get("/api/v1/storage").ok()?;
        let json: Value = serde_json::from_slice(&answer.body).ok()?;
        let tables = json["data"]["tables"].as_array()?;
        let of = tables.iter().find(|of| of["database"] == "default" && of["table"] == table)?;
        Some(Stored {
            rows: of["rows"].as_u64()?,
            bytes: of["bytes"].as_u64()?,
            wal_bytes: json["data"]["wal"]["bytes"].as_u64()?,
        })
    }

    /// Figures of the process that stores the rows.
    pub fn figures(&self) -> Figures {
        let Place::Directory(database) = self else {
            return self
                .client()
                .map_or_else(Figures::default, |client| Figures::of_server(&client));
        };
        let stats = database.engine().stats();
        Figures { syncs: Some((stats.syncs as f64, stats.sync_seconds)), ..of_this_process() }
    }
}

fn open(dir: &Path, durability: Durability) -> Result<Database> {
    // The settings of a server that is started here: from the environment too.
    let flag = ("storage.data_dir".to_owned(), dir.to_string_lossy().into_owned());
    let config = Config::load(None, flags::environment(), &[flag])?;
    let mut options = DatabaseOptions::new(config.storage_options());
    options.durability = durability;
    Database::open_with(options)
}

/// The word of a durability, as requests name it.
pub(super) fn durability_word(durability: Durability) -> &'static str {
    match durability {
        Durability::Fsync => "fsync",
        Durability::Async => "async",
        Durability::Off => "off",
    }
}

/// The rows of an answer of whole numbers.
fn numbers(batches: &[arrow::array::RecordBatch]) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Option<Vec<_>> =
            batch.columns().iter().map(|column| column.as_primitive_opt::<Int64Type>()).collect();
        let columns = columns.ok_or_else(|| Error::internal("sums are not whole numbers"))?;
        for row in 0..batch.num_rows() {
            let cell = |column: &&arrow::array::Int64Array| match column.is_null(row) {
                true => Value::Null,
                false => Value::from(column.value(row)),
            };
            rows.push(columns.iter().map(cell).collect());
        }
    }
    Ok(rows)
}
