//! An edge device: a gateway with twenty sensors and little memory that keeps what it measures on its
//! own disk, answers questions about it, and hands hourly averages to an uplink that is sometimes down.
//!
//! ```sh
//! cargo run --release -p pulsora --example edge_device            # one day of measurements
//! cargo run --release -p pulsora --example edge_device -- 3600    # so many seconds of them
//! ```
//!
//! What keeps it small
//! - `memory_bytes` gives every part of the database its share: rows that wait for the disk, the log,
//!   queries. Rows leave memory for compressed segments as soon as their share is used.
//! - `Durability::Async` lets the device lose at most the last second in a power cut, and spares its
//!   flash a sync for every value.
//! - Points go through series handles, which gather them; no value costs an allocation.

use std::path::Path;

use pulsora::{Database, Durability, Result};

/// 2024-06-01 00:00 UTC, milliseconds.
const MORNING_MS: i64 = 1_717_200_000_000;
const SENSORS: u128 = 20;
/// All that the database may use of the device.
const MEMORY_BYTES: u64 = 32 << 20;

fn main() -> Result<()> {
    let argument = std::env::args().nth(1);
    let seconds = argument.map_or(24 * 3600, |text| text.parse().expect("a number of seconds"));
    let database = open(Path::new("./edge-data"))?;
    let mut peak_bytes = memory_bytes();
    measure(&database, seconds, &mut peak_bytes)?;
    let sent = upload(&database, 0)?;
    peak_bytes = peak_bytes.max(memory_bytes());
    println!("{sent} hourly averages went up the line");
    println!("peak memory: {:.1} MB", peak_bytes as f64 / 1e6);
    database.close()
}

/// A database for a small machine.
fn open(dir: &Path) -> Result<Database> {
    Database::builder()
        .memory_bytes(MEMORY_BYTES)
        .durability(Durability::Async)
        .storage(|options| {
            // The log may take 32 MiB of flash, and 16 MiB stay free for the engine itself.
            options.wal_bytes = 32 << 20;
            options.reserve_bytes = 16 << 20;
        })
        .queries(|options| {
            options.threads = 1;
            options.concurrency = 1;
            // One query at a time may have what two would share.
            options.memory_bytes = 12 << 20;
        })
        .open(dir)
}

/// One value of each sensor per second, as the control loop of a device would append them.
fn measure(database: &Database, seconds: i64, peak_bytes: &mut u64) -> Result<()> {
    let sensors: Vec<_> = (1..=SENSORS).map(|id| database.series(id)).collect();
    for second in 0..seconds {
        for (number, sensor) in sensors.iter().enumerate() {
            let daily = (second as f64 / 86_400.0 * std::f64::consts::TAU).sin();
            let value = 20.0 + number as f64 + 5.0 * daily;
            sensor.append(MORNING_MS + second * 1_000, (value * 10.0).round() / 10.0)?;
        }
        if second % 600 == 0 {
            *peak_bytes = (*peak_bytes).max(memory_bytes());
        }
    }
    // From here on everything measured is in the log and visible.
    sensors[0].flush()?;
    let last = sensors[0].range(MORNING_MS + (seconds - 60) * 1_000..)?;
    println!("{} values in memory and on disk", seconds * SENSORS as i64);
    println!("the last minute of sensor 1 has {} of them", last.count());
    Ok(())
}

/// Sends every hour since `from_ms` up the line, sensor by sensor; gives how many values went.
fn upload(database: &Database, from_ms: i64) -> Result<usize> {
    let statement = format!(
        "SELECT id, time_bucket('1 hour', time) AS hour, avg(value) AS mean, max(value) AS highest \
         FROM series WHERE epoch_ns(time) >= {from_ms} * 1000000 GROUP BY id, hour ORDER BY hour, id"
    );
    let hours = database.sql(statement)?;
    // Here a device would post the batches, e.g. as Arrow IPC, and remember the last hour it sent.
    Ok(hours.len())
}

/// Anonymous memory of this process, bytes: what counts against the limit. 0 where the system does not
/// say.
fn memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|n| n.parse().ok());
    kib.unwrap_or(0) * 1024
}
