//! Line protocol over plain TCP, and a process that dies: what a query has shown is there after.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pulsora_tests::http::Client;
use pulsora_tests::server::{Launch, Server};

const PATIENCE: Duration = Duration::from_secs(60);

/// The address that the server says it takes lines on.
fn lines_of(server: &Server) -> String {
    let since = Instant::now();
    loop {
        let output = server.output();
        if let Some((_, rest)) = output.split_once("tcp://") {
            let end = rest.find(|c: char| !c.is_ascii_digit() && !".:".contains(c));
            return rest[..end.unwrap_or(rest.len())].to_owned();
        }
        assert!(since.elapsed() < PATIENCE, "no port for lines:\n{output}");
    }
}

fn count(client: &Client) -> u64 {
    let answer = client.sql("SELECT count(*) FROM wire.m").unwrap();
    answer.json()["data"][0][0].as_u64().unwrap_or(0)
}

#[test]
fn what_was_visible_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let launch = Launch::new(dir.path().join("data"))
        .set("tcp.listen", "127.0.0.1:0")
        .set("tcp.database", "wire")
        .set("tcp.flush_interval", "5ms");
    let mut sent = 0;
    let mut seen = 0;
    for round in 0..3 {
        let mut server = launch.start();
        let client = server.client();
        let found = count(&client);
        assert!(found >= seen, "round {round}: {found} rows, {seen} were visible");
        assert!(found <= sent, "round {round}: {found} rows, {sent} were sent");
        let mut stream = TcpStream::connect(lines_of(&server)).unwrap();
        let enough = found + 2_000;
        let since = Instant::now();
        seen = found;
        while seen < enough {
            let mut text = String::new();
            for _ in 0..100 {
                text.push_str(&format!("m,round={round} v={sent}i {}\n", sent + 1));
                sent += 1;
            }
            stream.write_all(text.as_bytes()).unwrap();
            seen = count(&client);
            assert!(since.elapsed() < PATIENCE, "{seen} of {sent} rows");
        }
        server.kill();
    }
    let mut server = launch.start();
    let client = server.client();
    assert!(count(&client) >= seen);
    // Rows are whole and each is there once: values and times go up together.
    let sql = "SELECT count(*), count(DISTINCT v), sum(v - cast(time AS BIGINT) + 1) FROM wire.m";
    let row = client.sql(sql).unwrap().json()["data"][0].clone();
    assert_eq!((row[0].clone(), row[2].clone()), (row[1].clone(), 0.into()), "{row}");
}

#[test]
fn a_gentle_end_stores_what_came() {
    let dir = tempfile::tempdir().unwrap();
    let launch = Launch::new(dir.path().join("data"))
        .set("tcp.listen", "127.0.0.1:0")
        .set("tcp.database", "wire")
        .set("tcp.flush_interval", "1h");
    let mut server = launch.start();
    let client = server.client();
    let mut stream = TcpStream::connect(lines_of(&server)).unwrap();
    let mut other = TcpStream::connect(lines_of(&server)).unwrap();
    stream.write_all(b"m v=1 1\nm v=2 2\nm v=12").unwrap();
    other.write_all(b"m v=3 3\nm v=4 4").unwrap();
    drop(other);
    // The second connection has ended, so its lines are stored; of the first, nothing is yet.
    let since = Instant::now();
    while count(&client) < 2 {
        assert!(since.elapsed() < PATIENCE);
    }
    let (status, output) = server.terminate();
    assert!(status.success(), "{output}");
    let mut server = launch.start();
    let client = server.client();
    let rows = client.sql("SELECT v FROM wire.m ORDER BY v").unwrap().json()["data"].to_string();
    assert_eq!(rows, "[[1.0],[2.0],[3.0],[4.0]]", "the line that was cut off is not there");
}
