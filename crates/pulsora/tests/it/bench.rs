//! `pulsora bench`: tiny runs, whose figures are of the rows that were sent.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::run::{Server, pulsora, pulsora_with};

fn ingest(args: &[&str]) -> Value {
    let args = [&["bench", "ingest", "--hosts", "5", "--clients", "3", "--json"], args].concat();
    serde_json::from_str(&pulsora(&args).ok()).unwrap()
}

fn checked(run: &Value, rows: u64) {
    assert_eq!((&run["verified"], &run["rows"]), (&json!(true), &json!(rows)), "{run}");
    for what in ["accepted", "fsynced", "visible", "flushed"] {
        assert!(run["rows_per_second"][what].as_f64().is_some_and(|rate| rate > 0.0), "{run}");
    }
    assert!(run["latency_ms"]["p50"].as_f64() <= run["latency_ms"]["max"].as_f64(), "{run}");
    assert!(run["stored"]["bytes_per_row"].as_f64().is_some_and(|bytes| bytes > 0.0), "{run}");
}

#[test]
fn a_server_of_its_own_takes_every_protocol_and_loses_nothing_in_a_crash() {
    for (protocol, shape) in
        [("line", "small"), ("msgpack", "tsbs"), ("arrow", "trades"), ("csv", "tsbs")]
    {
        let run = ingest(&[
            "--protocol",
            protocol,
            "--shape",
            shape,
            "--rows",
            "950",
            "--batch",
            "100",
            "--verify-crash",
        ]);
        checked(&run, 950);
        assert_eq!(run["requests"], 10, "{run}");
        assert_eq!(run["crash"]["rows_before"], 100, "{run}");
        assert!(run["syncs"]["count"].as_f64().is_some_and(|count| count > 0.0), "{run}");
        assert!(run["server"]["anonymous_peak_bytes"].as_f64() > Some(1e6), "{run}");
    }
}

#[test]
fn rows_of_a_longer_run_are_new_and_counted_with_those_before() {
    let dir = tempfile::tempdir().unwrap();
    let place = ["--data-dir", dir.path().to_str().unwrap()];
    let load = ["--protocol", "msgpack", "--seconds", "0.3", "--warm-up", "0.1", "--batch", "10"];
    let first = ingest(&[&load[..], &place].concat());
    checked(&first, first["rows"].as_u64().unwrap());
    let second = ingest(&[&["--rows", "60", "--batch", "7"][..], &place].concat());
    checked(&second, 60);
    let counted =
        pulsora(&[&["sql", "SELECT count(*) FROM cpu", "--format", "csv"][..], &place].concat());
    let sent: u64 = ["rows", "warm_up_rows"].iter().map(|name| first[name].as_u64().unwrap()).sum();
    assert_eq!(counted.ok().lines().nth(1), Some((sent + 60).to_string().as_str()));
}

#[test]
fn the_queries_answer_over_the_rows_that_were_loaded() {
    let args = ["bench", "query", "--hosts", "3", "--hours", "0.5", "--runs", "2", "--json"];
    let run: Value = serde_json::from_str(&pulsora(&args).ok()).unwrap();
    let types = run["types"].as_array().unwrap();
    assert_eq!(types.len(), 16);
    let rows = |name: &str| types.iter().find(|of| of["type"] == name).unwrap()["rows"].clone();
    assert_eq!((rows("lastpoint"), rows("groupby-orderby-limit")), (json!(3), json!(5)));
    let text = pulsora(&[&args[..8], &["--type", "lastpoint"]].concat()).ok();
    assert!(text.contains("| lastpoint | "), "{text}");
    assert!(!text.contains("double-groupby"), "{text}");
}

/// A proxy that answers every third write itself and never passes it on: a server that loses rows.
fn loses_requests(server: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut writes = 0;
        for client in listener.incoming() {
            let (mut client, server) = (client.unwrap(), server.clone());
            // One connection after the other: the test has one client.
            while let Some((request, write)) = request(&mut client) {
                writes += usize::from(write);
                if write && writes.is_multiple_of(3) {
                    client.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
                    continue;
                }
                let mut upstream = TcpStream::connect(&server).unwrap();
                upstream.write_all(&request).unwrap();
                let mut answer = Vec::new();
                upstream.read_to_end(&mut answer).unwrap();
                client.write_all(&answer).unwrap();
                if !write {
                    break;
                }
            }
        }
    });
    url
}

/// The next request, asking for a connection that ends with its answer; and whether it writes.
fn request(client: &mut TcpStream) -> Option<(Vec<u8>, bool)> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase();
            let length = length.split_once("content-length: ").map_or(0, |(_, rest)| {
                rest.lines().next().unwrap().trim().parse::<usize>().unwrap()
            });
            if body.len() >= length {
                let write = head.starts_with("POST /write");
                let closing = text.replacen("\r\n", "\r\nconnection: close\r\n", 1);
                return Some((closing.into_bytes(), write));
            }
        }
        match client.read(&mut chunk) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    }
}

#[test]
fn a_server_that_loses_rows_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let url = loses_requests(server.url.strip_prefix("http://").unwrap().to_owned());
    let args =
        ["bench", "ingest", "--hosts", "2", "--clients", "1", "--rows", "40", "--batch", "10"];
    let ran = pulsora(&[&args[..], &["--url", &url, "--json"]].concat());
    let run: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(run["verified"], false, "{run}");
    let said = ran.failed();
    assert!(said.contains("40 rows were accepted, 30 are there"), "{said}");
    assert!(said.contains("the sum of usage_user is"), "{said}");
}

#[test]
fn another_system_is_not_asked_for_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let run = ingest(&["--url", &server.url, "--path", "/api/v2/write", "--rows", "30"]);
    assert_eq!((&run["verified"], &run["rows"]), (&Value::Null, &json!(30)), "{run}");
}

#[test]
fn what_cannot_be_measured_is_told() {
    let refused = |args: &[&str]| pulsora(&[&["bench"], args].concat());
    let nobody = refused(&["ingest", "--url", "http://127.0.0.1:1", "--rows", "10"]).failed();
    assert!(nobody.contains("127.0.0.1:1"), "{nobody}");
    let zero = refused(&["ingest", "--batch", "0"]).failed();
    assert!(zero.contains("--batch must be at least 1"), "{zero}");
    let name = refused(&["ingest", "--table", "a b"]).failed();
    assert!(name.contains("lower-case letters"), "{name}");
    let query = refused(&["query", "--type", "everything"]).failed();
    assert!(query.contains("there is no query type everything"), "{query}");
    assert_eq!(refused(&["ingest", "--url", "http://x", "--verify-crash"]).code, Some(2));
    let dir = tempfile::tempdir().unwrap();
    let gone = [("TMPDIR", dir.path().join("nothing").to_str().unwrap().to_owned())];
    let gone: Vec<(&str, &str)> = gone.iter().map(|(name, value)| (*name, &**value)).collect();
    let own = pulsora_with(&["bench", "ingest", "--rows", "10"], &gone, b"").failed();
    assert!(own.contains("temporary directory"), "{own}");
}
