//! Clients that mean harm: whatever they do, the process stays alive and `/health` answers.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pulsora_tests::server::{Launch, Server};

const PATIENCE: Duration = Duration::from_secs(60);

struct Target {
    _dir: tempfile::TempDir,
    server: Server,
    address: String,
}

impl Target {
    fn new(settings: &[(&str, &str)]) -> Target {
        let dir = tempfile::tempdir().unwrap();
        let launch = Launch::new(dir.path().join("data")).set("memory.limit", "256MiB");
        let launch = settings.iter().fold(launch, |launch, (key, value)| launch.set(key, value));
        let mut server = launch.start();
        let address = server.base().strip_prefix("http://").unwrap().to_owned();
        Target { _dir: dir, server, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends as much as the server takes, and gives all of its answer.
    fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // The server may answer and close before all is sent.
        let _ = stream.write_all(bytes);
        hear(&mut stream)
    }

    /// The server lives, answers, and is within its memory.
    fn is_well(&mut self) {
        let client = self.server.client();
        assert_eq!(client.get("/health").unwrap().status, 200);
        let written = client.post("/write", &[], b"well v=1").unwrap();
        assert_eq!(written.status, 204, "{}", written.text());
        if let Some(bytes) = self.server.anonymous_memory() {
            assert!(bytes < 256 << 20, "{bytes} bytes of anonymous memory");
        }
    }
}

/// Everything until the server closes; a reset is an end too.
fn hear(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    if let Err(error) = stream.read_to_end(&mut text) {
        let timed_out = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(!timed_out, "the server does not close: {}", String::from_utf8_lossy(&text));
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn slow_heads_and_slow_bodies() {
    let mut target =
        Target::new(&[("limits.header_timeout", "300ms"), ("limits.body_idle", "300ms")]);
    let begin = |text: &str| {
        let mut stream = target.connect();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let heads: Vec<TcpStream> =
        (0..200).map(|n| begin(&format!("GET /health HTTP/1.1\r\nx-{n}: "))).collect();
    let bodies: Vec<TcpStream> = (0..100)
        .map(|n| match n % 2 {
            0 => begin("POST /write HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nm v=1"),
            _ => begin("POST /write HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nm v=1\r\n"),
        })
        .collect();
    target.is_well();
    for mut stream in heads.into_iter().chain(bodies) {
        let answer = hear(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    target.is_well();
    let tables = target.server.client().get("/tables").unwrap().text();
    assert!(!tables.contains("\"m\""), "bodies that did not come whole are not stored: {tables}");
}

#[test]
fn endless_bodies_end_at_their_limit() {
    let mut target = Target::new(&[("ingest.max_body_bytes", "8MiB")]);
    let piece = vec![b'x'; 1 << 20];
    for framing in ["content-length: 1099511627776", "transfer-encoding: chunked"] {
        for path in
            ["/write", "/api/v1/write/msgpack", "/tables/t/ingest", "/api/v1/query", "/none"]
        {
            let mut stream = target.connect();
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let mut sent = 0_u64;
            // Until the server will not have more; it must not read for ever.
            while write_piece(&mut stream, framing, &piece).is_ok() {
                sent += 1;
                assert!(sent < 1_000, "{path}: the server reads and reads");
            }
            let answer = hear(&mut stream);
            let status = if path == "/none" { "404" } else { "413" };
            let fits = answer.starts_with(&format!("HTTP/1.1 {status} "));
            // A reset may overtake the answer.
            assert!(answer.is_empty() || fits, "{path}: {answer}");
        }
    }
    target.is_well();
}

fn write_piece(stream: &mut TcpStream, framing: &str, piece: &[u8]) -> std::io::Result<()> {
    if framing.ends_with("chunked") {
        stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
        stream.write_all(piece)?;
        return stream.write_all(b"\r\n");
    }
    stream.write_all(piece)
}

#[test]
fn heads_that_are_too_large_and_what_is_no_http() {
    let mut target = Target::new(&[]);
    let large = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    let url = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1 << 20));
    let many: String = (0..10_000).map(|n| format!("x-{n}: y\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\n{many}\r\n");
    for head in [large, url, many] {
        let answer = target.say(head.as_bytes());
        let fits =
            ["HTTP/1.1 431 ", "HTTP/1.1 414 "].iter().any(|status| answer.starts_with(status));
        assert!(answer.is_empty() || fits, "{answer}");
    }
    for bytes in
        [&b"\0\x01\x02\x03\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET\r\n\r\n"]
    {
        let answer = target.say(bytes);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    target.is_well();
}

#[test]
fn thousands_of_idle_connections() {
    let mut target = Target::new(&[("limits.connections", "300")]);
    // Within the 1,024 descriptors that a process may have by default, on both sides.
    let mut held: Vec<TcpStream> = (0..700).map(|_| target.connect()).collect();
    healthy(&mut target);
    for round in 0..2_000 {
        let slot = round % held.len();
        held[slot] = target.connect();
    }
    healthy(&mut target);
    let metrics = target.server.client().get("/metrics").unwrap().text();
    let made_room = "pulsora_http_connections_ended_total{end=\"made_room\"}";
    assert!(metrics.contains(made_room), "{metrics}");
    drop(held);
    healthy(&mut target);
    target.is_well();
}

/// Asks until there is a seat for the question: somebody quiet must make room.
fn healthy(target: &mut Target) {
    let client = target.server.client();
    let since = Instant::now();
    while !client.get("/health").is_ok_and(|answer| answer.status == 200) {
        assert!(since.elapsed() < PATIENCE, "nobody makes room");
        std::thread::sleep(Duration::from_millis(10));
    }
}
