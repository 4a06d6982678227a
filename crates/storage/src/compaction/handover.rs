//! How finished rewrites reach the flush task, which owns the manifest, and how its answers come back.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use pulsora_model::{Error, TableId};

use super::carry::Hidden;
use super::jobs::JobId;
use crate::read::Reading;
use crate::segment::SegmentMeta;

/// A rewrite whose outputs are durable and not yet named by any edit.
pub(crate) struct Finished {
    pub table: TableId,
    pub reading: Reading,
    /// In the order of their rows.
    pub added: Vec<Arc<SegmentMeta>>,
    /// What the outputs hide of what their inputs have lost since they were read.
    pub hidden: Hidden,
    /// Erasures that had been committed before the inputs were looked at.
    pub erasures: u64,
}

/// What became of it.
pub(crate) enum Answer {
    /// The outputs are what is read from now on.
    Committed,
    /// Its inputs are gone, or an erasure has been at them: the outputs are discarded.
    Overtaken,
    /// Its inputs have lost more rows than its outputs hide.
    Behind(Box<Finished>),
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
    /// The compaction task hides what the inputs of this table have lost.
    CatchingUp(TableId),
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
            Turn::Taken | Turn::Answered(_) | Turn::CatchingUp(_) => None,
        }
    }

    /// Whether a rewrite of a table waits to be committed.
    pub fn has_offer_of(&self, table: TableId) -> bool {
        let turns = self.turns.lock();
        turns.values().any(|turn| match turn {
            Turn::Offered(finished) => finished.table == table,
            Turn::Answered(Answer::Behind(finished)) => finished.table == table,
            Turn::CatchingUp(other) => *other == table,
            Turn::Taken | Turn::Answered(_) => false,
        })
    }

    pub fn answer(&self, job: JobId, answer: Answer) {
        self.turns.lock().insert(job, Turn::Answered(answer));
    }

    /// The answer, if it is there. After [`Answer::Behind`] the rewrite is still waited for, until it is offered
    /// again or withdrawn.
    pub fn take_answer(&self, job: JobId) -> Option<Answer> {
        let mut turns = self.turns.lock();
        if !matches!(turns.get(&job), Some(Turn::Answered(_))) {
            return None;
        }
        let Some(Turn::Answered(answer)) = turns.remove(&job) else { return None };
        if let Answer::Behind(finished) = &answer {
            turns.insert(job, Turn::CatchingUp(finished.table));
        }
        Some(answer)
    }

    /// Ends the turn of a rewrite that the flush task has not taken; gives it back if it is there.
    pub fn withdraw(&self, job: JobId) -> Option<Finished> {
        let mut turns = self.turns.lock();
        match turns.remove(&job)? {
            Turn::Offered(finished) => Some(finished),
            Turn::Answered(Answer::Behind(finished)) => Some(*finished),
            Turn::CatchingUp(_) => None,
            kept @ (Turn::Taken | Turn::Answered(_)) => {
                turns.insert(job, kept);
                None
            }
        }
    }
}
