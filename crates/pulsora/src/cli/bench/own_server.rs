//! A server of this binary over a temporary directory, for as long as a measurement lasts.
//!
//! Invariant: when the value is gone, or the command ends by SIGINT or SIGTERM, the process has ended
//! and the directory is gone.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pulsora_load::http::Client;
use pulsora_model::{Code, Error, Result};

/// Longest wait until a server is ready: it may have gigabytes of log to read.
const PATIENCE: Duration = Duration::from_secs(600);

/// How often it is asked whether it is.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Exit code after a signal, by the custom of shells: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// A running server.
pub(super) struct OwnServer {
    held: Arc<Mutex<Held>>,
    /// `http://127.0.0.1:<port>`.
    pub url: String,
}

/// What must not outlive the command.
struct Held {
    dir: PathBuf,
    child: Option<Child>,
}

impl OwnServer {
    /// Starts one over a new directory below that for temporary files, and waits until it is ready.
    ///
    /// # Errors
    /// `io_error`.
    pub fn start() -> Result<OwnServer> {
        let dir = std::env::temp_dir().join(format!("pulsora-bench-{}", std::process::id()));
        fs::create_dir(&dir).map_err(|error| Error::io("make a temporary directory", error))?;
        let held = Arc::new(Mutex::new(Held { dir, child: None }));
        let mut server = OwnServer { held, url: String::new() };
        end_with_signals(Arc::clone(&server.held))?;
        server.spawn()?;
        Ok(server)
    }

    /// SIGKILL and at once a new start; gives the time until the new process is ready.
    ///
    /// # Errors
    /// `io_error`.
    pub fn kill_and_start(&mut self) -> Result<Duration> {
        self.held.lock().end();
        let since = Instant::now();
        self.spawn()?;
        Ok(since.elapsed())
    }

    /// Where its rows lie.
    pub fn data_dir(&self) -> PathBuf {
        self.held.lock().dir.join("data")
    }

    fn spawn(&mut self) -> Result<()> {
        let binary =
            std::env::current_exe().map_err(|error| Error::io("find this binary", error))?;
        let mut child = command(&binary, &self.data_dir())
            .spawn()
            .map_err(|error| Error::io("start a server", error))?;
        let stdout = child.stdout.take();
        self.held.lock().child = Some(child);
        let address = |line: String| line.strip_prefix("listening on ").map(str::to_owned);
        let mut lines = stdout.into_iter().flat_map(|out| BufReader::new(out).lines());
        let mut lines = lines.by_ref().map_while(std::result::Result::ok);
        self.url = lines.find_map(address).ok_or_else(|| did_not_start("it ended"))?;
        self.wait_ready()
    }

    fn wait_ready(&self) -> Result<()> {
        let (client, since) = (Client::new(&self.url), Instant::now());
        while !client.get("/ready").is_ok_and(|answer| answer.status == 200) {
            let mut held = self.held.lock();
            let ended = held.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if let Some(status) = ended {
                return Err(did_not_start(&format!("it ended with {status}")));
            }
            if since.elapsed() > PATIENCE {
                return Err(did_not_start("it is not ready"));
            }
            drop(held);
            std::thread::sleep(ASK_EVERY);
        }
        Ok(())
    }
}

fn command(binary: &Path, data_dir: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--data-dir"])
        .arg(data_dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn did_not_start(why: &str) -> Error {
    Error::new(Code::Io, format!("the server that was started here is not there: {why}"))
        .hint("its log is above; `pulsora serve` shows more")
}

impl Held {
    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only when the process has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn clear(&mut self) {
        self.end();
        // What cannot be removed is in the directory for temporary files.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.held.lock().clear();
    }
}

/// Ends the server and this process on SIGINT and SIGTERM.
fn end_with_signals(held: Arc<Mutex<Held>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::io("wait for signals", error))?;
    std::thread::spawn(move || {
        runtime.block_on(ending());
        held.lock().clear();
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}

#[cfg(unix)]
async fn ending() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
}

#[cfg(not(unix))]
async fn ending() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
