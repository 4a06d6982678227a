//! What a database is opened with: settings, and the parts that can be replaced.
//!
//! Invariant: every default is the one that the server ships with, except that queries have no
//! deadline that matters (an embedded query has no client that could have left).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pulsora_codec::Codec;
use pulsora_env::{Env, Store};
use pulsora_model::{Code, Error, Result};
use pulsora_query::QueryOptions;
use pulsora_storage::{Durability, Options, SegmentIndex, SharedStore};

use crate::database::Database;

/// Deadline of a query that names none.
const QUERY_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Smallest and largest log file of [`Builder::memory_bytes`]: one group has to fit, and more than
/// the shipped size gains nothing.
const WAL_FILE_BYTES: std::ops::RangeInclusive<u64> = 1 << 20..=64 << 20;

/// What a database is opened with.
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// Data directory, memory of rows, log.
    pub storage: Options,
    /// Memory, threads and deadlines of queries.
    pub query: QueryOptions,
    /// When writes are acknowledged.
    pub durability: Durability,
}

impl DatabaseOptions {
    /// These storage options, and queries with as much memory as memtables may have, on every core.
    pub fn new(storage: Options) -> DatabaseOptions {
        let spill_dir = storage.data_dir.join("spill");
        let query = QueryOptions {
            timeout: QUERY_TIMEOUT,
            ..QueryOptions::new(spill_dir, storage.memtable_bytes)
        };
        DatabaseOptions { storage, query, durability: Durability::default() }
    }
}

/// Settings and parts of a database to be opened. See [`Database::builder`].
#[derive(Clone)]
pub struct Builder {
    options: DatabaseOptions,
    env: Env,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder { options: DatabaseOptions::new(Options::new(PathBuf::new())), env: Env::real() }
    }
}

impl Builder {
    /// When writes are acknowledged: `Fsync` (the default) after they are on disk, `Async` after they
    /// are in the log and visible, synced within a second, `Off` without a log: lost with the process
    /// until they are flushed.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Builder {
        self.options.durability = durability;
        self
    }

    /// Fits everything that grows with the data into about `bytes` of memory: a quarter each for
    /// memtables and for writes on their way, 15 % each for queries and caches, and the rest as
    /// head-room. Writes wait when their share is used up.
    #[must_use]
    pub fn memory_bytes(mut self, bytes: u64) -> Builder {
        let storage = &mut self.options.storage;
        storage.memtable_bytes = bytes / 4;
        storage.flush_bytes = storage.flush_bytes.min(bytes / 16);
        storage.queue_bytes = bytes / 4;
        storage.cache_bytes = bytes * 15 / 100;
        storage.wal_file_bytes = (bytes / 16).clamp(*WAL_FILE_BYTES.start(), *WAL_FILE_BYTES.end());
        self.options.query.memory_bytes = bytes * 15 / 100;
        self
    }

    /// Changes any setting of the engine. The data directory is set by [`Builder::open`].
    #[must_use]
    pub fn storage(mut self, change: impl FnOnce(&mut Options)) -> Builder {
        change(&mut self.options.storage);
        self
    }

    /// Changes any setting of queries. The spill directory is `spill` in the data directory unless it
    /// is set here. Answers are kept once `cache_bytes` is not 0.
    #[must_use]
    pub fn queries(mut self, change: impl FnOnce(&mut QueryOptions)) -> Builder {
        change(&mut self.options.query);
        self
    }

    /// One more codec for the columns of segments. Its id (at least 0x8000) and its name are in every
    /// segment that it was used for; such a segment is read only where a codec with this id and name
    /// is registered, and is an error that names both elsewhere. It takes part in the choice of the
    /// smallest codec, and a table can ask for it by name.
    ///
    /// # Errors
    /// `invalid_request` when its id is reserved or taken, or its name is taken.
    pub fn codec(mut self, codec: Arc<dyn Codec>) -> Result<Builder> {
        let codecs = self.options.storage.codecs.with(codec);
        let codecs = codecs.map_err(|error| Error::new(Code::InvalidRequest, error.to_string()))?;
        self.options.storage.codecs = Arc::new(codecs);
        Ok(self)
    }

    /// Another place for segments than files in the data directory: any [`Store`] of immutable
    /// objects. The log and the manifest stay files in the data directory, which also says which
    /// objects of the store belong to this database; so one database has a store (or a prefix of its
    /// names) for itself.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Builder {
        self.options.storage.store = Some(SharedStore(store));
        self
    }

    /// Another way to tell which segments may hold the rows of a scan than the key ranges that the
    /// manifest has of them ([`pulsora_storage::KeyRanges`]).
    #[must_use]
    pub fn segment_index(mut self, index: Arc<dyn SegmentIndex>) -> Builder {
        self.options.storage.segment_index = index;
        self
    }

    /// Another clock, file system, source of random numbers or way to run tasks than the machine's.
    #[must_use]
    pub fn env(mut self, env: Env) -> Builder {
        self.env = env;
        self
    }

    /// Opens the data directory `dir`; it is made if absent. Blocks until everything that was
    /// acknowledged is there again.
    ///
    /// # Errors
    /// `locked` when a process has it open, `corrupt` when stored bytes are damaged, I/O.
    pub fn open(self, dir: impl AsRef<Path>) -> Result<Database> {
        let dir: PathBuf = dir.as_ref().to_owned();
        let mut options = self.options;
        if options.query.spill_dir == Path::new("spill") {
            options.query.spill_dir = dir.join("spill");
        }
        options.storage.data_dir = dir;
        Database::open_in(self.env, options)
    }
}
