//! A remembered choice does as well as a new one.

use crate::{Choice, Codecs, Level, Remembered, Values, encode_block};

const HOT: Choice<'static> = Choice { level: Level::Hot, forced: None };

/// Names of the codecs of blocks that follow each other, and bytes beside those of the best choice.
fn encode(blocks: &[Vec<i64>]) -> (Vec<String>, usize, usize) {
    let codecs = Codecs::builtin();
    let (mut names, mut out, mut best) = (Vec::new(), Vec::new(), Vec::new());
    let mut remembered = Remembered::default();
    for block in blocks {
        let start = out.len();
        let id = remembered.encode(codecs, Values::Integers(block), HOT, &mut out);
        let codec = codecs.by_id(id).unwrap();
        names.push(codec.name().to_owned());
        let mut decoded = Vec::new();
        codec.decode(&out[start..], block.len(), crate::Sink::Integers(&mut decoded)).unwrap();
        assert_eq!(decoded, *block);
        encode_block(codecs, Values::Integers(block), HOT, &mut best);
    }
    (names, out.len(), best.len())
}

fn walk(seed: u64, values: usize, steps: std::ops::Range<i64>) -> Vec<i64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut value = 50;
    let step = |_| {
        value += random.i64(steps.clone());
        value
    };
    (0..values).map(step).collect()
}

#[test]
fn equal_data_keeps_its_codec_at_little_cost() {
    let blocks: Vec<Vec<i64>> = (0..20).map(|i| walk(i, 16_384, -2..3)).collect();
    let (names, bytes, best) = encode(&blocks);
    assert!(names.iter().all(|name| name == "delta"), "{names:?}");
    assert_eq!(bytes, best);
}

#[test]
fn other_data_gets_another_codec_at_once() {
    let even: Vec<i64> = (0..16_384).map(|i| i * 10).collect();
    let blocks = [
        walk(1, 16_384, -2..3),
        vec![7; 16_384],
        vec![7; 100],
        even,
        walk(2, 16_384, -2..3),
        vec![],
    ];
    let (names, bytes, best) = encode(&blocks);
    assert_eq!(names[1], "constant", "{names:?}");
    assert_eq!(names[4], "delta", "{names:?}");
    assert_eq!(bytes, best);
}
