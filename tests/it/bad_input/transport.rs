//! What surrounds a body: its type, its encoding, its size, the names it is for, the route.

use std::io::{Read, Write};
use std::net::TcpStream;

use flate2::Compression;
use flate2::write::GzEncoder;
use pulsora_tests::answers::{escape, everything, sql_rows, tables};

use super::{Bench, Case, MS};

fn row() -> String {
    format!("time,n\n{MS},3\n")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A small file that unpacks to `mib` MiB.
fn bomb(mib: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![b'0'; 1 << 20];
    for _ in 0..mib {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn types_and_encodings() {
    let t = "/tables/t/ingest";
    let csv = |name: &str, body: &[u8]| Case::new(name, t, "text/csv", body);
    let packed = gzip(row().as_bytes());
    Bench::new().run(vec![
        Case::new("a type that is not read", t, "application/pdf", row())
            .refused(415, "unsupported_format"),
        Case::new("a type that is none", t, "nonsense", row()).refused(415, "unsupported_format"),
        csv("an encoding that is not read", row().as_bytes())
            .header("content-encoding", "br")
            .refused(415, "unsupported_format"),
        csv("said to be gzip", row().as_bytes())
            .header("content-encoding", "gzip")
            .refused(400, "malformed_body"),
        csv("said to be zstd", row().as_bytes())
            .header("content-encoding", "zstd")
            .refused(400, "malformed_body"),
        csv("gzip cut off", &packed[..packed.len() - 5])
            .header("content-encoding", "gzip")
            .refused(400, "malformed_body"),
        csv("gzip that is not said", &packed).stored(1),
        csv("gzip", &packed).header("content-encoding", "gzip").stored(1),
        csv("a charset", row().as_bytes()).header("x-request-id", "mine").stored(1),
        Case::new("with a charset", t, "text/csv; charset=utf-8", row()).stored(1),
    ]);
}

#[test]
fn bodies_that_are_too_large() {
    let mut bench = Bench::new();
    let client = bench.server.client();
    let before = everything(&client);
    let bomb = bomb(400);
    assert!(bomb.len() < 1 << 20);
    let routes = ["/tables/t/ingest", "/write", "/api/v1/write/msgpack", "/tables/new/ingest"];
    for path in routes {
        let headers = [("content-encoding", "gzip")];
        let answer = client.post(path, &headers, &bomb).unwrap();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (413, "body_too_large"),
            "{path}: {answer:?}"
        );
    }
    if let Some(bytes) = bench.server.anonymous_memory() {
        // What the heaps of the threads keep of a growing buffer of 24 MiB; not one whole bomb.
        assert!(bytes < 300 << 20, "{bytes} bytes of memory after four bombs of 400 MiB");
    }
    let answer = announce(client.base(), "/tables/t/ingest", 1 << 40);
    assert!(answer.starts_with("HTTP/1.1 413 "), "by its announced length: {answer}");
    assert!(answer.contains("body_too_large"), "{answer}");
    let endless = std::io::repeat(b'x').take(100 << 20);
    // The server may answer and close before all is sent; then there is no answer to look at.
    if let Ok(answer) = client.post_chunked("/tables/t/ingest", &[], endless) {
        assert_eq!(answer.status, 413, "by what came: {answer:?}");
    }
    assert_eq!(everything(&client), before);
    bench.finish();
}

/// The answer to a request whose body is announced, but never sent.
fn announce(base: &str, path: &str, bytes: u64) -> String {
    let address = base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: text/csv\r\ncontent-length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&answer).contains("body_too_large") {
        match stream.read(&mut buffer).expect("an answer without the body") {
            0 => break,
            length => answer.extend_from_slice(&buffer[..length]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A connection that ends in the middle of a body leaves nothing behind, though what came would parse.
#[test]
fn bodies_that_are_cut_off() {
    let mut bench = Bench::new();
    let client = bench.server.client();
    let before = everything(&client);
    let csv = row();
    let line = format!("u,host=cut v=1i {MS}000000\n");
    let packed = gzip(csv.as_bytes());
    let heads = [
        ("/tables/t/ingest", "text/csv", csv.as_bytes(), "content-length: 10000\r\n"),
        ("/write", "text/plain", line.as_bytes(), "content-length: 10000\r\n"),
        (
            "/tables/t/ingest",
            "text/csv",
            &packed,
            "content-length: 10000\r\ncontent-encoding: gzip\r\n",
        ),
    ];
    for (path, content_type, body, headers) in heads {
        cut_off(client.base(), path, content_type, headers, body);
    }
    let chunk = format!("{:x}\r\n{line}\r\n", line.len());
    let headers = "transfer-encoding: chunked\r\n";
    cut_off(client.base(), "/write", "text/plain", headers, chunk.as_bytes());
    assert_eq!(everything(&client), before);
    bench.finish();
}

/// Sends a request and the beginning of its body, and ends the connection once the server has seen that.
fn cut_off(base: &str, path: &str, content_type: &str, headers: &str, body: &[u8]) {
    let address = base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {content_type}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    // The server may answer or not; it ends the connection once it has dealt with the request.
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn names_are_names_and_not_paths() {
    let names = [
        "../../etc",
        "..",
        ".",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "with space",
        "with \"quotes\" and 'more'",
        "ünï🦀",
        "%2e%2e%2f",
        "con",
        "select",
        "; DROP TABLE t; --",
        "trailing.",
        ".hidden",
    ];
    let mut bench = Bench::new();
    let client = bench.server.client();
    for (at, name) in names.iter().enumerate() {
        let path = format!("/tables/{}/ingest", escape(name));
        let header = format!("time,\"{}\"\n{MS},{at}\n", name.replace('"', "\"\""));
        let headers = [("content-type", "text/csv")];
        let answer = client.post(&path, &headers, header.as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        let path = format!("/write?precision=ms&db={}", escape(name));
        let line = format!("inside v={at}i {MS}");
        let answer = client.post(&path, &[], line.as_bytes()).unwrap();
        assert_eq!(answer.status, 204, "database {name}: {answer:?}");
    }
    assert_eq!(client.post("/api/v1/flush", &[], &[]).unwrap().status, 200);
    let known = tables(&client, "default");
    for (at, name) in names.iter().enumerate() {
        assert!(known.contains(&(*name).to_owned()), "{name} is not in {known:?}");
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let rows = sql_rows(&client, &format!("SELECT {quoted} FROM {quoted}"));
        assert_eq!(rows, [[serde_json::Value::from(at)]], "{name}");
        let rows = sql_rows(&client, &format!("SELECT v FROM {quoted}.inside"));
        assert_eq!(rows, [[serde_json::Value::from(at)]], "database {name}");
    }
    let output = bench.server.output();
    assert!(!output.contains("panicked"), "{output}");
    bench.finish();
}

#[test]
fn names_that_are_none() {
    let long = "n".repeat(256);
    for_each_name(&["", "a\nb", "a\0b", "\u{7f}", &long], |client, name| {
        let path = format!("/tables/{}/ingest", escape(name));
        let answer = client.post(&path, &[("content-type", "text/csv")], row().as_bytes()).unwrap();
        let refused = (answer.status, answer.code());
        let wanted = match name {
            "" => [(400, "invalid_name".to_owned()), (404, "route_not_found".to_owned())],
            _ => [(400, "invalid_name".to_owned()), (400, "invalid_name".to_owned())],
        };
        assert!(wanted.contains(&refused), "table {name:?}: {answer:?}");
        if !name.is_empty() {
            let path = format!("/write?db={}", escape(name));
            let answer = client.post(&path, &[], b"a v=1").unwrap();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (400, "invalid_name"),
                "database {name:?}"
            );
        }
    });
}

fn for_each_name(names: &[&str], check: impl Fn(&pulsora_tests::http::Client, &str)) {
    let mut bench = Bench::new();
    let client = bench.server.client();
    let before = everything(&client);
    names.iter().for_each(|name| check(&client, name));
    assert_eq!(everything(&client), before);
    bench.finish();
}

#[test]
fn routes_parameters_and_statements_that_are_none() {
    let mut bench = Bench::new();
    let client = bench.server.client();
    let before = everything(&client);
    let wanted = [
        ("GET", "/nothing/here", 404, "route_not_found"),
        ("GET", "/tables/t/ingest", 405, "method_not_allowed"),
        ("GET", "/tables/tt/query", 404, "table_not_found"),
        ("GET", "/tables/tt/count", 404, "table_not_found"),
        ("GET", "/tables/tt/schema", 404, "table_not_found"),
        ("DELETE", "/tables/tt", 404, "table_not_found"),
        ("GET", "/tables/t/rows/999999", 404, "row_not_found"),
        ("GET", "/tables/t/rows/first", 400, "invalid_request"),
        ("GET", "/tables/t/query?limt=1", 400, "unknown_parameter"),
        ("GET", "/tables/t/query?limit=-1", 400, "invalid_request"),
        ("GET", "/tables/t/query?limit=many", 400, "invalid_request"),
        ("GET", "/tables/t/query?start=soon", 400, "invalid_time"),
        ("GET", "/tables/t/query?end=1677-01-01", 400, "invalid_time"),
        ("GET", "/tables/t/query?columns=nn", 404, "column_not_found"),
        ("GET", "/tables/t/query?order=sideways", 400, "invalid_request"),
        ("GET", "/tables/t/query?cursor=nonsense", 400, "invalid_request"),
        ("GET", "/tables/t/query?format=pdf", 415, "unsupported_format"),
        ("GET", "/tables/t/query?db=nowhere", 404, "database_not_found"),
        ("GET", "/api/v1/query?sql=SELEC", 400, "sql_syntax"),
        ("GET", "/api/v1/query?sql=SELECT%20nn%20FROM%20t", 400, "sql_invalid"),
        ("GET", "/api/v1/query?sql=SELECT%20*%20FROM%20tt", 404, "table_not_found"),
        ("GET", "/api/v1/query?sql=SELECT%20*%20FROM%20%27/etc/passwd%27", 404, "table_not_found"),
        ("GET", "/api/v1/query?sql=COPY%20t%20TO%20%27/tmp/x.csv%27", 403, "statement_refused"),
        (
            "GET",
            "/api/v1/query?sql=SET%20datafusion.execution.batch_size%3D1",
            403,
            "statement_refused",
        ),
        ("DELETE", "/api/v1/databases/default", 400, "confirmation_needed"),
        ("DELETE", "/api/v1/databases/nowhere?confirm=true", 404, "database_not_found"),
    ];
    let wrong: Vec<String> = wanted
        .iter()
        .filter_map(|(method, path, status, code)| {
            let answer = client.send(method, path, &[], &[]).unwrap();
            let right = (answer.status, answer.code().as_str()) == (*status, *code);
            let shape = super::error_shape(&answer);
            (!right || shape.is_err())
                .then(|| format!("{method} {path}: {shape:?} {} {}", answer.status, answer.text()))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let near = client.get("/tables/tt/query").unwrap().text();
    assert!(near.contains("did you mean t?"), "{near}");
    assert_eq!(everything(&client), before);
    bench.finish();
}
