//! An embedded database: the engine and the query engine over one data directory, for one process.
//!
//! Not responsible for HTTP, nor for anything of the engine itself. Rows come in through `write.rs`
//! and `append/`, single series are read through `query.rs`; here is the rest.
//!
//! Invariants: a write that has returned is as durable as the database was told to be, and visible;
//! dropping a database closes it, [`Database::close`] also says how that went.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use pulsora_env::{Env, block_on};
use pulsora_model::{Name, Result};
use pulsora_query::{QueryEngine, SqlRequest, SqlResult};
use pulsora_storage::{Catalog, Durability, Engine, FlushFilter, Scan, ScanPlan, Snapshot};

use crate::append::{Appenders, Series};
use crate::builder::{Builder, DatabaseOptions};

/// The whole answer to a statement.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Schema of every batch; time is `Timestamp(ns, UTC)`.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
}

impl Rows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An open data directory. Share it behind an `Arc`; all methods may be called from any thread.
///
/// Methods that wait come twice: plain ones block the thread (allowed inside an async runtime, though
/// they keep one of its threads from other work); those that end in `_async` are futures that run on
/// any runtime. Methods without a database's name work in the database `default`.
pub struct Database {
    env: Env,
    engine: Engine,
    queries: QueryEngine,
    durability: Durability,
    name: Name,
    appenders: Arc<Appenders>,
}

impl Database {
    /// Opens a data directory with the shipped defaults; it is made if absent. Blocks until
    /// everything that was acknowledged is there again.
    ///
    /// # Errors
    /// `locked` when a process has it open, `corrupt` when stored bytes are damaged, I/O.
    pub fn open(path: impl AsRef<Path>) -> Result<Database> {
        Database::builder().open(path)
    }

    /// Settings and parts of a database to be opened.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// [`Database::open`] with options.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub fn open_with(options: DatabaseOptions) -> Result<Database> {
        Database::open_in(Env::real(), options)
    }

    pub(crate) fn open_in(env: Env, options: DatabaseOptions) -> Result<Database> {
        let DatabaseOptions { storage, query, durability } = options;
        let engine = Engine::open(env.clone(), storage)?;
        let queries = QueryEngine::new(engine.clone(), query)?;
        let name = Name::literal("default");
        let appenders = Appenders::new(&env, engine.clone(), name.clone(), durability);
        Ok(Database { env, engine, queries, durability, name, appenders: Arc::new(appenders) })
    }

    /// A handle of the numeric series `id`: table `series`, tag `id` (32 hex digits), field `value`.
    /// Its appends are gathered in the process: see [`Series`].
    pub fn series(&self, id: u128) -> Series {
        self.appenders.start(&self.env);
        Series::new(&self.appenders, id)
    }

    /// Runs one statement (a text, or a [`SqlRequest`] with its database, params, limit and deadline)
    /// and gives its whole answer.
    ///
    /// # Errors
    /// `sql_syntax`, `sql_invalid`, `table_not_found`, `memory_limit`, `timeout` and others.
    pub fn sql(&self, request: impl Into<SqlRequest>) -> Result<Rows> {
        block_on(self.sql_async(request))
    }

    /// [`Database::sql`] as a future.
    ///
    /// # Errors
    /// As [`Database::sql`].
    pub async fn sql_async(&self, request: impl Into<SqlRequest>) -> Result<Rows> {
        let SqlResult { schema, mut batches, .. } = self.queries.sql(request.into()).await?;
        let mut all = Vec::new();
        while let Some(batch) = batches.next().await {
            all.push(batch?);
        }
        Ok(Rows { schema, batches: all })
    }

    /// Runs one statement; its batches come as they are made. Dropping the answer cancels it.
    ///
    /// # Errors
    /// As [`Database::sql`]; later errors come through the batches.
    pub async fn sql_stream(&self, request: impl Into<SqlRequest>) -> Result<SqlResult> {
        self.queries.sql(request.into()).await
    }

    /// Reads a table without SQL: streams of batches that block on the disk.
    ///
    /// # Errors
    /// `table_not_found`, `column_not_found`; the streams give `corrupt` and `io_error`.
    pub fn scan(&self, scan: &Scan) -> Result<ScanPlan> {
        self.engine.snapshot().scan(scan)
    }

    /// This moment, for several scans of the same rows.
    pub fn snapshot(&self) -> Snapshot {
        self.engine.snapshot()
    }

    /// Databases, tables and schemas at this moment.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.engine.catalog()
    }

    /// The engine itself: commands, figures, durability of single writes.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Sends the points that series have gathered, writes all rows in memory to segments, and waits
    /// for that.
    ///
    /// # Errors
    /// What gathered points or the flush failed with; acknowledged rows are in the log all the same.
    pub fn flush(&self) -> Result<()> {
        block_on(self.flush_async())
    }

    /// [`Database::flush`] as a future.
    ///
    /// # Errors
    /// As [`Database::flush`].
    pub async fn flush_async(&self) -> Result<()> {
        let appended = self.appenders.flush_async().await;
        self.engine.flush(FlushFilter::default()).await?;
        appended
    }

    /// Flushes, ends all tasks and unlocks the directory.
    ///
    /// # Errors
    /// What gathered points or the last flush failed with; acknowledged rows are in the log all the
    /// same.
    pub fn close(self) -> Result<()> {
        self.end()
    }

    /// [`Database::close`] as a future. Dropping it closes the database all the same.
    ///
    /// # Errors
    /// As [`Database::close`].
    pub async fn close_async(self) -> Result<()> {
        let appended = self.appenders.flush_async().await;
        let closed = self.engine.begin_close().await.map(drop);
        // What is left are tasks that end by themselves.
        appended.and(closed).and(self.end())
    }

    fn end(&self) -> Result<()> {
        let appended = self.appenders.close();
        self.engine.close()?;
        appended
    }

    pub(crate) fn queries(&self) -> &QueryEngine {
        &self.queries
    }

    pub(crate) fn database_name(&self) -> &Name {
        &self.name
    }

    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    pub(crate) fn now_ns(&self) -> i64 {
        self.env.clock.wall_ns()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "the database was not closed cleanly; its rows are in the log");
        }
    }
}
