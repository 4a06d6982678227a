//! All queries that wait and run, and the last ones that ended.
//!
//! Invariants: a query is listed from the moment its ticket is made until the ticket is dropped; then it is in the
//! history, which is bounded; a slow one is logged once, at its end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use pulsora_model::{Code, Error, Result};

use super::about::About;
use super::query::Query;
use super::report::{QueryReport, QueryState};

/// What the list needs to know.
pub(crate) struct QueriesOptions {
    /// Part of every id, so that those of an earlier process mean nothing.
    pub(crate) opening: u32,
    /// Deadline of queries that name none.
    pub(crate) timeout: Duration,
    /// Ended queries that are remembered.
    pub(crate) history: usize,
    /// From this time on a query is logged; zero = none is.
    pub(crate) slow: Duration,
}

/// The list.
pub(crate) struct Queries {
    options: QueriesOptions,
    next: AtomicU64,
    /// Guards those that have not ended, by number.
    open: Mutex<BTreeMap<u64, Arc<Query>>>,
    /// Guards those that have, the latest last.
    ended: Mutex<VecDeque<Arc<QueryReport>>>,
    cancelled: AtomicU64,
    slow: AtomicU64,
}

/// Figures of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryListStats {
    /// Queries that were told to stop.
    pub cancelled: u64,
    /// Queries that took longer than the threshold.
    pub slow: u64,
}

impl Queries {
    pub(crate) fn new(options: QueriesOptions) -> Queries {
        Queries {
            options,
            next: AtomicU64::new(1),
            open: Mutex::default(),
            ended: Mutex::default(),
            cancelled: AtomicU64::new(0),
            slow: AtomicU64::new(0),
        }
    }

    /// Lists a query that arrives now.
    pub(crate) fn open(self: &Arc<Queries>, about: About, now_ns: i64) -> Ticket {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{number}", self.options.opening).into();
        let query = Arc::new(Query::new(number, id, about, self.options.timeout, now_ns));
        self.open.lock().insert(number, Arc::clone(&query));
        Ticket { query, queries: Arc::clone(self) }
    }

    /// Those that wait and run, the oldest first, then those that ended, the latest first.
    pub(crate) fn reports(&self) -> Vec<Arc<QueryReport>> {
        let open: Vec<Arc<Query>> = self.open.lock().values().cloned().collect();
        let open = open.iter().map(|query| Arc::new(query.report()));
        open.chain(self.ended.lock().iter().rev().cloned()).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// `query_not_found`.
    pub(crate) fn report(&self, id: &str) -> Result<Arc<QueryReport>> {
        if let Some(query) = self.find(id) {
            return Ok(Arc::new(query.report()));
        }
        let ended = self.ended.lock();
        ended.iter().rev().find(|report| *report.id == *id).cloned().ok_or_else(|| not_found(id))
    }

    /// Tells a query to stop.
    ///
    /// # Errors
    /// `query_not_found` when it is not known, `query_ended` when it has ended.
    pub(crate) fn cancel(&self, id: &str) -> Result<Arc<QueryReport>> {
        let Some(query) = self.find(id) else {
            let report = self.report(id)?;
            let message = format!("query {id} has ended already: {}", report.state.name());
            return Err(Error::new(Code::QueryEnded, message)
                .hint("GET /api/v1/queries lists those that wait and run"));
        };
        let why = Error::new(Code::Cancelled, format!("query {id} was cancelled on request"))
            .hint("somebody asked for it with DELETE /api/v1/queries/{id}");
        self.stop(&query, why);
        Ok(Arc::new(query.report()))
    }

    /// Tells the query whose operators hold most to stop, if they hold at least `least` bytes.
    pub(crate) fn cancel_largest(
        &self,
        least: usize,
        why: impl Fn(usize) -> Error,
    ) -> Option<Arc<QueryReport>> {
        let open = self.open.lock();
        let held = open.values().filter(|query| !query.flag.is_cancelled());
        let largest = held.map(|query| (query.held.now(), Arc::clone(query))).max_by_key(|q| q.0);
        drop(open);
        let (bytes, query) = largest.filter(|(bytes, _)| *bytes >= least.max(1))?;
        self.stop(&query, why(bytes)).then(|| Arc::new(query.report()))
    }

    /// Tells the query that got its slot last to stop.
    pub(crate) fn cancel_last(&self, why: impl Fn() -> Error) -> Option<Arc<QueryReport>> {
        let open = self.open.lock();
        let runs = open.values().filter(|query| !query.flag.is_cancelled());
        let last = runs.filter_map(|query| Some((query.began()?, Arc::clone(query))));
        let last = last.max_by_key(|(began, _)| *began);
        drop(open);
        let (_, query) = last?;
        self.stop(&query, why()).then(|| Arc::new(query.report()))
    }

    pub(crate) fn stats(&self) -> QueryListStats {
        QueryListStats {
            cancelled: self.cancelled.load(Ordering::Relaxed),
            slow: self.slow.load(Ordering::Relaxed),
        }
    }

    fn find(&self, id: &str) -> Option<Arc<Query>> {
        self.open.lock().values().find(|query| query.id() == id).cloned()
    }

    fn stop(&self, query: &Query, why: Error) -> bool {
        let first = query.flag.stop(why);
        query.stop_work();
        self.cancelled.fetch_add(u64::from(first), Ordering::Relaxed);
        first
    }

    fn close(&self, query: &Query) {
        self.open.lock().remove(&query.number);
        let report = query.report();
        if !self.options.slow.is_zero() && report.waited + report.ran >= self.options.slow {
            self.slow.fetch_add(1, Ordering::Relaxed);
            log_slow(&report);
        }
        if self.options.history > 0 {
            let mut ended = self.ended.lock();
            if ended.len() >= self.options.history {
                ended.pop_front();
            }
            ended.push_back(Arc::new(report));
        }
    }
}

fn not_found(id: &str) -> Error {
    let shown = pulsora_model::name::prefix(id, 64);
    Error::new(Code::QueryNotFound, format!("there is no query {shown:?}"))
        .hint("it may have left the history; GET /api/v1/queries lists those that are known")
}

fn log_slow(report: &QueryReport) {
    let ms = |span: Duration| span.as_micros() as f64 / 1_000.0;
    tracing::warn!(
        query_id = &*report.id,
        kind = report.kind,
        database = &*report.database,
        client = report.client.as_deref().unwrap_or(""),
        priority = report.priority.name(),
        outcome = report.state.name(),
        wait_ms = ms(report.waited),
        plan_ms = ms(report.planned),
        run_ms = ms(report.ran),
        rows_read = report.totals.rows_read,
        blocks_read = report.totals.blocks_read,
        segments_read = report.totals.segments_read,
        segments_pruned = report.totals.segments_pruned,
        rows_returned = report.rows_returned,
        memory_peak_bytes = report.memory_peak_bytes,
        statement = &*report.statement,
        "slow query"
    );
}

/// A query on the list; dropping it ends it.
pub struct Ticket {
    query: Arc<Query>,
    queries: Arc<Queries>,
}

impl Ticket {
    /// The query.
    pub fn query(&self) -> &Arc<Query> {
        &self.query
    }

    /// Its answer was given, with so many rows.
    pub fn done(&self, rows: u64) {
        self.query.add_rows(rows);
        self.query.end(QueryState::Done);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.query.end(QueryState::Abandoned);
        self.query.stop_work();
        self.queries.close(&self.query);
    }
}
