//! The end of an erasure: its rows are gone for readers, now their bytes leave the disk.
//!
//! Where bytes of a row may be: in the objects of segments that held it (rewritten, then removed when
//! the last snapshot ends), in outputs of rewrites that began before (discarded when they end), in log
//! files up to the one that was open (removed once everything in them is in segments), in manifest files
//! (tag values in bounds of removed segments; replaced by a checkpoint). All of them are looked for by name
//! at the end.
//!
//! Not responsible for what the file system keeps of removed files, nor for copies made elsewhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use pulsora_model::{Error, Result, SegmentId, TableId};
use tokio::sync::oneshot;

use super::remains::{objects, remains};
use crate::engine::{Receipt, Shared};
use crate::segment::SegmentMeta;

/// An erasure whose rows are gone.
pub(crate) struct Erasure {
    table: TableId,
    /// How many had been committed with it.
    number: u64,
    /// Objects that hold bytes of its rows.
    objects: BTreeSet<String>,
    /// The last log file that may.
    log_through: u64,
    /// The manifest's last edit that may, once no segment does: a checkpoint replaces it.
    edit_through: Option<u64>,
    /// Whether `objects` has those that hold bytes of segments which no version names any more.
    knows_all: bool,
    /// The segments that have been asked to be rewritten for it.
    demanded: BTreeSet<SegmentId>,
    receipt: Receipt,
    reply: oneshot::Sender<Result<Receipt>>,
}

impl Erasure {
    /// Begins when an edit, that of the `number`-th erasure of this process, has taken the last rows from
    /// `segments` of a table: those that the erasure has hit, and all others that have lost rows.
    pub fn new<'a>(
        (table, number): (TableId, u64),
        segments: impl Iterator<Item = &'a Arc<SegmentMeta>>,
        log_through: u64,
        receipt: Receipt,
        reply: oneshot::Sender<Result<Receipt>>,
    ) -> Erasure {
        Erasure {
            table,
            number,
            objects: segments.flat_map(|meta| meta.objects()).map(str::to_owned).collect(),
            log_through,
            edit_through: None,
            knows_all: false,
            demanded: BTreeSet::new(),
            receipt,
            reply,
        }
    }

    /// Moves on; says whether nothing is left.
    ///
    /// # Errors
    /// `io_error` when the disk cannot be looked at.
    pub fn advance(&mut self, shared: &Shared) -> Result<bool> {
        let published = shared.published.load();
        if !std::mem::replace(&mut self.knows_all, true) {
            self.objects.extend(remains(&*shared.store, &published.version, self.table)?);
        }
        let segments = published.version.segments();
        let held: BTreeSet<SegmentId> = segments
            .filter(|segment| segment.meta.objects().any(|object| self.objects.contains(object)))
            .map(|segment| segment.meta.id)
            .collect();
        if held != self.demanded {
            shared.demands.replace(&self.demanded, &held);
            self.demanded = held;
            shared.wake_compaction();
        }
        if let Some(error) = shared.demands.failure(&self.demanded) {
            return Err(error.context("the rows are deleted; their bytes are still there"));
        }
        if !self.demanded.is_empty() || self.is_being_rewritten(shared) {
            return Ok(false);
        }
        let edit_through = *self.edit_through.get_or_insert(published.version.number);
        if !shared.checkpoints.reaches(edit_through) {
            shared.wake_flush();
            return Ok(false);
        }
        if shared.wal_files.lock().iter().any(|file| file.number <= self.log_through) {
            return Ok(false);
        }
        self.objects_are_gone(shared)
    }

    /// Whether a rewrite is under way that may have read its rows.
    fn is_being_rewritten(&self, shared: &Shared) -> bool {
        let mut running = shared.jobs.running().into_iter();
        running.any(|job| job.plan.table == self.table && job.erasures < self.number)
    }

    fn objects_are_gone(&self, shared: &Shared) -> Result<bool> {
        let objects = objects(&*shared.store)?;
        Ok(!objects.iter().any(|(name, _)| self.objects.contains(name)))
    }

    /// Answers it, after what it demanded is taken back.
    pub fn end(self, shared: &Shared, error: Option<Error>) {
        shared.demands.replace(&self.demanded, &BTreeSet::new());
        let outcome = error.map_or(Ok(self.receipt), Err);
        self.answer(outcome);
    }

    /// Answers it.
    pub fn answer(self, outcome: Result<Receipt>) {
        // A caller that has left needs no answer.
        let _left = self.reply.send(outcome);
    }
}
