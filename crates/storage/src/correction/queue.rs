//! Corrections on their way from the commit owner over the correction task to the flush task.
//!
//! Invariants: at most one correction is at work; a correction that waits forbids no rewrite.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use pulsora_model::{Error, Result, SegmentId, Sequence, TableId, TableSchema};
use tokio::sync::oneshot;

use super::ask::{Change, Selection};
use super::erase::Erasure;
use crate::engine::Receipt;
use crate::manifest::Bitmap;
use crate::read::Published;
use crate::segment::SegmentMeta;

/// A correction that the commit owner has accepted.
pub(crate) struct Job {
    pub table: TableId,
    /// The schema at its sequence.
    pub schema: Arc<TableSchema>,
    /// It hits rows below.
    pub sequence: Sequence,
    /// Numbers of the memtables that must be in segments first.
    pub memtables: Vec<u64>,
    /// Of an erasure: the last log file that may hold rows below.
    pub log_through: Option<u64>,
    pub rows: Selection,
    pub change: Change,
    pub reply: oneshot::Sender<Result<Receipt>>,
}

impl Job {
    /// Whether everything that it may hit is in segments.
    pub fn is_flushed(&self, published: &Published) -> bool {
        let views = published.memtables.get(&self.table).into_iter().flatten();
        !views.into_iter().any(|view| self.memtables.contains(&view.number))
    }

    /// Whether it writes rows anew with ids that later rows may replace.
    fn keeps_ids(&self) -> bool {
        matches!(self.change, Change::Replace(_)) && self.schema.row_id().is_some()
    }
}

/// What a correction comes to, ready to be committed: what it adds is durable.
pub(crate) struct Resolved {
    pub job: Job,
    /// The segments that it looked at: all of its table below its sequence.
    pub looked_at: Vec<SegmentId>,
    pub rows: u64,
    /// Rows that are gone, beside those that were.
    pub bitmaps: Vec<Bitmap>,
    /// Segments of which nothing is left.
    pub removed: Vec<SegmentId>,
    pub added: Vec<Arc<SegmentMeta>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// The table and the sequence of the correction that is at work: no rewrite of the table is committed.
    working: Option<(TableId, Sequence)>,
    /// Sequences of corrections that are not answered yet and come before later rows of their tables.
    holding: BTreeMap<TableId, Vec<Sequence>>,
    resolved: Option<Resolved>,
    erasures: Vec<Erasure>,
}

/// Tables and sequences of corrections whose edit is not published.
pub(crate) struct Pending(Vec<(TableId, Sequence)>);

impl Pending {
    /// Whether one of a table comes between segments with these first sequences: a segment made of them would lie on
    /// one side of it.
    pub fn parts(&self, table: TableId, firsts: impl Iterator<Item = Sequence> + Clone) -> bool {
        let mut of_table = self.0.iter().filter(|(other, _)| *other == table);
        of_table.any(|(_, sequence)| {
            let is_below = |first: Sequence| first <= *sequence;
            firsts.clone().any(is_below) && !firsts.clone().all(is_below)
        })
    }
}

/// All corrections that are not answered yet.
#[derive(Default)]
pub(crate) struct Corrections(Mutex<State>);

impl Corrections {
    pub fn push(&self, job: Job) {
        let mut state = self.0.lock();
        if job.keeps_ids() {
            state.holding.entry(job.table).or_default().push(job.sequence);
        }
        state.waiting.push_back(job);
    }

    /// The next correction: the first of its table, whose rows are all in segments and of whose table `may_begin`
    /// says so; and the moment that it is to look at, which is taken after it was sent.
    pub fn next(
        &self,
        moment: impl FnOnce() -> Arc<Published>,
        may_begin: impl Fn(TableId) -> bool,
    ) -> Option<(Job, Arc<Published>)> {
        let mut state = self.0.lock();
        let published = moment();
        let begins = |(at, job): (usize, &Job)| {
            let earlier = state.waiting.range(..at).any(|other| other.table == job.table);
            !earlier && job.is_flushed(&published) && may_begin(job.table)
        };
        let at = state.waiting.iter().enumerate().position(begins)?;
        let job = state.waiting.remove(at)?;
        state.working = Some((job.table, job.sequence));
        Some((job, published))
    }

    /// A moment, and the sequences of the corrections that have been sent and are not part of it. What comes after
    /// one of them is not hit by it.
    pub fn pending(&self, moment: impl FnOnce() -> Arc<Published>) -> (Arc<Published>, Pending) {
        let state = self.0.lock();
        let waiting = state.waiting.iter().map(|job| (job.table, job.sequence));
        (moment(), Pending(waiting.chain(state.working).collect()))
    }

    /// Puts one back whose segments are no longer those that it looked at.
    pub fn again(&self, job: Job) {
        let mut state = self.0.lock();
        state.working = None;
        state.waiting.push_front(job);
    }

    /// Hands one over to the flush task. One at a time.
    pub fn offer(&self, resolved: Resolved) {
        self.0.lock().resolved = Some(resolved);
    }

    pub fn take_offer(&self) -> Option<Resolved> {
        self.0.lock().resolved.take()
    }

    /// Whether the flush task has not yet taken the last one.
    pub fn is_offered(&self) -> bool {
        self.0.lock().resolved.is_some()
    }

    /// The table whose finished rewrites must wait.
    pub fn claimed(&self) -> Option<TableId> {
        self.0.lock().working.map(|(table, _)| table)
    }

    /// Whether memtables of the table with rows from `first` on must wait: a change that comes before them
    /// may write an id anew that they replace.
    pub fn holds(&self, table: TableId, first: Sequence) -> bool {
        let state = self.0.lock();
        let mut holding = state.holding.get(&table).into_iter().flatten();
        holding.any(|sequence| first > *sequence)
    }

    /// Answers a correction, which forbids nothing any more.
    pub fn finish(&self, job: Job, outcome: Result<Receipt>) {
        self.release(&job);
        // A caller that has left needs no answer.
        let _left = job.reply.send(outcome);
    }

    /// The rows of an erasure are gone; it is answered when their bytes are.
    pub fn finish_later(&self, job: Job, erasure: impl FnOnce(Job) -> Erasure) {
        self.release(&job);
        self.0.lock().erasures.push(erasure(job));
    }

    fn release(&self, job: &Job) {
        self.0.lock().working = None;
        self.release_hold(job);
    }

    fn release_hold(&self, job: &Job) {
        let mut state = self.0.lock();
        if let Some(holding) = state.holding.get_mut(&job.table) {
            holding.retain(|sequence| *sequence != job.sequence);
            if holding.is_empty() {
                state.holding.remove(&job.table);
            }
        }
    }

    /// Erasures under way, for the task to look after.
    pub fn take_erasures(&self) -> Vec<Erasure> {
        std::mem::take(&mut self.0.lock().erasures)
    }

    pub fn put_back(&self, erasure: Erasure) {
        self.0.lock().erasures.push(erasure);
    }

    /// Answers those that wait for a flush with its failure.
    pub fn fail_waiting(&self, published: &Published, error: &Error) {
        self.fail(error, |job| !job.is_flushed(published));
    }

    /// Answers all of them with an error.
    pub fn fail_all(&self, error: &Error) {
        let resolved = self.take_offer();
        if let Some(resolved) = resolved {
            self.finish(resolved.job, Err(error.duplicate()));
        }
        self.fail(error, |_| true);
        for erasure in self.take_erasures() {
            erasure.answer(Err(error.duplicate()));
        }
    }

    fn fail(&self, error: &Error, wanted: impl Fn(&Job) -> bool) {
        let mut failed = Vec::new();
        let mut state = self.0.lock();
        for job in std::mem::take(&mut state.waiting) {
            match wanted(&job) {
                true => failed.push(job),
                false => state.waiting.push_back(job),
            }
        }
        drop(state);
        for job in failed {
            self.release_hold(&job);
            let _left = job.reply.send(Err(error.duplicate()));
        }
    }
}
