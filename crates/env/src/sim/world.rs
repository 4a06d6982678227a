//! One simulated world: clock, disk and scheduler that follow from one seed.

use std::sync::Arc;

use fastrand::Rng;

use super::clock::{SimClock, SimRandom};
use super::disk::SimFiles;
use super::tasks::SimTasks;
use super::trace::Trace;
use crate::Env;

/// Where a simulated test starts. The engine gets [`Simulation::env`]; the test keeps the rest.
pub struct Simulation {
    /// Moves time.
    pub clock: Arc<SimClock>,
    /// Random numbers for the engine.
    pub random: Arc<SimRandom>,
    /// The disk: crashes and faults.
    pub files: SimFiles,
    /// Runs tasks.
    pub tasks: SimTasks,
    trace: Arc<Trace>,
}

impl Simulation {
    /// An empty disk at the start of time. Equal seeds and equal calls give equal worlds.
    pub fn new(seed: u64) -> Simulation {
        let mut rng = Rng::with_seed(seed);
        let clock = Arc::new(SimClock::new());
        let trace = Arc::new(Trace::default());
        Simulation {
            random: Arc::new(SimRandom::new(rng.fork())),
            files: SimFiles::new(rng.fork(), clock.clone(), trace.clone()),
            tasks: SimTasks::new(rng.fork(), clock.clone(), trace.clone()),
            clock,
            trace,
        }
    }

    /// The world as one process sees it. It and every handle from it fail for ever after a crash or
    /// a restart: take a new one for the next process.
    pub fn env(&self) -> Env {
        Env {
            clock: self.clock.clone(),
            random: self.random.clone(),
            files: self.files.mount(),
            tasks: Arc::new(self.tasks.clone()),
        }
    }

    /// Cuts the power (if that has not happened yet), drops all tasks, and starts the machine again
    /// with what the disk has kept.
    pub fn restart(&self) {
        self.files.crash();
        self.tasks.clear();
        self.files.restart();
    }

    /// Kills the process: all tasks and handles are gone, but what was written is still there, and
    /// what was not synced can still be lost by a later crash.
    pub fn restart_after_kill(&self) {
        self.files.crash();
        self.tasks.clear();
        self.files.restart_after_kill();
    }

    /// A hash of every file operation and every step so far, in order.
    pub fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }
}
