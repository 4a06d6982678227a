//! How a finished rewrite reaches the flush task, which owns the manifest, and how its answer comes
//! back. One rewrite at a time.

use std::sync::Arc;

use parking_lot::Mutex;
use pulsora_model::{Error, TableId};

use crate::segment::{Segment, SegmentMeta};

/// A rewrite whose outputs are durable and not yet named by any edit.
pub(crate) struct Finished {
    pub table: TableId,
    /// As they were when they were read.
    pub inputs: Vec<Segment>,
    pub added: Vec<Arc<SegmentMeta>>,
}

/// What became of it.
pub(crate) enum Answer {
    /// The outputs are what is read from now on.
    Committed,
    /// An input is gone or lost rows meanwhile: the outputs are discarded.
    Overtaken,
    Failed(Error),
}

/// The place between the two tasks.
#[derive(Default)]
pub(crate) struct Handover {
    /// Guards whose turn it is.
    turn: Mutex<Turn>,
}

#[derive(Default)]
enum Turn {
    #[default]
    Nobody,
    Offered(Finished),
    /// The flush task is at it.
    Taken,
    Answered(Answer),
}

impl Handover {
    /// Puts a finished rewrite there.
    pub fn offer(&self, finished: Finished) {
        *self.turn.lock() = Turn::Offered(finished);
    }

    /// Takes it if it is `wanted` now: by the flush task to commit it, or back at the end.
    pub fn take_offer(&self, wanted: impl FnOnce(&Finished) -> bool) -> Option<Finished> {
        let mut turn = self.turn.lock();
        match std::mem::replace(&mut *turn, Turn::Taken) {
            Turn::Offered(finished) if wanted(&finished) => Some(finished),
            other => {
                *turn = other;
                None
            }
        }
    }

    pub fn answer(&self, answer: Answer) {
        *self.turn.lock() = Turn::Answered(answer);
    }

    pub fn take_answer(&self) -> Option<Answer> {
        let mut turn = self.turn.lock();
        match std::mem::take(&mut *turn) {
            Turn::Answered(answer) => Some(answer),
            other => {
                *turn = other;
                None
            }
        }
    }

    /// Whether a rewrite waits for its answer.
    pub fn is_busy(&self) -> bool {
        matches!(*self.turn.lock(), Turn::Offered(_) | Turn::Taken)
    }
}
