//! What all requests share: configuration, metrics, memory guard, and the engine once it is open.
//!
//! Invariant: before the engine is open, [`App::running`] answers `not_ready` and nothing else of a
//! request is looked at.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pulsora_env::Env;
use pulsora_model::{Code, Error, Result};
use pulsora_query::QueryEngine;
use pulsora_storage::Engine;
use tokio::sync::Semaphore;

use crate::clients::Clients;
use crate::config::Config;
use crate::memory::MemoryGuard;
use crate::metrics::Metrics;

/// What all requests share. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// Behind [`App`].
pub struct Shared {
    /// The effective configuration.
    pub config: Config,
    /// Clock and random numbers.
    pub env: Env,
    /// Counters and histograms of the server.
    pub metrics: Metrics,
    /// Lets new work in while there is memory.
    pub memory: MemoryGuard,
    /// Bytes that each client has on their way.
    pub clients: Arc<Clients>,
    /// Bounds parsers that run at the same time: one per core, since they only compute.
    pub parsers: Arc<Semaphore>,
    running: OnceLock<Running>,
    started_ns: u64,
}

/// The open engine and what reads it.
#[derive(Clone)]
pub struct Running {
    /// Writes, flushes, snapshots.
    pub engine: Engine,
    /// SQL, and the pool that scans run on.
    pub queries: Arc<QueryEngine>,
}

impl App {
    /// An app whose engine is not open yet.
    pub fn new(config: Config, env: Env) -> App {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        App(Arc::new(Shared {
            memory: MemoryGuard::new(config.memory.limit),
            clients: Arc::new(Clients::new(config.ingest.client_bytes)),
            metrics: Metrics::new(),
            parsers: Arc::new(Semaphore::new(cores.max(2))),
            running: OnceLock::new(),
            started_ns: env.clock.monotonic_ns(),
            config,
            env,
        }))
    }

    /// The engine is open: requests are let in from now on.
    pub fn run(&self, running: Running) {
        let first = self.0.running.set(running).is_ok();
        debug_assert!(first, "the engine is opened once");
    }

    /// The engine and what reads it.
    ///
    /// # Errors
    /// `not_ready` until the engine is open.
    pub fn running(&self) -> Result<&Running> {
        self.0.running.get().ok_or_else(|| {
            Error::new(
                Code::NotReady,
                format!("the server has been recovering for {:.1} s", self.uptime().as_secs_f64()),
            )
            .hint("GET /ready answers 200 once recovery is done")
        })
    }

    /// Time since the start.
    pub fn uptime(&self) -> Duration {
        Duration::from_nanos(self.env.clock.monotonic_ns().saturating_sub(self.0.started_ns))
    }
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
