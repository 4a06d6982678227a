//! What retention has dropped lately, and who waits for it to look now.

use std::collections::VecDeque;

use parking_lot::Mutex;
use pulsora_model::{Error, Name, Result, TableId};
use tokio::sync::oneshot;

use super::plan::Expired;
use crate::engine::{FlushFilter, Receipt};

/// Runs that are remembered: a table that drops something every hour has its last four days.
const RUNS_MAX: usize = 100;

/// What was dropped of a table at once.
#[derive(Clone, Debug)]
pub struct RetentionRun {
    /// Wall clock, nanoseconds.
    pub at_ns: i64,
    /// The database.
    pub database: Name,
    /// The table.
    pub table: Name,
    /// Its id.
    pub table_id: TableId,
    /// Rows before this time had expired, nanoseconds.
    pub floor_ns: i64,
    /// Segments dropped.
    pub segments: u64,
    /// Their rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A request to look now.
pub(crate) struct Asked {
    pub filter: FlushFilter,
    pub reply: oneshot::Sender<Result<Receipt>>,
}

#[derive(Default)]
struct State {
    /// Newest last.
    runs: VecDeque<RetentionRun>,
    asked: Vec<Asked>,
}

/// Runs and requests.
#[derive(Default)]
pub(crate) struct History(Mutex<State>);

impl History {
    /// Adds a request.
    pub fn ask(&self, filter: FlushFilter, reply: oneshot::Sender<Result<Receipt>>) {
        self.0.lock().asked.push(Asked { filter, reply });
    }

    /// The next request.
    pub fn take_asked(&self) -> Option<Asked> {
        self.0.lock().asked.pop()
    }

    /// Answers all requests with an error.
    pub fn refuse(&self, error: &Error) {
        for asked in std::mem::take(&mut self.0.lock().asked) {
            // A caller that has left needs no answer.
            let _left = asked.reply.send(Err(error.duplicate()));
        }
    }

    /// Notes what was dropped.
    pub fn note(&self, expired: &[Expired], at_ns: i64) {
        let mut state = self.0.lock();
        state.runs.extend(expired.iter().map(|expired| RetentionRun {
            at_ns,
            database: expired.database.clone(),
            table: expired.table.name.clone(),
            table_id: expired.table.id,
            floor_ns: expired.floor_ns,
            segments: expired.segments.len() as u64,
            rows: expired.rows,
            bytes: expired.bytes,
        }));
        let excess = state.runs.len().saturating_sub(RUNS_MAX);
        state.runs.drain(..excess);
    }

    /// The last runs, newest first.
    pub fn runs(&self) -> Vec<RetentionRun> {
        self.0.lock().runs.iter().rev().cloned().collect()
    }
}
