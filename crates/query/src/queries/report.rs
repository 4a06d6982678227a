//! The figures of a query at one moment.

use std::sync::Arc;
use std::time::Duration;

use pulsora_model::Code;

use super::about::{CacheUse, Priority};
use crate::counters::QueryTotals;

/// Where a query stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryState {
    /// For a slot.
    Waiting,
    /// In a slot, or its answer is being taken.
    Running,
    /// Its last row was taken.
    Done,
    /// It was told to stop.
    Cancelled,
    /// Whoever asked left before the end.
    Abandoned,
    /// With this code.
    Failed(Code),
}

impl QueryState {
    /// The word in answers.
    pub fn name(self) -> &'static str {
        match self {
            QueryState::Waiting => "waiting",
            QueryState::Running => "running",
            QueryState::Done => "done",
            QueryState::Cancelled => "cancelled",
            QueryState::Abandoned => "abandoned",
            QueryState::Failed(_) => "failed",
        }
    }

    /// Whether nothing of it will change any more.
    pub fn is_ended(self) -> bool {
        !matches!(self, QueryState::Waiting | QueryState::Running)
    }
}

/// A query at one moment.
#[derive(Clone, Debug)]
pub struct QueryReport {
    /// Its id.
    pub id: Arc<str>,
    /// By which way it came.
    pub kind: &'static str,
    /// What is asked, cut.
    pub statement: Arc<str>,
    /// The database of names without one.
    pub database: Arc<str>,
    /// Who asks.
    pub client: Option<Arc<str>>,
    /// How urgent it is.
    pub priority: Priority,
    /// Where it stands.
    pub state: QueryState,
    /// Wall clock at its arrival, nanoseconds.
    pub arrived_ns: i64,
    /// In the queue so far.
    pub waited: Duration,
    /// Planning, of SQL; zero where a plan was used again or the answer was kept.
    pub planned: Duration,
    /// From its slot to its end, or so far.
    pub ran: Duration,
    /// What its scans have read.
    pub totals: QueryTotals,
    /// Rows given.
    pub rows_returned: u64,
    /// What its operators hold, bytes, and the most that they held.
    pub memory_bytes: usize,
    /// See `memory_bytes`.
    pub memory_peak_bytes: usize,
    /// What came of the result cache.
    pub cache: CacheUse,
}
