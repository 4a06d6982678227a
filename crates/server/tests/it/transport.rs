use std::io::{Read, Write};

use crate::client::Bed;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_are_told_or_recognised() {
    let bed = Bed::new().await;
    let csv = b"time,v\n2024-01-01,1\n";
    let zstd = zstd::encode_all(&csv[..], 1).unwrap();
    for (body, headers) in [
        (gzip(csv), &[("content-encoding", "gzip")][..]),
        (gzip(csv), &[]),
        (zstd.clone(), &[("content-encoding", "zstd")]),
        (zstd, &[]),
    ] {
        bed.send("POST", "/tables/t/ingest", headers, &body).await.expect(200);
    }
    assert_eq!(bed.get("/tables/t/count").await.json()["data"]["count"], 4);
    for (encoding, status, code) in
        [("br", 415, "unsupported_format"), ("gzip", 400, "malformed_body")]
    {
        let headers = [("content-encoding", encoding)];
        let answer = bed.send("POST", "/tables/t/ingest", &headers, csv).await;
        assert_eq!(answer.refusal(), (status, code.into()));
    }
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_over_the_limit_are_refused_packed_or_not() {
    let bed = Bed::with(&[("ingest.max_body_bytes", "1MiB")]).await;
    let bomb = gzip(&vec![b'0'; 64 << 20]);
    let zstd_bomb = zstd::encode_all(&vec![b'0'; 64 << 20][..], 1).unwrap();
    let plain = vec![b'x'; 2 << 20];
    for path in ["/tables/t/ingest", "/write", "/api/v1/write/msgpack"] {
        for body in [&bomb, &zstd_bomb, &plain] {
            let answer = bed.send("POST", path, &[], body).await;
            assert_eq!(answer.refusal(), (413, "body_too_large".into()), "{path}");
        }
    }
    let large = format!("{{\"sql\":\"SELECT 1 -- {}\"}}", "x".repeat(2 << 20));
    let answer = bed.post("/api/v1/query", "application/json", large).await;
    assert_eq!(answer.refusal(), (413, "body_too_large".into()));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_compressed_when_asked() {
    let bed = Bed::new().await;
    let mut csv = String::from("time,v\n");
    (0..500).for_each(|n| csv.push_str(&format!("{},{n}\n", 1_700_000_000 + n)));
    bed.csv("/tables/t/ingest", &csv).await.expect(200);
    let plain = bed.get("/tables/t/query").await.expect(200);
    assert!(plain.header("content-encoding").is_none());
    let path = "/tables/t/query";
    let packed = bed.send("GET", path, &[("accept-encoding", "gzip")], b"").await.expect(200);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < plain.body.len() / 2);
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
    let packed = bed.send("GET", path, &[("accept-encoding", "zstd")], b"").await.expect(200);
    assert_eq!(packed.header("content-encoding"), Some("zstd"));
    assert_eq!(zstd::decode_all(&packed.body[..]).unwrap(), plain.body);
    let headers = [("accept-encoding", "gzip"), ("accept", "application/vnd.apache.arrow.stream")];
    let arrow = bed.send("GET", path, &headers, b"").await.expect(200);
    assert!(arrow.header("content-encoding").is_none());
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn request_ids_come_back_or_are_made() {
    let bed = Bed::new().await;
    let mine = bed.send("GET", "/health", &[("x-request-id", "mine-1")], b"").await.expect(200);
    assert_eq!(mine.header("x-request-id"), Some("mine-1"));
    let made = bed.get("/nothing").await;
    let id = made.header("x-request-id").unwrap();
    assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    let long = "x".repeat(500);
    let made = bed.send("GET", "/health", &[("x-request-id", &long)], b"").await.expect(200);
    assert_eq!(made.header("x-request-id").unwrap().len(), 16);
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cors() {
    let bed = Bed::new().await;
    let headers = [("origin", "https://a.example"), ("access-control-request-method", "POST")];
    let preflight = bed.send("OPTIONS", "/api/v1/query", &headers, b"").await.expect(200);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("POST"));
    bed.server.shutdown().await.unwrap();
    let bed = Bed::with(&[("server.cors", "")]).await;
    let none = bed.send("GET", "/health", &headers[..1], b"").await.expect(200);
    assert!(none.header("access-control-allow-origin").is_none());
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_is_not_read() {
    let bed = Bed::new().await;
    let answer = bed.post("/tables/t/ingest", "application/pdf", "x").await;
    assert_eq!(answer.refusal(), (415, "unsupported_format".into()));
    bed.server.shutdown().await.unwrap();
}

/// The head of a request whose body is announced and does not come.
async fn stalled(bed: &Bed, bytes: usize) -> tokio::net::TcpStream {
    use tokio::io::AsyncWriteExt;
    let head = format!("POST /write HTTP/1.1\r\nhost: x\r\ncontent-length: {bytes}\r\n\r\nm v=1");
    let mut stream = tokio::net::TcpStream::connect(bed.server.addr()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Bodies on their way hold room; when it is gone others are told to come back, and it comes back
/// with the end of the requests that hold it.
#[tokio::test(flavor = "multi_thread")]
async fn writes_beyond_the_room_are_refused_and_taken_again_later() {
    let share = ("ingest.client_bytes", "64MiB");
    let bed = Bed::with(&[("memory.limit", "64MiB"), ("ingest.max_wait", "20ms"), share]).await;
    let mut held = vec![stalled(&bed, 8 << 20).await, stalled(&bed, 8 << 20).await];
    let begun = std::time::Instant::now();
    let refused = loop {
        let answer = bed.post("/write", "", "m v=1").await;
        if answer.status != 204 {
            break answer;
        }
        assert!(begun.elapsed().as_secs() < 60, "there is still room");
        // A body that came while a small write held the rest was itself refused.
        held.push(stalled(&bed, 8 << 20).await);
    };
    assert_eq!(refused.refusal(), (503, "overloaded".into()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    bed.get("/health").await.expect(200);
    drop(held);
    while bed.post("/write", "", "m v=1").await.status != 204 {
        assert!(begun.elapsed().as_secs() < 60, "the room did not come back");
    }
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_pauses_inside_a_body_is_told_and_nothing_is_stored() {
    use tokio::io::AsyncReadExt;
    let bed = Bed::with(&[("limits.body_idle", "20ms")]).await;
    let mut stream = stalled(&bed, 100).await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    drop(stalled(&bed, 100).await);
    assert_eq!(bed.get("/tables").await.expect(200).json()["data"], serde_json::json!([]));
    bed.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_compressed_answer_ends_properly() {
    let bed = Bed::new().await;
    let mut csv = String::from("time,v,text\n");
    for n in 0..60_000 {
        csv.push_str(&format!("{},{n},text that makes the answer long\n", 1_700_000_000 + n));
    }
    bed.csv("/tables/t/ingest", &csv).await.expect(200);
    let path = "/tables/t/query?limit=100000";
    let plain = bed.get(path).await.expect(200);
    assert!(plain.body.len() > 2 << 20);
    let packed = bed.send("GET", path, &[("accept-encoding", "zstd")], b"").await.expect(200);
    assert_eq!(zstd::decode_all(&packed.body[..]).unwrap(), plain.body);
    bed.server.shutdown().await.unwrap();
}
