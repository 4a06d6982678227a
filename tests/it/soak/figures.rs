//! What the soak costs from when its tables are there: bytes written for the bytes that came, bytes kept for the bytes that are needed,
//! the longest wait of a write, and memory.

use std::path::Path;

use pulsora_tests::server::Server;

use super::session::Tally;

/// The disk at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk {
    /// Bytes of the bodies that were sent so far.
    bodies: u64,
    /// Bytes that the process has sent to the disk; 0 where the system does not tell.
    written: u64,
    /// Bytes of segments on disk.
    segments: u64,
    /// Bytes that went into the log, and that flushes and rewrites wrote.
    wal: u64,
    flushed: u64,
    rewritten: u64,
}

impl Disk {
    /// The disk of a server now.
    pub fn of(server: &mut Server, data: &Path, tally: &Tally) -> Disk {
        let metrics = server.client().get("/metrics").unwrap().text();
        let metric = |name: &str| {
            let value = metrics
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            value.unwrap_or_else(|| panic!("no metric {name}")) as u64
        };
        Disk {
            bodies: Tally::read(&tally.body_bytes),
            written: written(server.pid()).unwrap_or(0),
            segments: bytes_below(&data.join("hot")) + bytes_below(&data.join("cold")),
            wal: metric("pulsora_wal_written_bytes_total"),
            flushed: metric("pulsora_flushed_bytes_total"),
            rewritten: metric("pulsora_compaction_written_bytes_total"),
        }
    }
}

fn written(pid: u32) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes:"))?.trim().parse().ok()
}

fn bytes_below(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_below(&entry.path()),
        Ok(data) => data.len(),
        // It has just gone.
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(bytes).sum()
}

/// The table of docs/benchmarks.md: from before to busy, and what is left at rest.
pub fn print(tally: &Tally, seconds: u64, [before, busy, at_rest]: [Disk; 3]) {
    let read = Tally::read;
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let bodies = busy.bodies - before.bodies;
    let per_byte = |bytes: u64| bytes as f64 / bodies.max(1) as f64;
    println!(
        "soak of {seconds} s: {} rows in {:.1} MB of bodies, {} changes, {} queries, {} refusals",
        read(&tally.rows),
        mb(bodies),
        read(&tally.changes),
        read(&tally.queries),
        read(&tally.refused)
    );
    println!("| figure | bytes | per byte of bodies |\n|---|---|---|");
    for (name, bytes) in [
        ("log", busy.wal - before.wal),
        ("flushed segments", busy.flushed - before.flushed),
        ("merged and converted segments", busy.rewritten - before.rewritten),
        ("all writes of the process", busy.written - before.written),
    ] {
        println!("| {name} | {:.1} MB | {:.2} |", mb(bytes), per_byte(bytes));
    }
    let space = busy.segments as f64 / at_rest.segments.max(1) as f64;
    println!(
        "segments on disk: {:.2} MB busy, {:.2} MB at rest: {space:.2} times",
        mb(busy.segments),
        mb(at_rest.segments)
    );
    println!(
        "longest write: {:.0} ms; at most {:.0} MB of anonymous memory",
        read(&tally.write_us_max) as f64 / 1e3,
        mb(read(&tally.memory_max))
    );
}
