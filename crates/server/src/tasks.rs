//! Every task and every blocking call of the server starts here.

use std::time::Duration;

use pulsora_model::{Code, Error, Result};
use pulsora_query::{Relief, Shortage};
use tokio::task::{JoinHandle, JoinSet};

use crate::allocator;
use crate::app::App;
use crate::memory;

/// Bodies and batches below this are handled on the I/O thread: handing them over costs more.
pub const INLINE_BYTES: usize = 64 << 10;

/// How often histograms are folded and the memory peak is looked at.
const UPKEEP: Duration = Duration::from_secs(1);

/// Runs `work`, which computes and does not wait, on a thread for parsers; at most one per core at a
/// time. The work goes on if the caller goes away.
///
/// # Errors
/// Those of `work`; `internal` when it panicked.
pub async fn compute<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let permit = app.parsers.clone().acquire_owned().await;
    let permit = permit.map_err(|_| Error::new(Code::Closed, "the server is shutting down"))?;
    blocking(move || {
        let result = work();
        drop(permit);
        result
    })
    .await
}

/// Runs `work`, which may wait for a disk or a peer, on a thread that may block.
///
/// # Errors
/// Those of `work`; `internal` when it panicked.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::internal(format!("a worker ended: {error}"))),
    }
}

/// Runs a future beside its caller; the caller's end does not end it.
pub fn detached<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    tokio::spawn(future)
}

/// Tasks that belong together; they are cut off when the group is dropped.
#[derive(Default)]
pub struct Group(JoinSet<()>);

impl Group {
    /// Starts one.
    pub fn start(&mut self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(future);
    }

    /// How many have not been seen to end.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns when one has ended; never while there is none.
    pub async fn one_ended(&mut self) {
        if self.0.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Returns when all have ended.
    pub async fn all_ended(&mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

/// Ends the largest query when memory runs out, until the app's last other holder is gone.
pub fn relief(app: &App) -> JoinHandle<()> {
    let app = app.clone();
    detached(async move {
        let mut shortage = Shortage::New;
        loop {
            tokio::time::sleep(memory::RELIEF_LOOK).await;
            let Ok(running) = app.running() else { continue };
            if !app.memory.is_exhausted() {
                shortage = Shortage::New;
                continue;
            }
            match running.queries.relieve(std::mem::replace(&mut shortage, Shortage::Lasting)) {
                Some(Relief::Answers(answers)) => {
                    tracing::warn!(answers, "memory is short: the result cache is emptied");
                }
                Some(Relief::Query(query)) => {
                    let (id, bytes) = (&*query.id, query.memory_bytes);
                    tracing::warn!(query_id = id, bytes, "memory is short: a query is cancelled");
                }
                None => {}
            }
            tokio::time::sleep(memory::RELIEF_PAUSE).await;
        }
    })
}

/// Keeps metrics small, the result cache free of what is of no use, and the memory peak honest, until the app's last other holder is gone.
pub fn upkeep(app: &App) -> JoinHandle<()> {
    let app = app.clone();
    detached(async move {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tick.tick().await;
            app.metrics.upkeep();
            if let Ok(running) = app.running() {
                running.queries.drop_outdated();
            }
            let allocated = allocator::allocated_bytes();
            if allocated > app.config.memory.limit {
                let anonymous = memory::resident().anonymous;
                tracing::warn!(allocated, anonymous, "memory is above memory.limit");
            }
        }
    })
}
