//! The generator and its questions against what others have published; bodies, rings and sums by what
//! stands in them.

use std::io::{Read, Write};
use std::net::TcpListener;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow::ipc::reader::StreamReader;

use crate::body::{Bodies, Body};
use crate::clients::{Plan, Until};
use crate::cpu::Workload;
use crate::figures::Figures;
use crate::protocol::Protocol;
use crate::random::Random;
use crate::ring::Ring;
use crate::rows::{Shape, Source};
use crate::send::{Fate, HttpTarget, Sender, Target, send};
use crate::statements::{TYPES, questions};
use crate::sums::Sums;

/// 2026-01-01.
const START: &str = "1767225600000000000";

fn body(protocol: Protocol, shape: Shape, workload: Workload, rows: usize) -> Body {
    let mut source = Source::new(shape, workload);
    let rows = source.rows(rows);
    Bodies::new(protocol, shape.layout().table, &source.series).body(&rows)
}

fn text(body: &Body) -> String {
    String::from_utf8(body.bytes.clone()).unwrap()
}

#[test]
fn the_stream_of_seed_one_begins_as_everyone_has_seen_it() {
    let mut random = Random::new(1);
    let numbers: Vec<u32> = (0..10).map(|_| random.below(100)).collect();
    assert_eq!(numbers, [81, 87, 47, 59, 81, 18, 25, 40, 56, 0]);
}

#[test]
fn the_first_line_is_that_of_the_benchmark_suite() {
    let workload = Workload { start_ns: 1_451_606_400_000_000_000, ..Workload::of_hosts(100) };
    assert_eq!(
        text(&body(Protocol::Line, Shape::Tsbs, workload, 1)),
        "cpu,hostname=host_0,region=eu-central-1,datacenter=eu-central-1a,rack=6,os=Ubuntu15.10,\
         arch=x86,team=SF,service=19,service_version=1,service_environment=test usage_user=58i,\
         usage_system=2i,usage_idle=24i,usage_nice=61i,usage_iowait=22i,usage_irq=63i,\
         usage_softirq=6i,usage_steal=44i,usage_guest=80i,usage_guest_nice=38i \
         1451606400000000000\n"
    );
}

#[test]
fn questions_are_the_same_each_time_and_lie_within_the_rows() {
    let workload = Workload::of_hosts(100);
    let end = workload.start_ns + 24 * 3_600_000_000_000 + 1_000_000_000;
    for of in TYPES {
        let texts = |runs| -> Vec<String> {
            questions(of, workload, 24.0, runs).iter().map(|one| one.sql("cpu", false)).collect()
        };
        assert_eq!(texts(3), texts(5)[..3], "{}", of.name);
        for question in questions(of, workload, 24.0, 50) {
            assert!(
                question.window.start >= workload.start_ns && question.window.end <= end,
                "{question:?}"
            );
        }
    }
}

#[test]
fn a_window_is_written_as_a_time_of_the_calendar() {
    let workload = Workload { start_ns: 951_782_399_000_000_000, ..Workload::of_hosts(1) };
    let of = TYPES[0];
    let question = &questions(of, workload, 0.0, 1)[0];
    assert_eq!(
        question.sql("cpu", false),
        "SELECT date_bin(INTERVAL '1 minute', time) AS bucket, max(usage_user) AS max_usage_user \
         FROM cpu WHERE hostname IN ('host_0') AND time >= '2000-02-28T23:59:59.000Z' \
         AND time < '2000-02-29T00:00:00.000Z' GROUP BY 1 ORDER BY 1"
    );
}

#[test]
fn text_bodies_of_the_small_shapes() {
    let workload = Workload::of_hosts(2);
    assert_eq!(
        text(&body(Protocol::Line, Shape::Small, workload, 3)),
        "sensors,sensor=sensor_0 temperature=10.18,humidity=64i 1767225600000000000\n\
         sensors,sensor=sensor_1 temperature=13.95,humidity=5i 1767225600000000000\n\
         sensors,sensor=sensor_0 temperature=10.04,humidity=65i 1767225610000000000\n"
    );
    let rows = Source::new(Shape::Trades, workload).rows(30);
    let mut expected = "time,symbol,price,volume\n".to_owned();
    for row in rows {
        let (symbol, price) =
            (["AAA", "AAB"][row.series as usize], f64::from(row.values[0]) / 100.0);
        expected.push_str(&format!("{},{symbol},{price:.2},{}\n", row.time, row.values[1]));
    }
    assert_eq!(text(&body(Protocol::Csv, Shape::Trades, workload, 30)), expected);
}

#[test]
fn negative_hundredths_have_a_sign_and_two_decimals() {
    let source = Source::new(Shape::Small, Workload::of_hosts(1));
    let lines = [-5, -100, 0, 7, 250, -1_999].map(|hundredths| {
        let mut values = [0; 10];
        values[0] = hundredths;
        let row = crate::rows::Row { time: 1_767_225_600_000_000_000, series: 0, values };
        let body = Bodies::new(Protocol::Line, "t", &source.series).body(&[row]);
        let line = text(&body);
        line.split_once("temperature=").unwrap().1.split_once(',').unwrap().0.to_owned()
    });
    assert_eq!(lines, ["-0.05", "-1.00", "0.00", "0.07", "2.50", "-19.99"]);
}

#[test]
fn times_are_moved_on_and_nothing_else() {
    for shape in Shape::ALL {
        for protocol in Protocol::ALL {
            let workload = Workload::of_hosts(3);
            let later = Workload { start_ns: workload.start_ns + 86_400_000_000_123, ..workload };
            let mut moved = body(protocol, shape, workload, 20);
            moved.shift(86_400_000_000_123);
            let expected = body(protocol, shape, later, 20);
            assert!(moved.bytes == expected.bytes, "{shape:?} {protocol:?}");
            moved.shift(0);
            assert!(moved.bytes == body(protocol, shape, workload, 20).bytes, "and back");
        }
    }
}

#[test]
fn arrow_streams_hold_the_rows_of_the_other_formats() {
    let body = body(Protocol::Arrow, Shape::Trades, Workload::of_hosts(3), 25);
    let batches = StreamReader::try_new(&body.bytes[..], None).unwrap();
    let batches: Vec<RecordBatch> = batches.map(Result::unwrap).collect();
    let [batch] = &batches[..] else { panic!("{} batches", batches.len()) };
    let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["time", "symbol", "price", "volume"]);
    let times = batch["time"].as_primitive::<TimestampNanosecondType>();
    assert_eq!((times.value(0).to_string().as_str(), times.len()), (START, 25));
    let prices = batch["price"].as_primitive::<Float64Type>().values().iter();
    let prices: i64 = prices.map(|price| (price * 100.0).round() as i64).sum();
    let volumes: i64 = batch["volume"].as_primitive::<Int64Type>().values().iter().sum();
    assert_eq!(body.sums.fields[..2], [prices, volumes]);
    assert_eq!(body.sums.rows, 25);
}

/// Keeps what it is sent; refuses every fifth request once.
struct Memory {
    bodies: std::sync::Mutex<Vec<String>>,
}

struct MemorySender<'a> {
    memory: &'a Memory,
    tries: usize,
}

impl<'a> Target for &'a Memory {
    type Sender = MemorySender<'a>;

    fn sender(&self) -> Result<MemorySender<'a>, String> {
        Ok(MemorySender { memory: self, tries: 0 })
    }
}

impl Sender for MemorySender<'_> {
    fn send(&mut self, body: &[u8]) -> Result<Fate, String> {
        self.tries += 1;
        if self.tries.is_multiple_of(5) {
            return Ok(Fate::Again);
        }
        self.memory.bodies.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
        Ok(Fate::Accepted)
    }
}

#[test]
fn every_request_of_a_run_has_rows_of_its_own_and_the_sums_are_of_all_of_them() {
    let mut source = Source::new(Shape::Small, Workload::of_hosts(7));
    // Three requests a turn, the last one short; a turn ends in the middle of a time.
    let ring = Ring::make(Protocol::Line, "sensors", &mut source, 25, 10, 1);
    assert_eq!((ring.rows(), ring.requests()), (25, 3));
    let memory = Memory { bodies: Default::default() };
    let mut all = Sums::default();
    for (first, requests) in [(0, 4), (4, 8)] {
        let plan = Plan { clients: 3, first, until: Until::Requests(requests) };
        let run = send(&&memory, &ring, plan, None, |_| {}).unwrap();
        assert_eq!(run.times.requests(), requests);
        all.add(&run.accepted);
    }
    let bodies = memory.bodies.into_inner().unwrap();
    let lines: Vec<&str> = bodies.iter().flat_map(|body| body.lines()).collect();
    let mut keys: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (line.split_once(' ').unwrap().0, line.rsplit_once(' ').unwrap().1))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((keys.len(), lines.len(), all.rows), (100, 100, 100));
    let humidity = |line: &&str| -> i64 {
        let (_, rest) = line.split_once("humidity=").unwrap();
        rest.split_once('i').unwrap().0.parse().unwrap()
    };
    assert_eq!(all.fields[1], lines.iter().map(humidity).sum::<i64>());
}

#[test]
fn sums_that_differ_are_told() {
    let layout = Shape::Small.layout();
    let mut fields = [0; 10];
    fields[..2].copy_from_slice(&[2_150, 41]);
    let sent = Sums { rows: 3, fields };
    let read = |json: serde_json::Value| Sums::of_answer(json.as_array().unwrap());
    let stored = read(serde_json::json!([[3, 2150, 41]])).unwrap();
    assert_eq!(sent.check(&stored, layout), Ok(()));
    let lost = read(serde_json::json!([[2, 2149, 41]])).unwrap();
    assert_eq!(
        sent.check(&lost, layout).unwrap_err(),
        "3 rows were accepted, 2 are there; the sum of temperature is 2149 instead of 2150"
    );
    assert_eq!(read(serde_json::json!([[0, null, null]])), Ok(Sums::default()));
    assert!(read(serde_json::json!([])).is_err());
    assert!(read(serde_json::json!([["a", 1]])).is_err());
    assert_eq!(
        Sums::statement("t", layout),
        "SELECT count(*), sum(CAST(round(temperature * 100) AS BIGINT)), sum(humidity) FROM \"t\""
    );
}

/// Answers the requests of one connection with these texts, byte by byte, and gives what it read.
fn serve(answers: &'static [&'static str]) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut seen = Vec::new();
        let (mut stream, _) = listener.accept().unwrap();
        for (number, answer) in answers.iter().enumerate() {
            let mut chunk = [0; 4096];
            while seen.iter().filter(|byte| **byte == b'#').count() <= number {
                let count = stream.read(&mut chunk).unwrap();
                seen.extend_from_slice(&chunk[..count]);
            }
            answer.bytes().for_each(|byte| stream.write_all(&[byte]).unwrap());
            if answer.contains("close") {
                (stream, _) = listener.accept().unwrap();
            }
        }
        String::from_utf8(seen).unwrap()
    });
    (base, thread)
}

#[test]
fn answers_of_every_form_are_read_and_a_closed_connection_is_opened_again() {
    let (base, thread) = serve(&[
        "HTTP/1.1 204 No Content\r\nX-Pulsora-Seq: 7\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\nConnection: close\r\n\r\nbusy",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad",
    ]);
    let target = HttpTarget { base, path: "/write?a=b".to_owned(), content_type: "text/plain" };
    let mut connection = target.sender().unwrap();
    assert_eq!(connection.send(b"first#"), Ok(Fate::Accepted));
    assert_eq!(connection.send(b"second#"), Ok(Fate::Again));
    assert_eq!(connection.send(b"third#"), Ok(Fate::Accepted));
    let refused = connection.send(b"fourth#").unwrap_err();
    assert_eq!(refused, "a request was refused: 400 bad");
    let seen = thread.join().unwrap();
    assert!(seen.starts_with("POST /write?a=b HTTP/1.1\r\nhost: 127.0.0.1:"), "{seen}");
    assert!(seen.contains("\r\ncontent-length: 6\r\n\r\nfirst#POST"), "{seen}");
    assert!(connection.send(b"nobody listens any more").is_err());
}

#[test]
fn figures_of_any_server_are_read() {
    let text = "# TYPE x counter\nprocess_cpu_seconds_total 12.5\nprocess_resident_memory_bytes 2e6\n\
                pulsora_memory_anonymous_bytes 1000000\npulsora_wal_sync_seconds_sum 0.5\n\
                pulsora_wal_sync_seconds_count 100\n";
    let expected = Figures {
        cpu_seconds: Some(12.5),
        resident: Some(2e6),
        anonymous: Some(1e6),
        syncs: Some((100.0, 0.5)),
    };
    assert_eq!(Figures::parse(text), expected);
    assert_eq!(Figures::parse("go_goroutines 3\n"), Figures::default());
}

#[test]
fn no_two_rows_of_a_shape_share_series_and_time() {
    for shape in Shape::ALL {
        for hosts in [1, 4, 25] {
            let rows = Source::new(shape, Workload::of_hosts(hosts)).rows(500);
            let mut keys: Vec<_> = rows.iter().map(|row| (row.time, row.series)).collect();
            assert!(keys.is_sorted_by_key(|key| key.0), "{shape:?}");
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), 500, "{shape:?} of {hosts}");
        }
    }
}
