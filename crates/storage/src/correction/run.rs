//! The correction task: one correction after the other, from its rows to what the flush task commits;
//! then erasures, until their bytes are gone.
//!
//! Not paced: somebody waits for it.
//!
//! Invariant: a correction is answered once, whatever happens.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pulsora_env::Step;
use pulsora_model::{Code, Error, Result, SegmentId};

use super::queue::{Job, Resolved};
use super::resolve::{Found, Resolver};
use crate::engine::Shared;
use crate::read::Published;

/// How often erasures are looked at: what they wait for may end with the last reader of a segment.
const TICK: Duration = Duration::from_millis(50);

/// The state of the correction task.
pub(crate) struct Corrector {
    shared: Arc<Shared>,
}

impl Corrector {
    pub fn new(shared: Arc<Shared>) -> Corrector {
        Corrector { shared }
    }

    /// One step of the task: at most one correction.
    pub fn step(&mut self) -> Step {
        let corrections = &self.shared.corrections;
        if self.shared.closing.load(Ordering::Acquire) {
            corrections.fail_all(&Error::new(Code::Closed, "the server is shutting down"));
            self.shared.wake_flush();
            return Step::Done;
        }
        if let Err(error) = self.shared.check_writable() {
            corrections.fail_all(&error);
            return Step::Wait(None);
        }
        let erasing = self.look_after_erasures();
        let wait = Step::Wait(erasing.then_some(TICK));
        if corrections.is_offered() {
            return wait;
        }
        // Rewrites that have ended come first, else corrections in a row would keep them for ever.
        let may_begin = |table| !self.shared.handover.has_offer_of(table);
        match corrections.next(|| self.shared.published.load_full(), may_begin) {
            Some((job, published)) => self.work(job, &published.of_segments()),
            None => wait,
        }
    }

    fn work(&self, job: Job, published: &Published) -> Step {
        // A panic is a defect of a reader, a test or a change; other corrections are not concerned.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.resolve(&job, published)))
            .unwrap_or_else(|_| Err(Error::internal("it broke an invariant of the engine")));
        match outcome {
            Ok(Found { rows, bitmaps, removed, added }) => {
                let looked_at = below(published, &job);
                let resolved = Resolved { job, looked_at, rows, bitmaps, removed, added };
                self.shared.corrections.offer(resolved);
            }
            Err(error) => {
                let name = job.schema.name.clone();
                let error = error.context(format!("correction of table {:?}", &*name));
                self.shared.corrections.finish(job, Err(error));
            }
        }
        self.shared.wake_flush();
        self.shared.wake_compaction();
        Step::Again
    }

    fn resolve(&self, job: &Job, published: &Published) -> Result<Found> {
        let catalog = &published.catalog;
        let owner = catalog.table_by_id(job.table).map(|schema| schema.database);
        let database = owner.and_then(|database| catalog.database_name(database));
        let gone = || Error::new(Code::TableNotFound, "the table was dropped meanwhile");
        Resolver::new(&self.shared, job, catalog, database.ok_or_else(gone)?)?.resolve(published)
    }

    /// Moves erasures on; says whether some are left.
    fn look_after_erasures(&self) -> bool {
        let mut left = false;
        for mut erasure in self.shared.corrections.take_erasures() {
            match erasure.advance(&self.shared) {
                Ok(false) => {
                    self.shared.corrections.put_back(erasure);
                    left = true;
                }
                Ok(true) => erasure.end(&self.shared, None),
                Err(error) => erasure.end(&self.shared, Some(error)),
            }
        }
        left
    }
}

/// The segments that hold rows which a correction may hit.
pub(crate) fn below(published: &Published, job: &Job) -> Vec<SegmentId> {
    let segments = published.version.table(job.table).iter();
    let below = segments.filter(|segment| segment.meta.first <= job.sequence);
    below.map(|segment| segment.meta.id).collect()
}
