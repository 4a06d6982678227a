//! Blocking batches as an asynchronous stream: every batch is made on a thread that may wait for a
//! disk, and no such thread ever waits for the one who takes the batches.
//!
//! One batch is made ahead of the one that was taken. Dropping the stream stops it after the batch
//! that is being made; no batch is begun once the query is to end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use futures::Stream;
use pulsora_model::{Error, Result};
use pulsora_storage::ScanStream;
use tokio::task::JoinHandle;

use crate::queries::CancelFlag;

type Step = (ScanStream, Option<Result<RecordBatch>>);

/// Batches of one stream of a scan. Must be polled inside the query pool's runtime.
pub(crate) struct ScanBatches {
    state: State,
    flag: CancelFlag,
}

enum State {
    Idle(ScanStream),
    Making(JoinHandle<Step>),
    Ended,
}

impl ScanBatches {
    pub(crate) fn new(stream: ScanStream, flag: &CancelFlag) -> ScanBatches {
        ScanBatches { state: State::Idle(stream), flag: flag.clone() }
    }

    fn make(&self, mut stream: ScanStream) -> JoinHandle<Step> {
        let flag = self.flag.clone();
        tokio::task::spawn_blocking(move || {
            // It may have waited for its thread longer than anybody waits for it.
            let batch = match flag.check() {
                Ok(()) => stream.next(),
                Err(why) => Some(Err(why)),
            };
            (stream, batch)
        })
    }
}

impl Stream for ScanBatches {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Idle(stream) => self.state = State::Making(self.make(stream)),
                State::Making(mut task) => {
                    let Poll::Ready(step) = Pin::new(&mut task).poll(context) else {
                        self.state = State::Making(task);
                        return Poll::Pending;
                    };
                    return Poll::Ready(match step {
                        Ok((stream, Some(Ok(batch)))) => {
                            self.state = State::Making(self.make(stream));
                            Some(Ok(batch))
                        }
                        Ok((_, Some(Err(error)))) => Some(Err(error)),
                        Ok((_, None)) => None,
                        Err(panic) => {
                            Some(Err(Error::internal(format!("a scan ended early: {panic}"))))
                        }
                    });
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}
