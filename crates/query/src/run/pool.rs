//! Threads, the slots that bound how many requests use them at once, and the queue for a slot.
//!
//! Invariants: a slot is held from before planning until the last batch is taken, the request is
//! dropped or its deadline passes and its operators have looked up; no thread of the pool waits for a
//! client; an answer comes at its deadline whatever the pool does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pulsora_model::{Code, Error, Result};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use crate::options::{QUEUE_PER_SLOT, QueryOptions};

/// Stack of a pool thread: planning recurses with the depth of the statement.
const STACK_BYTES: usize = 8 << 20;

/// Threads for blocking batches beyond one per slot, so that a scan of many streams is not starved.
const BLOCKING_THREADS_SPARE: usize = 4;

/// How much later than a deadline the clock acts: the query's own end at its deadline says more.
const CLOCK_GRACE: Duration = Duration::from_millis(50);

/// The pool.
pub(crate) struct Pool {
    /// Present until the pool is dropped: the threads that compute, and the one that only keeps time.
    runtimes: Option<[Runtime; 2]>,
    threads: Threads,
    slots: Arc<Semaphore>,
    figures: Arc<Figures>,
    size: usize,
}

/// The threads that compute, and the clock beside them: an operator may compute for long without
/// looking up, on every thread, and the deadline must pass all the same.
#[derive(Clone)]
pub(crate) struct Threads {
    pub(crate) pool: Handle,
    clock: Handle,
}

impl Threads {
    /// Ends a moment after `deadline`, however busy the pool is. May be polled anywhere.
    pub(crate) fn past(&self, deadline: Instant) -> Pin<Box<Sleep>> {
        let _clock = self.clock.enter();
        Box::pin(sleep_until(deadline + CLOCK_GRACE))
    }

    /// Runs `work` on the pool until a moment after `deadline`; dropping the returned future cancels
    /// it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let mut task = AbortOnDrop(self.pool.spawn(work));
        tokio::select! {
            biased;
            ended = &mut task.0 => match ended {
                Ok(outcome) => outcome,
                Err(ended) => Err(ended_early(&ended)),
            },
            () = self.past(deadline) => Err(timed_out()),
        }
    }
}

/// Figures of the pool; times are sums in microseconds.
#[derive(Default)]
struct Figures {
    active: AtomicU64,
    active_peak: AtomicU64,
    waiting: AtomicU64,
    waiting_peak: AtomicU64,
    started: AtomicU64,
    finished: AtomicU64,
    refused: AtomicU64,
    wait_us: AtomicU64,
    execution_us: AtomicU64,
}

/// One moment's figures of the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PoolStats {
    /// Slots.
    pub pool_size: usize,
    /// Slots in use, and the most ever.
    pub active: u64,
    pub active_peak: u64,
    /// Slots that are free.
    pub idle: u64,
    /// Requests waiting for a slot, and the most ever.
    pub queue_depth: u64,
    pub queue_depth_peak: u64,
    /// Requests that got a slot; those whose slot is free again; those that were refused.
    pub started: u64,
    pub finished: u64,
    pub refused: u64,
    /// Mean wait for a slot, milliseconds.
    pub avg_wait_ms: f64,
    /// Mean time a slot was held, milliseconds.
    pub avg_execution_ms: f64,
}

impl Pool {
    /// # Errors
    /// `io_error` when threads cannot be started.
    pub(crate) fn new(options: &QueryOptions) -> Result<Pool> {
        let threads = options.threads.max(1);
        let size = options.concurrency.max(1);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(size.max(threads) + BLOCKING_THREADS_SPARE)
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()
            .map_err(|error| Error::io("starting the query pool", error))?;
        let clock = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("query-clock")
            .enable_time()
            .build()
            .map_err(|error| Error::io("starting the clock of the query pool", error))?;
        Ok(Pool {
            threads: Threads { pool: runtime.handle().clone(), clock: clock.handle().clone() },
            runtimes: Some([runtime, clock]),
            slots: Arc::new(Semaphore::new(size)),
            figures: Arc::default(),
            size,
        })
    }

    /// What [`Pool::slot`] needs, for work that runs on the pool.
    pub(crate) fn door(&self) -> Door {
        Door {
            slots: Arc::clone(&self.slots),
            figures: Arc::clone(&self.figures),
            queue_max: (self.size * QUEUE_PER_SLOT) as u64,
        }
    }

    pub(crate) fn threads(&self) -> &Threads {
        &self.threads
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let mean_ms =
            |sum: &AtomicU64, n: u64| if n == 0 { 0.0 } else { of(sum) as f64 / n as f64 / 1e3 };
        let figures = &self.figures;
        let active = of(&figures.active);
        PoolStats {
            pool_size: self.size,
            active,
            active_peak: of(&figures.active_peak),
            idle: (self.size as u64).saturating_sub(active),
            queue_depth: of(&figures.waiting),
            queue_depth_peak: of(&figures.waiting_peak),
            started: of(&figures.started),
            finished: of(&figures.finished),
            refused: of(&figures.refused),
            avg_wait_ms: mean_ms(&figures.wait_us, of(&figures.started)),
            avg_execution_ms: mean_ms(&figures.execution_us, of(&figures.finished)),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Dropping a runtime waits for its threads, which is not allowed inside another runtime.
        for runtime in self.runtimes.take().into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}

/// Where slots are given out.
#[derive(Clone)]
pub(crate) struct Door {
    slots: Arc<Semaphore>,
    figures: Arc<Figures>,
    queue_max: u64,
}

impl Door {
    /// A slot, after waiting for one if need be.
    ///
    /// # Errors
    /// `overloaded` when the queue is full, `timeout` when the deadline passes first.
    pub(crate) async fn slot(&self, deadline: Instant) -> Result<Slot> {
        if let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(Slot::new(permit, &self.figures, Duration::ZERO));
        }
        let arrived = Instant::now();
        let Some(_waiting) = Waiting::enter(&self.figures, self.queue_max) else {
            self.figures.refused.fetch_add(1, Ordering::Relaxed);
            let message = format!("{} queries wait already", self.queue_max);
            return Err(Error::new(Code::Overloaded, message).hint("try again in a moment"));
        };
        match timeout_at(deadline, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Slot::new(permit, &self.figures, arrived.elapsed())),
            Ok(Err(_)) => Err(Error::new(Code::Closed, "the query pool has ended")),
            Err(_) => Err(Error::new(
                Code::Timeout,
                "the query waited for a free slot until its deadline",
            )
            .hint("try again, or give it more time with timeout_ms")),
        }
    }
}

/// A request in the queue.
struct Waiting(Arc<Figures>);

impl Waiting {
    fn enter(figures: &Arc<Figures>, max: u64) -> Option<Waiting> {
        let before = figures.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(Arc::clone(figures));
        if before >= max {
            return None;
        }
        figures.waiting_peak.fetch_max(before + 1, Ordering::Relaxed);
        Some(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to run; given back when dropped.
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
    figures: Arc<Figures>,
    began: Instant,
}

impl Slot {
    fn new(permit: OwnedSemaphorePermit, figures: &Arc<Figures>, waited: Duration) -> Slot {
        let active = figures.active.fetch_add(1, Ordering::Relaxed) + 1;
        figures.active_peak.fetch_max(active, Ordering::Relaxed);
        figures.started.fetch_add(1, Ordering::Relaxed);
        figures.wait_us.fetch_add(waited.as_micros() as u64, Ordering::Relaxed);
        Slot { _permit: permit, figures: Arc::clone(figures), began: Instant::now() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let held = self.began.elapsed().as_micros() as u64;
        self.figures.active.fetch_sub(1, Ordering::Relaxed);
        self.figures.finished.fetch_add(1, Ordering::Relaxed);
        self.figures.execution_us.fetch_add(held, Ordering::Relaxed);
    }
}

/// Tells blocking work that nobody waits for it any more.
#[derive(Clone, Debug, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Whether the work should end.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// `cancelled` when the work should end.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::new(Code::Cancelled, "the request was cancelled"));
        }
        Ok(())
    }

    /// Sets the flag when the returned guard is dropped.
    pub(crate) fn on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }
}

/// See [`CancelFlag::on_drop`].
pub(crate) struct CancelOnDrop(CancelFlag);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// A task that ends with its handle.
pub(crate) struct AbortOnDrop<T>(pub(crate) JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// `timeout` of a running query.
pub(crate) fn timed_out() -> Error {
    Error::new(Code::Timeout, "the query did not end before its deadline")
        .hint("narrow the time range, or give it more time with timeout_ms")
}

/// A task of the pool ended without an answer.
pub(crate) fn ended_early(ended: &tokio::task::JoinError) -> Error {
    if ended.is_cancelled() {
        return Error::new(Code::Closed, "the query pool has ended");
    }
    tracing::error!(error = %ended, "a query panicked");
    Error::internal("the query ended early")
}
