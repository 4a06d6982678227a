//! Ends a query from outside.
//!
//! Work that computes asks the flag now and then; what only waits is woken. Who has left needs no reason, who is
//! told to stop learns it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use pulsora_model::{Code, Error, Result};
use tokio::sync::Notify;

/// Tells work that nobody waits for it any more, or that it is to end.
#[derive(Clone, Debug, Default)]
pub struct CancelFlag(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    cancelled: AtomicBool,
    /// Why, where somebody still waits for the answer.
    why: OnceLock<Error>,
    bell: Notify,
}

impl CancelFlag {
    /// Whether the work should end.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    /// # Errors
    /// `cancelled`, or the reason that was given, when the work should end.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(self.why());
        }
        Ok(())
    }

    fn why(&self) -> Error {
        let left = || Error::new(Code::Cancelled, "the request was cancelled");
        self.0.why.get().map_or_else(left, Error::duplicate)
    }

    /// Ends the work with a reason; `false` when it has been told before.
    pub(crate) fn stop(&self, why: Error) -> bool {
        let first = self.0.why.set(why).is_ok();
        self.set();
        first
    }

    /// Ends the work: nobody waits for it any more.
    pub(crate) fn set(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
        self.0.bell.notify_waiters();
    }

    /// Returns the reason once there is one; never when the work merely has nobody left who waits.
    pub(crate) async fn stopped(self) -> Error {
        loop {
            let mut rung = std::pin::pin!(self.0.bell.notified());
            rung.as_mut().enable();
            if let Some(why) = self.0.why.get() {
                return why.duplicate();
            }
            rung.await;
        }
    }

    /// Sets the flag when the returned guard is dropped before it is disarmed.
    pub(crate) fn on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(Some(self.clone()))
    }
}

/// See [`CancelFlag::on_drop`].
pub(crate) struct CancelOnDrop(Option<CancelFlag>);

impl CancelOnDrop {
    /// The work has ended by itself.
    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(flag) = &self.0 {
            flag.set();
        }
    }
}
