//! Writes refused and taken again, reads all the time, on a disk that is full for a while.
//!
//! Needs a file system of its own, so it runs where the test may mount one, and else says why not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pulsora_tests::answers::{count, sql_int};
use pulsora_tests::http::{Answer, Client};
use pulsora_tests::server::Launch;

/// Size of the disk, and of what another program takes of it for a while.
const DISK_MIB: u64 = 192;
const TAKEN_MIB: u64 = 96;

#[test]
fn a_full_disk_refuses_writes_only_and_only_while_it_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let disk = match Disk::mount(dir.path().join("disk")) {
        Ok(disk) => disk,
        Err(reason) => return println!("skipped: no small disk can be mounted: {reason}"),
    };
    let taken = disk.0.join("of another program");
    std::fs::write(&taken, vec![7; (TAKEN_MIB << 20) as usize]).unwrap();
    let launch = Launch::new(disk.0.join("data"))
        .set("storage.reserve", "16MiB")
        .set("storage.flush_bytes", "4MiB")
        .set("wal.max_bytes", "32MiB");
    let mut server = launch.start();
    let client = server.client();

    let mut next = 0;
    let refusal = fill(&client, &mut next);
    assert_eq!((refusal.status, refusal.code().as_str()), (503, "disk_full"), "{refusal:?}");
    assert!(refusal.header("retry-after").is_some(), "{refusal:?}");
    assert_eq!(refusal.json()["success"], false);
    assert_holds(&client, next);
    assert_eq!(client.get("/health").unwrap().status, 200);

    std::fs::remove_file(&taken).unwrap();
    let since = Instant::now();
    while write(&client, next).status != 200 {
        assert!(since.elapsed() < Duration::from_secs(60), "still refused, with space again");
        std::thread::sleep(Duration::from_millis(50));
    }
    next += ROWS;
    assert_holds(&client, next);
    server.kill();
    let mut server = launch.start();
    assert_holds(&server.client(), next);
}

/// Rows of one request, about 1 MiB.
const ROWS: i64 = 8_000;

/// Writes until the disk is full; `next` is the number of rows acknowledged.
fn fill(client: &Client, next: &mut i64) -> Answer {
    for _ in 0..2 * DISK_MIB {
        let answer = write(client, *next);
        if answer.status != 200 {
            return answer;
        }
        *next += ROWS;
    }
    panic!("{next} rows fit on a disk of {DISK_MIB} MiB");
}

/// One request with text that does not pack.
fn write(client: &Client, first: i64) -> Answer {
    let mut random = fastrand::Rng::with_seed(first as u64);
    let mut csv = String::from("time,n,text\n");
    for n in first..first + ROWS {
        let text: String = (0..128).map(|_| random.alphanumeric()).collect();
        csv.push_str(&format!("{},{n},{text}\n", 1_700_000_000_000 + n));
    }
    client.post("/tables/filling/ingest", &[("content-type", "text/csv")], csv.as_bytes()).unwrap()
}

/// Exactly the acknowledged rows are there, by both ways of reading.
fn assert_holds(client: &Client, rows: i64) {
    assert_eq!(count(client, "filling"), rows);
    assert_eq!(sql_int(client, "SELECT count(DISTINCT n) FROM filling"), rows);
    assert_eq!(sql_int(client, "SELECT sum(n) FROM filling"), rows * (rows - 1) / 2);
}

/// A mounted file system; unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf) -> Result<Disk, String> {
        std::fs::create_dir(&at).map_err(|error| error.to_string())?;
        run("mount", &["-t", "tmpfs", "-o", &format!("size={DISK_MIB}m"), "tmpfs"], &at)?;
        Ok(Disk(at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the server may hold files for a moment longer than the test. Nothing to do if it fails.
        let _ = run("umount", &["-l"], &self.0);
    }
}

fn run(program: &str, args: &[&str], path: &Path) -> Result<(), String> {
    let output = Command::new(program).args(args).arg(path).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
