//! Files in pieces: what goes out is what came in, and lines are those of the file.

use std::path::Path;

use pulsora_model::{Code, Detail, Error};
use pulsora_wire::rows::Boundary;

use super::args::Asked;
use super::format::Format;
use super::pieces::{Cut, Cutter};

/// The pieces of `text` when it arrives in chunks of `chunk` bytes, each cut at once.
fn cut(how: Cut, text: &str, chunk: usize) -> Vec<String> {
    let mut cutter = Cutter::new(how);
    let (mut buffer, mut pieces) = (Vec::new(), Vec::new());
    let mut rest = text.as_bytes();
    loop {
        let count = chunk.min(rest.len());
        buffer.extend_from_slice(&rest[..count]);
        rest = &rest[count..];
        match cutter.cut(&mut buffer, rest.is_empty()) {
            Ok(Some(piece)) => pieces.push(String::from_utf8(piece.bytes).unwrap()),
            Ok(None) => return pieces,
            // More of the record is to come.
            Err(_) => continue,
        }
        if rest.is_empty() && buffer.is_empty() {
            return pieces;
        }
    }
}

const CSV: Cut = Cut::Records(Boundary::Csv { delimiter: b',' });
const LINES: Cut = Cut::Records(Boundary::Lines);

#[test]
fn csv_pieces_repeat_the_header() {
    let text = "\nt,v\n1,a\n2,\"b\nb\"\n3,c\n";
    assert_eq!(cut(CSV, text, 9), ["\nt,v\n1,a\n", "\nt,v\n2,\"b\nb\"\n", "\nt,v\n3,c\n"]);
    assert_eq!(cut(CSV, text, 1_000), [text]);
}

#[test]
fn no_record_is_cut_however_the_bytes_arrive() {
    let text = "t,v\n1,a\n2,\"b\n\"\"b\"\n3,c\n4,\"\"\n5,last";
    for chunk in 1..text.len() + 1 {
        let joined: String = cut(CSV, text, chunk)
            .iter()
            .enumerate()
            .map(|(number, piece)| if number == 0 { piece.as_str() } else { &piece[4..] })
            .collect();
        assert_eq!(joined, text, "in chunks of {chunk}");
    }
    let lines = "{\"a\":1}\n{\"a\":2}\n";
    for chunk in 1..lines.len() + 1 {
        assert_eq!(cut(LINES, lines, chunk).concat(), lines);
    }
}

#[test]
fn a_blank_tail_is_no_piece_and_an_empty_file_is_one() {
    assert_eq!(cut(LINES, "a\n\n\n", 2), ["a\n"]);
    assert_eq!(cut(CSV, "", 5), [""]);
    assert_eq!(cut(Cut::Whole, "[1,2]", 1_000), ["[1,2]"]);
}

#[test]
fn lines_of_a_piece_are_lines_of_the_file() {
    let mut cutter = Cutter::new(CSV);
    let mut buffer = b"t,v\n1,a\n2,b\n".to_vec();
    cutter.cut(&mut buffer, false).unwrap();
    buffer.extend_from_slice(b"3,c\nx,d\n");
    let piece = cutter.cut(&mut buffer, true).unwrap().unwrap();
    assert_eq!(piece.bytes, b"t,v\n3,c\nx,d\n");
    let detail = Detail { line: Some(3), message: "not a time".into(), ..Detail::default() };
    let error = Error::new(Code::InvalidTime, "line 3, column \"t\": not a time")
        .hint("correct it")
        .details([detail]);
    let moved = piece.error_in_file(&error);
    assert_eq!(moved.message(), "line 5, column \"t\": not a time");
    assert_eq!(moved.detail_list()[0].line, Some(5));
    assert_eq!(moved.hint_text(), Some("correct it"));
}

#[test]
fn an_endless_record_is_an_error() {
    let mut cutter = Cutter::new(CSV);
    let error = cutter.cut(&mut b"t,v\n\"open".to_vec()[4..].to_vec(), false).unwrap_err();
    assert_eq!(error.message(), "one record has more than 5 bytes");
}

#[test]
fn formats_by_name_and_by_content() {
    let decide = |path: &str, head: &[u8]| Format::decide(Asked::Auto, Path::new(path), head).ok();
    for (path, format) in [
        ("a.csv", Format::Csv),
        ("a.CSV.gz", Format::Csv),
        ("a.tsv", Format::Tsv),
        ("dir.x/a.jsonl.zst", Format::Ndjson),
        ("a.json", Format::Json),
        ("a.parquet", Format::Parquet),
        ("a.arrow", Format::Arrow),
        ("a.msgpack", Format::Msgpack),
        ("a.lp", Format::Line),
    ] {
        assert_eq!(decide(path, b""), Some(format), "{path}");
    }
    assert_eq!(decide("-", b" [{\"a\":1}]"), Some(Format::Json));
    assert_eq!(decide("-", b"{\"a\":1}\n"), Some(Format::Ndjson));
    assert_eq!(decide("x.dat", b"PAR1...."), Some(Format::Parquet));
    assert_eq!(decide("-", b"a,b\n1,2\n"), None);
    let asked = Format::decide(Asked::Line, Path::new("a.csv"), b"");
    assert_eq!(asked.unwrap(), Format::Line);
}

#[test]
fn an_array_is_cut_between_its_items_however_the_bytes_arrive() {
    let items = [
        r#"{"a":1,"b":[1,2,{"c":","}]}"#,
        r#"{"a":"x\\\"],["}"#,
        r#" {"a":"\\\\"}"#,
        "[1,[2,3],{}]",
        "\n7",
    ];
    let text = format!(" [{}] \n", items.join(","));
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    for chunk in 1..=text.len() {
        let mut all = Vec::new();
        for piece in cut(Cut::Items, &text, chunk) {
            let part: serde_json::Value = serde_json::from_str(&piece).unwrap();
            all.extend(part.as_array().unwrap().clone());
        }
        assert_eq!(serde_json::Value::from(all), whole, "in chunks of {chunk}");
    }
    assert_eq!(cut(Cut::Items, "[]", 1), ["[]"]);
}

#[test]
fn items_of_a_piece_are_items_of_the_file() {
    let mut cutter = Cutter::new(Cut::Items);
    let mut buffer = b"[1,2,3,4".to_vec();
    let first = cutter.cut(&mut buffer, false).unwrap().unwrap();
    assert_eq!((&*first.bytes, &*buffer), (&b"[1,2,3]"[..], &b"4"[..]));
    buffer.extend_from_slice(b",x]");
    let piece = cutter.cut(&mut buffer, true).unwrap().unwrap();
    assert_eq!(piece.bytes, b"[4,x]");
    let detail = Detail { index: Some(1), message: "not a value".into(), ..Detail::default() };
    let error = Error::new(Code::InvalidTime, "row 1: not a value").details([detail]);
    let moved = piece.error_in_file(&error);
    assert_eq!((moved.message(), moved.detail_list()[0].index), ("row 4: not a value", Some(4)));
}
