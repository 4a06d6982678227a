//! The binary under test and the process it runs in.
//!
//! Responsible for finding (or building) the `pulsora` binary, for starting `pulsora serve` on a free
//! port and for ending it gently or by SIGKILL. Not for what is asked of the server.
//!
//! - A server is dead when its [`Server`] is gone, also when the test panics.
//! - A server has its port from the kernel: the test reads it from the line the server prints, so any
//!   number of servers run side by side.
//! - Everything the server printed is shown when a test fails.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::http::Client;

/// Longest wait for a start, recovery included, or for an end: a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What precedes the address in the line a server prints once it listens.
const LISTENING: &str = "listening on http://";

/// The binary under test: `$PULSORA_BIN` if set, else the one of this target directory, brought up to
/// date by cargo once for each test process (nothing to do after `cargo test` in most cases, but
/// `cargo test` alone does not build binaries of packages without integration tests).
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("PULSORA_BIN") {
        Some(path) => PathBuf::from(path),
        None => build(),
    })
}

/// Builds the binary with the profile and in the target directory of the running test:
/// `<target>/<profile>/deps/it-<hash>`.
fn build() -> PathBuf {
    let test = std::env::current_exe().expect("the running test has a path");
    let profile_dir = test.ancestors().nth(2).expect("tests lie in <target>/<profile>/deps");
    let target_dir = profile_dir.parent().expect("a profile lies in a target directory");
    let profile = match profile_dir.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(repository())
        .args(["build", "--quiet", "--bin", "pulsora", "--profile", profile, "--target-dir"])
        .arg(target_dir)
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the binary under test does not build");
    profile_dir.join(format!("pulsora{}", std::env::consts::EXE_SUFFIX))
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the repository")
}

/// How a server is started: a data directory, further flags, and `PULSORA_SECTION__KEY` variables.
#[derive(Clone)]
pub struct Launch {
    dir: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Launch {
    /// The shipped defaults over a data directory.
    pub fn new(dir: impl Into<PathBuf>) -> Launch {
        Launch { dir: dir.into(), args: Vec::new(), env: Vec::new() }
    }

    /// Adds a flag, or its value.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Launch {
        self.args.push(arg.to_owned());
        self
    }

    /// Sets one configuration key, `storage.flush_bytes` for example, by its variable.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Launch {
        self.env.push((format!("PULSORA_{}", key.to_uppercase().replace('.', "__")), value.into()));
        self
    }

    /// Starts a server and waits until it is ready.
    ///
    /// # Panics
    /// When it ends or is not ready in time.
    pub fn start(&self) -> Server {
        let mut server = self.spawn();
        server.wait_ready();
        server
    }

    /// Starts a server and does not wait: it may still be recovering.
    pub fn spawn(&self) -> Server {
        let mut child = self.command().spawn().expect("the binary under test starts");
        let output = Arc::new(Mutex::new(String::new()));
        let (address, listening) = channel();
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        let readers = vec![
            follow(stdout, Arc::clone(&output), address.clone()),
            follow(stderr, Arc::clone(&output), address),
        ];
        Server { child, listening, base: None, output, readers }
    }

    /// Runs a server that is expected to end by itself, and gives its status and what it printed.
    pub fn run(&self) -> Output {
        let child = self.command().spawn().expect("the binary under test starts");
        let pid = child.id();
        let (done, waiter) = channel();
        let thread = std::thread::spawn(move || done.send(child.wait_with_output()));
        let output = waiter.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            signal(pid, libc::SIGKILL);
            panic!("the server did not end by itself");
        });
        drop(thread);
        output.expect("the process can be waited for")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&self.dir)
            .args(&self.args)
            .env("NO_COLOR", "1")
            .env("PULSORA_LOGGING__ACCESS", "false")
            .env("PULSORA_LOGGING__PERFORMANCE", "false")
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
    listening: Receiver<String>,
    base: Option<String>,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts a server with the shipped defaults and `args`, and waits until it is ready.
    ///
    /// # Panics
    /// When it ends or is not ready in time.
    pub fn start(dir: impl Into<PathBuf>, args: &[&str]) -> Server {
        args.iter().fold(Launch::new(dir), |launch, arg| launch.arg(arg)).start()
    }

    /// A new client with its own connections.
    ///
    /// # Panics
    /// When the server does not say where it listens.
    pub fn client(&mut self) -> Client {
        Client::new(self.base())
    }

    /// `http://127.0.0.1:<port>`, as soon as the server has printed it.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn base(&mut self) -> &str {
        if self.base.is_none() {
            let Ok(address) = self.listening.recv_timeout(PATIENCE) else {
                panic!("no address from the server; it printed:\n{}", self.output());
            };
            self.base = Some(format!("http://{address}"));
        }
        self.base.as_deref().expect("just set")
    }

    /// Waits until `/ready` answers 200.
    ///
    /// # Panics
    /// When the server ends or is not ready in time.
    pub fn wait_ready(&mut self) {
        let client = self.client();
        let since = Instant::now();
        while !client.get("/ready").is_ok_and(|answer| answer.status == 200) {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                panic!("the server ended with {status}; it printed:\n{}", self.output());
            }
            assert!(since.elapsed() < PATIENCE, "not ready; it printed:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGKILL, at once.
    pub fn kill(mut self) {
        self.end_now();
    }

    /// SIGTERM; waits for the end and gives the status and everything that was printed.
    ///
    /// # Panics
    /// When the server does not end in time.
    pub fn terminate(mut self) -> (ExitStatus, String) {
        signal(self.child.id(), libc::SIGTERM);
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                self.join_readers();
                return (status, self.output());
            }
            assert!(since.elapsed() < PATIENCE, "SIGTERM is ignored:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything printed so far.
    pub fn output(&self) -> String {
        self.output.lock().expect("the readers do not panic").clone()
    }

    /// Anonymous memory of the process, bytes; `None` where the system does not tell.
    pub fn anonymous_memory(&self) -> Option<u64> {
        anonymous_memory(self.pid())
    }

    fn end_now(&mut self) {
        // Both fail only if the process has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_readers();
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end_now();
        if std::thread::panicking() {
            eprintln!("---- the server printed:\n{}----", self.output());
        }
    }
}

/// Anonymous memory of a process, bytes; `None` where the system does not tell.
pub fn anonymous_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Collects what a server prints and announces the address it listens on.
fn follow(
    stream: impl Read + Send + 'static,
    output: Arc<Mutex<String>>,
    address: Sender<String>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Some(at) = line.find(LISTENING) {
                let rest = &line[at + LISTENING.len()..];
                let end = rest.find(|c: char| !c.is_ascii_digit() && !".:".contains(c));
                // Nobody listens any more once the address is known.
                let _ = address.send(rest[..end.unwrap_or(rest.len())].to_owned());
            }
            let mut output = output.lock().expect("the readers do not panic");
            output.push_str(&line);
            output.push('\n');
        }
    })
}

/// Sends a signal to a process this crate started.
fn signal(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).expect("process ids fit");
    // SAFETY: kill(2) takes plain integers and touches no memory of ours.
    unsafe { libc::kill(pid, signal) };
}
