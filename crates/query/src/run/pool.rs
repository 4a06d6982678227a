//! The threads on which queries compute, and the clock beside them.
//!
//! Invariants: no thread of the pool waits for a client; an answer comes at its deadline whatever the pool does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pulsora_model::{Code, Error, Result};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::queue::SlotQueue;
use crate::options::QueryOptions;
use crate::queries::Query;

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
    queue: Arc<SlotQueue>,
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
    fn past(&self, deadline: Instant) -> Pin<Box<Sleep>> {
        let _clock = self.clock.enter();
        Box::pin(sleep_until(deadline + CLOCK_GRACE))
    }

    /// Why a query ends early, once it has to: a moment after its deadline, or when it is told to stop. May be polled
    /// anywhere.
    pub(crate) fn early_end(&self, query: &Query) -> Pin<Box<dyn Future<Output = Error> + Send>> {
        let (past, stopped) = (self.past(query.deadline), query.flag.clone().stopped());
        Box::pin(async move {
            tokio::select! {
                biased;
                why = stopped => why,
                () = past => timed_out(),
            }
        })
    }

    /// Runs `work` of a query on the pool until it has to end; dropping the returned future cancels it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        query: &Query,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let mut task = AbortOnDrop(self.pool.spawn(work));
        tokio::select! {
            biased;
            ended = &mut task.0 => match ended {
                Ok(outcome) => outcome,
                Err(ended) => Err(ended_early(&ended)),
            },
            why = self.early_end(query) => Err(why),
        }
    }
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
            queue: Arc::new(SlotQueue::new(size, options.queue)),
        })
    }

    /// Where slots are given out.
    pub(crate) fn queue(&self) -> &Arc<SlotQueue> {
        &self.queue
    }

    pub(crate) fn threads(&self) -> &Threads {
        &self.threads
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
