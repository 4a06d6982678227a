//! The configuration as the server reads it, and the engine's options made from it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pulsora_model::limits::{Limits, TEXT_BYTES_MAX};
use pulsora_model::series::SeriesLimits;
use pulsora_model::time::Precision;
use pulsora_model::{Code, Error, Name, Result};
use pulsora_query::QUEUE_PER_SLOT;
use pulsora_storage::{ColdFormat, CompactionOptions, DayWindow, Durability, Options, Recover};

use super::keys::Kind;
use super::load::{Setting, load};
use super::machine;
use super::value::{parse_bool, parse_bytes, parse_count, parse_duration};

/// The effective configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `server.*`
    pub server: ServerConfig,
    /// `storage.*`
    pub storage: StorageConfig,
    /// `compaction.*`
    pub compaction: CompactionOptions,
    /// `wal.*`
    pub wal: WalConfig,
    /// `memory.*`
    pub memory: MemoryConfig,
    /// `ingest.*`
    pub ingest: IngestConfig,
    /// `delete.*`
    pub delete: DeleteConfig,
    /// `query.*`
    pub query: QueryConfig,
    /// `limits.*`
    pub limits: LimitsConfig,
    /// `tcp.*`, where `tcp.listen` is set.
    pub tcp: Option<TcpConfig>,
    /// `logging.*`
    pub logging: LoggingConfig,
    /// Every key with its text and where it came from.
    pub settings: Vec<Setting>,
}

/// `server.*`
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// `host:port`.
    pub listen: String,
    /// `*`, a list, or empty.
    pub cors: String,
    /// Whether answers are compressed.
    pub compression: bool,
    /// How long running requests may go on at shutdown.
    pub shutdown_timeout: Duration,
}

/// `storage.*`
#[derive(Clone, Debug)]
pub struct StorageConfig {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Age at which rows in memory are flushed.
    pub flush_age: Duration,
    /// Size at which rows in memory are flushed, bytes.
    pub flush_bytes: u64,
    /// How long a partition stays hot.
    pub hot_for: Duration,
    /// How often expired segments are dropped.
    pub retention_interval: Duration,
    /// What it becomes then.
    pub cold_format: ColdFormat,
    /// Whether hot segments are read as memory.
    pub mmap: bool,
    /// Disk space kept free, bytes.
    pub reserve: u64,
    /// What a damaged log means.
    pub recover: Recover,
}

/// `wal.*`
#[derive(Clone, Debug)]
pub struct WalConfig {
    /// When a write is acknowledged, unless the request says otherwise.
    pub durability: Durability,
    /// Size of the log at which rows are flushed, bytes.
    pub max_bytes: u64,
}

/// `memory.*`
#[derive(Clone, Debug)]
pub struct MemoryConfig {
    /// Bound of the process, bytes.
    pub limit: u64,
}

/// Most that memtables, and writes on their way to them, take however much memory there is: 256 MiB are
/// about 2.5 million TSBS rows, and more only makes a burst longer until the flushes set the pace.
const INGEST_BYTES_MAX: u64 = 256 << 20;

/// A limit of an edge box: its memory counts for more than the page faults it costs.
const SMALL_BYTES: u64 = 1 << 30;

/// Part of the limit for each of both: memtables may grow half past theirs, a flush holds segments beside them, and
/// rewrites and the allocator take as much again under 64 clients (`tests/it/overload.rs`, 512 MB).
const INGEST_SHARE: u64 = 6;

impl MemoryConfig {
    /// What writes on their way into the engine may take, and memtables as much again, bytes: a sixth, at most 256 MiB.
    pub fn ingest_bytes(&self) -> u64 {
        (self.limit / INGEST_SHARE).min(INGEST_BYTES_MAX)
    }

    /// Whether freed memory is better given back at once than kept for the next request: up to 1 GiB.
    pub fn is_small(&self) -> bool {
        self.limit <= SMALL_BYTES
    }

    /// What caches of decoded data and of answers may take together, bytes: 15 %.
    pub fn cache_bytes(&self) -> u64 {
        self.limit / 100 * 15
    }
}

/// What the result cache takes at most unless it is said: some 100,000 answers of dashboards.
const RESULT_CACHE_BYTES_MAX: u64 = 256 << 20;

/// `ingest.*`
#[derive(Clone, Debug)]
pub struct IngestConfig {
    /// Largest body that is stored whole or not at all, bytes.
    pub atomic_body_bytes: u64,
    /// Largest body, decompressed bytes.
    pub max_body_bytes: u64,
    /// How long a request waits for room.
    pub max_wait: Duration,
    /// Room that the writes of one client may take, bytes.
    pub client_bytes: u64,
    /// How long the idempotency keys of an idle client are remembered.
    pub dedup_window: Duration,
    /// Of how many clients they are remembered.
    pub dedup_clients: usize,
}

/// `delete.*`
#[derive(Clone, Debug)]
pub struct DeleteConfig {
    /// More rows need a confirmation; 0 = never.
    pub confirm_rows: u64,
}

/// `query.*`
#[derive(Clone, Debug)]
pub struct QueryConfig {
    /// Most rows of one answer of the row and metric APIs.
    pub max_rows: usize,
    /// Longest run.
    pub timeout: Duration,
    /// Queries at the same time.
    pub concurrency: usize,
    /// Queries that wait for one of those to end.
    pub queue: usize,
    /// Ended queries that are remembered.
    pub history: usize,
    /// From this time on a query is logged; zero = none is.
    pub slow_threshold: Duration,
    /// Answers that are kept, bytes; part of the 15 % of `memory.limit` for caches.
    pub cache_bytes: u64,
    /// Memory of all SQL operators together, bytes: 15 % of `memory.limit`.
    pub memory_bytes: u64,
}

/// `limits.*`
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// Most open connections.
    pub connections: usize,
    /// How long a connection may be without a request.
    pub keep_alive: Duration,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// Largest head of a request, bytes.
    pub header_bytes: usize,
    /// Most headers of a request.
    pub headers: usize,
    /// Largest body of SQL, metric queries and administrative requests, bytes.
    pub query_body_bytes: u64,
    /// How long a client may pause inside a body.
    pub body_idle: Duration,
    /// Least bytes per second of a body on average.
    pub body_rate: u64,
    /// How long a client may take nothing of its answer.
    pub answer_idle: Duration,
    /// What rows may make.
    pub rows: Limits,
}

/// `tcp.*`
#[derive(Clone, Debug)]
pub struct TcpConfig {
    /// `host:port`.
    pub listen: String,
    /// Where lines go.
    pub database: Name,
    /// Unit of their times.
    pub precision: Precision,
    /// `None` = `wal.durability`.
    pub durability: Option<Durability>,
    /// Bytes of one connection that are gathered.
    pub buffer_bytes: usize,
    /// How long they are.
    pub flush_interval: Duration,
    /// Most open connections.
    pub connections: usize,
    /// How long one may be silent.
    pub idle: Duration,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// `logging.*`
#[derive(Clone, Debug)]
pub struct LoggingConfig {
    /// Level or filter list.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
    /// File to append to; `None` = standard error.
    pub file: Option<PathBuf>,
    /// One line per request.
    pub access: bool,
    /// Rows and speed of writes and queries.
    pub performance: bool,
}

impl Config {
    /// Reads the file, then the environment, then flags (key name, value); later ones win.
    ///
    /// # Errors
    /// `invalid_config` for unknown keys and values that do not fit, with the place and the nearest
    /// name; `io_error` when the file cannot be read.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Config> {
        Config::from_settings(load(file, env, flags)?)
    }

    fn from_settings(settings: Vec<Setting>) -> Result<Config> {
        let read = Reader { settings: &settings };
        let memory = MemoryConfig {
            limit: read.bytes("memory.limit")?.unwrap_or_else(|| machine::memory_bytes() / 2),
        };
        if memory.limit < MEMORY_MIN {
            return Err(Error::new(
                Code::InvalidConfig,
                format!("memory.limit of {} bytes is too small", memory.limit),
            )
            .hint("give at least 64MiB"));
        }
        let concurrency = read.count("query.concurrency")?;
        let concurrency = concurrency.unwrap_or_else(|| (machine::cores() * 2).max(4));
        let flush_auto = (memory.limit / 16).clamp(16 << 20, 256 << 20);
        Ok(Config {
            server: ServerConfig {
                listen: read.text("server.listen"),
                cors: read.text("server.cors"),
                compression: read.flag("server.compression")?,
                shutdown_timeout: read.duration("server.shutdown_timeout")?,
            },
            storage: StorageConfig {
                data_dir: PathBuf::from(read.text("storage.data_dir")),
                flush_age: read.duration("storage.flush_age")?,
                flush_bytes: read.bytes("storage.flush_bytes")?.unwrap_or(flush_auto),
                hot_for: read.duration("storage.hot_for")?,
                retention_interval: read.duration("storage.retention_interval")?,
                cold_format: ColdFormat::parse(&read.text("storage.cold_format"))?,
                mmap: read.flag("storage.mmap")?,
                reserve: read.bytes("storage.reserve")?.unwrap_or(0),
                recover: match read.text("storage.recover").as_str() {
                    "skip-corrupt" => Recover::SkipCorrupt,
                    _ => Recover::Strict,
                },
            },
            compaction: read.compaction(memory.limit)?,
            wal: WalConfig {
                durability: Durability::parse(&read.text("wal.durability"))?,
                max_bytes: read.bytes("wal.max_bytes")?.unwrap_or(1 << 30),
            },
            ingest: IngestConfig {
                atomic_body_bytes: read.bytes("ingest.atomic_body_bytes")?.unwrap_or(64 << 20),
                max_body_bytes: read.bytes("ingest.max_body_bytes")?.unwrap_or(1 << 30),
                max_wait: read.duration("ingest.max_wait")?,
                client_bytes: read
                    .bytes("ingest.client_bytes")?
                    .unwrap_or(memory.ingest_bytes() / 2)
                    .max(CLIENT_BYTES_MIN),
                dedup_window: read.duration("ingest.dedup_window")?,
                dedup_clients: read.count("ingest.dedup_clients")?.unwrap_or(10_000),
            },
            delete: DeleteConfig {
                confirm_rows: read.count("delete.confirm_rows")?.unwrap_or(0) as u64,
            },
            query: QueryConfig {
                max_rows: read.count("query.max_rows")?.unwrap_or(1_000_000),
                timeout: read.duration("query.timeout")?,
                concurrency,
                queue: read.count("query.queue")?.unwrap_or(concurrency * QUEUE_PER_SLOT),
                history: read.count("query.history")?.unwrap_or(100),
                slow_threshold: read.duration("query.slow_threshold")?,
                cache_bytes: read
                    .bytes("query.cache")?
                    .unwrap_or_else(|| (memory.limit / 100 * 3).min(RESULT_CACHE_BYTES_MAX))
                    .min(memory.cache_bytes()),
                memory_bytes: memory.limit / 100 * 15,
            },
            limits: LimitsConfig {
                connections: read.count("limits.connections")?.unwrap_or(4096),
                query_body_bytes: read.bytes("limits.query_body_bytes")?.unwrap_or(1 << 20),
                body_idle: read.duration("limits.body_idle")?,
                keep_alive: read.duration("limits.keep_alive")?,
                header_timeout: read.duration("limits.header_timeout")?,
                header_bytes: read.size("limits.header_bytes", 64 << 10)?,
                headers: read.count("limits.headers")?.unwrap_or(100),
                body_rate: read.bytes("limits.body_rate")?.unwrap_or(0),
                answer_idle: read.duration("limits.answer_idle")?,
                rows: read.row_limits()?,
            },
            tcp: read.tcp()?,
            logging: LoggingConfig {
                level: read.text("logging.level"),
                format: match read.text("logging.format").as_str() {
                    "json" => LogFormat::Json,
                    _ => LogFormat::Pretty,
                },
                file: Some(read.text("logging.file")).filter(|f| !f.is_empty()).map(PathBuf::from),
                access: read.flag("logging.access")?,
                performance: read.flag("logging.performance")?,
            },
            memory,
            settings,
        })
    }

    /// What the engine is opened with: a sixth of the memory for memtables and a sixth for the
    /// queue of writes (each at most 256 MiB), at most a quarter for series, and what answers leave of 15 % for decoded parts of
    /// hot segments.
    pub fn storage_options(&self) -> Options {
        let options = Options::new(&self.storage.data_dir);
        Options {
            recover: self.storage.recover,
            flush_age: self.storage.flush_age,
            flush_bytes: self.storage.flush_bytes,
            memtable_bytes: self.memory.ingest_bytes(),
            queue_bytes: self.memory.ingest_bytes(),
            series_bytes: self.memory.limit / 4,
            max_wait: Some(self.ingest.max_wait),
            limits: self.limits.rows,
            series: SeriesLimits { series_max: self.limits.rows.series, ..options.series },
            wal_bytes: self.wal.max_bytes,
            reserve_bytes: self.storage.reserve,
            hot_for: self.storage.hot_for,
            retention_interval: self.storage.retention_interval,
            cold_format: self.storage.cold_format,
            compaction: self.compaction.clone(),
            mmap: self.storage.mmap,
            cache_bytes: self.memory.cache_bytes() - self.query.cache_bytes,
            dedup_window: self.ingest.dedup_window,
            dedup_clients: self.ingest.dedup_clients,
            ..options
        }
    }
}

/// The smallest request takes this much room.
const CLIENT_BYTES_MIN: u64 = 64 << 10;

/// The engine, one query and the code itself fit into this; 64 MiB.
const MEMORY_MIN: u64 = 64 << 20;

/// The smallest `compaction.target_file_size`: smaller files cost more than they hold.
const TARGET_FILE_MIN: u64 = 1_000_000;

/// The smallest `tcp.buffer`: a line of a few hundred fields.
const TCP_BUFFER_MIN: usize = 16 << 10;

/// Reads settings by name; `auto` and empty values read as `None`.
struct Reader<'a> {
    settings: &'a [Setting],
}

impl Reader<'_> {
    fn row_limits(&self) -> Result<Limits> {
        let shipped = Limits::default();
        let text_bytes = self.bytes("limits.text_bytes")?.unwrap_or(TEXT_BYTES_MAX as u64);
        if !(1..=TEXT_BYTES_MAX as u64).contains(&text_bytes) {
            let message = format!("limits.text_bytes is {text_bytes}, which is not 1 to 16MiB");
            return Err(Error::new(Code::InvalidConfig, message).hint("give at most 16MiB"));
        }
        let count = |name: &str, otherwise: usize| -> Result<usize> {
            Ok(self.count(name)?.unwrap_or(otherwise))
        };
        Ok(Limits {
            tables: count("limits.tables", shipped.tables)?,
            database_tables: count("limits.tables_per_database", shipped.database_tables)?,
            columns: count("limits.columns_per_table", shipped.columns)?,
            series: count("limits.series_per_table", shipped.series)?,
            name_bytes: count("limits.name_bytes", shipped.name_bytes)?,
            text_bytes: text_bytes as usize,
        })
    }

    fn compaction(&self, memory_limit: u64) -> Result<CompactionOptions> {
        let target = self.bytes("compaction.target_file_size")?.unwrap_or(512_000_000);
        if target < TARGET_FILE_MIN {
            let message = format!("compaction.target_file_size of {target} bytes is too small");
            return Err(Error::new(Code::InvalidConfig, message).hint("give at least 1MB"));
        }
        let windows = DayWindow::parse_list(&self.text("compaction.window"));
        Ok(CompactionOptions {
            enabled: self.flag("compaction.enabled")?,
            jobs_max: self.count("compaction.max_jobs")?.unwrap_or(2),
            memory_bytes: self
                .bytes("compaction.memory")?
                .unwrap_or((memory_limit / 8).clamp(32 << 20, 128 << 20)),
            bytes_per_second: self.bytes("compaction.max_bytes_per_second")?.unwrap_or(0),
            target_file_bytes: target,
            windows: windows.map_err(|error| error.context("compaction.window"))?,
        })
    }

    fn setting(&self, name: &str) -> &Setting {
        self.settings
            .iter()
            .find(|setting| setting.key.name == name)
            .expect("only names of the table are asked for (tested)")
    }

    fn text(&self, name: &str) -> String {
        self.setting(name).text.clone()
    }

    fn present(&self, name: &str) -> Option<&str> {
        Some(self.setting(name).text.as_str()).filter(|text| !matches!(*text, "auto" | ""))
    }

    fn tcp(&self) -> Result<Option<TcpConfig>> {
        let Some(listen) = self.present("tcp.listen").map(str::to_owned) else {
            return Ok(None);
        };
        let database = Name::new(&self.text("tcp.database"));
        let database = database.map_err(|error| {
            Error::new(Code::InvalidConfig, format!("tcp.database: {}", error.message()))
        })?;
        Ok(Some(TcpConfig {
            listen,
            database,
            precision: Precision::parse(&self.text("tcp.precision")).unwrap_or_default(),
            durability: self.present("tcp.durability").map(Durability::parse).transpose()?,
            buffer_bytes: self.size("tcp.buffer", 1 << 20)?.max(TCP_BUFFER_MIN),
            flush_interval: self.duration("tcp.flush_interval")?,
            connections: self.count("tcp.connections")?.unwrap_or(256),
            idle: self.duration("tcp.idle")?,
        }))
    }

    /// A size in memory.
    fn size(&self, name: &str, otherwise: usize) -> Result<usize> {
        let bytes = self.bytes(name)?;
        Ok(bytes.map_or(otherwise, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)))
    }

    fn flag(&self, name: &str) -> Result<bool> {
        parse_bool(&self.setting(name).text).map_err(|error| error.context(name))
    }

    fn duration(&self, name: &str) -> Result<Duration> {
        parse_duration(&self.setting(name).text).map_err(|error| error.context(name))
    }

    fn bytes(&self, name: &str) -> Result<Option<u64>> {
        self.present(name).map(parse_bytes).transpose().map_err(|error| error.context(name))
    }

    fn count(&self, name: &str) -> Result<Option<usize>> {
        let Kind::Count { min, max } = self.setting(name).key.kind else {
            return Err(Error::internal(format!("{name} is not a count")));
        };
        let count = self.present(name).map(|text| parse_count(text, min, max)).transpose();
        let count = count.map_err(|error| error.context(name))?;
        Ok(count.map(|count| usize::try_from(count).unwrap_or(usize::MAX)))
    }
}
