//! Line protocol over plain TCP.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Bed;

const PATIENCE: Duration = Duration::from_secs(60);

async fn bed(settings: &[(&str, &str)]) -> Bed {
    let listen = [("tcp.listen", "127.0.0.1:0"), ("tcp.database", "wire")];
    Bed::with(&[&listen, settings].concat()).await
}

async fn connect(bed: &Bed) -> TcpStream {
    TcpStream::connect(bed.server.tcp_addr().unwrap()).await.unwrap()
}

/// The answer to a statement once it has a row that says `expected`.
async fn eventually(bed: &Bed, sql: &str, expected: &str) {
    let begun = Instant::now();
    let body = serde_json::json!({ "sql": sql }).to_string();
    loop {
        let answer = bed.post("/api/v1/query?db=wire", "application/json", &body).await;
        let got = answer.json()["data"].to_string();
        if got == expected {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{sql}: {got}, not {expected}");
        tokio::task::yield_now().await;
    }
}

/// Waits for the server to close a connection.
async fn closed(mut stream: TcpStream) {
    let end = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 16])).await;
    assert!(!matches!(end.expect("it stays open"), Ok(read) if read > 0), "TCP has no answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_visible_while_the_connection_stays_open() {
    let bed = bed(&[]).await;
    let mut stream = connect(&bed).await;
    stream.write_all(b"m,host=a v=1 1\nm,host=a v=2 2\nm,host=a v=").await.unwrap();
    eventually(&bed, "SELECT count(*), sum(v) FROM m", "[[2,3.0]]").await;
    // The rest of a line; then one without an end, which the end of the connection ends.
    stream.write_all(b"3 3\nm,host=b text=\"two\nlines\",v=4 4\nm,host=c v=5 5").await.unwrap();
    eventually(&bed, "SELECT count(*), sum(v) FROM m", "[[4,10.0]]").await;
    drop(stream);
    eventually(&bed, "SELECT count(*), sum(v) FROM m", "[[5,15.0]]").await;
    let text = "SELECT text FROM m WHERE host = 'b'";
    eventually(&bed, text, r#"[["two\nlines"]]"#).await;
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_are_counted_and_cost_nothing_else() {
    let bed = bed(&[]).await;
    let mut stream = connect(&bed).await;
    stream.write_all(b"m v=1 1\nm v=\n\n# a comment\nm v=text 2\nm v=2 3\n").await.unwrap();
    eventually(&bed, "SELECT count(*), sum(v) FROM m", "[[2,3.0]]").await;
    stream.write_all(b"m v=3 4\n").await.unwrap();
    eventually(&bed, "SELECT count(*), sum(v) FROM m", "[[3,6.0]]").await;
    let metrics = bed.get("/metrics").await.text();
    for line in [
        "pulsora_ingest_rows_total{protocol=\"tcp\"} 3",
        "pulsora_ingest_rejected_total{protocol=\"tcp\"} 2",
        "pulsora_ingest_bytes_total{protocol=\"tcp\"} 53",
        "pulsora_tcp_connections 1",
    ] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    bed.server.shutdown().await.unwrap();
    closed(stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_that_stays_open_does_not_swallow_the_lines_behind_it() {
    let bed = bed(&[("tcp.buffer", "16KiB")]).await;
    let mut stream = connect(&bed).await;
    let mut text = String::from("m v=1 1\nm text=\"open,v=2 2\n");
    (0..2_000).for_each(|n| text.push_str(&format!("m v=1 {}\n", n + 10)));
    stream.write_all(text.as_bytes()).await.unwrap();
    eventually(&bed, "SELECT count(*) > 1000 FROM m", "[[true]]").await;
    stream.write_all(b"m last=1 9\n").await.unwrap();
    eventually(&bed, "SELECT count(last) FROM m", "[[1]]").await;
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_does_not_fit_closes_its_connection() {
    let bed = bed(&[("tcp.buffer", "16KiB")]).await;
    let mut stream = connect(&bed).await;
    stream.write_all(b"m v=1 1\n").await.unwrap();
    stream.write_all(format!("m text=\"{}", "x".repeat(40_000)).as_bytes()).await.unwrap();
    closed(stream).await;
    eventually(&bed, "SELECT count(*) FROM m", "[[1]]").await;
    let metrics = bed.get("/metrics").await.text();
    assert!(
        metrics.contains("pulsora_tcp_connections_ended_total{end=\"long_line\"} 1"),
        "{metrics}"
    );
    let mut other = connect(&bed).await;
    other.write_all(b"m v=2 2\n").await.unwrap();
    eventually(&bed, "SELECT count(*) FROM m", "[[2]]").await;
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_bounded_and_silent_ones_end() {
    let bed = bed(&[("tcp.connections", "1"), ("tcp.idle", "500ms")]).await;
    let first = connect(&bed).await;
    closed(connect(&bed).await).await;
    closed(first).await;
    let metrics = bed.get("/metrics").await.text();
    assert!(metrics.contains("pulsora_tcp_connections_ended_total{end=\"idle\"}"), "{metrics}");
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_with_much_to_say_within_little_room() {
    let bed = bed(&[("memory.limit", "64MiB"), ("ingest.max_wait", "50ms")]).await;
    let tasks: Vec<_> = (0..20)
        .map(|client| {
            let addr = bed.server.tcp_addr().unwrap();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(addr).await.unwrap();
                for block in 0..10 {
                    let line = |n| format!("m,client={client} v=1 {}\n", block * 5_000 + n);
                    let text: String = (0..5_000).map(line).collect();
                    stream.write_all(text.as_bytes()).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    eventually(&bed, "SELECT count(*) FROM m", "[[1000000]]").await;
    bed.server.shutdown().await.unwrap();
}
