//! Waits for a future on the thread that asks: for the plain (blocking) methods beside async ones.
//!
//! Not responsible for running anything: what the future waits for must make progress on other
//! threads.
//!
//! Invariant: allowed on every thread, also on one of an async runtime or inside another wait; it
//! only keeps that thread from other work.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Unparks the waiting thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls `future` on this thread until it is ready; parks the thread in between.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            // Others may unpark this thread too: then it polls once more than needed.
            Poll::Pending => thread::park(),
        }
    }
}
