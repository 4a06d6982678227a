//! Remote write: bodies, encodings and messages that are none.

use pulsora_tests::protobuf::{Message, snappy, snappy_claiming};

use super::{Bench, Case, MS};

const V1: &str = "application/x-protobuf";

/// A sample of the table `u`.
fn series(labels: &[(&str, &str)], time_ms: i64) -> Message {
    let labels = [("__name__", "u"), ("host", "r")].iter().chain(labels);
    let series = labels.fold(Message::new(), |series, (name, value)| {
        series.message(1, Message::new().text(1, name).text(2, value))
    });
    series.message(2, Message::new().double(1, 1.0).int(2, time_ms))
}

#[test]
fn remote_write() {
    let send = |name: &str, content_type: &'static str, body: &[u8]| {
        Case::new(name, "/api/v1/prom/write", content_type, body)
    };
    let whole = Message::new().message(1, series(&[], MS)).bytes();
    let block = snappy(&whole);
    let mut cases: Vec<Case> = (1..block.len())
        .step_by(7)
        .map(|cut| send(&format!("cut at {cut}"), V1, &block[..cut]).refused(400, "malformed_body"))
        .collect();
    // A bad series and a good one, each time at another time.
    let both = |bad: Message, n: i64| {
        snappy(&Message::new().message(1, bad).message(1, series(&[], MS + n)).bytes())
    };
    cases.extend([
        send("no bytes at all", V1, b"").refused(400, "malformed_body"),
        send("no snappy", V1, &whole).refused(400, "malformed_body"),
        send("a block that claims 4 GiB", V1, &snappy_claiming(&whole, u64::from(u32::MAX)))
            .refused(413, "body_too_large"),
        send("a block that claims more than it can hold", V1, &snappy_claiming(&whole, 1 << 20))
            .refused(400, "malformed_body"),
        send("a block that claims less", V1, &snappy_claiming(&whole, 5))
            .refused(400, "malformed_body"),
        send("another type", "text/plain", &block).refused(415, "unsupported_format"),
        send("another message", "application/x-protobuf;proto=x.Y", &block)
            .refused(415, "unsupported_format"),
        send("another encoding", V1, &block)
            .header("content-encoding", "br")
            .refused(415, "unsupported_format"),
        send("not packed, as it says", V1, &whole).header("content-encoding", "identity").stored(1),
        send("no message", V1, &snappy(b"\x0b")).refused(400, "malformed_body"),
        send("an empty request", V1, &snappy(b"")).stored(0),
        send("a tag twice", V1, &both(series(&[("host", "s")], MS), 1)).partly(
            400,
            "partial_write",
            1,
        ),
        send("a field as a tag", V1, &both(series(&[("v", "s")], MS), 2)).partly(
            400,
            "partial_write",
            1,
        ),
        send("a time out of range", V1, &both(series(&[], i64::MAX), 3)).partly(
            400,
            "partial_write",
            1,
        ),
    ]);
    Bench::new().run(cases);
}
