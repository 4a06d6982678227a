//! Line protocol: bad lines do not lose good ones.

use super::{Bench, Case, MS};

const V1: &str = "/write?precision=ms";

/// A good line before and after `middle`, each a row of its own.
fn around(at: i64, middle: &[u8]) -> Vec<u8> {
    let mut body = format!("u,host=b v=3i {}\n", MS + at).into_bytes();
    body.extend_from_slice(middle);
    body.extend_from_slice(format!("\nu,host=b v=5i {}\n", MS + at + 1).as_bytes());
    body
}

fn line(name: &str, path: &str, body: impl AsRef<[u8]>) -> Case {
    Case::new(&format!("line, {name}"), path, "text/plain", body)
}

/// Both good lines are stored, the middle one is reported.
fn bad_line(at: i64, name: &str, middle: &[u8]) -> Case {
    line(name, V1, around(at * 10, middle))
        .partly(400, "partial_write", 2)
        .says("\"line\":2")
        .says("\"written\":2")
}

#[test]
fn bad_lines_among_good_ones() {
    let long = [b"u,host=b v=".as_slice(), &vec![b'x'; 10 << 20]].concat();
    let mut cases = vec![
        bad_line(1, "no value", b"u,host=b v="),
        bad_line(2, "no field", b"u,host=b"),
        bad_line(3, "no table", b",host=b v=1i 1"),
        bad_line(4, "an open quote in a line", b"u,host=b s=unquoted 1"),
        bad_line(5, "text among integers", b"u,host=b v=\"four\" 1700000000000").says("\"v\""),
        bad_line(6, "a boolean among floats", b"u,host=b x=true 1700000000000"),
        bad_line(8, "a tag twice", b"u,host=b,host=c v=1i 1700000000000"),
        bad_line(9, "a tag that is a field", b"u,v=b x=1 1700000000000"),
        bad_line(10, "beyond i64 by suffix i", b"u,host=b v=9223372036854775808i 1700000000000"),
        bad_line(11, "beyond i64 by suffix u", b"u,host=b v=9223372036854775808u 1700000000000"),
        bad_line(12, "not UTF-8", b"u,host=\xff v=1i 1700000000000"),
        bad_line(13, "a time beyond i64", b"u,host=b v=1i 9223372036854775808"),
        bad_line(14, "before 1677", b"u,host=b v=1i -9300000000000"),
        bad_line(15, "after 2262", b"u,host=b v=1i 9300000000000"),
        bad_line(16, "a time that is text", b"u,host=b v=1i now"),
        bad_line(17, "one line of 10 MiB", &long),
        bad_line(18, "a control character in a name", b"u\x01,host=b v=1i 1700000000000"),
    ];
    for (at, text) in [(21, "1e"), (22, "--1"), (23, "1ii"), (24, "0x1")] {
        let middle = format!("u,host=b x={text} 1700000000000");
        cases.push(bad_line(at, &format!("x={text}"), middle.as_bytes()));
    }
    Bench::new().run(cases);
}

#[test]
fn line_bodies_at_the_edges() {
    let bad = around(10, b"u,host=b v=");
    let many: String = (0..5_000).map(|_| "nonsense\n").collect();
    Bench::new().run(vec![
        line("empty", V1, "").refused(400, "empty_body"),
        line("comments only", V1, "# nothing\n\n# here\n").refused(400, "empty_body"),
        line("truncated in a text", V1, format!("u,host=b v=3i {MS}\nu,host=b s=\"thr")).partly(
            400,
            "partial_write",
            1,
        ),
        line("nothing but bad lines", V1, many).refused(400, "partial_write").says("\"written\":0"),
        line("all or nothing", "/api/v3/write_lp?precision=ms&accept_partial=false", &bad)
            .refused(400, "partial_write"),
        line("a precision that is none", "/write?precision=fortnight", &bad)
            .refused(400, "invalid_request"),
        line("a durability that is none", "/write?durability=hope", &bad)
            .refused(400, "invalid_request"),
        line("a field twice: the last counts", V1, format!("u,host=twice v=1i,v=2i {MS}"))
            .stored(1),
        line("infinities", V1, format!("u,host=inf x=inf {MS}\nu,host=-inf x=-inf {MS}")).stored(2),
        line("not a number", V1, format!("u,host=nan x=NaN {MS}")).stored(1),
        line("no time means now", V1, "u,host=now v=1i\n").stored(1),
        line("a text of 10 MiB", V1, format!("u,host=long s=\"{}\" {MS}", "z".repeat(10 << 20)))
            .stored(1),
        line("a text with newlines", V1, format!("u,host=lines s=\"a\nb\" {MS}\n")).stored(1),
        line("a carriage return at the end", V1, format!("u,host=cr v=1i {MS}\r\n")).stored(1),
    ]);
}
