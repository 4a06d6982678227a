//! A server in this process, and a raw HTTP/1.1 client: one connection per request, nothing hidden.

use std::net::SocketAddr;

use pulsora_server::{Config, Server};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server over a directory of its own; ready.
pub struct Bed {
    pub server: Server,
    pub dir: TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body ended as HTTP/1.1 says it must.
    pub complete: bool,
}

impl Bed {
    pub async fn new() -> Bed {
        Bed::with(&[]).await
    }

    /// With settings, such as `("query.max_rows", "10")`.
    pub async fn with(settings: &[(&str, &str)]) -> Bed {
        let dir = tempfile::tempdir().unwrap();
        Bed::over(dir, settings).await
    }

    pub async fn over(dir: TempDir, settings: &[(&str, &str)]) -> Bed {
        let data = dir.path().join("data").to_string_lossy().into_owned();
        let base = [
            ("server.listen", "127.0.0.1:0"),
            ("storage.data_dir", data.as_str()),
            ("storage.reserve", "0"),
            ("memory.limit", "512MiB"),
        ];
        let flags: Vec<(String, String)> = base
            .iter()
            .chain(settings)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let config = Config::load(None, std::iter::empty(), &flags).unwrap();
        let mut server = Server::start(config).await.unwrap();
        server.opened().await.unwrap();
        Bed { server, dir }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await
    }

    pub async fn post(&self, path: &str, content_type: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send("POST", path, &[("content-type", content_type)], body.as_ref()).await
    }

    pub async fn csv(&self, path: &str, body: &str) -> Answer {
        self.post(path, "text/csv", body).await
    }

    pub async fn sql(&self, sql: &str) -> Answer {
        let body = serde_json::json!({ "sql": sql }).to_string();
        self.post("/api/v1/query", "application/json", body).await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        send(self.server.addr(), method, path, headers, body).await
    }
}

pub async fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(body).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a whole head");
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let raw = &bytes[end + 4..];
    let chunked = headers.iter().any(|(n, v)| n == "transfer-encoding" && v == "chunked");
    let length: Option<usize> =
        headers.iter().find(|(n, _)| n == "content-length").map(|(_, v)| v.parse().unwrap());
    let (body, complete) = match (chunked, length) {
        (true, _) => unchunk(raw),
        (false, Some(length)) => (raw.to_vec(), raw.len() == length),
        (false, None) => (raw.to_vec(), raw.is_empty()),
    };
    Answer { status, headers, body, complete }
}

fn unchunk(mut raw: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = raw.windows(2).position(|w| w == b"\r\n") else { return (body, false) };
        let size = usize::from_str_radix(std::str::from_utf8(&raw[..end]).unwrap(), 16).unwrap();
        raw = &raw[end + 2..];
        if size == 0 {
            return (body, true);
        }
        if raw.len() < size + 2 {
            body.extend_from_slice(raw);
            return (body, false);
        }
        body.extend_from_slice(&raw[..size]);
        raw = &raw[size + 2..];
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// Status and code of an error.
    pub fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }

    /// The answer, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        assert!(self.complete, "the body broke off: {}", self.text());
        self
    }
}
