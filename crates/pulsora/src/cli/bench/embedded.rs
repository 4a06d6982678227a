//! A data directory as a target: bodies through the parsers of the library, without HTTP.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pulsora::{Database, RowFormat, RowOptions, TimeFormat};
use pulsora_load::protocol::Protocol;
use pulsora_load::rows::Layout;
use pulsora_load::send::{Fate, Sender, Target};
use pulsora_model::time::Precision;
use pulsora_model::{ErrorKind, Mode, Result};

/// The database that rows go to.
const DATABASE: &str = "default";

/// One table of a data directory.
pub(super) struct EmbeddedTarget {
    database: Arc<Database>,
    protocol: Protocol,
    table: String,
    options: RowOptions,
}

impl EmbeddedTarget {
    /// # Errors
    /// None in practice: the format of the times is a literal.
    pub fn new(
        database: &Arc<Database>,
        protocol: Protocol,
        table: &str,
        layout: &Layout,
    ) -> Result<EmbeddedTarget> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time_format = match protocol {
            Protocol::Csv => Some(TimeFormat::parse("ns")?),
            _ => None,
        };
        let options = RowOptions {
            tags: layout.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            time_format,
            // As a server is asked: `Protocol::path`.
            mode: (protocol == Protocol::Arrow).then_some(Mode::Upsert),
            now_ns: i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX),
            ..RowOptions::default()
        };
        let database = Arc::clone(database);
        Ok(EmbeddedTarget { database, protocol, table: table.to_owned(), options })
    }

    fn write(&self, body: &[u8]) -> Result<u64> {
        let rows = |format| {
            let body = Bytes::copy_from_slice(body);
            self.database.write_rows(DATABASE, &self.table, format, &body, &self.options)
        };
        let written = match self.protocol {
            Protocol::Line => self.database.write_lines(DATABASE, body, Precision::Nanosecond),
            Protocol::Msgpack => self.database.write_msgpack(DATABASE, body, Precision::Nanosecond),
            Protocol::Arrow => rows(RowFormat::Arrow),
            Protocol::Csv => rows(RowFormat::Csv),
        };
        Ok(written?.rejected)
    }
}

impl<'a> Target for &'a EmbeddedTarget {
    type Sender = &'a EmbeddedTarget;

    fn sender(&self) -> std::result::Result<&'a EmbeddedTarget, String> {
        Ok(self)
    }
}

impl Sender for &EmbeddedTarget {
    fn send(&mut self, body: &[u8]) -> std::result::Result<Fate, String> {
        match self.write(body) {
            Ok(0) => Ok(Fate::Accepted),
            Ok(rejected) => Err(format!("{rejected} rows of a body were refused")),
            Err(error) if error.kind() == ErrorKind::Overloaded => Ok(Fate::Again),
            Err(error) => Err(format!("a body was refused: {}", error.message())),
        }
    }
}
