//! What a server does while it is under load: whether it answers, and how much memory it takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::http::Client;
use crate::server::{Server, anonymous_memory};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// What was seen of a server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    /// How often `/health` was asked for.
    pub asked: u64,
    /// The longest time that it took.
    pub slowest: Duration,
    /// The most anonymous memory of the process, bytes; 0 where the system does not tell.
    pub most_bytes: u64,
}

impl Watched {
    /// Looks at a server until `work` is done.
    ///
    /// # Panics
    /// When `/health` does not answer 200, or `work` does.
    pub fn during<R>(server: &mut Server, work: impl FnOnce() -> R) -> (R, Watched) {
        let (client, pid) = (server.client(), server.pid());
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| look_until(&over, &client, pid));
            // The watch ends also when the work panics.
            let end = End(&over);
            let done = work();
            drop(end);
            (done, watch.join().expect("the server answers /health"))
        })
    }
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn look_until(over: &AtomicBool, client: &Client, pid: u32) -> Watched {
    let mut seen = Watched::default();
    loop {
        // Read first: there is a look after the end.
        let last = over.load(Ordering::Relaxed);
        let since = Instant::now();
        let answer = client.get("/health").expect("/health answers");
        assert_eq!(answer.status, 200, "{}", answer.text());
        seen.asked += 1;
        seen.slowest = seen.slowest.max(since.elapsed());
        seen.most_bytes = seen.most_bytes.max(anonymous_memory(pid).unwrap_or(0));
        if last {
            return seen;
        }
        std::thread::sleep(PAUSE);
    }
}
