//! Lines on their way to a file or a terminal.
//!
//! Lines are gathered and a thread of its own writes them a moment later, many in one call: a request
//! of one row would otherwise spend a tenth of its time on its line. Warnings and errors are written
//! at once, with everything before them.
//!
//! Invariants: lines are whole and in order; at most [`BUFFER_BYTES`] and one line wait, beyond that the
//! thread that logs writes them itself; when the [`LinesGuard`] is dropped everything is written.
//! Lines of the last [`DELAY`] are lost with a killed process.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use pulsora_model::{Error, Result};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that wait at most: some hundred lines.
const BUFFER_BYTES: usize = 64 << 10;

/// How long a line waits for others.
const DELAY: Duration = Duration::from_millis(50);

struct State {
    waiting: Vec<u8>,
    closed: bool,
}

struct Shared {
    state: Mutex<State>,
    /// Signalled when the first line waits, and at the end.
    first: Condvar,
    /// Guards the order of writes. Taken before `state`, never while it is held.
    target: Mutex<Box<dyn Write + Send>>,
}

impl Shared {
    /// Writes what waits. A log that cannot be written is no reason to fail.
    fn flush(&self) {
        let mut target = self.target.lock();
        let waiting = std::mem::take(&mut self.state.lock().waiting);
        let _lost = target.write_all(&waiting).and_then(|()| target.flush());
    }

    fn run(&self) {
        loop {
            let mut state = self.state.lock();
            while state.waiting.is_empty() && !state.closed {
                self.first.wait(&mut state);
            }
            if !state.closed {
                // Others may come; the end is told at once.
                self.first.wait_for(&mut state, DELAY);
            }
            let closed = state.closed;
            drop(state);
            self.flush();
            if closed {
                return;
            }
        }
    }
}

/// Where `tracing` writes its lines.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

impl Lines {
    /// Starts the thread that writes to `target`.
    ///
    /// # Errors
    /// `io_error` when there is no thread.
    pub fn start(target: impl Write + Send + 'static) -> Result<(Lines, LinesGuard)> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { waiting: Vec::new(), closed: false }),
            first: Condvar::new(),
            target: Mutex::new(Box::new(target)),
        });
        let writer = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| Error::io("start the thread of the log", error))?;
        Ok((Lines(Arc::clone(&shared)), LinesGuard(shared)))
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { shared: &self.0, at_once: true }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line { shared: &self.0, at_once: *metadata.level() <= Level::WARN }
    }
}

/// One line; complete when dropped.
pub struct Line<'a> {
    shared: &'a Shared,
    at_once: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.shared.state.lock();
        let first = state.waiting.is_empty();
        state.waiting.extend_from_slice(bytes);
        self.at_once |= state.waiting.len() > BUFFER_BYTES || state.closed;
        drop(state);
        if first {
            self.shared.first.notify_one();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.at_once = true;
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if self.at_once {
            self.shared.flush();
        }
    }
}

/// Writes what waits when it is dropped.
pub struct LinesGuard(Arc<Shared>);

impl Drop for LinesGuard {
    fn drop(&mut self) {
        self.0.state.lock().closed = true;
        self.0.first.notify_one();
        self.0.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Target(Arc<Mutex<Vec<u8>>>);

    impl Write for Target {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(lines: &Lines, at_once: bool, text: &str) {
        let mut line = Line { shared: &lines.0, at_once };
        assert!(matches!(line.write(text.as_bytes()), Ok(n) if n == text.len()));
    }

    #[test]
    fn lines_of_many_threads_are_whole_and_complete_when_the_guard_goes() {
        let target = Target::default();
        let (lines, guard) = Lines::start(target.clone()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let lines = &lines;
                scope.spawn(move || {
                    for n in 0..2_000 {
                        line(lines, n % 500 == 0, &format!("{thread} {n} {}\n", "x".repeat(40)));
                    }
                });
            }
        });
        drop(guard);
        let text = String::from_utf8(target.0.lock().clone()).unwrap();
        let mut next = [0; 4];
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words.len(), 3, "{line}");
            let thread: usize = words[0].parse().unwrap();
            assert_eq!(words[1].parse(), Ok(next[thread]), "lines of a thread are in order");
            next[thread] += 1;
        }
        assert_eq!(next, [2_000; 4]);
    }

    #[test]
    fn a_warning_is_written_at_once_with_what_was_before_it() {
        let target = Target::default();
        let (lines, _guard) = Lines::start(target.clone()).unwrap();
        line(&lines, false, "first\n");
        line(&lines, true, "warning\n");
        assert_eq!(*target.0.lock(), b"first\nwarning\n");
    }
}
