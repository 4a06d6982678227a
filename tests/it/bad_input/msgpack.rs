//! MessagePack: bad items do not lose good ones.

use pulsora_tests::pack::Pack;

use super::{Bench, Case, MS};

const PATH: &str = "/api/v1/write/msgpack?precision=ms";

fn pack(name: &str, body: impl AsRef<[u8]>) -> Case {
    Case::new(&format!("msgpack, {name}"), PATH, "application/msgpack", body)
}

/// A row item of table `u` with the fields that follow.
fn row(pack: Pack, time: i64, fields: u32) -> Pack {
    pack.map(4)
        .text("m")
        .text("u")
        .text("t")
        .int(time)
        .text("h")
        .text("pack")
        .text("fields")
        .map(fields)
}

fn good(pack: Pack, time: i64) -> Pack {
    row(pack, time, 1).text("v").int(time)
}

/// A good item before and after the one that `middle` adds.
fn around(at: i64, middle: impl Fn(Pack) -> Pack) -> Vec<u8> {
    let pack = good(Pack::new().array(3), MS + 10 * at);
    good(middle(pack), MS + 10 * at + 1).bytes()
}

/// Both good items are stored, the middle one is reported.
fn bad_item(at: i64, name: &str, middle: impl Fn(Pack) -> Pack) -> Case {
    pack(name, around(at, middle))
        .partly(400, "partial_write", 2)
        .says("\"index\":1")
        .says("\"written\":2")
}

#[test]
fn bad_items_among_good_ones() {
    Bench::new().run(vec![
        bad_item(1, "text among integers", |p| row(p, MS, 1).text("v").text("four")).says("\"v\""),
        bad_item(2, "beyond i64", |p| row(p, MS, 1).text("v").uint(1 << 63)),
        bad_item(4, "no fields", |p| p.map(2).text("m").text("u").text("t").int(MS)),
        bad_item(5, "no table", |p| {
            p.map(2).text("t").int(MS).text("fields").map(1).text("v").int(1)
        }),
        bad_item(6, "a number", |p| p.int(42)),
        bad_item(7, "nil", Pack::nil),
        bad_item(8, "a time that is text", |p| {
            p.map(3)
                .text("m")
                .text("u")
                .text("t")
                .text("soon")
                .text("fields")
                .map(1)
                .text("v")
                .int(1)
        }),
        bad_item(9, "before 1677", |p| row(p, -9_300_000_000_000, 1).text("v").int(1)),
        bad_item(10, "after 2262", |p| row(p, 9_300_000_000_000, 1).text("v").int(1)),
        bad_item(11, "text that is not UTF-8", |p| row(p, MS, 1).text("s").raw_text(b"\xff")),
        bad_item(12, "an empty name", |p| row(p, MS, 1).text("").int(1)),
        bad_item(13, "columns of two lengths", |p| {
            p.map(2)
                .text("m")
                .text("two_lengths")
                .text("columns")
                .map(2)
                .int_column("time", [MS, MS + 1].into_iter())
                .int_column("a", [1].into_iter())
        }),
        bad_item(14, "a column twice", |p| {
            p.map(2)
                .text("m")
                .text("twice")
                .text("columns")
                .map(3)
                .int_column("time", [MS].into_iter())
                .int_column("a", [1].into_iter())
                .int_column("a", [2].into_iter())
        }),
        bad_item(15, "text among integers of a column", |p| {
            p.map(2)
                .text("m")
                .text("t")
                .text("columns")
                .map(2)
                .int_column("time", [MS, MS].into_iter())
                .text("n")
                .array(2)
                .int(1)
                .text("two")
        }),
    ]);
}

#[test]
fn messagepack_that_is_not_messagepack() {
    let whole = good(Pack::new(), MS).bytes();
    let mut cases: Vec<Case> = [1, 7, whole.len() / 2, whole.len() - 1]
        .map(|cut| pack(&format!("cut at {cut}"), &whole[..cut]).refused(400, "malformed_body"))
        .into();
    let columns = |rows: u32| {
        Pack::new().map(2).text("m").text("new").text("columns").map(1).text("time").array(rows)
    };
    cases.extend([
        pack("empty", "").refused(400, "empty_body"),
        pack("no items", Pack::new().array(0).bytes()).refused(400, "empty_body"),
        pack("no rows and no columns", columns(0).bytes()).refused(400, "partial_write"),
        pack("four billion claimed", columns(u32::MAX).bytes()).refused(400, "malformed_body"),
        pack("four billion items claimed", Pack::new().array(u32::MAX).bytes())
            .refused(400, "malformed_body"),
        pack("a text of 4 GiB claimed", b"\x81\xa1m\xdb\xff\xff\xff\xff")
            .refused(400, "malformed_body"),
        pack("deep", [0x91; 1_000_000]).refused(400, "malformed_body"),
        pack(
            "deep in a field",
            [row(Pack::new(), MS, 1).text("v").bytes(), vec![0x91; 1_000_000]].concat(),
        )
        .refused(400, "malformed_body"),
        pack("a byte that is never used", b"\xc1").refused(400, "malformed_body"),
        pack("JSON", "{\"m\":\"u\"}").refused(400, "malformed_body"),
        pack("text after the end", [whole.as_slice(), b"x"].concat())
            .refused(400, "malformed_body"),
        pack(
            "no time means now",
            Pack::new()
                .map(3)
                .text("m")
                .text("u")
                .text("h")
                .text("now")
                .text("fields")
                .map(1)
                .text("v")
                .int(1)
                .bytes(),
        )
        .stored(1),
        pack(
            "a field twice: the last counts",
            row(Pack::new(), MS + 6, 2).text("v").int(1).text("v").int(2).bytes(),
        )
        .stored(1),
        pack("infinity", row(Pack::new(), MS + 7, 1).text("x").float(f64::INFINITY).bytes())
            .stored(1),
        pack(
            "a text of 10 MiB",
            row(Pack::new(), MS + 8, 1).text("s").text(&"z".repeat(10 << 20)).bytes(),
        )
        .stored(1),
    ]);
    Bench::new().run(cases);
}
