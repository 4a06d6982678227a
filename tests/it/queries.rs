//! Queries that run together: ending one gives the processor back, memory has an end, and what is kept of answers is never
//! behind what was acknowledged.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pulsora_tests::http::{Answer, Client};
use pulsora_tests::server::{Launch, Server};
use serde_json::{Value, json};

const CSV: &[(&str, &str)] = &[("content-type", "text/csv")];

fn ingest(client: &Client, table: &str, rows: &str) {
    let path = format!("/tables/{table}/ingest");
    let answer = client.post(&path, CSV, format!("time,n\n{rows}").as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn numbers(client: &Client, rows: u64) {
    let rows: String = (0..rows).map(|n| format!("{},{n}\n", 1_700_000_000 + n)).collect();
    ingest(client, "t", &rows);
}

/// Processor time of a process so far.
fn processor_time(server: &Server) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<u64>().unwrap();
    // Clock ticks of /proc are hundredths of a second on every Linux machine.
    Duration::from_millis((ticks(14) + ticks(15)) * 10)
}

/// Waits for the one query that runs.
fn running(client: &Client) -> Value {
    let begun = Instant::now();
    loop {
        let answer = client.get("/api/v1/queries?state=running").unwrap().json();
        if let Some(query) = answer["queries"].as_array().and_then(|queries| queries.first()) {
            return query.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no query runs: {answer}");
    }
}

#[test]
fn a_cancelled_join_gives_the_processor_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Launch::new(dir.path().join("data")).start();
    let client = server.client();
    numbers(&client, 50_000);
    for sql in [
        "SELECT sum(a.n * b.n) FROM t a, t b WHERE a.n + b.n > 7",
        "SELECT count(*) FROM t a JOIN t b ON a.n * b.n < 0",
    ] {
        let answer = std::thread::scope(|scope| {
            let asked = scope.spawn(|| client.sql(sql).unwrap());
            let query = running(&client);
            let path = format!("/api/v1/queries/{}", query["id"].as_str().unwrap());
            let told = client.send("DELETE", &path, &[], &[]).unwrap();
            assert_eq!(told.status, 200, "{}", told.text());
            asked.join().unwrap()
        });
        assert_eq!((answer.status, answer.code().as_str()), (503, "cancelled"), "{sql}");
        let begun = Instant::now();
        let mut before = processor_time(&server);
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let now = processor_time(&server);
            if now - before < Duration::from_millis(100) {
                break;
            }
            // Both joins take minutes of every core.
            assert!(begun.elapsed() < Duration::from_secs(20), "{sql} goes on");
            before = now;
        }
    }
}

/// Rows so long that a batch of them is more than the server may take, where no operator says what it holds.
#[test]
fn a_query_that_takes_the_last_memory_ends_and_the_server_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Launch::new(dir.path().join("data")).set("memory.limit", "128MiB").start();
    let client = server.client();
    let sql = "SELECT repeat('long ', 2000) AS text FROM generate_series(1, 100000000)";
    match client.sql(sql) {
        // Before the first mebibyte was sent.
        Ok(answer) => {
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (503, "memory_limit"),
                "{answer:?}"
            );
        }
        // Later: the body does not end validly.
        Err(_broken) => {}
    }
    let query = client.get("/api/v1/queries").unwrap().json()["queries"][0].clone();
    assert_eq!((&query["state"], &query["code"]), (&json!("failed"), &json!("memory_limit")));
    assert_eq!(client.sql("SELECT 1").unwrap().status, 200);
}

/// One writes row by row; many ask the same thing all the time, so that answers are kept and thrown out in every order. After
/// every acknowledgement the answer is the present one.
#[test]
fn a_kept_answer_is_never_behind_an_acknowledged_write() {
    let dir = tempfile::tempdir().unwrap();
    let launch = Launch::new(dir.path().join("data"))
        .set("storage.flush_age", "1s")
        .set("storage.reserve", "16MiB");
    let mut server = launch.start();
    let client = server.client();
    ingest(&client, "t", "1,0\n");
    let (acknowledged, over) = (AtomicU64::new(1), AtomicBool::new(false));
    let statements = ["SELECT count(*) AS n FROM t", "SELECT max(n) + 1 AS n FROM t"];
    let counted = |answer: &Answer| answer.json()["data"][0][0].as_u64().unwrap();
    let hits = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|reader| {
                let (client, acknowledged, over) = (client.clone(), &acknowledged, &over);
                scope.spawn(move || {
                    let mut hits = 0;
                    while !over.load(Ordering::Relaxed) {
                        let least = acknowledged.load(Ordering::Acquire);
                        let answer = client.sql(statements[reader % 2]).unwrap();
                        assert_eq!(answer.status, 200, "{}", answer.text());
                        assert!(counted(&answer) >= least, "{} < {least}", counted(&answer));
                        hits += u64::from(answer.header("x-pulsora-cache") == Some("hit"));
                    }
                    hits
                })
            })
            .collect();
        for n in 1..400 {
            ingest(&client, "t", &format!("{},{n}\n", n + 1));
            acknowledged.store(n + 1, Ordering::Release);
            for sql in statements {
                assert_eq!(counted(&client.sql(sql).unwrap()), n + 1, "{sql}");
            }
            if n % 100 == 0 {
                client.post("/api/v1/flush?cold=true", &[], &[]).unwrap();
            }
        }
        over.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u64>()
    });
    assert!(hits > 100, "{hits} hits");
}
