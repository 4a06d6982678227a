//! How rows are sent: the name of each way, its route and its content type.

use std::str::FromStr;

use crate::rows::Layout;

/// How rows are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Line protocol, `POST /write`.
    Line,
    /// One MessagePack item of columns with declared tags, `POST /api/v1/write/msgpack`.
    Msgpack,
    /// An Arrow IPC stream whose tags are dictionaries, `POST /tables/{t}/ingest`.
    Arrow,
    /// CSV with a header row, `POST /tables/{t}/ingest`.
    Csv,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 4] =
        [Protocol::Line, Protocol::Msgpack, Protocol::Arrow, Protocol::Csv];

    /// Its name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Line => "line",
            Protocol::Msgpack => "msgpack",
            Protocol::Arrow => "arrow",
            Protocol::Csv => "csv",
        }
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Line => "line protocol",
            Protocol::Msgpack => "MessagePack columns",
            Protocol::Arrow => "Arrow IPC",
            Protocol::Csv => "CSV",
        }
    }

    /// Path and parameters for writing to a table. Its name must need no escapes. Arrow makes a table as line
    /// protocol does, CSV one with row ids.
    pub fn path(self, table: &str, layout: &Layout) -> String {
        let tags = layout.tags.join(",");
        match self {
            Protocol::Line => "/write?precision=ns".to_owned(),
            Protocol::Msgpack => "/api/v1/write/msgpack?precision=ns".to_owned(),
            Protocol::Arrow => format!("/tables/{table}/ingest?mode=upsert&tags={tags}"),
            Protocol::Csv => format!("/tables/{table}/ingest?time_format=ns&tags={tags}"),
        }
    }

    /// Content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Protocol::Line => "text/plain",
            Protocol::Msgpack => "application/msgpack",
            Protocol::Arrow => "application/vnd.apache.arrow.stream",
            Protocol::Csv => "text/csv",
        }
    }
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Protocol, ()> {
        Protocol::ALL.into_iter().find(|protocol| protocol.word() == text).ok_or(())
    }
}
