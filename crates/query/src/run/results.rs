//! Batches on their way from the pool to whoever asked.
//!
//! A task of the pool drives the query and keeps at most two batches ready. Dropping the stream ends
//! the task, and with it the query and its slot. What the query ended with is known only after its
//! last batch has been taken: an unfinished stream never looks finished.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use pulsora_model::{Error, Result};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, timeout_at};

use super::pool::{AbortOnDrop, Slot, Threads, ended_early, timed_out};

/// Batches ready to be taken: one is sent while the next is made.
pub(crate) const READY_BATCHES: usize = 2;

/// Batches of an answer, in order. Dropping it cancels the query and frees its slot.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// Drives `batches` on the pool until `deadline`, holding `slot` meanwhile.
pub(crate) fn drive(
    threads: &Threads,
    slot: Slot,
    deadline: Instant,
    batches: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
) -> BatchStream {
    let (sender, receiver) = mpsc::channel(READY_BATCHES);
    let failure = Arc::new(Mutex::new(None));
    let outcome = Arc::clone(&failure);
    let past = threads.past(deadline);
    let task = threads.pool.spawn(async move {
        let sending = timeout_at(deadline, send_all(batches, &sender)).await;
        *outcome.lock() = sending.unwrap_or_else(|_| Err(timed_out())).err();
        drop(slot);
        // The channel closes after the outcome is known.
        drop(sender);
    });
    Box::pin(Results { receiver, failure, past, task: Some(AbortOnDrop(task)) })
}

/// An answer that is there already.
pub(crate) fn ready(batch: RecordBatch) -> BatchStream {
    Box::pin(futures::stream::once(std::future::ready(Ok(batch))))
}

async fn send_all(
    batches: impl Stream<Item = Result<RecordBatch>>,
    sender: &mpsc::Sender<RecordBatch>,
) -> Result<()> {
    let mut batches = std::pin::pin!(batches);
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        if batch.num_rows() > 0 && sender.send(batch).await.is_err() {
            break;
        }
    }
    Ok(())
}

struct Results {
    receiver: mpsc::Receiver<RecordBatch>,
    /// Guards what the query failed with; set before the channel closes.
    failure: Arc<Mutex<Option<Error>>>,
    /// Ends a moment after the deadline.
    past: Pin<Box<Sleep>>,
    /// Gone once it has been asked how it ended.
    task: Option<AbortOnDrop<()>>,
}

impl Stream for Results {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.receiver.poll_recv(context) {
            Poll::Pending => {
                if self.task.is_none() || self.past.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                // The query has not looked up since its deadline. It ends when it does.
                self.receiver.close();
                self.task = None;
                return Poll::Ready(Some(Err(timed_out())));
            }
            Poll::Ready(Some(batch)) => return Poll::Ready(Some(Ok(batch))),
            Poll::Ready(None) => {}
        }
        let Some(task) = &mut self.task else { return Poll::Ready(None) };
        let Poll::Ready(ended) = Pin::new(&mut task.0).poll(context) else { return Poll::Pending };
        self.task = None;
        let failure = match ended {
            Ok(()) => self.failure.lock().take(),
            Err(early) => Some(ended_early(&early)),
        };
        Poll::Ready(failure.map(Err))
    }
}
