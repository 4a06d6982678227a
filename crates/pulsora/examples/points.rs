//! Measures the embedded library: single-point appends on one and two threads, batched writes, reads
//! of one hour of one series, and memory per point.
//!
//! ```sh
//! cargo run --release -p pulsora --example points            # shipped sizes, a temporary directory
//! cargo run --release -p pulsora --example points -- 1000000 # points of each part
//! cargo run --release -p pulsora --example points -- 1000000 read # this part alone: append, write or read
//! ```
//!
//! Every part works on a directory of its own with `durability = async`; the final flush of an
//! appender is inside its time. The fastest of three runs counts. `taskset -c 0` gives the figures of
//! one core.

use std::path::Path;
use std::time::{Duration, Instant};

use pulsora::{Database, Durability, Error, Result, Timestamp};

/// 2024-01-01, milliseconds.
const START_MS: i64 = 1_704_067_200_000;
/// Distance of points, milliseconds.
const STEP_MS: i64 = 1_000;
/// Points of an hour.
const HOUR: i64 = 3_600_000 / STEP_MS;
const RUNS: usize = 3;

fn main() -> Result<()> {
    let argument = std::env::args().nth(1);
    let points = argument.map_or(10_000_000, |text| text.parse().expect("a number of points"));
    let dir = std::env::temp_dir().join(format!("pulsora-points-{}", std::process::id()));
    let part = std::env::args().nth(2);
    let outcome = measure(&dir, points, part.as_deref());
    remove(&dir)?;
    outcome
}

fn measure(dir: &Path, points: i64, part: Option<&str>) -> Result<()> {
    let asked = |name: &str| part.is_none_or(|part| part == name);
    for series in [1, 1_000, 100_000].into_iter().filter(|_| asked("append")) {
        for threads in [1, 2] {
            let rate = best(dir, |database| append(database, points, series, threads))?;
            println!("append, {threads} thread(s), {series:>6} series: {rate:>6.2} M points/s");
        }
    }
    for size in [1_000, 10_000, 100_000].into_iter().filter(|_| asked("write")) {
        let rate = best(dir, |database| write_batches(database, points, size))?;
        println!("write_points, {size:>6} points a call: {rate:>6.2} M points/s");
    }
    if asked("read") { read(dir, points) } else { Ok(()) }
}

fn open(dir: &Path) -> Result<Database> {
    Database::builder().durability(Durability::Async).open(dir)
}

fn remove(dir: &Path) -> Result<()> {
    std::fs::remove_dir_all(dir)
        .map_err(|error| Error::io(format!("remove {}", dir.display()), error))
}

/// The highest rate of several runs, in millions per second.
fn best(dir: &Path, run: impl Fn(&Database) -> Result<(i64, Duration)>) -> Result<f64> {
    let mut best = 0.0f64;
    for number in 0..RUNS {
        let path = dir.join(format!("run-{number}"));
        let database = open(&path)?;
        let (points, time) = run(&database)?;
        best = best.max(points as f64 / time.as_secs_f64() / 1e6);
        database.close()?;
        remove(&path)?;
    }
    Ok(best)
}

/// Single points, round robin over `series`, an equal part of them by each thread.
fn append(
    database: &Database,
    points: i64,
    series: usize,
    threads: usize,
) -> Result<(i64, Duration)> {
    let handles: Vec<_> = (0..series.max(threads)).map(|id| database.series(id as u128)).collect();
    let started = Instant::now();
    std::thread::scope(|scope| {
        let parts = handles.chunks(handles.len().div_ceil(threads));
        let running: Vec<_> = parts
            .map(|mine| {
                scope.spawn(move || -> Result<()> {
                    for n in 0..points / threads as i64 {
                        let at = n as usize % mine.len();
                        let time_ms = START_MS + n / mine.len() as i64 * STEP_MS;
                        mine[at].append(time_ms, 20.0 + (n % 100) as f64 / 10.0)?;
                    }
                    Ok(())
                })
            })
            .collect();
        running.into_iter().try_for_each(|part| part.join().expect("no panic"))
    })?;
    handles[0].flush()?;
    Ok((points, started.elapsed()))
}

/// Batches of `size` points of one series.
fn write_batches(database: &Database, points: i64, size: i64) -> Result<(i64, Duration)> {
    let mut batch = vec![(Timestamp::default(), 0.0); size as usize];
    let started = Instant::now();
    for first in (0..points).step_by(size as usize) {
        for (n, point) in (first..).zip(&mut batch) {
            let time = Timestamp::from_ns((START_MS + n * STEP_MS) * 1_000_000);
            *point = (time, 20.0 + (n % 100) as f64 / 10.0);
        }
        database.write_points("sensors", &[("sensor", "a")], &batch)?;
    }
    Ok((points, started.elapsed()))
}

/// Reads of one hour of one series, from memory and from segments.
fn read(dir: &Path, points: i64) -> Result<()> {
    let series = (points / HOUR).clamp(1, 1_000);
    // All of it shall lie in one memtable.
    let roomy = Database::builder().durability(Durability::Async).storage(|options| {
        options.memtable_bytes = 1 << 30;
        options.flush_bytes = 1 << 30;
    });
    let database = roomy.open(dir.join("read"))?;
    let handles: Vec<_> = (0..series).map(|id| database.series(id as u128)).collect();
    for n in 0..HOUR {
        for handle in &handles {
            handle.append(START_MS + n * STEP_MS, (n % 100) as f64 / 10.0)?;
        }
    }
    handles[0].flush()?;
    let stats = database.engine().stats();
    let rows = stats.memtable_rows;
    let per_point = stats.memtable_bytes as f64 / rows.max(1) as f64;
    println!("memory: {per_point:.1} bytes/point ({rows} points of {series} series)");
    report("1-hour reads in memory", &database, series)?;
    database.flush()?;
    report("1-hour reads from segments", &database, series)?;
    database.close()
}

fn report(what: &str, database: &Database, series: i64) -> Result<()> {
    const READS: i64 = 2_000;
    let mut times = Vec::with_capacity(READS as usize);
    for n in 0..READS {
        let handle = database.series((n * 7_919 % series) as u128);
        let started = Instant::now();
        let points = handle.range(START_MS..START_MS + HOUR * STEP_MS)?;
        let (mut count, mut sum) = (0, 0.0);
        for point in points {
            sum += point?.value;
            count += 1;
        }
        times.push(started.elapsed());
        assert!(count == HOUR && sum > 0.0, "{count} points");
    }
    times.sort();
    let at = |share: f64| times[(READS as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{what}: p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, first or slowest {:.3} ms",
        at(0.5),
        at(0.99),
        at(0.999),
        times[times.len() - 1].as_secs_f64() * 1e3
    );
    Ok(())
}
