//! The query engine: statements and scans in, batches out.

use std::sync::Arc;

use futures::StreamExt;
use pulsora_model::{Code, Error, Result};
use pulsora_storage::{Engine, ScanPlan};
use tokio::time::timeout_at;

use crate::cache::{Answers, CacheStats};
use crate::options::QueryOptions;
use crate::plans::{PlanStats, Plans};
use crate::queries::{
    About, CancelFlag, Queries, QueriesOptions, QueryListStats, QueryReport, Ticket,
};
use crate::request::{SqlRequest, SqlResult};
use crate::run::{
    BatchStream, Pool, PoolStats, SlotQueue, Threads, drive, ended_early, timed_out, tracked,
};
use crate::scan::ScanBatches;
use crate::session::Sessions;
use crate::sql::tokens;
use crate::statement::{Call, Core};

/// Operators that hold less than this are not worth ending a query for, bytes.
const LARGE_QUERY_BYTES: usize = 1 << 20;

/// Answers SQL and runs scans, on a pool of its own. Share it behind an `Arc`.
pub struct QueryEngine {
    pool: Pool,
    queries: Arc<Queries>,
    core: Arc<Core>,
}

impl QueryEngine {
    /// Starts the pool and prepares the planner.
    ///
    /// # Errors
    /// `io_error` when threads cannot be started or the spill directory cannot be made.
    pub fn new(engine: Engine, options: QueryOptions) -> Result<QueryEngine> {
        let pool = Pool::new(&options)?;
        let sessions = Sessions::new(&options)?;
        let queries = Arc::new(Queries::new(QueriesOptions {
            opening: engine.opening(),
            timeout: options.timeout,
            history: options.history,
            slow: options.slow_threshold,
        }));
        let answers = Arc::new(Answers::new(options.cache_bytes));
        let rows_max = options.rows_max;
        let core = Core { engine, sessions, plans: Plans::new(), answers, rows_max };
        Ok(QueryEngine { pool, queries, core: Arc::new(core) })
    }

    /// Puts a query on the list: it waits from now on. Dropping the ticket ends it.
    pub fn open(&self, about: About) -> Ticket {
        self.queries.open(about, self.core.engine.wall_ns())
    }

    /// Answers one statement of nobody in particular. Dropping the future, or the answer's batches, cancels it.
    ///
    /// # Errors
    /// As [`QueryEngine::sql_as`].
    pub async fn sql(&self, request: SqlRequest) -> Result<SqlResult> {
        let ticket = self.open(request.about());
        self.sql_as(ticket, request).await
    }

    /// Answers one statement as a query that is on the list; its deadline is that of the query. Dropping the future, or
    /// the answer's batches, cancels it.
    ///
    /// # Errors
    /// `sql_syntax`, `sql_invalid`, `statement_refused`, `table_not_found`, `database_not_found`,
    /// `timeout`, `cancelled`, `memory_limit`, `overloaded`, `client_limit`, and for changes and inserts what the engine
    /// reports. Errors after the first batch come through the batches.
    pub async fn sql_as(&self, ticket: Ticket, request: SqlRequest) -> Result<SqlResult> {
        let (core, queue, threads) =
            (Arc::clone(&self.core), Arc::clone(self.pool.queue()), self.pool.threads().clone());
        let query = Arc::clone(ticket.query());
        let answer = async move {
            let tokens = tokens(&request.sql)?;
            let cache_key = core.cache_key(&request, &tokens);
            let kept = cache_key.as_ref().and_then(|key| core.answered_before(&query, key));
            if let Some(kept) = kept {
                return Ok(kept);
            }
            let slot = queue.slot(&query).await?;
            let deadline = query.deadline;
            let call = Call { request, query, slot, threads, tokens, cache_key };
            match timeout_at(deadline, core.answer(call)).await {
                Ok(answer) => answer,
                Err(_) => Err(timed_out()),
            }
        };
        match self.pool.threads().run(ticket.query(), answer).await {
            Ok(answer) => {
                let batches = tracked(ticket, answer.batches);
                Ok(SqlResult { batches, ..answer })
            }
            Err(error) => Err(failed(&ticket, error)),
        }
    }

    /// Runs blocking work of a query in a slot of the pool, until the query's deadline. When the query is dropped, is
    /// told to stop or is too late, the flag is set; the slot is free when the work has ended.
    ///
    /// # Errors
    /// What the work reports; `timeout`, `cancelled`, `overloaded`, `client_limit`.
    pub async fn run_blocking<T: Send + 'static>(
        &self,
        ticket: &Ticket,
        work: impl FnOnce(&CancelFlag) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (queue, query) = (Arc::clone(self.pool.queue()), Arc::clone(ticket.query()));
        let answer = async move {
            let slot = queue.slot(&query).await?;
            let flag = query.flag.clone();
            // Who awaits it may be gone before the ticket is.
            let cancel = flag.on_drop();
            let work = tokio::task::spawn_blocking({
                let flag = flag.clone();
                move || {
                    let _slot = slot;
                    flag.check()?;
                    work(&flag)
                }
            });
            match timeout_at(query.deadline, work).await {
                Ok(ended) => {
                    cancel.disarm();
                    ended.unwrap_or_else(|ended| Err(ended_early(&ended)))
                }
                Err(_) => Err(timed_out()),
            }
        };
        let outcome = self.pool.threads().run(ticket.query(), answer).await;
        outcome.map_err(|error| failed(ticket, error))
    }

    /// The batches of a planned scan, stream after stream, in a slot of the pool, as a query that is on the list.
    /// Dropping the stream stops the scan.
    pub fn scan_stream(&self, ticket: Ticket, plan: ScanPlan) -> BatchStream {
        let (queue, threads) = (Arc::clone(self.pool.queue()), self.pool.threads().clone());
        let query = Arc::clone(ticket.query());
        query.counters.add_scan(Arc::clone(&plan.counters));
        let streams = plan.streams;
        let batches = futures::stream::once(async move {
            let begin = begin_scan(Arc::clone(&query), queue, threads.clone(), streams);
            threads.run(&query, begin).await
        });
        let batches = batches.flat_map(|begun: Result<BatchStream>| match begun {
            Ok(batches) => batches,
            Err(error) => Box::pin(futures::stream::once(std::future::ready(Err(error)))),
        });
        tracked(ticket, Box::pin(batches))
    }

    /// The queries that wait and run, the oldest first, then those that have ended, the latest first.
    pub fn queries(&self) -> Vec<Arc<QueryReport>> {
        self.queries.reports()
    }

    /// One query by its id.
    ///
    /// # Errors
    /// `query_not_found`.
    pub fn query(&self, id: &str) -> Result<Arc<QueryReport>> {
        self.queries.report(id)
    }

    /// Tells a query to stop; who asked for it gets `cancelled`.
    ///
    /// # Errors
    /// `query_not_found`; `query_ended` when there is nothing to stop.
    pub fn cancel(&self, id: &str) -> Result<Arc<QueryReport>> {
        self.queries.cancel(id)
    }

    /// Gives memory back that others need more: the result cache, else that of the query whose operators hold most, which
    /// ends with `memory_limit`. Not all that a query takes is held by operators; so if none holds much and the shortage
    /// lasts, it is the query that began last. `None` when there is nothing to give.
    pub fn relieve(&self, shortage: Shortage) -> Option<Relief> {
        let answers = self.core.answers.clear();
        if answers > 0 {
            return Some(Relief::Answers(answers));
        }
        let largest = self.queries.cancel_largest(LARGE_QUERY_BYTES, largest_stopped);
        let last = || match shortage {
            Shortage::New => None,
            Shortage::Lasting => self.queries.cancel_last(last_stopped),
        };
        largest.or_else(last).map(Relief::Query)
    }

    /// Figures of the pool.
    pub fn pool(&self) -> PoolStats {
        self.pool.queue().stats()
    }

    /// Figures of the list of queries.
    pub fn list_stats(&self) -> QueryListStats {
        self.queries.stats()
    }

    /// Figures of the plans that are used again.
    pub fn plans(&self) -> PlanStats {
        self.core.plans.stats()
    }

    /// Figures of the result cache.
    pub fn cache(&self) -> CacheStats {
        self.core.answers.stats()
    }

    /// Throws out kept answers that will not be given again because a table has changed: what they hold of it, such as
    /// erased rows, leaves memory. Call it now and then, and where rows must be gone.
    pub fn drop_outdated(&self) {
        self.core.drop_outdated();
    }

    /// Throws every kept answer out; gives their number.
    pub fn clear_cache(&self) -> usize {
        self.core.answers.clear()
    }
}

/// Whether memory has been short for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// It was not, at the last look.
    New,
    /// What was given back did not help, or there was nothing.
    Lasting,
}

/// What [`QueryEngine::relieve`] gave back.
#[derive(Debug)]
pub enum Relief {
    /// So many kept answers.
    Answers(usize),
    /// This query.
    Query(Arc<QueryReport>),
}

async fn begin_scan(
    query: Arc<crate::queries::Query>,
    queue: Arc<SlotQueue>,
    threads: Threads,
    streams: Vec<pulsora_storage::ScanStream>,
) -> Result<BatchStream> {
    let slot = queue.slot(&query).await?;
    let flag = query.flag.clone();
    let batches = futures::stream::iter(streams);
    let batches = batches.flat_map(move |stream| ScanBatches::new(stream, &flag));
    Ok(drive(&threads, slot, &query, batches))
}

fn largest_stopped(bytes: usize) -> Error {
    Error::new(
        Code::MemoryLimit,
        format!("the server is short of memory, and this query held most of it: {bytes} bytes"),
    )
    .hint("narrow the time range, group by less, or raise memory.limit")
}

fn last_stopped() -> Error {
    Error::new(Code::MemoryLimit, "the server is short of memory, and this query began last")
        .hint("ask for fewer or shorter rows, try again later, or raise memory.limit")
}

/// Notes on the list that a query has failed.
fn failed(ticket: &Ticket, error: Error) -> Error {
    ticket.query().fail(&error);
    error
}
