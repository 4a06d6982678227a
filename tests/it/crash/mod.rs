//! SIGKILL at random moments, then every acknowledged row exactly once, and no deleted one.
//!
//! Lives of one data directory: four writers, one who flushes, one who deletes and updates, a kill, a
//! restart, an audit. Small limits make flushes, merges, conversions, retention, WAL files and recoveries
//! overlap. `PULSORA_KILLS` sets how many kills (30),
//! `PULSORA_SEED` the seed of what is sent and when it is killed (1).
//!
//! - [`ledger`]: what was sent, and what is known of its fate
//! - [`bodies`]: the bytes of a request, from its entry in the ledger
//! - [`life`]: one life of the server, from its start to the kill
//! - [`audit`]: the tables against the ledger

mod audit;
mod bodies;
mod ledger;
mod life;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use pulsora_tests::server::{Launch, binary};

use ledger::{Fate, Ledger};

#[test]
fn every_acknowledged_row_survives_sigkill_exactly_once() {
    let kills: u64 = number("PULSORA_KILLS", 30);
    let seed = number("PULSORA_SEED", 1);
    let dir = tempfile::tempdir().unwrap();
    let launch = Launch::new(dir.path().join("data"))
        .set("storage.flush_bytes", "1MiB")
        .set("storage.reserve", "16MiB")
        .set("storage.hot_for", "1s")
        .set("storage.retention_interval", "1s")
        .set("compaction.max_jobs", "3")
        .set("compaction.target_file_size", "1MB")
        .set("wal.max_bytes", "8MiB");
    keep_only_new_rows(&launch);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut ledger = Ledger::default();
    let since = Instant::now();
    for kill in 0..kills {
        life::live_and_die(&launch, &mut ledger, &mut random);
        let mut server = launch.start();
        audit::sums(&server.client(), &mut ledger, &format!("seed {seed}, kill {kill}"));
        server.kill();
    }
    let mut server = launch.start();
    audit::sums(&server.client(), &mut ledger, &format!("seed {seed}, at the end"));
    audit::rows(&server.client(), &ledger);
    let (status, output) = server.terminate();
    assert!(status.success(), "{status}: {output}");
    check_checksums(&dir.path().join("data"));
    println!("seed {seed}: {kills} kills in {:?}: {}", since.elapsed(), ledger.summary());
    assert!(ledger.count(Fate::Acknowledged) > kills as usize, "nearly nothing was acknowledged");
    let (deleted, raised) = ledger.changes();
    assert!(deleted > 0 && raised > 0, "nothing was changed");
}

/// Makes the table whose old rows are never shown.
fn keep_only_new_rows(launch: &Launch) {
    let mut server = launch.start();
    let client = server.client();
    for statement in [
        "CREATE TABLE aged (time TIMESTAMP, req BIGINT, n BIGINT, label VARCHAR, w DOUBLE)",
        "ALTER TABLE aged SET (retention = '1d')",
    ] {
        let answer = client.sql(statement).unwrap();
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
    }
}

/// Every checksum of the data directory holds after all that.
fn check_checksums(data: &Path) {
    let output = Command::new(binary()).arg("check").arg("--data-dir").arg(data).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pulsora check: {printed}");
}

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}
