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
use tokio::time::timeout_at;

use super::pool::{AbortOnDrop, Threads, ended_early, timed_out};
use super::queue::Slot;
use crate::queries::{Query, Ticket};

/// Batches ready to be taken: one is sent while the next is made.
pub(crate) const READY_BATCHES: usize = 2;

/// Batches of an answer, in order. Dropping it cancels the query and frees its slot.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// Drives `batches` of a query on the pool until it has to end, holding `slot` meanwhile.
pub(crate) fn drive(
    threads: &Threads,
    slot: Slot,
    query: &Arc<Query>,
    batches: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
) -> BatchStream {
    let (sender, receiver) = mpsc::channel(READY_BATCHES);
    let failure = Arc::new(Mutex::new(None));
    let outcome = Arc::clone(&failure);
    let (early, driven) = (threads.early_end(query), Arc::clone(query));
    let task = threads.pool.spawn(async move {
        let sending = tokio::select! {
            biased;
            why = driven.flag.clone().stopped() => Ok(Err(why)),
            sending = timeout_at(driven.deadline, send_all(batches, &sender)) => sending,
        };
        *outcome.lock() = sending.unwrap_or_else(|_| Err(timed_out())).err();
        drop(slot);
        // The channel closes after the outcome is known.
        drop(sender);
    });
    Box::pin(Results { receiver, failure, early, task: Some(AbortOnDrop(task)) })
}

/// An answer that is there already.
pub(crate) fn ready(batch: RecordBatch) -> BatchStream {
    Box::pin(futures::stream::once(std::future::ready(Ok(batch))))
}

/// The batches of a query, which ends with them.
pub(crate) fn tracked(ticket: Ticket, batches: BatchStream) -> BatchStream {
    Box::pin(Tracked { batches, ticket })
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
    /// Ends when the query has to, whether it looks up or not.
    early: Pin<Box<dyn Future<Output = Error> + Send>>,
    /// Gone once it has been asked how it ended.
    task: Option<AbortOnDrop<()>>,
}

impl Stream for Results {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.receiver.poll_recv(context) {
            Poll::Pending => {
                if self.task.is_none() {
                    return Poll::Pending;
                }
                let Poll::Ready(why) = self.early.as_mut().poll(context) else {
                    return Poll::Pending;
                };
                // The query has not looked up since. It ends when it does.
                self.receiver.close();
                self.task = None;
                return Poll::Ready(Some(Err(why)));
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

/// See [`tracked`].
struct Tracked {
    /// Dropped before the query leaves the list.
    batches: BatchStream,
    ticket: Ticket,
}

impl Stream for Tracked {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.batches.as_mut().poll_next(context);
        let query = self.ticket.query();
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(batch))) => query.add_rows(batch.num_rows() as u64),
            Poll::Ready(Some(Err(error))) => query.fail(error),
            Poll::Ready(None) => self.ticket.done(0),
        }
        polled
    }
}
