//! Clients that hold connections without using them as they should.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Bed;

/// Longer than any deadline of these tests, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn connect(bed: &Bed, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(bed.server.addr()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Everything until the server closes.
async fn to_the_end(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await;
    // A reset is an end too.
    let _ = read.expect("the connection stays open");
    String::from_utf8_lossy(&text).into_owned()
}

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";

/// Reads one answer whose length is announced.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await;
        let read = read.expect("an answer").unwrap();
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        let whole = text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.ends_with('}'));
        if whole || read == 0 {
            return text;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_takes_too_long() {
    let bed = Bed::with(&[("limits.header_timeout", "50ms")]).await;
    let text =
        to_the_end(connect(&bed, b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ").await).await;
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    // Also the head of a later request.
    let mut stream = connect(&bed, HEALTH).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
    stream.write_all(b"GET").await.unwrap();
    assert!(to_the_end(stream).await.starts_with("HTTP/1.1 408 "));
    let metrics = bed.get("/metrics").await.text();
    let line = "pulsora_http_connections_ended_total{end=\"header_timeout\"} 2";
    assert!(metrics.contains(line), "{metrics}");
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_requests_is_closed() {
    let bed = Bed::with(&[("limits.keep_alive", "50ms")]).await;
    assert_eq!(to_the_end(connect(&bed, b"").await).await, "");
    let mut stream = connect(&bed, HEALTH).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(to_the_end(stream).await, "");
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_too_large() {
    let bed = Bed::new().await;
    let large = format!("GET /health HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    let mut many = String::from("GET /health HTTP/1.1\r\nhost: x\r\n");
    (0..200).for_each(|n| many.push_str(&format!("x-{n}: 1\r\n")));
    many.push_str("\r\n");
    for head in [large, many] {
        let mut stream = TcpStream::connect(bed.server.addr()).await.unwrap();
        // The server may answer and close before all is sent.
        let _ = stream.write_all(head.as_bytes()).await;
        let text = to_the_end(stream).await;
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 431 "), "{text}");
    }
    bed.get("/health").await.expect(200);
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles() {
    let settings = [("limits.body_idle", "200ms"), ("limits.body_rate", "1MiB")];
    let bed = Bed::with(&settings).await;
    for framing in ["content-length: 100000", "transfer-encoding: chunked"] {
        let head = format!("POST /write HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n");
        let mut stream = connect(&bed, head.as_bytes()).await;
        let piece: &[u8] = if framing.ends_with("chunked") { b"1\r\nm\r\n" } else { b"m" };
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        let mut first = [0; 12];
        loop {
            tokio::select! {
                read = stream.read_exact(&mut first) => {
                    read.unwrap();
                    break;
                }
                _ = tick.tick() => {}
            }
            stream.write_all(piece).await.unwrap();
        }
        assert_eq!(&first, b"HTTP/1.1 408", "{framing}");
        let rest = to_the_end(stream).await;
        assert!(rest.contains("request_timeout"), "{rest}");
    }
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_take_its_answer() {
    let bed = Bed::with(&[("limits.answer_idle", "50ms")]).await;
    let mut csv = String::from("time,v,text\n");
    for n in 0..100_000 {
        csv.push_str(&format!("{},{n},text that makes the answer long\n", 1_700_000_000 + n));
    }
    bed.csv("/tables/t/ingest", &csv).await.expect(200);
    let request = b"GET /tables/t/query?limit=100000 HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut held = Vec::new();
    // As many as it takes to fill the buffers of the system.
    for _ in 0..4 {
        held.push(connect(&bed, &request.repeat(8)).await);
    }
    let begun = std::time::Instant::now();
    let ended = "pulsora_http_connections_ended_total{end=\"failed\"} 4";
    while !bed.get("/metrics").await.text().contains(ended) {
        assert!(begun.elapsed() < PATIENCE, "{}", bed.get("/metrics").await.text());
    }
    drop(held);
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_connection_makes_room_and_a_busy_one_does_not() {
    let bed = Bed::with(&[("limits.connections", "2")]).await;
    let body = b"POST /write HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nm v";
    let mut busy = connect(&bed, body).await;
    let quiet = connect(&bed, b"GET /he").await;
    let begun = std::time::Instant::now();
    // Refused while the other two are young, taken when one has been quiet for a second.
    loop {
        let request = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let text = to_the_end(connect(&bed, request).await).await;
        if text.starts_with("HTTP/1.1 200 ") {
            break;
        }
        // A reset may overtake the answer.
        let refused = text.starts_with("HTTP/1.1 503 ") && text.contains("\"code\":\"overloaded\"");
        assert!(text.is_empty() || refused, "{text}");
        assert!(begun.elapsed() < PATIENCE, "nobody makes room");
    }
    assert_eq!(to_the_end(quiet).await, "", "it made room");
    busy.write_all(b"=1 10\n").await.unwrap();
    assert!(to_the_end_of_head(&mut busy).await.starts_with("HTTP/1.1 204 "));
    bed.server.shutdown().await.unwrap();
}

async fn to_the_end_of_head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await;
        text.push(byte.expect("an answer").unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_requests_and_not_for_anything_else() {
    let bed = Bed::new().await;
    let head = b"POST /write HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\nm v=";
    let mut busy = connect(&bed, head).await;
    let held = [connect(&bed, b"").await, connect(&bed, b"GET /x HT").await];
    while !bed.get("/metrics").await.text().contains("pulsora_http_requests_running 2") {
        tokio::task::yield_now().await;
    }
    let ending = tokio::spawn(bed.server.shutdown());
    for stream in held {
        assert_eq!(to_the_end(stream).await, "");
    }
    assert!(!ending.is_finished(), "a request is on its way");
    busy.write_all(b"1 10\n").await.unwrap();
    assert!(to_the_end(busy).await.starts_with("HTTP/1.1 204 "));
    ending.await.unwrap().unwrap();
}
