//! An engine with a query engine over it, and rows to ask for.

use std::path::Path;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use futures::StreamExt;
use pulsora_env::Env;
use pulsora_model::builder::TagTarget;
use pulsora_model::time::parse_time;
use pulsora_model::{BatchBuilder, Code, Error, Name, Result, TableOptions, TableWrite};
use pulsora_query::{About, QueryEngine, QueryOptions, QueryTotals, SqlRequest, Ticket};
use pulsora_storage::{Durability, Engine, FlushFilter, Options, WriteRequest};
use tempfile::TempDir;

/// An engine in a directory of its own.
pub struct World {
    pub engine: Engine,
    pub query: QueryEngine,
    pub runtime: tokio::runtime::Runtime,
    pub dir: TempDir,
}

/// One row of the sensor table: time, host, region (empty = absent), temperature, state.
pub type Reading<'a> = (&'a str, &'a str, &'a str, f64, i64);

pub const READINGS: &[Reading] = &[
    ("2024-01-01T00:00:00Z", "a", "north", 1.5, 1),
    ("2024-01-01T00:01:00Z", "a", "north", 2.5, 2),
    ("2024-01-01T00:00:30Z", "b", "south", 3.5, 3),
    ("2024-01-01T01:00:00Z", "b", "south", 4.5, 4),
    ("2024-02-01T00:00:00Z", "c", "", 5.5, 5),
];

impl World {
    pub fn new() -> World {
        World::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut QueryOptions)) -> World {
        let dir = tempfile::tempdir().unwrap();
        let mut storage = Options::new(dir.path().join("data"));
        storage.reserve_bytes = 1 << 20;
        storage.wal_file_bytes = 4 << 20;
        let engine = Engine::open(Env::real(), storage).unwrap();
        let mut options = QueryOptions {
            concurrency: 2,
            queue: 20,
            threads: 2,
            timeout: Duration::from_secs(60),
            ..QueryOptions::new(dir.path().join("spill"), 256 << 20)
        };
        change(&mut options);
        let query = QueryEngine::new(engine.clone(), options).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        World { engine, query, runtime, dir }
    }

    /// With the sensor rows in `default.sensor`; the first four in a segment, the last in memory.
    pub fn with_readings() -> World {
        let world = World::new();
        world.write("default", "sensor", &READINGS[..4]);
        world.flush();
        world.write("default", "sensor", &READINGS[4..]);
        world
    }

    /// A query on the list, of nobody in particular.
    pub fn ticket(&self) -> Ticket {
        self.query.open(About::new("test", "a test", "default"))
    }

    pub fn flush(&self) {
        self.engine.flush(FlushFilter::default()).wait().unwrap();
    }

    pub fn write(&self, database: &str, table: &str, readings: &[Reading]) {
        let schema = self.engine.catalog().find_table(database, table);
        let mut builder = BatchBuilder::new(schema, None, Name::literal("time"), None);
        for (time, host, region, temperature, state) in readings {
            let tag = |builder: &mut BatchBuilder, name| match builder.tag(name).unwrap() {
                TagTarget::Tag(tag) => tag,
                TagTarget::Field(_) => panic!("{name} is a tag"),
            };
            let mut tags =
                [(tag(&mut builder, "host"), *host), (tag(&mut builder, "region"), *region)];
            let field = builder.field("temperature").unwrap();
            builder.push_f64(field, *temperature).unwrap();
            let field = builder.field("state").unwrap();
            builder.push_i64(field, *state).unwrap();
            let series = builder.series(&mut tags).unwrap();
            builder.end_row(series, parse_time(time).unwrap());
        }
        self.store(database, table, builder);
    }

    /// Rows without tags, one second apart from 2024-01-01: `value` counts from 0, `noise` is a fixed
    /// shuffle of it as text.
    pub fn write_numbers(&self, table: &str, rows: i64) {
        self.write_numbers_from("2024-01-01", table, rows);
    }

    /// As [`World::write_numbers`], from another time.
    pub fn write_numbers_from(&self, start: &str, table: &str, rows: i64) {
        let start = parse_time(start).unwrap();
        let schema = self.engine.catalog().find_table("default", table);
        let mut builder = BatchBuilder::new(schema, None, Name::literal("time"), None);
        for row in 0..rows {
            let field = builder.field("value").unwrap();
            builder.push_i64(field, row).unwrap();
            let field = builder.field("noise").unwrap();
            let noise = (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            builder.push_str(field, &format!("{noise:016x}{noise:016x}")).unwrap();
            let series = builder.series(&mut []).unwrap();
            builder.end_row(series, start + row * 1_000_000_000);
        }
        self.store("default", table, builder);
    }

    fn store(&self, database: &str, table: &str, builder: BatchBuilder) {
        let request = WriteRequest {
            key: None,
            database: Name::new(database).unwrap(),
            tables: vec![TableWrite {
                table: Name::new(table).unwrap(),
                options: TableOptions::default(),
                schema_version: builder.schema().map(|schema| schema.version),
                batch: builder.finish(),
            }],
            durability: Durability::Fsync,
        };
        self.engine.write(request).wait().unwrap();
    }

    /// The batches of a statement and its figures.
    pub fn ask(&self, request: SqlRequest) -> Result<(Vec<RecordBatch>, QueryTotals)> {
        self.runtime.block_on(async {
            let mut answer = self.query.sql(request).await?;
            let mut batches = vec![RecordBatch::new_empty(answer.schema.clone())];
            while let Some(batch) = answer.batches.next().await {
                batches.push(batch?);
            }
            Ok((batches, answer.counters.totals()))
        })
    }

    /// Whether the bytes of `needle` stand in a file of the data directory.
    pub fn is_on_disk(&self, needle: &str) -> bool {
        holds(&self.dir.path().join("data"), needle.as_bytes())
    }

    /// The answer as a table of text.
    pub fn sql(&self, sql: &str) -> String {
        match self.ask(SqlRequest::new("default", sql)) {
            Ok((batches, _)) => table(&batches),
            Err(error) => panic!("{sql}: {}", text_of(&error)),
        }
    }

    /// The figures of a statement after its last batch.
    pub fn figures(&self, sql: &str) -> QueryTotals {
        self.ask(SqlRequest::new("default", sql)).unwrap().1
    }

    /// The physical plan of a query.
    pub fn plan(&self, sql: &str) -> String {
        self.sql(&format!("EXPLAIN {sql}"))
    }

    /// `code: message; hint`.
    pub fn error(&self, sql: &str) -> String {
        text_of(&self.failure(SqlRequest::new("default", sql)))
    }

    pub fn failure(&self, request: SqlRequest) -> Error {
        let sql = request.sql.clone();
        match self.ask(request) {
            Ok((batches, _)) => panic!("{sql} answers\n{}", table(&batches)),
            Err(error) => error,
        }
    }

    pub fn code(&self, sql: &str) -> Code {
        self.failure(SqlRequest::new("default", sql)).code()
    }

    /// Asserts that `sql` answers `expected`, both without indentation.
    #[track_caller]
    pub fn check(&self, sql: &str, expected: &str) {
        let expected: Vec<&str> =
            expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let found = self.sql(sql);
        let found: Vec<&str> = found.lines().map(str::trim_end).collect();
        assert_eq!(found, expected, "{sql}\n{}", found.join("\n"));
    }
}

fn holds(dir: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds(&path, needle),
            // One that is removed meanwhile holds nothing.
            false => std::fs::read(&path)
                .is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle)),
        }
    })
}

pub fn text_of(error: &Error) -> String {
    let hint = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{}: {}{hint}", error.code().name(), error.message())
}

/// Lines of values between bars, without rules: short to write and to read.
pub fn table(batches: &[RecordBatch]) -> String {
    let text = pretty_format_batches(batches).unwrap().to_string();
    let lines = text.lines().filter(|line| !line.starts_with('+'));
    let lines = lines.map(|line| {
        let cells = line.trim_matches('|').split('|').map(str::trim);
        cells.collect::<Vec<_>>().join(" | ")
    });
    lines.collect::<Vec<_>>().join("\n")
}
