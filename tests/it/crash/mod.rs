//! SIGKILL at random moments, then every acknowledged row exactly once.
//!
//! Lives of one data directory: four writers and one who flushes, a kill, a restart, an audit. Small
//! limits make flushes, WAL files and recoveries overlap. `PULSORA_KILLS` sets how many kills (30),
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
        .set("wal.max_bytes", "8MiB");
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
