//! One named thread per task, parked on a condition variable between steps.
//!
//! Invariant: `woken` is set by every wake and cleared only by the wait it ends, both under the lock
//! of the task, so no wake falls between a step and its wait.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::helper::Helper;
use crate::tasks::{Step, TaskControl, TaskHandle, Tasks};

thread_local! {
    /// The helper of a thread that has joined before.
    static HELPER: RefCell<Option<Helper>> = const { RefCell::new(None) };
}

/// Tasks as threads.
pub(crate) struct RealTasks;

impl Tasks for RealTasks {
    fn spawn(&self, name: &str, task: Box<dyn FnMut() -> Step + Send>) -> TaskHandle {
        let control = Arc::new(Control::default());
        let inside = control.clone();
        let started = thread::Builder::new().name(name.to_owned()).spawn(move || inside.run(task));
        if let Err(error) = started {
            panic!("start the thread of task {name}: {error}");
        }
        TaskHandle::new(control)
    }

    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        // Taken, so that a join inside `b` starts another one.
        let kept = HELPER.with_borrow_mut(Option::take);
        let mut helper = match kept.map_or_else(Helper::start, Ok) {
            Ok(helper) => helper,
            Err(error) => panic!("start a thread to join: {error}"),
        };
        helper.join(a, b);
        HELPER.set(Some(helper));
    }

    fn pause(&self, time: Duration) {
        if !time.is_zero() {
            thread::sleep(time);
        }
    }
}

/// What a task and its handles share.
#[derive(Default)]
struct Control {
    state: Mutex<State>,
    /// Signalled at each wake and at the end.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    woken: bool,
    finished: bool,
    panicked: bool,
}

impl Control {
    /// The life of the thread.
    fn run(&self, mut task: Box<dyn FnMut() -> Step + Send>) {
        // The task is not touched again after a panic, so nobody sees what it left half-done.
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            loop {
                match task() {
                    Step::Again => {}
                    Step::Wait(time) => self.park(time),
                    Step::Done => break,
                }
            }
        }))
        .is_err();
        let mut state = self.state.lock();
        state.finished = true;
        state.panicked = panicked;
        self.changed.notify_all();
    }

    fn park(&self, time: Option<Duration>) {
        // A time too far away to be represented is no time at all.
        let until = time.and_then(|time| Instant::now().checked_add(time));
        let mut state = self.state.lock();
        while !state.woken {
            match until {
                Some(until) if self.changed.wait_until(&mut state, until).timed_out() => break,
                Some(_) => {}
                None => self.changed.wait(&mut state),
            }
        }
        state.woken = false;
    }
}

impl TaskControl for Control {
    fn wake(&self) {
        self.state.lock().woken = true;
        self.changed.notify_all();
    }

    fn is_finished(&self) -> bool {
        self.state.lock().finished
    }

    fn panicked(&self) -> bool {
        self.state.lock().panicked
    }

    fn wait_finished(&self) {
        let mut state = self.state.lock();
        while !state.finished {
            self.changed.wait(&mut state);
        }
    }
}
