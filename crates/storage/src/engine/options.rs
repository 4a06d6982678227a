//! What can be set at open. Every default is the shipped one.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pulsora_codec::Codecs;
use pulsora_env::Store;
use pulsora_model::limits::Limits;
use pulsora_model::name::nearest;
use pulsora_model::{Code, Error, Result, SeriesLimits};

use crate::compaction::CompactionOptions;
use crate::segment::{KeyRanges, SegmentIndex};

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After the group with the request has been synced to disk.
    #[default]
    Fsync,
    /// After write(2) of the group; synced on a timer.
    Async,
    /// At once; not logged, lost with the process until flushed.
    Off,
}

impl Durability {
    /// # Errors
    /// `invalid_request` when `text` is none of `fsync`, `async`, `off`.
    pub fn parse(text: &str) -> Result<Durability> {
        match text {
            "fsync" => Ok(Durability::Fsync),
            "async" => Ok(Durability::Async),
            "off" => Ok(Durability::Off),
            _ => Err(Error::new(Code::InvalidRequest, format!("{text:?} is not a durability"))
                .hint("use fsync, async or off")),
        }
    }
}

/// What recovery does with a damaged log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recover {
    /// Refuse to start, with a message.
    #[default]
    Strict,
    /// Leave the damaged records out, say how many, and go on.
    SkipCorrupt,
}

/// What becomes of a partition that is not hot any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColdFormat {
    /// It is turned into Parquet, which any reader opens.
    #[default]
    Parquet,
    /// It stays as it is.
    Native,
}

impl ColdFormat {
    /// # Errors
    /// `invalid_request` when `text` is neither `parquet` nor `native`.
    pub fn parse(text: &str) -> Result<ColdFormat> {
        match text {
            "parquet" => Ok(ColdFormat::Parquet),
            "native" => Ok(ColdFormat::Native),
            _ => Err(Error::new(Code::InvalidRequest, format!("{text:?} is not a cold format"))
                .hint("use parquet or native")),
        }
    }
}

/// A store that a user brings.
#[derive(Clone)]
pub struct SharedStore(pub Arc<dyn Store>);

impl fmt::Debug for SharedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store of the user's")
    }
}

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory; made if absent.
    pub data_dir: PathBuf,
    /// What a damaged log means.
    pub recover: Recover,
    /// A memtable is sealed when its rows are this old (those under 1 MiB wait six times that).
    pub flush_age: Duration,
    /// A memtable is sealed at this size, bytes.
    pub flush_bytes: u64,
    /// All memtables together: at this many bytes the largest is sealed; at one and a half times that
    /// the commit owner waits for a flush.
    pub memtable_bytes: u64,
    /// Requests waiting in the queue and their WAL buffers, bytes.
    pub queue_bytes: u64,
    /// Bounds of tables, columns, names and texts (that of series is in `series`).
    pub limits: Limits,
    /// How many series a table may have, and how much of them is kept for parsers.
    pub series: SeriesLimits,
    /// Series of all tables that are kept in memory, bytes: past it, tables that are sealed forget theirs.
    pub series_bytes: u64,
    /// How long a write waits for memory while memtables are past their bound, before it is `overloaded`;
    /// `None` = until there is some.
    pub max_wait: Option<Duration>,
    /// Log size at which whatever pins the oldest file is flushed, bytes.
    pub wal_bytes: u64,
    /// Size of one log file, allocated ahead, bytes.
    pub wal_file_bytes: u64,
    /// How long `async` writes may stay unsynced.
    pub sync_interval: Duration,
    /// Disk space kept for flush, manifest and drops, bytes; below it writes are refused.
    pub reserve_bytes: u64,
    /// How long a partition stays in hot segments after its end and its last write. Zero: a flush
    /// writes what partitions are when they are cold.
    pub hot_for: Duration,
    /// What a partition becomes then.
    pub cold_format: ColdFormat,
    /// How segments are rewritten.
    pub compaction: CompactionOptions,
    /// Hot segments are read as memory where the store can map them; an I/O error under a map ends the
    /// process. Otherwise they are read by range.
    pub mmap: bool,
    /// Decoded parts of hot segments that are kept, bytes; and as many of segments that stay open unread.
    pub cache_bytes: u64,
    /// The codecs of hot segments; a segment that needs another one cannot be read.
    pub codecs: Arc<Codecs>,
    /// Which segments a scan opens.
    pub segment_index: Arc<dyn SegmentIndex>,
    /// Where segments are; `None` = files in the data directory. Log and manifest are files there
    /// in any case.
    pub store: Option<SharedStore>,
    /// How long the idempotency keys of an idle client are remembered.
    pub dedup_window: Duration,
    /// Clients whose idempotency keys are remembered at the same time; one more is `overloaded`.
    pub dedup_clients: usize,
    /// How often retention looks for segments that hold nothing but expired rows.
    pub retention_interval: Duration,
    /// Manifest edits between checkpoints: replaying 256 small files takes a few milliseconds.
    pub checkpoint_edits: u64,
}

impl Options {
    /// The shipped defaults over a directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Options {
        Options {
            data_dir: data_dir.into(),
            recover: Recover::Strict,
            flush_age: Duration::from_secs(600),
            flush_bytes: 64 << 20,
            memtable_bytes: 256 << 20,
            queue_bytes: 256 << 20,
            limits: Limits::default(),
            series: SeriesLimits::default(),
            series_bytes: 256 << 20,
            max_wait: None,
            wal_bytes: 1 << 30,
            wal_file_bytes: 64 << 20,
            sync_interval: Duration::from_secs(1),
            reserve_bytes: 256 << 20,
            hot_for: Duration::from_secs(2 * 3600),
            cold_format: ColdFormat::Parquet,
            compaction: CompactionOptions::default(),
            mmap: true,
            cache_bytes: 64 << 20,
            codecs: Arc::new(Codecs::builtin().clone()),
            segment_index: Arc::new(KeyRanges),
            store: None,
            dedup_window: Duration::from_secs(600),
            dedup_clients: 10_000,
            retention_interval: Duration::from_secs(60),
            checkpoint_edits: 256,
        }
    }

    /// Whether flushes write hot segments.
    pub(crate) fn flushes_hot(&self) -> bool {
        !self.hot_for.is_zero() || self.cold_format == ColdFormat::Native
    }

    /// Limits of the registry of a table. What parsers remember takes a small part of the memory.
    pub(crate) fn series_limits(&self) -> SeriesLimits {
        let raw_bytes_max = usize::try_from(self.series_bytes / 8).unwrap_or(usize::MAX);
        let raw_bytes_max = self.series.raw_bytes_max.min(raw_bytes_max);
        SeriesLimits { raw_bytes_max, ..self.series }
    }

    /// # Errors
    /// `invalid_request` when no codec has this name, with those that there are.
    pub(crate) fn check_codec(&self, name: &str) -> Result<()> {
        let mut names: Vec<&str> = self.codecs.iter().map(|codec| codec.name()).collect();
        names.sort_unstable();
        names.dedup();
        if names.binary_search(&name).is_ok() {
            return Ok(());
        }
        let near = nearest(name, names.iter().copied());
        let meant = near.first().map(|near| format!("did you mean {near}? "));
        Err(Error::new(Code::InvalidRequest, format!("there is no codec {name:?}")).hint(format!(
            "{}the codecs are {}",
            meant.unwrap_or_default(),
            names.join(", ")
        )))
    }
}
