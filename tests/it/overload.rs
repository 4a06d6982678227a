//! More than the server can take: it stays within its memory, answers, and drops nothing it accepted.
//!
//! 64 clients send large bodies as fast as they can to a server with `memory.limit = "512MB"`, while one
//! watches its anonymous memory and another asks for `/health`. `PULSORA_OVERLOAD_SECONDS` sets for how
//! long (6). Bodies are made beforehand and sent again and again to append tables, where every row counts.

use std::fmt::Write;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pulsora_tests::answers;
use pulsora_tests::http::{Answer, Client};
use pulsora_tests::server::Launch;
use pulsora_tests::watch::Watched;

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
    let client = server.client();
    for (path, row) in [
        ("/tables/lines/ingest?tags=client,series", "time,client,series\n1,c,s\n"),
        ("/tables/rows/ingest", "time,n\n1,0\n"),
    ] {
        let answer = client.post(path, &[("content-type", "text/csv")], row.as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let bodies: Vec<Vec<u8>> = (0..CLIENTS).map(body).collect();
    let (tally, over) = (Tally::default(), AtomicBool::new(false));
    let (_, seen) = Watched::during(&mut server, || {
        std::thread::scope(|scope| {
            let (base, tally, over) = (&base, &tally, &over);
            for (client, body) in (0..CLIENTS).zip(&bodies) {
                scope.spawn(move || send_until(over, client, body, &Client::new(base), tally));
            }
            std::thread::sleep(Duration::from_secs(seconds));
            over.store(true, Ordering::Relaxed);
        });
    });
    let Watched { asked, slowest, most_bytes: most } = seen;
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{} requests, {} refused, {} + {} rows in {seconds} s; at most {} MB anonymous; /health {asked} times, at most {slowest:?}",
        read(&tally.requests),
        read(&tally.refused),
        read(&tally.line_rows),
        read(&tally.csv_rows),
        most / 1_000_000,
    );
    assert!(most < LIMIT, "{most} bytes of anonymous memory");
    assert!(slowest < Duration::from_secs(5), "/health took {slowest:?}");
    assert!(read(&tally.requests) > CLIENTS / 2, "nearly nothing was accepted");
    assert_eq!(answers::count(&client, "lines") as u64, read(&tally.line_rows) + 1);
    assert_eq!(answers::count(&client, "rows") as u64, read(&tally.csv_rows) + 1);
}

/// Rows of each body of a client: each has bodies of its own size.
fn rows_of(client: u64) -> u64 {
    2_000 << (client % 6)
}

/// Line protocol, CSV, and both packed.
fn body(client: u64) -> Vec<u8> {
    let rows = rows_of(client);
    let body = if client.is_multiple_of(2) { lines(client, rows) } else { csv(client, rows) };
    if client % 8 >= 6 { packed(&body) } else { body }
}

fn send_until(over: &AtomicBool, client: u64, body: &[u8], http: &Client, tally: &Tally) {
    let (rows, is_lines) = (rows_of(client), client.is_multiple_of(2));
    let (path, content_type) = match is_lines {
        true => ("/write?precision=us", "text/plain"),
        false => ("/tables/rows/ingest?time_format=us", "text/csv"),
    };
    while !over.load(Ordering::Relaxed) {
        let answer = http.post(path, &[("content-type", content_type)], body).unwrap();
        if matches!(answer.status, 200 | 204) {
            let sum = if is_lines { &tally.line_rows } else { &tally.csv_rows };
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

fn time_us(n: u64) -> u64 {
    1_700_000_000_000_000 + n
}

fn lines(client: u64, rows: u64) -> Vec<u8> {
    let mut text = String::new();
    for n in 0..rows {
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

fn csv(client: u64, rows: u64) -> Vec<u8> {
    let mut text = String::from("time,client,n,a,b,c\n");
    for n in 0..rows {
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
