//! Runs a fold: its tasks side by side on threads that may wait for a disk, then what brings them
//! together. When nobody waits any more the tasks end at their next look.
//!
//! A fold that looks small is tried on the thread that asks for it: to hand it over would take longer
//! than to answer it. If it takes too long all the same, it is started again where it may take long.

use std::cell::Cell;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use pulsora_model::Result;
use pulsora_storage::{Fold, FoldPart, FoldPlan, FoldTask};

use crate::queries::CancelFlag;
use crate::run::ended_early;

/// How long a fold may take the thread that asks for it: some ten times what it costs to hand work
/// over, and nothing that another query would notice.
const AT_ONCE: Duration = Duration::from_millis(2);

/// Rows that are folded in that time in any case.
const AT_ONCE_ROWS: u64 = 100_000;

/// So few values of a tag leave few series, however many rows their segments have.
const AT_ONCE_TAGS: usize = 16;

/// Whether it is worth trying to fold at once.
pub(super) fn looks_small(fold: &Fold, plan: &FoldPlan) -> bool {
    plan.tasks.iter().map(FoldTask::rows_about).sum::<u64>() <= AT_ONCE_ROWS
        || fold.tags.iter().any(|tag| tag.values.len() <= AT_ONCE_TAGS)
}

/// The rows of a fold, on this thread; `None` when it took too long.
///
/// # Errors
/// What the tasks report.
pub(super) fn at_once(mut plan: FoldPlan) -> Result<Option<Vec<RecordBatch>>> {
    let began = Instant::now();
    let late = Cell::new(false);
    let is_late = || {
        late.set(late.get() || began.elapsed() > AT_ONCE);
        late.get()
    };
    let mut parts = Vec::new();
    for task in std::mem::take(&mut plan.tasks) {
        match task.run(&is_late) {
            Ok(part) => parts.push(part),
            Err(_) if late.get() => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    plan.finish(parts).map(Some)
}

/// The rows of a fold. Must be polled inside the query pool's runtime.
///
/// # Errors
/// What the tasks report; `cancelled`.
pub(super) async fn run(
    mut plan: FoldPlan,
    threads: usize,
    query: &CancelFlag,
) -> Result<Vec<RecordBatch>> {
    let left = CancelFlag::default();
    let _cancel = left.on_drop();
    let tasks = std::mem::take(&mut plan.tasks);
    let parts = futures::stream::iter(tasks)
        .map(|task| blocking(part(task, [left.clone(), query.clone()])))
        .buffer_unordered(threads.max(1));
    let parts: Vec<FoldPart> = parts.try_collect().await?;
    blocking(move || plan.finish(parts)).await
}

/// `flags` are that nobody takes the fold any more, and that the query is to end.
fn part(task: FoldTask, flags: [CancelFlag; 2]) -> impl FnOnce() -> Result<FoldPart> {
    move || {
        // A task may have waited for its thread longer than anybody waits for it.
        flags.iter().try_for_each(CancelFlag::check)?;
        let part = task.run(&|| flags.iter().any(CancelFlag::is_cancelled));
        // A query that was told to stop says why.
        flags.iter().try_for_each(CancelFlag::check)?;
        part
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(ended) => Err(ended_early(&ended)),
    }
}
