//! Everything together, against models: line protocol, CSV with row ids, SQL and row API deletes and
//! updates, erasures, truncates, retention, changes of schema, late data, flushes, merges, conversions and
//! queries, while one query is read slowly through all of it.
//!
//! Each client owns its tables, so that a plain model in memory says what they hold. `PULSORA_SOAK_SECONDS`
//! sets for how long (40; 3600 by hand), `PULSORA_SEED` what is done (1). At the end the models are what SQL
//! and the row API answer, the files are those that the manifest names, and the figures of the disk are
//! printed (docs/benchmarks.md).
//!
//! - [`session`]: requests until they are taken, and what they cost
//! - [`readings`], [`events`], [`short_lives`]: the clients
//! - [`snapshot`]: the query that is read slowly
//! - [`figures`]: bytes written, bytes kept, the longest stall

mod events;
mod figures;
mod readings;
mod session;
mod short_lives;
mod snapshot;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pulsora_tests::http::Client;
use pulsora_tests::server::{Launch, Server, binary};

use events::Events;
use readings::Readings;
use session::{Session, Tally};
use short_lives::{Kept, Reborn};
use snapshot::SlowReader;

/// One who changes tables that nobody else changes, and knows what is in them.
trait Owner {
    /// Does one thing.
    fn step(&mut self);
    /// Compares counts and sums by SQL.
    fn check_figures(&mut self);
    /// Compares every row by the row API.
    fn check_rows(&mut self);
}

/// Steps between two looks at figures, and looks between two looks at all rows.
const STEPS: usize = 15;
const LOOKS: usize = 12;

/// `memory.limit`, bytes.
const MEMORY_LIMIT: u64 = 512_000_000;

#[test]
fn everything_together_is_what_the_models_say() {
    let seconds = number("PULSORA_SOAK_SECONDS", 40);
    let seed = number("PULSORA_SEED", 1);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut server = launch(&data).start();
    let tally = Tally::default();
    let base = server.base().to_owned();
    let session = || Session { client: Client::new(&base), tally: &tally };
    let mut slow = SlowReader::open(&session());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut owners: Vec<Box<dyn Owner + Send + '_>> = vec![
        Box::new(Readings::new(session(), random.fork())),
        Box::new(Events::new(session(), random.fork())),
        Box::new(Kept::new(session())),
        Box::new(Reborn::new(session(), random.fork())),
    ];
    let before = figures::Disk::of(&mut server, &data, &tally);
    std::thread::scope(|scope| {
        let end = EndOnPanic(&tally);
        let mut threads = Vec::new();
        for owner in &mut owners {
            threads.push(scope.spawn(|| own(&mut **owner, &tally)));
        }
        threads.push(scope.spawn(|| flush_until_over(&session())));
        threads.push(scope.spawn(|| ask_until_over(&session())));
        threads.push(scope.spawn(|| slow.read_on(&tally, seconds)));
        snapshot::change(&session());
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(seconds) && !tally.is_over() {
            let memory = server.anonymous_memory().unwrap_or(0);
            tally.memory_max.fetch_max(memory, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(end);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    slow.check();
    snapshot::end(&session());
    let busy = figures::Disk::of(&mut server, &data, &tally);
    for owner in &mut owners {
        owner.check_figures();
        owner.check_rows();
    }
    drop(owners);
    let at_rest = come_to_rest(&mut server, &data, &tally);
    figures::print(&tally, seconds, [before, busy, at_rest]);
    let (status, output) = server.terminate();
    assert!(status.success(), "{status}: {output}");
    every_file_is_named(&data);
    let most = Tally::read(&tally.memory_max);
    assert!(most < MEMORY_LIMIT, "{most} bytes of anonymous memory");
}

/// Small limits, so that everything happens often.
fn launch(data: &Path) -> Launch {
    Launch::new(data)
        .set("memory.limit", &MEMORY_LIMIT.to_string())
        .set("storage.flush_bytes", "1MiB")
        .set("storage.flush_age", "2s")
        .set("storage.hot_for", "4s")
        .set("storage.reserve", "16MiB")
        .set("storage.retention_interval", "1s")
        .set("compaction.max_jobs", "3")
        .set("compaction.target_file_size", "1MB")
        .set("wal.max_bytes", "16MiB")
        .set("query.timeout", "2h")
        // In an hour the slow reader takes less in a minute than the sockets hold.
        .set("limits.answer_idle", "2h")
}

struct EndOnPanic<'t>(&'t Tally);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

fn own(owner: &mut dyn Owner, tally: &Tally) {
    // A client that finds something wrong ends the others.
    let end = EndOnPanic(tally);
    let mut steps = 0;
    while !tally.is_over() {
        owner.step();
        steps += 1;
        if steps % STEPS == 0 {
            owner.check_figures();
        }
        if steps % (STEPS * LOOKS) == 0 {
            owner.check_rows();
        }
    }
    std::mem::forget(end);
}

/// Flushes now and then, turns everything cold now and then, and has it merged.
fn flush_until_over(session: &Session<'_>) {
    let post = |path: &str| {
        let answer = session.client.post(path, &[], &[]).unwrap();
        assert!(
            answer.status < 300 || answer.status == 404,
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
    };
    for round in 1_u64.. {
        if session.tally.is_over() {
            return;
        }
        post("/api/v1/flush");
        if round % 8 == 0 {
            post("/api/v1/flush?cold=true");
        }
        if round % 5 == 0 {
            post("/api/v1/compaction/trigger");
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Questions over all there is; their owners know the answers, here they must be answered.
fn ask_until_over(session: &Session<'_>) {
    let statements = [
        "SELECT series, date_bin(INTERVAL '1 hour', time), avg(a), max(b) FROM readings GROUP BY 1, 2 ORDER BY 2 DESC LIMIT 20",
        "SELECT kind, count(*), min(time), max(time) FROM events GROUP BY kind",
        "SELECT e.kind, count(*) FROM events e JOIN kept k ON e.id = k.n GROUP BY e.kind",
        "SELECT DISTINCT ON (series) series, time, a FROM readings ORDER BY series, time DESC",
    ];
    for statement in statements.iter().cycle() {
        if session.tally.is_over() {
            return;
        }
        let answer = session.client.sql(statement).unwrap();
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
        session.tally.queries.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Everything in as few segments as it comes to.
fn come_to_rest(server: &mut Server, data: &Path, tally: &Tally) -> figures::Disk {
    let client = server.client();
    for path in ["/api/v1/flush?cold=true", "/api/v1/compaction/trigger?wait=true"] {
        let answer = client.post(path, &[], &[]).unwrap();
        assert!(answer.status < 300, "{path}: {}", answer.text());
    }
    figures::Disk::of(server, data, tally)
}

/// What `pulsora check` says of the directory: sound, and no object that nothing names.
fn every_file_is_named(data: &Path) {
    let output = Command::new(binary()).arg("check").arg("--data-dir").arg(data).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pulsora check: {printed}");
    assert!(!printed.contains("nothing names"), "pulsora check: {printed}");
}

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}
