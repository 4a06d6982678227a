//! A second thread kept beside a thread that calls [`crate::Tasks::join`] again and again.
//!
//! The commit owner joins once for each WAL group, so the cost is part of each acknowledgement. On
//! two cores an empty join took 3 µs (median of 8 runs of 5,000; one run took 31 µs), one with a
//! new scoped thread 45 µs, which is a good part of the sync of a fast disk. That pays for the
//! `unsafe` below.
//!
//! Invariants
//! - [`Helper::join`] returns, or passes on a panic, only after the helper has let go of `a`.
//! - A slot goes from `Idle` to `Work`, `Running`, `Done` and back; only the caller leaves `Idle` and
//!   `Done`, only the helper leaves `Work` and `Running`.

use std::any::Any;
use std::io;
use std::mem::{replace, transmute};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};

type Job = &'static mut (dyn FnMut() + Send);
type Outcome = Result<(), Box<dyn Any + Send>>;

/// The caller's end. Dropping it ends the thread.
pub(super) struct Helper(Arc<Shared>);

struct Shared {
    slot: Mutex<Slot>,
    /// Signalled at each change of the slot.
    changed: Condvar,
}

enum Slot {
    Idle,
    Work(Job),
    Running,
    Done(Outcome),
    Quit,
}

impl Helper {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the machine cannot start another thread.
    pub(super) fn start() -> io::Result<Helper> {
        let shared = Arc::new(Shared { slot: Mutex::new(Slot::Idle), changed: Condvar::new() });
        let inside = shared.clone();
        thread::Builder::new().name("join".to_owned()).spawn(move || inside.serve())?;
        Ok(Helper(shared))
    }

    /// Runs `a` on the helper and `b` here.
    pub(super) fn join(&mut self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        // SAFETY: only the lifetime changes. The helper uses the reference before `Done`
        // only; this function does not end before `wait` has seen `Done`, whatever `b` does,
        // and does not touch `a` meanwhile.
        let job = unsafe { transmute::<&mut (dyn FnMut() + Send), Job>(a) };
        self.0.set(Slot::Work(job));
        let b_outcome = catch_unwind(AssertUnwindSafe(b));
        let a_outcome = self.0.wait();
        for outcome in [b_outcome, a_outcome] {
            if let Err(panic) = outcome {
                resume_unwind(panic);
            }
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.0.set(Slot::Quit);
    }
}

impl Shared {
    fn set(&self, slot: Slot) {
        *self.slot.lock() = slot;
        self.changed.notify_all();
    }

    /// Waits for the outcome of the job.
    fn wait(&self) -> Outcome {
        let mut slot = self.slot.lock();
        loop {
            match replace(&mut *slot, Slot::Idle) {
                Slot::Done(outcome) => return outcome,
                other => *slot = other,
            }
            self.changed.wait(&mut slot);
        }
    }

    /// Waits for a job; `None` is the end.
    fn next(&self) -> Option<Job> {
        let mut slot = self.slot.lock();
        loop {
            match replace(&mut *slot, Slot::Running) {
                Slot::Work(job) => return Some(job),
                Slot::Quit => return None,
                other => *slot = other,
            }
            self.changed.wait(&mut slot);
        }
    }

    /// The life of the helper.
    fn serve(&self) {
        while let Some(job) = self.next() {
            let outcome = catch_unwind(AssertUnwindSafe(job));
            self.set(Slot::Done(outcome));
        }
    }
}
