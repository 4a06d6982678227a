//! An embedded database: the engine and the query engine over one data directory, for one process.
//!
//! Not responsible for HTTP, nor for anything of the engine itself.
//!
//! Invariants: a write that has returned is on disk and visible (unless a weaker durability was asked
//! for); dropping a database closes it, [`Database::close`] also says how that went.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::StreamExt;
use futures::executor::block_on;
use pulsora_env::Env;
use pulsora_model::time::Precision;
use pulsora_model::{Code, Detail, Error, Name, Result, Sequence, TableWrite};
use pulsora_query::{QueryEngine, QueryOptions, SqlRequest, SqlResult};
use pulsora_storage::{
    Catalog, Durability, Engine, FlushFilter, Options, Scan, ScanPlan, Snapshot, WriteRequest,
};
use pulsora_wire::Parsed;
use pulsora_wire::line::{self, LineOptions};
use pulsora_wire::msgpack::{self, MsgpackOptions};
use pulsora_wire::rows::{RowFormat, RowOptions, RowsParsed};

/// How often rows are parsed at most: the schema moves under them only when another writer adds or
/// widens a column meanwhile.
const ATTEMPTS: usize = 3;

/// Deadline of a query that names none. An embedded query has no client that could have left.
const QUERY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// What a database is opened with.
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// Data directory, memory of rows, log, durability of the disk.
    pub storage: Options,
    /// Memory, threads and deadlines of queries.
    pub query: QueryOptions,
}

impl DatabaseOptions {
    /// These storage options, and queries with as much memory as memtables may have, on every core.
    pub fn new(storage: Options) -> DatabaseOptions {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let query = QueryOptions {
            memory_bytes: storage.memtable_bytes,
            spill_dir: storage.data_dir.join("spill"),
            concurrency: threads * 2,
            threads,
            timeout: QUERY_TIMEOUT,
            rows_max: None,
        };
        DatabaseOptions { storage, query }
    }
}

/// What became of rows that were written.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// WAL sequence of the write; what was visible when nothing was stored.
    pub sequence: Sequence,
    /// Rows stored.
    pub rows: u64,
    /// Lines, items or rows that could not be stored.
    pub rejected: u64,
    /// The first hundred of them.
    pub details: Vec<Detail>,
}

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
/// Methods that wait come twice: plain ones block and must not be called from async code; those that
/// end in `_async` are futures of any runtime.
pub struct Database {
    env: Env,
    engine: Engine,
    queries: QueryEngine,
}

impl Database {
    /// Opens a data directory with the shipped defaults; it is made if absent. Blocks until
    /// everything that was acknowledged is there again.
    ///
    /// # Errors
    /// `locked` when a process has it open, `corrupt` when stored bytes are damaged, I/O.
    pub fn open(path: impl AsRef<Path>) -> Result<Database> {
        let path: PathBuf = path.as_ref().to_owned();
        Database::open_with(DatabaseOptions::new(Options::new(path)))
    }

    /// [`Database::open`] with options.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub fn open_with(options: DatabaseOptions) -> Result<Database> {
        let env = Env::real();
        let engine = Engine::open(env.clone(), options.storage)?;
        let queries = QueryEngine::new(engine.clone(), options.query)?;
        Ok(Database { env, engine, queries })
    }

    /// Writes line protocol; bad lines are counted and lose no good ones. Tables are made as needed.
    ///
    /// # Errors
    /// `empty_body`, `mixed_time_units`, and those of the engine; then nothing is stored.
    pub fn write_lines(
        &self,
        database: &str,
        lines: impl AsRef<[u8]>,
        precision: Precision,
    ) -> Result<Written> {
        let options = LineOptions { precision, now_ns: self.env.clock.wall_ns() };
        self.write_parsed(database, |catalog| {
            line::parse(lines.as_ref(), &options, &catalog.lookup(database))
        })
    }

    /// Writes MessagePack items (columnar or rows, each names its table); bad items are counted.
    ///
    /// # Errors
    /// `empty_body`, `malformed_body`, `mixed_time_units`, and those of the engine; then nothing is
    /// stored.
    pub fn write_msgpack(
        &self,
        database: &str,
        body: &[u8],
        precision: Precision,
    ) -> Result<Written> {
        let options = MsgpackOptions { precision, now_ns: self.env.clock.wall_ns() };
        self.write_parsed(database, |catalog| {
            msgpack::parse(body, &options, &catalog.lookup(database))
        })
    }

    /// Writes rows of one table: all of them or none, unless `options.on_error` says to skip bad ones.
    /// The table is made from what the rows are, if it is not there.
    ///
    /// # Errors
    /// Those of the format, with the line and the column, and those of the engine.
    pub fn write_rows(
        &self,
        database: &str,
        table: &str,
        format: RowFormat,
        body: &Bytes,
        options: &RowOptions,
    ) -> Result<Written> {
        let name = Name::new(table)?;
        self.write_parsed(database, |catalog| {
            let schema = catalog.find_table(database, table);
            format.parse(&name, body, options, schema).map(of_rows)
        })
    }

    /// Writes batches, at most one per table: all of them or none.
    ///
    /// # Errors
    /// `schema_conflict`, `type_conflict`, `schema_moved` when a table has changed since the batch was
    /// made, and those of the engine.
    pub fn write(&self, database: &str, tables: Vec<TableWrite>) -> Result<Written> {
        let rows = tables.iter().map(|table| table.batch.rows as u64).sum();
        let sequence = self.engine.write(self.request(database, tables)?).wait()?.sequence;
        Ok(Written { sequence, rows, ..Written::default() })
    }

    /// [`Database::write`] as a future.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn write_async(&self, database: &str, tables: Vec<TableWrite>) -> Result<Written> {
        let rows = tables.iter().map(|table| table.batch.rows as u64).sum();
        let sequence = self.engine.write(self.request(database, tables)?).await?.sequence;
        Ok(Written { sequence, rows, ..Written::default() })
    }

    /// Runs one statement in the database `default` and gives its whole answer.
    ///
    /// # Errors
    /// `sql_syntax`, `sql_invalid`, `table_not_found`, `memory_limit`, `timeout` and others.
    pub fn sql(&self, sql: &str) -> Result<Rows> {
        block_on(self.sql_async(SqlRequest::new("default", sql)))
    }

    /// Runs one statement with its database, params, limit and deadline, and gives its whole answer.
    ///
    /// # Errors
    /// As [`Database::sql`].
    pub async fn sql_async(&self, request: SqlRequest) -> Result<Rows> {
        let SqlResult { schema, mut batches, .. } = self.queries.sql(request).await?;
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
    pub async fn sql_stream(&self, request: SqlRequest) -> Result<SqlResult> {
        self.queries.sql(request).await
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

    /// Writes all rows in memory to segments, and waits for that.
    ///
    /// # Errors
    /// What the flush failed with; the rows are in the log all the same.
    pub fn flush(&self) -> Result<()> {
        self.engine.flush(FlushFilter::default()).wait().map(drop)
    }

    /// Flushes, ends all tasks and unlocks the directory.
    ///
    /// # Errors
    /// What the last flush failed with; the rows are in the log all the same.
    pub fn close(self) -> Result<()> {
        self.engine.close()
    }

    fn request(&self, database: &str, tables: Vec<TableWrite>) -> Result<WriteRequest> {
        let database = Name::new(database)?;
        Ok(WriteRequest { database, tables, durability: Durability::Fsync })
    }

    /// Parses against the present schemas and writes; again when they moved meanwhile.
    fn write_parsed(
        &self,
        database: &str,
        parse: impl Fn(&Arc<Catalog>) -> Result<Parsed>,
    ) -> Result<Written> {
        let mut attempt = 1;
        loop {
            let Parsed { tables, rows, rejected, details } = parse(&self.engine.catalog())?;
            if tables.is_empty() {
                let sequence = self.engine.snapshot().sequence();
                return Ok(Written { sequence, rows, rejected, details });
            }
            match self.engine.write(self.request(database, tables)?).wait() {
                Ok(receipt) => {
                    let sequence = receipt.sequence;
                    return Ok(Written { sequence, rows, rejected, details });
                }
                Err(error) if error.code() == Code::SchemaMoved && attempt < ATTEMPTS => {
                    attempt += 1
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let closed: Result<(), Error> = self.engine.close();
        if let Err(error) = closed {
            tracing::error!(%error, "the database was not closed cleanly; its rows are in the log");
        }
    }
}

/// Rows of one table as what all formats become.
fn of_rows(rows: RowsParsed) -> Parsed {
    Parsed {
        tables: rows.write.into_iter().collect(),
        rows: rows.rows,
        rejected: rows.rejected,
        details: rows.details,
    }
}
