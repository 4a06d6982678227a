//! The one error that crosses crate borders.
//!
//! A [`Code`] is stable and says what happened; its [`ErrorKind`] says what the caller does next. The
//! server alone knows which HTTP status a code has. Messages are one lower-case sentence that names
//! the object and the numbers; hints say what to do.

use std::fmt;

use serde::Serialize;

use crate::limits::DETAILS_MAX;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Correct the request.
    Invalid,
    /// Ask for something that exists.
    NotFound,
    /// Look at the present state, then decide.
    Conflict,
    /// Slow down, then try again.
    Overloaded,
    /// Try again later.
    Unavailable,
    /// Stop and repair: stored bytes are not what was written.
    Corrupt,
    /// The engine has shut down.
    Closed,
    /// Report it: our own invariant broke.
    Internal,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $kind:ident;)*) => {
        /// Stable error codes, in snake case on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code, for tables in docs and tests.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The stable name on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// What the caller does next.
            pub fn kind(self) -> ErrorKind {
                match self { $(Code::$variant => ErrorKind::$kind,)* }
            }
        }
    };
}

codes! {
    /// The request cannot be read (malformed body, bad parameter value).
    InvalidRequest = "invalid_request", Invalid;
    /// A parameter of our own routes is not known.
    UnknownParameter = "unknown_parameter", Invalid;
    /// A name is empty, too long or holds control characters.
    InvalidName = "invalid_name", Invalid;
    /// The body is empty where rows are needed.
    EmptyBody = "empty_body", Invalid;
    /// The body is not valid in its format.
    MalformedBody = "malformed_body", Invalid;
    /// Some lines were stored, the others are listed.
    PartialWrite = "partial_write", Invalid;
    /// Text that is not UTF-8.
    InvalidUtf8 = "invalid_utf8", Invalid;
    /// SQL that does not parse.
    SqlSyntax = "sql_syntax", Invalid;
    /// SQL that parses but cannot be planned or run.
    SqlInvalid = "sql_invalid", Invalid;
    /// A statement that is not allowed here (files, settings).
    StatementRefused = "statement_refused", Invalid;
    /// The configuration is wrong.
    InvalidConfig = "invalid_config", Invalid;
    /// Value and column type do not fit.
    TypeConflict = "type_conflict", Invalid;
    /// A row without a usable time, or a time out of range.
    InvalidTime = "invalid_time", Invalid;
    /// No column can be the time column.
    MissingTime = "missing_time", Invalid;
    /// Numeric times of one request suggest different units.
    MixedTimeUnits = "mixed_time_units", Invalid;
    /// The same column twice.
    DuplicateColumn = "duplicate_column", Invalid;
    /// A row id that is zero, negative or not a number.
    InvalidRowId = "invalid_row_id", Invalid;
    /// Valid, but impossible for this table.
    SchemaConflict = "schema_conflict", Invalid;
    /// Too many columns, tags, or bytes in one value.
    LimitExceeded = "limit_exceeded", Invalid;
    /// A body over the configured limit.
    BodyTooLarge = "body_too_large", Invalid;
    /// A format or encoding that is not read here.
    UnsupportedFormat = "unsupported_format", Invalid;
    /// No such database.
    DatabaseNotFound = "database_not_found", NotFound;
    /// No such table.
    TableNotFound = "table_not_found", NotFound;
    /// No such row.
    RowNotFound = "row_not_found", NotFound;
    /// No such column.
    ColumnNotFound = "column_not_found", NotFound;
    /// No such query.
    QueryNotFound = "query_not_found", NotFound;
    /// No such job runs.
    JobNotFound = "job_not_found", NotFound;
    /// No such route.
    RouteNotFound = "route_not_found", NotFound;
    /// The route exists, not with this method.
    MethodNotAllowed = "method_not_allowed", Invalid;
    /// It exists already, in another shape.
    AlreadyExists = "already_exists", Conflict;
    /// An idempotency key that is older than what is remembered of its client.
    KeyForgotten = "key_forgotten", Conflict;
    /// The query has ended.
    QueryEnded = "query_ended", Conflict;
    /// The schema moved under the request; parse it again.
    SchemaMoved = "schema_moved", Conflict;
    /// A destructive request without its confirmation.
    ConfirmationNeeded = "confirmation_needed", Invalid;
    /// Too many requests at once.
    Overloaded = "overloaded", Overloaded;
    /// One client has too much on its way.
    ClientLimit = "client_limit", Overloaded;
    /// The memory limit is reached.
    MemoryLimit = "memory_limit", Unavailable;
    /// The disk is full, or nearly.
    DiskFull = "disk_full", Unavailable;
    /// Recovery has not finished.
    NotReady = "not_ready", Unavailable;
    /// The log or the manifest failed; writes are refused until a restart.
    WritesRefused = "writes_refused", Unavailable;
    /// The deadline of the request has passed.
    Timeout = "timeout", Unavailable;
    /// The client took too long to send its request.
    RequestTimeout = "request_timeout", Invalid;
    /// The request was cancelled.
    Cancelled = "cancelled", Unavailable;
    /// Another process holds the data directory.
    Locked = "locked", Conflict;
    /// Stored bytes are not what was written.
    Corrupt = "corrupt", Corrupt;
    /// The engine has shut down.
    Closed = "closed", Closed;
    /// An I/O error.
    Io = "io_error", Internal;
    /// Our own fault.
    Internal = "internal", Internal;
}

/// One bad line, point, item or cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Detail {
    /// Line of the body, from 1 (a CSV header is line 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Index of the item in the body, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Column, tag or field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The offending text, cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What is wrong and what was expected.
    pub message: String,
}

/// An error with everything a user needs: what, which numbers, what to do, and where.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    message: String,
    hint: Option<String>,
    details: Vec<Detail>,
    written: Option<u64>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `code` with its one-sentence message.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            code,
            message: message.into(),
            hint: None,
            details: Vec::new(),
            written: None,
            source: None,
        }))
    }

    /// `io_error` (or `disk_full` where the system says so) with what was being done.
    pub fn io(context: impl Into<String>, source: std::io::Error) -> Error {
        let full = matches!(
            source.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        );
        let code = if full { Code::DiskFull } else { Code::Io };
        let error = Error::new(code, format!("{}: {source}", context.into())).source(source);
        if full {
            error.hint(
                "free space on the disk of the data directory; writes go on without a restart",
            )
        } else {
            error
        }
    }

    /// `corrupt` with what is wrong where.
    pub fn corrupt(message: impl Into<String>) -> Error {
        Error::new(Code::Corrupt, message)
    }

    /// `internal`: our own invariant broke.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(Code::Internal, message).hint("please report this with the server's log")
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds bad lines; at most 100 are kept.
    #[must_use]
    pub fn details(mut self, details: impl IntoIterator<Item = Detail>) -> Error {
        let room = DETAILS_MAX.saturating_sub(self.0.details.len());
        self.0.details.extend(details.into_iter().take(room));
        self
    }

    /// Adds how many rows of the request are stored all the same.
    #[must_use]
    pub fn written(mut self, rows: u64) -> Error {
        self.0.written = Some(rows);
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        self.0.source = Some(Box::new(source));
        self
    }

    /// Puts what was being done before the message: "context: cause".
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Error {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What the caller does next.
    pub fn kind(&self) -> ErrorKind {
        self.0.code.kind()
    }

    /// The one-sentence message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do, if there is something.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The bad lines.
    pub fn detail_list(&self) -> &[Detail] {
        &self.0.details
    }

    /// Rows stored all the same.
    pub fn written_rows(&self) -> Option<u64> {
        self.0.written
    }

    /// The same error again, for several waiters; the cause stays with the first.
    pub fn duplicate(&self) -> Error {
        Error(Box::new(Inner {
            code: self.0.code,
            message: self.0.message.clone(),
            hint: self.0.hint.clone(),
            details: self.0.details.clone(),
            written: self.0.written,
            source: None,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Error {
        Error::internal(format!("columns: {error}")).source(error)
    }
}
