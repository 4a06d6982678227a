//! How finished rewrites reach the flush task, which owns the manifest, and how its answers come back.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use pulsora_model::{Error, TableId};

use super::jobs::JobId;
use crate::segment::{Segment, SegmentMeta};

/// A rewrite whose outputs are durable and not yet named by any edit.
pub(crate) struct Finished {
    pub table: TableId,
    /// As they were when they were read.
    pub inputs: Vec<Segment>,
    pub added: Vec<Arc<SegmentMeta>>,
    /// Corrections that had been committed before the inputs were looked at.
    pub corrections: u64,
}

/// What became of it.
pub(crate) enum Answer {
    /// The outputs are what is read from now on.
    Committed,
    /// An input is gone or lost rows meanwhile: the outputs are discarded.
    Overtaken,
    Failed(Error),
}

/// The place between the tasks.
#[derive(Default)]
pub(crate) struct Handover {
    /// Guards where each rewrite that was offered is. Nothing else is locked while it is held; it may be
    /// locked while the queue of corrections is.
    turns: Mutex<BTreeMap<JobId, Turn>>,
}

enum Turn {
    Offered(Finished),
    /// The flush task is at it.
    Taken,
    Answered(Answer),
}

impl Handover {
    /// Puts a finished rewrite there.
    pub fn offer(&self, job: JobId, finished: Finished) {
        self.turns.lock().insert(job, Turn::Offered(finished));
    }

    /// Takes the oldest one that nobody has taken, but none of the table that a correction has `claimed`: by the
    /// flush task, to commit and answer it.
    pub fn take_offer(&self, claimed: Option<TableId>) -> Option<(JobId, Finished)> {
        let mut turns = self.turns.lock();
        let is_wanted = |turn: &Turn| matches!(turn, Turn::Offered(finished) if Some(finished.table) != claimed);
        let job = *turns.iter().find(|(_, turn)| is_wanted(turn))?.0;
        match turns.insert(job, Turn::Taken)? {
            Turn::Offered(finished) => Some((job, finished)),
            Turn::Taken | Turn::Answered(_) => None,
        }
    }

    /// Whether a rewrite of a table waits to be committed.
    pub fn has_offer_of(&self, table: TableId) -> bool {
        let turns = self.turns.lock();
        turns.values().any(|turn| matches!(turn, Turn::Offered(f) if f.table == table))
    }

    pub fn answer(&self, job: JobId, answer: Answer) {
        self.turns.lock().insert(job, Turn::Answered(answer));
    }

    /// The answer, if it is there.
    pub fn take_answer(&self, job: JobId) -> Option<Answer> {
        let mut turns = self.turns.lock();
        if !matches!(turns.get(&job), Some(Turn::Answered(_))) {
            return None;
        }
        match turns.remove(&job) {
            Some(Turn::Answered(answer)) => Some(answer),
            _ => None,
        }
    }

    /// Takes an offer back that the flush task has not taken.
    pub fn withdraw(&self, job: JobId) -> Option<Finished> {
        let mut turns = self.turns.lock();
        if !matches!(turns.get(&job), Some(Turn::Offered(_))) {
            return None;
        }
        match turns.remove(&job) {
            Some(Turn::Offered(finished)) => Some(finished),
            _ => None,
        }
    }
}
