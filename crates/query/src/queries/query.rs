//! One query from its arrival to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use pulsora_model::{Code, Error};
use tokio::time::Instant;

use super::about::{About, CacheUse};
use super::report::{QueryReport, QueryState};
use super::stop::CancelFlag;
use crate::counters::QueryCounters;
use crate::run::Held;

/// A query that waits, runs or has ended.
#[derive(Debug)]
pub struct Query {
    id: Arc<str>,
    pub(super) number: u64,
    pub(crate) about: About,
    pub(crate) deadline: Instant,
    arrived: Instant,
    arrived_ns: i64,
    pub(crate) counters: Arc<QueryCounters>,
    pub(crate) flag: CancelFlag,
    pub(crate) held: Arc<Held>,
    rows: AtomicU64,
    /// Guards where it stands.
    course: Mutex<Course>,
}

#[derive(Debug, Default)]
struct Course {
    waited: Duration,
    /// When it got its first slot.
    began: Option<Instant>,
    planned: Duration,
    cache: CacheUse,
    ended: Option<(Instant, QueryState)>,
}

impl Query {
    pub(super) fn new(
        number: u64,
        id: Arc<str>,
        about: About,
        timeout: Duration,
        arrived_ns: i64,
    ) -> Query {
        let arrived = Instant::now();
        Query {
            id,
            number,
            deadline: arrived + about.timeout.unwrap_or(timeout),
            about,
            arrived,
            arrived_ns,
            counters: Arc::default(),
            flag: CancelFlag::default(),
            held: Arc::default(),
            rows: AtomicU64::new(0),
            course: Mutex::default(),
        }
    }

    /// Its id: unique among all queries of this data directory.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Time in the queue so far.
    pub fn waited(&self) -> Duration {
        let course = self.course.lock();
        match course.began.or(course.ended.map(|(at, _)| at)) {
            Some(_) => course.waited,
            None => self.arrived.elapsed(),
        }
    }

    /// Time spent planning.
    pub fn planned(&self) -> Duration {
        self.course.lock().planned
    }

    /// What came of the result cache.
    pub fn cache(&self) -> CacheUse {
        self.course.lock().cache
    }

    /// Its figures.
    pub fn counters(&self) -> &Arc<QueryCounters> {
        &self.counters
    }

    /// It has got a slot after `waited`; a query may need several, one after the other.
    pub(crate) fn has_slot(&self, waited: Duration) {
        let mut course = self.course.lock();
        course.waited += waited;
        course.began.get_or_insert_with(Instant::now);
    }

    /// When it got its first slot, if it has not ended.
    pub(super) fn began(&self) -> Option<Instant> {
        let course = self.course.lock();
        course.began.filter(|_| course.ended.is_none())
    }

    /// It needs no slot.
    pub(crate) fn needs_no_slot(&self) {
        self.course.lock().began.get_or_insert_with(Instant::now);
    }

    pub(crate) fn was_planned(&self, took: Duration) {
        self.course.lock().planned = took;
    }

    pub(crate) fn set_cache(&self, cache: CacheUse) {
        self.course.lock().cache = cache;
    }

    pub(crate) fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// It has ended so; only the first end counts.
    pub(crate) fn end(&self, state: QueryState) {
        let mut course = self.course.lock();
        if course.began.is_none() && course.ended.is_none() {
            course.waited = self.arrived.elapsed();
        }
        course.ended.get_or_insert_with(|| (Instant::now(), state));
    }

    /// It has ended with an error.
    pub(crate) fn fail(&self, error: &Error) {
        self.end(match error.code() {
            Code::Cancelled => QueryState::Cancelled,
            code => QueryState::Failed(code),
        });
    }

    /// Makes what still computes for it end at its next look.
    pub(crate) fn stop_work(&self) {
        self.flag.set();
        self.counters.stop_scans();
    }

    /// Its figures now.
    pub(crate) fn report(&self) -> QueryReport {
        let (course, about, now) = (self.course.lock(), &self.about, Instant::now());
        let state = match (course.ended, course.began) {
            (Some((_, state)), _) => state,
            (None, Some(_)) => QueryState::Running,
            (None, None) => QueryState::Waiting,
        };
        let until = course.ended.map_or(now, |(at, _)| at);
        QueryReport {
            id: Arc::clone(&self.id),
            kind: about.kind,
            statement: Arc::clone(&about.statement),
            database: Arc::clone(&about.database),
            client: about.client.clone(),
            priority: about.priority,
            state,
            arrived_ns: self.arrived_ns,
            waited: if state == QueryState::Waiting { now - self.arrived } else { course.waited },
            planned: course.planned,
            ran: course
                .began
                .map_or(Duration::ZERO, |began| until.saturating_duration_since(began)),
            totals: self.counters.totals(),
            rows_returned: self.rows.load(Ordering::Relaxed),
            memory_bytes: self.held.now(),
            memory_peak_bytes: self.held.peak(),
            cache: course.cache,
        }
    }
}
