//! More than the server can take: it stays within its memory, answers, and drops nothing it accepted.
//!
//! 64 clients send large bodies as fast as they can to a server with `memory.limit = "512MB"`, while one
//! watches its anonymous memory and another asks for `/health`. `PULSORA_OVERLOAD_SECONDS` sets for how
//! long (6).

use std::fmt::Write;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pulsora_tests::answers;
use pulsora_tests::http::{Answer, Client};
use pulsora_tests::server::Launch;

const CLIENTS: u64 = 64;

const LIMIT: u64 = 512_000_000;

/// What became of the requests.
#[derive(Default)]
struct Tally {
    requests: AtomicU64,
    line_rows: AtomicU64,
    csv_rows: AtomicU64,
    refused: AtomicU64,
}

#[test]
fn sixty_four_clients_with_large_bodies_fit_into_512_mb() {
    let seconds = std::env::var("PULSORA_OVERLOAD_SECONDS").map_or(6, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let launch = Launch::new(dir.path().join("data"))
        .set("memory.limit", "512MB")
        .set("ingest.max_wait", "1s")
        .set("storage.reserve", "16MiB");
    let mut server = launch.start();
    let base = server.base().to_owned();
    let (tally, over) = (Tally::default(), AtomicBool::new(false));
    let mut most = 0;
    let slowest = std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (base, tally, over) = (&base, &tally, &over);
            scope.spawn(move || send_until(over, client, &Client::new(base), tally));
        }
        let (base, over) = (&base, &over);
        let health = scope.spawn(move || ask_until(over, &Client::new(base)));
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(seconds) {
            most = most.max(server.anonymous_memory().unwrap_or(0));
            std::thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
        health.join().unwrap()
    });
    most = most.max(server.anonymous_memory().unwrap_or(0));
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{} requests, {} refused, {} + {} rows in {seconds} s; at most {} MB anonymous; /health at most {slowest:?}",
        read(&tally.requests),
        read(&tally.refused),
        read(&tally.line_rows),
        read(&tally.csv_rows),
        most / 1_000_000,
    );
    assert!(most < LIMIT, "{most} bytes of anonymous memory");
    assert!(slowest < Duration::from_secs(5), "/health took {slowest:?}");
    assert!(read(&tally.requests) > CLIENTS / 2, "nearly nothing was accepted");
    let client = server.client();
    assert_eq!(answers::count(&client, "lines") as u64, read(&tally.line_rows));
    assert_eq!(answers::count(&client, "rows") as u64, read(&tally.csv_rows));
}

/// Line protocol, CSV, and both packed; each client with bodies of its own size.
fn send_until(over: &AtomicBool, client: u64, http: &Client, tally: &Tally) {
    let rows = 2_000 << (client % 6);
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        number += 1;
        let first = (client << 40) + number * rows;
        let (path, content_type, mut body) = match client % 2 {
            0 => ("/write?precision=us", "text/plain", lines(client, first, rows)),
            _ => ("/tables/rows/ingest?time_format=us", "text/csv", csv(client, first, rows)),
        };
        if client % 8 >= 6 {
            body = packed(&body);
        }
        let answer = http.post(path, &[("content-type", content_type)], &body).unwrap();
        if matches!(answer.status, 200 | 204) {
            let sum = if client.is_multiple_of(2) { &tally.line_rows } else { &tally.csv_rows };
            sum.fetch_add(rows, Ordering::Relaxed);
            tally.requests.fetch_add(1, Ordering::Relaxed);
        } else {
            check_refusal(&answer);
            tally.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn check_refusal(answer: &Answer) {
    assert!(matches!(answer.status, 429 | 503), "{} {}", answer.status, answer.text());
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    let codes = ["overloaded", "client_limit", "memory_limit"];
    assert!(codes.contains(&answer.code().as_str()), "{}", answer.text());
}

/// The longest time that `/health` took.
fn ask_until(over: &AtomicBool, client: &Client) -> Duration {
    let mut slowest = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let since = Instant::now();
        assert_eq!(client.get("/health").unwrap().status, 200);
        slowest = slowest.max(since.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    slowest
}

/// Microseconds of the row `n`: two rows never share one, so that every row counts in an upsert table.
fn time_us(n: u64) -> u64 {
    1_700_000_000_000_000 + (n & ((1 << 40) - 1))
}

fn lines(client: u64, first: u64, rows: u64) -> Vec<u8> {
    let mut text = String::new();
    for n in first..first + rows {
        let (series, time) = (n % 50, time_us(n));
        writeln!(
            text,
            "lines,client=c{client},series=s{series} a={n}i,b={}.5,c=\"text of {n}\" {time}",
            n / 3
        )
        .unwrap();
    }
    text.into_bytes()
}

fn csv(client: u64, first: u64, rows: u64) -> Vec<u8> {
    let mut text = String::from("time,client,n,a,b,c\n");
    for n in first..first + rows {
        writeln!(text, "{},{client},{n},{}.25,{},\"text of {n}\"", time_us(n), n / 7, n * 3)
            .unwrap();
    }
    text.into_bytes()
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}
