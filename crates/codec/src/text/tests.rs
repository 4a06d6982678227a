use super::dictionary::DictionaryText;
use super::fsst::FsstText;
use super::plain::PlainText;
use super::zstandard::ZstdText;
use crate::codec::{Codec, Sink, Text, VECTOR_VALUES, Values};
use crate::typed::OfText;

const CODECS: [&dyn Codec; 4] =
    [&OfText(PlainText), &OfText(DictionaryText), &OfText(FsstText), &OfText(ZstdText)];

/// Strings end to end.
struct Column {
    offsets: Vec<u32>,
    bytes: Vec<u8>,
}

impl Column {
    fn of(strings: impl Iterator<Item = String>) -> Column {
        let (mut offsets, mut bytes) = (vec![0], Vec::new());
        for string in strings {
            bytes.extend_from_slice(string.as_bytes());
            offsets.push(bytes.len() as u32);
        }
        Column { offsets, bytes }
    }

    fn text(&self) -> Text<'_> {
        Text { offsets: &self.offsets, bytes: &self.bytes }
    }
}

fn columns(n: usize) -> Vec<(&'static str, Column)> {
    let mut rng = fastrand::Rng::with_seed(2);
    let words = ["connection", "refused", "timeout", "GET", "/api/v1/query", "host-", "überall"];
    let lines: Vec<String> = (0..n)
        .map(|_| (0..rng.usize(2..8)).map(|_| words[rng.usize(0..7)]).collect::<Vec<_>>().join(" "))
        .collect();
    vec![
        ("empty", Column::of((0..n).map(|_| String::new()))),
        ("hosts", Column::of((0..n).map(|i| format!("host-{}", i * i % 90)))),
        ("lines", Column::of(lines.into_iter())),
        ("numbers", Column::of((0..n).map(|i| (i * 7919).to_string()))),
        ("zeros", Column::of((0..n).map(|i| "\0".repeat(i % 4)))),
        ("rare", Column::of((0..n).map(|i| format!("{}", if i % 100 == 3 { i } else { i % 3 })))),
        ("long", Column::of((0..n).map(|i| ["x", "yé"][i % 2].repeat(i % 7 * 40)))),
    ]
}

#[test]
fn every_column_comes_back() {
    for n in [0, 1, 2, 1023, 1024, 1025, 5000] {
        for (name, column) in columns(n) {
            for codec in CODECS {
                let mut block = Vec::new();
                if !codec.encode(Values::Text(column.text()), &mut block) {
                    assert!(codec.name() == "dictionary" && block.is_empty(), "{name}");
                    continue;
                }
                check_vectors(codec, &block, &column, name);
            }
        }
    }
}

fn check_vectors(codec: &dyn Codec, block: &[u8], column: &Column, name: &str) {
    let n = column.text().len();
    for vector in 0..n.div_ceil(VECTOR_VALUES) {
        let (mut offsets, mut bytes) = (Vec::new(), Vec::new());
        let sink = Sink::Text { offsets: &mut offsets, bytes: &mut bytes };
        codec.decode_vector(block, n, vector, sink).unwrap();
        let first = vector * VECTOR_VALUES;
        let last = n.min(first + VECTOR_VALUES);
        let back = Text { offsets: &offsets, bytes: &bytes };
        assert_eq!(back.len(), last - first, "{name} by {}", codec.name());
        for index in first..last {
            assert_eq!(back.value(index - first), column.text().value(index), "{name}: {index}");
        }
    }
}

#[test]
fn no_bytes_give_a_panic_or_text_that_is_none() {
    let mut rng = fastrand::Rng::with_seed(9);
    for (_, column) in columns(1100) {
        for codec in CODECS {
            let mut block = Vec::new();
            if !codec.encode(Values::Text(column.text()), &mut block) {
                continue;
            }
            for round in 0..42 {
                let mut damaged = block.clone();
                let reach = if round % 2 == 0 { block.len() } else { block.len().min(300) };
                damaged[rng.usize(0..reach)] = [0, 255, rng.u8(..)][round % 3];
                damaged.truncate(if round % 7 == 0 {
                    rng.usize(0..block.len())
                } else {
                    block.len()
                });
                check_damaged(codec, &damaged);
            }
        }
    }
}

fn check_damaged(codec: &dyn Codec, block: &[u8]) {
    for vector in 0..2 {
        let (mut offsets, mut bytes) = (Vec::new(), Vec::new());
        let sink = Sink::Text { offsets: &mut offsets, bytes: &mut bytes };
        if codec.decode_vector(block, 1100, vector, sink).is_ok() {
            let back = Text { offsets: &offsets, bytes: &bytes };
            for index in 0..back.len() {
                assert!(std::str::from_utf8(back.value(index)).is_ok());
            }
        }
    }
}

#[test]
fn a_code_that_escapes_nothing_is_refused() {
    let column = Column::of((0..10).map(|i| format!("line {i}")));
    let mut block = Vec::new();
    assert!(OfText(FsstText).encode(Values::Text(column.text()), &mut block));
    // The codes of the last string end the block.
    *block.last_mut().unwrap() = 255;
    let (mut offsets, mut bytes) = (Vec::new(), Vec::new());
    let sink = Sink::Text { offsets: &mut offsets, bytes: &mut bytes };
    let error = OfText(FsstText).decode_vector(&block, 10, 0, sink).unwrap_err();
    assert_eq!(error.to_string(), "last FSST code: 255 is not valid");
}
