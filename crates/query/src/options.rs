//! What can be set of the query engine, and the limits of one statement.

use std::path::PathBuf;
use std::time::Duration;

/// Longest statement, bytes: 1 MiB holds some ten thousand inserted rows and bounds what planning
/// can cost before any limit of memory or time applies.
pub const STATEMENT_BYTES_MAX: usize = 1 << 20;

/// Most operators in one unbroken chain (`a AND b AND …`): every link is a level of the expression
/// tree, and each level costs stack in every later step.
pub const CHAIN_MAX: usize = 2_000;

/// Deepest nesting of brackets: generated SQL stays far below, and the parser's own limit is above.
pub const NESTING_MAX: usize = 40;

/// Most nested constructs with two readings (`CAST(`, `CASE`, `((`): each doubles what the parser may
/// try; 2^10 tries of a short text take some 100 ms.
pub const NESTING_COST_MAX: usize = 10;

/// Most set operations (`UNION` …) in one statement, for the same reason.
pub const SET_OPERATIONS_MAX: usize = 300;

/// Rows of `INSERT … SELECT` that are stored in one request. More are stored in pieces of this size,
/// each whole or not at all.
pub const INSERT_ROWS: usize = 100_000;

/// Waiting queries per slot, unless it is said: what waits longer than ten times as long as a query takes is asked for
/// again by whoever waits.
pub const QUEUE_PER_SLOT: usize = 10;

/// Bytes of a statement that lists and logs show.
pub const STATEMENT_SHOWN_BYTES: usize = 2 << 10;

/// Part of the result cache that one answer may take: an eighth, so that one never throws all others out.
pub const ANSWER_SHARE: usize = 8;

/// Most answers in the result cache: what is kept beside the rows (key, stamps, schema) takes about 2 KiB of each.
pub const ANSWERS_MAX: usize = 10_000;

/// Rows per batch inside a query.
pub const BATCH_ROWS: usize = 8_192;

/// Longest statement whose plan is kept to be used again, bytes: those that repeat are short, and the
/// key of a plan is about as long.
pub const PLAN_KEY_BYTES_MAX: usize = 16 << 10;

/// Most plans kept.
pub const PLANS_MAX: usize = 1_000;

/// Most bytes that kept plans take, about: 1,000 plans of four operators.
pub const PLANS_BYTES_MAX: usize = 16 << 20;

/// Settings of a query engine.
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// What operators of all queries together may reserve, bytes. Past it they spill or fail with
    /// `memory_limit`.
    pub memory_bytes: u64,
    /// Where operators spill; made if absent, emptied of earlier spills at start.
    pub spill_dir: PathBuf,
    /// Queries and scans that run at once.
    pub concurrency: usize,
    /// Queries and scans that may wait for one of them to end.
    pub queue: usize,
    /// Threads that plan and compute.
    pub threads: usize,
    /// Deadline of a request that names none, from its arrival to its last batch.
    pub timeout: Duration,
    /// Most rows of one SQL answer; `None` = no bound.
    pub rows_max: Option<usize>,
    /// Ended queries that are remembered.
    pub history: usize,
    /// From this time on a query is logged; zero = none is.
    pub slow_threshold: Duration,
    /// Answers of SELECTs that are kept, bytes; 0 = none.
    pub cache_bytes: usize,
}

impl QueryOptions {
    /// As many threads as the machine has cores, twice as many slots (at least four), and the shipped bounds; no result
    /// cache.
    pub fn new(spill_dir: PathBuf, memory_bytes: u64) -> QueryOptions {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let concurrency = (threads * 2).max(4);
        QueryOptions {
            memory_bytes,
            spill_dir,
            concurrency,
            queue: concurrency * QUEUE_PER_SLOT,
            threads,
            timeout: Duration::from_secs(300),
            rows_max: None,
            history: 100,
            slow_threshold: Duration::ZERO,
            cache_bytes: 0,
        }
    }
}
