//! Where pieces go: to a route of a server, or through the embedded parsers into a directory.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pulsora_model::limits::DETAILS_MAX;
use pulsora_model::{Code, Detail, Error, ErrorKind, Mode, Result};
use serde_json::Value;

use super::args::ImportArgs;
use super::format::Format;
use super::pieces::Piece;
use crate::cli::client::{Call, Client, details, encoded, json};
use crate::cli::place::Place;

/// How often a piece is sent to a server that has no room for it just now, and how long between: half
/// a minute in all, longer than a start after a crash or a flush takes in most cases.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

/// What became of a piece.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub rows: u64,
    pub rejected: u64,
    pub details: Vec<Detail>,
}

/// A place with what is said about the rows of one file.
pub(super) struct Sink<'a> {
    place: &'a Place,
    args: &'a ImportArgs,
    format: Format,
    database: String,
    /// Absent for formats whose rows name their tables.
    table: Option<String>,
}

impl<'a> Sink<'a> {
    /// # Errors
    /// `invalid_request` when the table is missing, or named where the rows do that.
    pub fn new(place: &'a Place, args: &'a ImportArgs, format: Format) -> Result<Sink<'a>> {
        let database = args.place.database()?.to_string();
        let table = args.table.clone();
        if format.rows().is_some() && table.is_none() {
            return Err(Error::new(Code::InvalidRequest, "the table is missing")
                .hint("name it with --table"));
        }
        if format.rows().is_none() && table.is_some() {
            return Err(Error::new(
                Code::InvalidRequest,
                "rows of line protocol and MessagePack name their tables themselves",
            )
            .hint("leave --table out, or say what the file holds with --format"));
        }
        Ok(Sink { place, args, format, database, table })
    }

    /// Stores a piece and gives it back without its bytes.
    ///
    /// # Errors
    /// Those of the format and of the place, with the lines of the file; then nothing of the piece is
    /// stored.
    pub fn store(&self, mut piece: Piece) -> Result<(Piece, Sent)> {
        let bytes = std::mem::take(&mut piece.bytes);
        let sent = match self.place {
            Place::Server(client) => self.post_patiently(client, &bytes),
            Place::Directory(_) => self.write(Bytes::from(bytes)),
        };
        let sent = sent.map_err(|error| piece.error_in_file(&error))?;
        Ok((piece, sent))
    }

    /// Whether the table keeps all rows, so that it does not matter in which order they come. Asked when
    /// the table is there.
    pub fn keeps_all(&self) -> bool {
        let Some(table) = &self.table else { return false };
        match self.place {
            Place::Directory(database) => database
                .catalog()
                .find_table(&self.database, table)
                .is_some_and(|schema| schema.mode == Mode::Append),
            Place::Server(client) => {
                let path = format!("/tables/{}/schema", encoded(table));
                let answer = client.get(&path, &[("db", self.database.clone())]).and_then(json);
                answer.is_ok_and(|answer| answer["data"]["mode"] == Mode::Append.name())
            }
        }
    }

    fn write(&self, bytes: Bytes) -> Result<Sent> {
        let Place::Directory(database) = self.place else { return Ok(Sent::default()) };
        let precision = self.args.precision(self.format)?;
        let written = match (self.format.rows(), &self.table) {
            (Some(format), Some(table)) => {
                let options = self.args.options(self.format, now_ns())?;
                database.write_rows(&self.database, table, format, &bytes, &options)?
            }
            _ if self.format == Format::Msgpack => {
                database.write_msgpack(&self.database, &bytes, precision)?
            }
            _ => database.write_lines(&self.database, &bytes, precision)?,
        };
        Ok(Sent { rows: written.rows, rejected: written.rejected, details: written.details })
    }

    /// A server that is starting, or has no room, gets the piece again a little later: it has stored
    /// nothing of it.
    fn post_patiently(&self, client: &Client, bytes: &[u8]) -> Result<Sent> {
        let mut attempt = 1;
        loop {
            match self.post(client, bytes) {
                Err(error) if attempt < ATTEMPTS && is_busy(&error) => {
                    attempt += 1;
                    std::thread::sleep(PAUSE);
                }
                outcome => return outcome,
            }
        }
    }

    fn post(&self, client: &Client, bytes: &[u8]) -> Result<Sent> {
        let path = match (&self.table, self.format) {
            (Some(table), _) => format!("/tables/{}/ingest", encoded(table)),
            (None, Format::Msgpack) => "/api/v1/write/msgpack".to_owned(),
            (None, _) => "/api/v2/write".to_owned(),
        };
        let params = self.args.params(self.format)?;
        let content_type = self.format.content_type();
        let answer = client.post(&Call { path, params, content_type, body: bytes });
        match answer {
            Ok(response) if self.table.is_some() => ingested(&json(response)?),
            Ok(_) => Ok(Sent { rows: self.entries(bytes), ..Sent::default() }),
            Err(error) if error.code() == Code::PartialWrite => {
                let rows = error.written_rows().unwrap_or(0);
                let details = error.detail_list().to_vec();
                let listed = details.len() as u64;
                let all =
                    if details.len() < DETAILS_MAX { listed } else { self.entries(bytes) - rows };
                Ok(Sent { rows, rejected: all.max(listed), details })
            }
            Err(error) => Err(error),
        }
    }

    /// Rows of a body that was stored whole and whose answer does not count them.
    fn entries(&self, bytes: &[u8]) -> u64 {
        if self.format == Format::Msgpack {
            return 0;
        }
        let is_entry = |line: &&[u8]| {
            let line = line.trim_ascii();
            !line.is_empty() && !line.starts_with(b"#")
        };
        bytes.split(|byte| *byte == b'\n').filter(is_entry).count() as u64
    }
}

fn is_busy(error: &Error) -> bool {
    error.kind() == ErrorKind::Overloaded
        || matches!(error.code(), Code::MemoryLimit | Code::NotReady)
}

fn ingested(answer: &Value) -> Result<Sent> {
    let data = answer.get("data").unwrap_or(&Value::Null);
    let count = |name: &str| data.get(name).and_then(Value::as_u64);
    let rows = count("rows_inserted").ok_or_else(|| {
        Error::internal(format!("the server does not say how many rows it stored: {answer}"))
    })?;
    Ok(Sent { rows, rejected: count("rows_rejected").unwrap_or(0), details: details(data) })
}

fn now_ns() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX)
}
