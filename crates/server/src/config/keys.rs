//! The table of keys. Everything else about the configuration is derived from it.
//!
//! Invariants (tested): names are unique and `section.key`; every default is a value of its kind;
//! keys of one section stand together; flags are unique.

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// `host:port`; port 0 lets the system choose.
    Address,
    /// A path; relative ones start at the working directory.
    Path,
    /// `true` or `false`.
    Bool,
    /// A whole number, with its smallest and largest value.
    Count {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A size: `64MiB`, `512MB`, `1_000` (bytes).
    Bytes,
    /// A time span: `1s`, `10m`, `1h30m`, `250ms`.
    Duration,
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// What a value looks like, for help and errors.
    pub fn form(self) -> String {
        match self {
            Kind::Text => "text".to_owned(),
            Kind::Address => "host:port".to_owned(),
            Kind::Path => "path".to_owned(),
            Kind::Bool => "true or false".to_owned(),
            Kind::Count { min, max: u64::MAX } => format!("number, at least {min}"),
            Kind::Count { min, max } => format!("number, {min} to {max}"),
            Kind::Bytes => "size such as 64MiB or 512MB".to_owned(),
            Kind::Duration => "time span such as 250ms, 10m or 1h30m".to_owned(),
            Kind::Choice(words) => words.join(" or "),
        }
    }
}

/// One key of the configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// `section.key`.
    pub name: &'static str,
    /// What a value may be.
    pub kind: Kind,
    /// The shipped value. `auto` = decided at start (then `auto` is a value too); empty = not set.
    pub default: &'static str,
    /// What it does, in sentences.
    pub doc: &'static str,
    /// Name of the command line flag, without dashes.
    pub flag: Option<&'static str>,
}

impl Key {
    /// The section.
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(section, _)| section)
    }

    /// The name within the section.
    pub fn leaf(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, leaf)| leaf)
    }

    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("PULSORA_{}", self.name.replace('.', "__").to_uppercase())
    }
}

/// Every key, in the order of print and docs.
pub fn keys() -> &'static [Key] {
    KEYS
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    flag: Option<&'static str>,
    doc: &'static str,
) -> Key {
    Key { name, kind, default, doc, flag }
}

const ANY: Kind = Kind::Count { min: 1, max: u64::MAX };

static KEYS: &[Key] = &[
    key(
        "server.listen",
        Kind::Address,
        "127.0.0.1:8080",
        Some("listen"),
        "Address and port of the HTTP server. Port 0 lets the system choose one.",
    ),
    key(
        "server.cors",
        Kind::Text,
        "*",
        None,
        "Origins that browsers may call from: `*`, a list separated by commas, or empty for none.",
    ),
    key(
        "server.compression",
        Kind::Bool,
        "true",
        None,
        "Compress answers with gzip or zstd when the client accepts it.",
    ),
    key(
        "server.shutdown_timeout",
        Kind::Duration,
        "30s",
        None,
        "How long running requests may go on after SIGTERM or SIGINT before they are cut off.",
    ),
    key(
        "storage.data_dir",
        Kind::Path,
        "./data",
        Some("data-dir"),
        "Directory of log, manifest and segments; made if absent. One process at a time.",
    ),
    key(
        "storage.flush_age",
        Kind::Duration,
        "10m",
        None,
        "Rows in memory are written to a segment when they are this old; tables with less than 1 MiB \
         in memory wait six times that. Nothing depends on it for safety: rows are in the log.",
    ),
    key(
        "storage.flush_bytes",
        Kind::Bytes,
        "auto",
        None,
        "Rows of one table in memory are written to a segment at this size. `auto` is a sixteenth of \
         memory.limit, at least 16 MiB and at most 256 MiB.",
    ),
    key(
        "storage.hot_for",
        Kind::Duration,
        "2h",
        None,
        "How long a partition stays in native hot segments after its end and its last write; then it \
         becomes cold. `0s` writes Parquet at once.",
    ),
    key(
        "storage.retention_interval",
        Kind::Duration,
        "1m",
        None,
        "How often segments that hold nothing but expired rows are dropped. Expired rows are not shown from \
         the moment on, whatever this says.",
    ),
    key(
        "storage.cold_format",
        Kind::Choice(&["parquet", "native"]),
        "parquet",
        None,
        "What a cold partition is: `parquet` is open to any reader, `native` leaves it in hot segments \
         for ever.",
    ),
    key(
        "storage.mmap",
        Kind::Bool,
        "true",
        None,
        "Read hot segments as memory. `false` reads them by range, which is slower, and turns an I/O \
         error of the disk into an error of the query instead of the end of the process.",
    ),
    key(
        "storage.reserve",
        Kind::Bytes,
        "256MiB",
        None,
        "Disk space kept free for flushes and drops. Below it writes are refused with disk_full, \
         reads go on, and writes resume by themselves when space is back.",
    ),
    key(
        "storage.recover",
        Kind::Choice(&["strict", "skip-corrupt"]),
        "strict",
        Some("recover"),
        "What a damaged log means at start: `strict` refuses to start and says where the damage is, \
         `skip-corrupt` leaves the damaged records out, counts them, and goes on.",
    ),
    key(
        "compaction.enabled",
        Kind::Bool,
        "true",
        None,
        "Rewrite segments in the background: merge them, turn cold partitions into Parquet, leave deleted \
         rows out. `false` does only what a request waits for.",
    ),
    key(
        "compaction.max_jobs",
        Kind::Count { min: 1, max: 64 },
        "2",
        None,
        "Rewrites at the same time. With two or more, one is kept for small ones, so that a merge of hours \
         of data does not keep those of the last seconds waiting.",
    ),
    key(
        "compaction.memory",
        Kind::Bytes,
        "auto",
        None,
        "Memory of all rewrites: half of each one's share is for its output, half bounds how many segments \
         it reads at once. `auto` is an eighth of memory.limit, at least 32 MiB and at most 128 MiB.",
    ),
    key(
        "compaction.max_bytes_per_second",
        Kind::Bytes,
        "0",
        None,
        "Bytes per second that all rewrites read and write together; 0 has no limit. Too little lets \
         overlapping segments pile up.",
    ),
    key(
        "compaction.target_file_size",
        Kind::Bytes,
        "512MB",
        None,
        "Largest Parquet file that a rewrite makes, at least 1MB.",
    ),
    key(
        "compaction.window",
        Kind::Text,
        "",
        None,
        "Hours of the day (UTC) for what can wait: cold partitions, resting ones, deleted rows. For example \
         `22:00-06:00`, several separated by commas; empty is always. Outside go on only the merges that \
         keep the number of overlapping segments bounded, and what a request waits for.",
    ),
    key(
        "wal.durability",
        Kind::Choice(&["fsync", "async", "off"]),
        "fsync",
        Some("durability"),
        "When a write is acknowledged, unless the request says otherwise: `fsync` after its log group \
         is on disk, `async` after it was handed to the system (synced every second), `off` at once \
         and without the log.",
    ),
    key(
        "wal.max_bytes",
        Kind::Bytes,
        "1GiB",
        None,
        "Size of the log at which the rows that pin its oldest file are flushed.",
    ),
    key(
        "memory.limit",
        Kind::Bytes,
        "auto",
        Some("memory-limit"),
        "Bound on the memory of the process. A sixth is for rows in memory, a sixth for request \
         bodies and the log, 15 % for caches, 15 % for queries. Above 85 % new requests wait, then get 503 \
         memory_limit. `auto` is half of the machine or of the container.",
    ),
    key(
        "ingest.atomic_body_bytes",
        Kind::Bytes,
        "64MiB",
        None,
        "Bodies up to this size (decompressed) are stored whole or not at all. Larger CSV, NDJSON and \
         line protocol bodies are stored in pieces of this size, each whole or not at all.",
    ),
    key(
        "ingest.max_body_bytes",
        Kind::Bytes,
        "1GiB",
        None,
        "Largest body, decompressed; more is refused with body_too_large.",
    ),
    key(
        "ingest.max_wait",
        Kind::Duration,
        "5s",
        None,
        "How long a write waits for room in the queue, and any request for memory, before it is \
         refused with 503 and Retry-After.",
    ),
    key(
        "ingest.client_bytes",
        Kind::Bytes,
        "auto",
        None,
        "Memory that the writes of one client may take at the same time: three times their bodies. A client \
         is the name in its idempotency key, else its address. It waits for its own writes up to \
         ingest.max_wait, then gets 429. `auto` is half of what all together may take, an eighth of \
         memory.limit.",
    ),
    key(
        "ingest.dedup_window",
        Kind::Duration,
        "10m",
        None,
        "How long the idempotency keys of a client are remembered after its last write. A repeat that \
         comes later is stored again.",
    ),
    key(
        "ingest.dedup_clients",
        Kind::Count { min: 1, max: 1_000_000 },
        "10000",
        None,
        "Clients whose idempotency keys are remembered at the same time; the first write of one more is \
         refused with 503 until another one has been idle for ingest.dedup_window.",
    ),
    key(
        "delete.confirm_rows",
        Kind::Count { min: 0, max: u64::MAX },
        "10000",
        None,
        "POST /api/v1/delete of more rows needs `\"confirm\":true`; 0 = never.",
    ),
    key(
        "query.max_rows",
        ANY,
        "1000000",
        None,
        "Most rows that one answer of the row API and the metric API may have.",
    ),
    key(
        "query.timeout",
        Kind::Duration,
        "5m",
        None,
        "Longest run of a query; then it ends with 504 timeout. A request may ask for less.",
    ),
    key(
        "query.concurrency",
        ANY,
        "auto",
        None,
        "Queries that run at the same time; more wait in a queue. `auto` is twice the number of cores, at \
         least four.",
    ),
    key(
        "query.queue",
        Kind::Count { min: 0, max: 1_000_000 },
        "auto",
        None,
        "Queries that wait for one of those to end. More are refused with 503 overloaded, or 429 client_limit \
         when more than half of those that wait are of one client. `auto` is ten for each that runs: who would \
         wait for more than ten others has mostly given up before.",
    ),
    key(
        "query.history",
        Kind::Count { min: 0, max: 100_000 },
        "100",
        None,
        "Ended queries that GET /api/v1/queries remembers; each takes up to 3 KiB.",
    ),
    key(
        "query.slow_threshold",
        Kind::Duration,
        "5s",
        None,
        "Queries that take this long, waiting included, are logged once at their end, with their counters. \
         `0s` logs none.",
    ),
    key(
        "query.cache",
        Kind::Bytes,
        "auto",
        None,
        "Memory for answers of SELECTs that are given again as long as no table that they were read from has \
         changed; one answer takes at most an eighth. `0` keeps none. `auto` is 3 % of memory.limit, at most \
         256MiB; it is part of the 15 % for caches.",
    ),
    key(
        "limits.connections",
        Kind::Count { min: 1, max: 1_000_000 },
        "4096",
        None,
        "Most open HTTP connections. When all are taken, the one that has been without a request longest \
         makes room for a new one; when none is without a request, the new one gets 503 and is closed. \
         Never more than the descriptors that the process may have, less 256.",
    ),
    key(
        "limits.keep_alive",
        Kind::Duration,
        "2m",
        None,
        "How long an HTTP connection may be without a request before it is closed.",
    ),
    key(
        "limits.header_timeout",
        Kind::Duration,
        "15s",
        None,
        "How long a client may take for the head of a request, from its first byte to its last, before it \
         gets 408 and the connection is closed.",
    ),
    key(
        "limits.header_bytes",
        Kind::Bytes,
        "64KiB",
        None,
        "Largest head of a request, URL included; more is refused with 431.",
    ),
    key(
        "limits.headers",
        Kind::Count { min: 16, max: 10_000 },
        "100",
        None,
        "Most headers of a request; more are refused with 431.",
    ),
    key(
        "limits.query_body_bytes",
        Kind::Bytes,
        "1MiB",
        None,
        "Largest body of SQL, metric queries and administrative requests.",
    ),
    key(
        "limits.body_idle",
        Kind::Duration,
        "30s",
        None,
        "How long a client may pause while it sends a body before the request ends with 408 \
         request_timeout and the connection is closed.",
    ),
    key(
        "limits.body_rate",
        Kind::Bytes,
        "256B",
        None,
        "Bytes per second that a body must come with on average once the server has waited for it for \
         limits.body_idle altogether; less ends the request with 408 request_timeout. `0` lets clients \
         take any time.",
    ),
    key(
        "limits.answer_idle",
        Kind::Duration,
        "1m",
        None,
        "How long a client may take nothing of its answer before the connection is closed.",
    ),
    key(
        "limits.tables",
        ANY,
        "100000",
        None,
        "Most tables in all databases together. Rows for one more are refused with limit_exceeded; what is \
         there stays writable.",
    ),
    key("limits.tables_per_database", ANY, "50000", None, "Most tables of one database."),
    key(
        "limits.columns_per_table",
        Kind::Count { min: 2, max: 4096 },
        "4096",
        None,
        "Most columns of one table, time and tags among them.",
    ),
    key(
        "limits.series_per_table",
        ANY,
        "10000000",
        None,
        "Most series (different sets of tag values) of one table that one process takes in. Each costs about \
         100 bytes of memory.",
    ),
    key(
        "limits.name_bytes",
        Kind::Count { min: 1, max: 255 },
        "255",
        None,
        "Longest name of a new database, table or column.",
    ),
    key(
        "limits.text_bytes",
        Kind::Bytes,
        "16MiB",
        None,
        "Longest value of a tag or of a text field, at most 16MiB (tags of one row together: 1 MiB).",
    ),
    key(
        "tcp.listen",
        Kind::Address,
        "",
        None,
        "Address and port for line protocol over plain TCP; not set, there is none. TCP has no \
         acknowledgement: use HTTP where rows must not be lost.",
    ),
    key("tcp.database", Kind::Text, "default", None, "Database of lines that come over TCP."),
    key(
        "tcp.precision",
        Kind::Choice(&["ns", "us", "ms", "s", "m", "h", "auto"]),
        "ns",
        None,
        "Unit of the times of lines that come over TCP; `auto` goes by their size.",
    ),
    key(
        "tcp.durability",
        Kind::Choice(&["auto", "fsync", "async", "off"]),
        "auto",
        None,
        "Durability of lines that come over TCP: they are visible when it is reached. `auto` is \
         wal.durability.",
    ),
    key(
        "tcp.buffer",
        Kind::Bytes,
        "1MiB",
        None,
        "Bytes of one TCP connection that are gathered before they are stored; while they are, nothing \
         is read. A line that does not fit closes the connection.",
    ),
    key(
        "tcp.flush_interval",
        Kind::Duration,
        "100ms",
        None,
        "How long lines over TCP are gathered at most before they are stored.",
    ),
    key(
        "tcp.connections",
        Kind::Count { min: 1, max: 100_000 },
        "256",
        None,
        "Most open TCP connections of line protocol; more are closed at once.",
    ),
    key(
        "tcp.idle",
        Kind::Duration,
        "1h",
        None,
        "How long a TCP connection of line protocol may be silent before it is closed.",
    ),
    key(
        "logging.level",
        Kind::Text,
        "info",
        Some("log-level"),
        "Least severe messages to log: error, warn, info, debug or trace; or a list of filters such as \
         `info,pulsora_storage=debug`.",
    ),
    key(
        "logging.format",
        Kind::Choice(&["pretty", "json"]),
        "pretty",
        Some("log-format"),
        "`pretty` lines for people, or one JSON object per line.",
    ),
    key(
        "logging.file",
        Kind::Path,
        "",
        None,
        "Append the log to this file instead of standard error.",
    ),
    key(
        "logging.access",
        Kind::Bool,
        "true",
        None,
        "Log one line per request: method, path, status, time, bytes, request id.",
    ),
    key(
        "logging.performance",
        Kind::Bool,
        "true",
        None,
        "Log rows and rows per second of each write of 1,000 rows or more, and rows and time of each query.",
    ),
];
