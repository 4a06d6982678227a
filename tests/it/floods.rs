//! Requests that bring far too many of something: tables, columns, series, bytes of a tag.
//!
//! By each format that can: the answer names the limit and how to raise it, good rows around are stored,
//! `/health` answers all the time, and memory stays within its bound. `PULSORA_FLOOD=1000000` sends a
//! million of each; 20,000 show the same, since every limit is lower.

use std::fmt::Write as _;

use pulsora_tests::answers::count;
use pulsora_tests::http::{Answer, Client};
use pulsora_tests::pack::Pack;
use pulsora_tests::protobuf::{Message, snappy};
use pulsora_tests::server::{Launch, Server};
use pulsora_tests::watch::Watched;

const LINES: &str = "text/plain";
const CSV: &str = "text/csv";
const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const PACK: &str = "application/msgpack";
const ARROW: &str = "application/vnd.apache.arrow.stream";
const REMOTE: &str = "application/x-protobuf";

const MEMORY_MAX: u64 = 512_000_000;

/// One request with far too many of something.
struct Flood {
    name: &'static str,
    path: &'static str,
    content_type: &'static str,
    body: Vec<u8>,
    /// The limit that the answer names.
    limit: &'static str,
    /// Whether the request also has rows of `good`, which must be there then.
    good_rows: i64,
}

/// Makes floods of one limit from their name, path, content type, rows of `good`, and body.
fn floods_of(
    limit: &'static str,
) -> impl Fn(&'static str, &'static str, &'static str, i64, Vec<u8>) -> Flood {
    move |name, path, content_type, good_rows, body| Flood {
        name,
        path,
        content_type,
        body,
        limit,
        good_rows,
    }
}

struct Bench {
    _dir: tempfile::TempDir,
    server: Server,
    client: Client,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Launch::new(dir.path().join("data"))
            .set("memory.limit", "512MB")
            .set("limits.tables", "300")
            .set("limits.columns_per_table", "200")
            .set("limits.series_per_table", "1000")
            .set("limits.text_bytes", "64KiB")
            .start();
        let client = server.client();
        let made = client.post("/write", &[], b"good,host=a v=1,s=\"x\" 1").unwrap();
        assert_eq!(made.status, 204, "{}", made.text());
        Bench { _dir: dir, server, client }
    }

    /// The result of a statement as a body of Arrow.
    fn arrow(&self, statement: &str) -> Vec<u8> {
        let body = serde_json::json!({ "sql": statement }).to_string();
        let answer =
            self.client.post("/api/v1/query/arrow", &[("content-type", JSON)], body.as_bytes());
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
        answer.body
    }

    fn run(&mut self, floods: Vec<Flood>) {
        for flood in floods {
            let before = count(&self.client, "good");
            let headers = [("content-type", flood.content_type)];
            let send = || self.client.post(flood.path, &headers, &flood.body).unwrap();
            let (answer, seen) = Watched::during(&mut self.server, send);
            println!("{}: {} bytes, {} {seen:?}", flood.name, flood.body.len(), answer.status);
            names_its_limit(&flood, &answer);
            let stored = count(&self.client, "good") - before;
            assert_eq!(stored, flood.good_rows, "{}: good rows", flood.name);
            assert!(seen.most_bytes < MEMORY_MAX, "{}: {seen:?}", flood.name);
            assert!(seen.slowest.as_secs() < 5, "{}: {seen:?}", flood.name);
        }
    }
}

/// The limit, its value, and what to raise (or that it cannot be), in the answer or in an entry of its
/// list.
fn names_its_limit(flood: &Flood, answer: &Answer) {
    let text: String = answer.text().chars().take(1_000).collect();
    let name = flood.name;
    // Leaving bad rows out is a success where it was asked for, and a partial one of points.
    let skipped = answer.status == 200 && flood.path.contains("on_error=skip");
    assert!(
        skipped || answer.status == 206 || (400..500).contains(&answer.status),
        "{name}: {} {text}",
        answer.status
    );
    let says = |what: String| answer.text().contains(&what);
    let can_be_raised =
        says(format!("{} is ", flood.limit)) && says(format!("raise {}", flood.limit));
    assert!(can_be_raised || says(format!("{} can be no more", flood.limit)), "{name}: {text}");
    assert!(answer.body.len() < 200_000, "{name}: an answer of {} bytes", answer.body.len());
}

/// How many of each are sent.
fn many() -> usize {
    std::env::var("PULSORA_FLOOD").map_or(20_000, |text| text.parse().unwrap())
}

/// As many items of MessagePack as fit into a body that is read whole (`ingest.atomic_body_bytes`).
fn many_items() -> usize {
    many().min(250_000)
}

/// `first`, `count` parts, `last`.
fn text(first: &str, count: usize, part: impl Fn(usize, &mut String), last: &str) -> Vec<u8> {
    let mut text = first.to_owned();
    (0..count).for_each(|n| part(n, &mut text));
    (text + last).into_bytes()
}

fn sample(labels: &[(&str, &str)], time_ms: i64) -> Message {
    let series = labels.iter().fold(Message::new(), |series, (name, value)| {
        series.message(1, Message::new().text(1, name).text(2, value))
    });
    series.message(2, Message::new().double(1, 1.0).int(2, time_ms))
}

/// A request of many series, with a good one at its end.
fn remote(count: usize, series: impl Fn(usize) -> Message) -> Vec<u8> {
    let all = (0..count).fold(Message::new(), |all, n| all.message(1, series(n)));
    let good = sample(&[("__name__", "good"), ("host", "r")], 1);
    snappy(&all.message(1, good).bytes())
}

fn item(table: &str, host: &str) -> Pack {
    let item = Pack::new().map(4).text("m").text(table).text("t").int(1);
    let item = item.text("tags").map(1).text("host").text(host);
    item.text("fields").map(1).text("v").float(1.0)
}

/// Row items of MessagePack with a good one at their end.
fn items(count: usize, item_of: impl Fn(usize) -> Pack) -> Vec<u8> {
    let mut body = Pack::new().array(count as u32 + 1).bytes();
    (0..count).for_each(|n| body.extend(item_of(n).bytes()));
    body.extend(item("good", "p").bytes());
    body
}

#[test]
fn far_too_many_tables() {
    let many = many();
    let flood = floods_of("limits.tables");
    Bench::new().run(vec![
        flood("line", "/write", LINES, 1, {
            text("", many, |n, out| writeln!(out, "t{n} v=1 1").unwrap(), "good,host=l v=1 1")
        }),
        flood("msgpack", "/api/v1/write/msgpack", PACK, 1, {
            items(many_items(), |n| item(&format!("p{n}"), "a"))
        }),
        flood("json points", "/write", JSON, 1, {
            let point = |n: usize, out: &mut String| {
                write!(out, r#"{{"metric":"j{n}","timestamp":1,"tags":{{}},"value":1}},"#).unwrap();
            };
            let good = r#"{"metric":"good","timestamp":1,"tags":{"host":"j"},"fields":{"v":1}}]"#;
            text("[", many, point, good)
        }),
        flood("remote write", "/api/v1/prom/write", REMOTE, 1, {
            remote(many, |n| sample(&[("__name__", &format!("r{n}"))], 1))
        }),
    ]);
}

#[test]
fn far_too_many_columns() {
    let many = many();
    let flood = floods_of("limits.columns_per_table");
    let field = |n: usize, out: &mut String| write!(out, ",f{n}=1").unwrap();
    let value = |n: usize, out: &mut String| write!(out, r#","f{n}":1"#).unwrap();
    Bench::new().run(vec![
        flood("one line", "/write", LINES, 2, {
            text("good,host=l v=1 1\nwide v=1", many, field, " 1\ngood,host=l v=1 2")
        }),
        flood("a column a line", "/write", LINES, 1, {
            let line = |n: usize, out: &mut String| writeln!(out, "long f{n}=1 {n}").unwrap();
            text("", many, line, "good,host=l v=1 3")
        }),
        flood("msgpack", "/api/v1/write/msgpack", PACK, 1, {
            let fields = |_| {
                let item = Pack::new().map(3).text("m").text("wide").text("t").int(1);
                let item = item.text("fields").map(many as u32);
                (0..many).fold(item, |item, n| item.text(&format!("f{n}")).float(1.0))
            };
            items(1, fields)
        }),
        flood("json rows", "/tables/good/ingest?on_error=skip", JSON, 1, {
            let first = r#"[{"time":1,"host":"j","v":1},{"time":2,"host":"j""#;
            text(first, many, value, "}]")
        }),
        flood("ndjson", "/tables/good/ingest?on_error=skip", NDJSON, 2, {
            let first = "{\"time\":1,\"host\":\"n\",\"v\":1}\n{\"time\":2,\"host\":\"n\"";
            text(first, many, value, "}\n{\"time\":3,\"host\":\"n\",\"v\":1}\n")
        }),
        flood("csv", "/tables/good/ingest?on_error=skip", CSV, 0, {
            let names = |n: usize, out: &mut String| write!(out, ",f{n}").unwrap();
            let mut body = text("time,host", many, names, "\n");
            body.extend(text("1,c", many, |_, out| out.push_str(",1"), "\n"));
            body
        }),
        flood("remote write", "/api/v1/prom/write", REMOTE, 1, {
            remote(many, |n| sample(&[("__name__", "wide"), (&format!("l{n}"), "x")], 1))
        }),
    ]);
}

#[test]
fn far_too_many_series() {
    let many = many();
    let flood = floods_of("limits.series_per_table");
    let row = |n: usize, out: &mut String| writeln!(out, "1,c{n},1").unwrap();
    let object = |n: usize, out: &mut String| {
        write!(out, r#"{{"time":1,"host":"j{n}","v":1}},"#).unwrap();
    };
    Bench::new().run(vec![
        flood("line", "/write", LINES, 1, {
            let line = |n: usize, out: &mut String| writeln!(out, "s,host=h{n} v=1 1").unwrap();
            text("", many, line, "good,host=a v=1 2")
        }),
        flood("msgpack rows", "/api/v1/write/msgpack", PACK, 1, {
            items(many_items(), |n| item("s", &format!("p{n}")))
        }),
        flood("csv", "/tables/s/ingest?tags=host&on_error=skip", CSV, 0, {
            text("time,host,v\n", many, row, "")
        }),
        flood("json rows", "/tables/s/ingest?tags=host&on_error=skip", JSON, 0, {
            text("[", many, object, r#"{"time":1,"host":"last","v":1}]"#)
        }),
        flood("remote write", "/api/v1/prom/write", REMOTE, 1, {
            remote(many, |n| sample(&[("__name__", "s"), ("host", &format!("r{n}"))], 1))
        }),
    ]);
}

#[test]
fn texts_of_a_megabyte() {
    let flood = floods_of("limits.text_bytes");
    let long = "x".repeat(1_000_000);
    // Only line protocol comes in pieces, so that more bytes than there is memory can be sent at once.
    let copies = (many() / 1_000).min(25);
    let lines: String =
        (0..many() / 1_000).map(|n| format!("good,host={n}{long} v=1 1\n")).collect();
    let each = |line: &dyn Fn(&str) -> String| -> String {
        (0..copies).map(|n| line(&format!("{n}{long}"))).collect()
    };
    Bench::new().run(vec![
        flood("line", "/write", LINES, 1, (lines + "good,host=l v=1 4").into_bytes()),
        flood("msgpack rows", "/api/v1/write/msgpack", PACK, 1, {
            items(copies, |n| item("good", &format!("{n}{long}")))
        }),
        flood("csv", "/tables/good/ingest?on_error=skip", CSV, 1, {
            let rows = each(&|tag| format!("1,{tag},1\n"));
            format!("time,host,v\n{rows}1,c4,1\n").into_bytes()
        }),
        flood("json rows", "/tables/good/ingest?on_error=skip", JSON, 1, {
            let rows = each(&|tag| format!(r#"{{"time":1,"host":"{tag}","v":1}},"#));
            format!(r#"[{rows}{{"time":1,"host":"j4","v":1}}]"#).into_bytes()
        }),
        flood("csv fields", "/tables/good/ingest?on_error=skip", CSV, 1, {
            let rows = each(&|field| format!("1,{field},1\n"));
            format!("time,s,v\n{rows}1,x,1\n").into_bytes()
        }),
        flood("ndjson fields", "/tables/good/ingest?on_error=skip", NDJSON, 1, {
            let rows = each(&|field| format!("{{\"time\":2,\"s\":\"{field}\"}}\n"));
            format!("{rows}{{\"time\":2,\"s\":\"x\"}}\n").into_bytes()
        }),
        flood("remote write", "/api/v1/prom/write", REMOTE, 1, {
            let labels = |n| sample(&[("__name__", "good"), ("host", &format!("{n}{long}"))], 1);
            remote(copies, labels)
        }),
    ]);
}

#[test]
fn far_too_much_in_arrow() {
    let many = many();
    let mut bench = Bench::new();
    let columns: String = (0..300).map(|n| format!(", {n} AS f{n}")).collect();
    let rows =
        format!("SELECT value AS time, 'h' || value AS host FROM generate_series(1, {many})");
    let text =
        "SELECT 1 AS time, repeat('x', 1000000) AS host, 1.0 AS v UNION ALL SELECT 1, 'w', 1.0";
    let field = text.replace("host", "s").replace("'w'", "'x'");
    let flood = |name, path, statement: &str, limit, good_rows| Flood {
        name,
        path,
        content_type: ARROW,
        body: bench.arrow(statement),
        limit,
        good_rows,
    };
    let path = "/tables/good/ingest?on_error=skip&time_format=ns";
    let series = "/tables/s/ingest?tags=host&on_error=skip&time_format=ns";
    let floods = vec![
        flood(
            "columns",
            path,
            &format!("SELECT 1 AS time{columns}"),
            "limits.columns_per_table",
            0,
        ),
        flood("series", series, &rows, "limits.series_per_table", 0),
        flood("tags", path, text, "limits.text_bytes", 1),
        flood("fields", path, &field, "limits.text_bytes", 1),
    ];
    bench.run(floods);
}
