//! The trait of background work: a task is a function that is stepped until it says it is done.
//!
//! Steps instead of threads let a simulation run every task on one thread in an order it chooses.
//!
//! Invariants
//! - A wake is never lost: one that comes before or during a step makes the next
//!   [`Step::Wait`] return at once.
//! - A task that panics counts as finished, with [`TaskHandle::panicked`] set.
//! - What a task owns is dropped before it counts as finished.

use std::sync::Arc;
use std::time::Duration;

/// What a task wants after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Run again at once.
    Again,
    /// Park until woken or until the time has passed; `None` parks until woken.
    Wait(Option<Duration>),
    /// Finished; the task is dropped.
    Done,
}

/// Starts work beside the caller.
pub trait Tasks: Send + Sync {
    /// Starts `task` under `name` (shown in thread lists and simulation reports).
    ///
    /// # Panics
    /// If the machine cannot start another thread: tasks start with the engine, which could not work
    /// without them.
    fn spawn(&self, name: &str, task: Box<dyn FnMut() -> Step + Send>) -> TaskHandle;

    /// Runs both, at the same time where possible, and returns when both have returned. The caller
    /// runs `b`, another thread `a`. A panic in either is passed on.
    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send));

    /// Lets others work for `time` in the middle of a long step; called from a task. A wake does not
    /// end it, so callers keep it short. In a simulation other tasks may be stepped meanwhile, even
    /// when `time` is zero.
    fn pause(&self, time: Duration);
}

/// The implementation behind a [`TaskHandle`].
pub trait TaskControl: Send + Sync {
    /// See [`TaskHandle::wake`].
    fn wake(&self);
    /// See [`TaskHandle::is_finished`].
    fn is_finished(&self) -> bool;
    /// See [`TaskHandle::panicked`].
    fn panicked(&self) -> bool;
    /// See [`TaskHandle::wait_finished`].
    fn wait_finished(&self);
}

/// A started task. Dropping the handle does not stop the task.
#[derive(Clone)]
pub struct TaskHandle(Arc<dyn TaskControl>);

impl TaskHandle {
    /// A handle on what an implementation of [`Tasks`] has started.
    pub fn new(control: Arc<dyn TaskControl>) -> TaskHandle {
        TaskHandle(control)
    }

    /// Ends the present or the next [`Step::Wait`] of the task.
    pub fn wake(&self) {
        self.0.wake();
    }

    /// Whether the task said [`Step::Done`] or panicked.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// Whether the task ended by a panic.
    pub fn panicked(&self) -> bool {
        self.0.panicked()
    }

    /// Returns when the task is finished; blocks the thread in the real world. A task must not wait
    /// for itself. In a simulation it runs the other tasks, or does nothing inside a step.
    pub fn wait_finished(&self) {
        self.0.wait_finished();
    }
}
