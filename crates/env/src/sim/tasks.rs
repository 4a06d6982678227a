//! Simulated tasks: one thread, one step at a time, in an order drawn from the seed.
//!
//! Invariant: the lock is never held while a step runs or a task is dropped, so both may start and
//! wake tasks.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;

use super::clock::SimClock;
use super::trace::{Trace, hash_bytes};
use crate::clock::Clock;
use crate::tasks::{Step, TaskControl, TaskHandle, Tasks};

/// Steps after which waiting for a task is taken for an endless loop.
const WAIT_STEPS_MAX: u64 = 10_000_000;

/// Most steps of others during a pause: enough for a group to be written and a flush to end.
const PAUSE_STEPS_MAX: u64 = 3;

type Run = Box<dyn FnMut() -> Step + Send>;

/// The scheduler. Nothing runs until one of its `run` methods is called.
#[derive(Clone)]
pub struct SimTasks {
    state: Arc<Mutex<State>>,
    clock: Arc<SimClock>,
    trace: Arc<Trace>,
}

struct State {
    rng: Rng,
    next_id: u64,
    tasks: BTreeMap<u64, Task>,
    /// Names and numbers of the tasks that panicked.
    panicked: BTreeMap<u64, String>,
    /// How many steps are on the stack.
    depth: usize,
}

struct Task {
    name: String,
    /// Absent while its step runs.
    run: Option<Run>,
    wait: Wait,
    woken: bool,
}

#[derive(Clone, Copy)]
enum Wait {
    No,
    Until(u64),
    ForEver,
}

impl SimTasks {
    pub(super) fn new(rng: Rng, clock: Arc<SimClock>, trace: Arc<Trace>) -> SimTasks {
        let state =
            State { rng, next_id: 0, tasks: BTreeMap::new(), panicked: BTreeMap::new(), depth: 0 };
        SimTasks { state: Arc::new(Mutex::new(state)), clock, trace }
    }

    /// Steps one of the tasks that can run now; false if there is none.
    pub fn run_one(&self) -> bool {
        let now = self.clock.monotonic_ns();
        let Some((id, mut run)) = self.state.lock().take_runnable(now) else {
            return false;
        };
        self.trace.fold(&[id]);
        // A task that panics is not touched again.
        let step = catch_unwind(AssertUnwindSafe(&mut run));
        let now = self.clock.monotonic_ns();
        let ended = self.state.lock().put_back(id, run, step.ok(), now);
        drop(ended);
        true
    }

    /// Steps tasks until none can run, or `steps_max` steps are done; returns how many were done.
    pub fn run_until_idle(&self, steps_max: u64) -> u64 {
        (0..steps_max).take_while(|_| self.run_one()).count() as u64
    }

    /// When the first parked task wants to run, in monotonic nanoseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        let state = self.state.lock();
        let waits = state.tasks.values().filter_map(|task| match task.wait {
            Wait::Until(deadline) => Some(deadline),
            Wait::No | Wait::ForEver => None,
        });
        waits.min()
    }

    /// Drops all tasks, as the end of a process does. They count as finished.
    pub fn clear(&self) {
        let tasks = std::mem::take(&mut self.state.lock().tasks);
        drop(tasks);
    }

    /// Names of the tasks that panicked since the start, in the order they were spawned.
    pub fn panicked(&self) -> Vec<String> {
        self.state.lock().panicked.values().cloned().collect()
    }

    /// Runs tasks, letting time pass when all are parked, until `id` is finished.
    fn run_until_finished(&self, id: u64) {
        for _ in 0..WAIT_STEPS_MAX {
            let name = match self.state.lock().tasks.get(&id) {
                Some(task) => task.name.clone(),
                None => return,
            };
            if self.run_one() {
                continue;
            }
            let Some(deadline) = self.next_deadline() else {
                panic!("deadlock: task {name} is waited for, and every task is parked for ever");
            };
            let now = self.clock.monotonic_ns();
            self.clock.advance(deadline.saturating_sub(now));
        }
        panic!("a task was not finished after {WAIT_STEPS_MAX} steps");
    }
}

impl State {
    /// Takes a random runnable task out for a step.
    fn take_runnable(&mut self, now: u64) -> Option<(u64, Run)> {
        let runnable: Vec<u64> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.run.is_some() && task.is_due(now))
            .map(|(id, _)| *id)
            .collect();
        let id = self.rng.choice(runnable)?;
        let task = self.tasks.get_mut(&id)?;
        if !matches!(task.wait, Wait::No) {
            // Only a wait uses up a wake.
            task.woken = false;
        }
        task.wait = Wait::No;
        self.depth += 1;
        task.run.take().map(|run| (id, run))
    }

    /// Parks or ends a task after a step (`None`: it panicked). Returns it if it has ended.
    fn put_back(&mut self, id: u64, run: Run, step: Option<Step>, now: u64) -> Option<Run> {
        self.depth -= 1;
        let Some(task) = self.tasks.get_mut(&id) else {
            // Cleared during its own step.
            return Some(run);
        };
        task.wait = match step {
            Some(Step::Again) => Wait::No,
            Some(Step::Wait(None)) => Wait::ForEver,
            Some(Step::Wait(Some(time))) => Wait::Until(now.saturating_add(nanos(time))),
            Some(Step::Done) | None => {
                let task = self.tasks.remove(&id)?;
                if step.is_none() {
                    self.panicked.insert(id, task.name);
                }
                return Some(run);
            }
        };
        task.run = Some(run);
        None
    }
}

impl Task {
    fn is_due(&self, now: u64) -> bool {
        self.woken
            || match self.wait {
                Wait::No => true,
                Wait::Until(deadline) => deadline <= now,
                Wait::ForEver => false,
            }
    }
}

impl Tasks for SimTasks {
    fn spawn(&self, name: &str, task: Box<dyn FnMut() -> Step + Send>) -> TaskHandle {
        self.trace.fold(&[hash_bytes(name.as_bytes())]);
        let mut state = self.state.lock();
        let id = state.next_id;
        state.next_id += 1;
        let task = Task { name: name.to_owned(), run: Some(task), wait: Wait::No, woken: false };
        state.tasks.insert(id, task);
        TaskHandle::new(Arc::new(Control { tasks: self.clone(), id }))
    }

    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        let a_first = self.state.lock().rng.bool();
        if a_first {
            a();
            b();
        } else {
            b();
            a();
        }
    }

    /// Steps others a few times: the caller's own step is on the stack, so it is not among them.
    fn pause(&self, time: Duration) {
        self.clock.advance(nanos(time));
        let steps = self.state.lock().rng.u64(0..=PAUSE_STEPS_MAX);
        self.run_until_idle(steps);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A task as its handle sees it.
struct Control {
    tasks: SimTasks,
    id: u64,
}

impl TaskControl for Control {
    fn wake(&self) {
        if let Some(task) = self.tasks.state.lock().tasks.get_mut(&self.id) {
            task.woken = true;
        }
    }

    fn is_finished(&self) -> bool {
        !self.tasks.state.lock().tasks.contains_key(&self.id)
    }

    fn panicked(&self) -> bool {
        self.tasks.state.lock().panicked.contains_key(&self.id)
    }

    fn wait_finished(&self) {
        let inside_a_step = self.tasks.state.lock().depth > 0;
        if !inside_a_step {
            self.tasks.run_until_finished(self.id);
        }
    }
}
